"""The reports as the operator knows them: which workloads have one, which are failing, and the last used ones whole."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from coroner_operator.model.report import Report, State, longest_interval
from coroner_operator.model.report_codec import labels
from coroner_operator.model.workload_ref import WorkloadRef, report_name
from coroner_operator.reports.store import ReportStore, Stored

log = logging.getLogger("coroner.cache")

INTERVAL_LIMIT = 600.0  # s; as recovery_state.MAX_STABILIZATION_SECONDS
CACHE_SIZE = 256  # reports of at most ~100 KB in memory; typical ones have 5


class _Key(NamedTuple):
    """The report's own identity."""

    namespace: str
    name: str


class _Current(NamedTuple):
    """The failure that a report shows."""

    failed_at: datetime
    pod_uid: str
    """"" where it names no pod."""
    longest_interval: float
    """Seconds, of those up to ``INTERVAL_LIMIT``."""


class _Over(NamedTuple):
    """The end of a workload that has failed for good, or is deleted."""

    state: State
    since: datetime
    pod_uid: str
    """Of the failure that the report shows; "" where it names no pod."""
    final: bool


@dataclass(slots=True)
class _Write:
    """A write of a report that is under way."""

    workload: WorkloadRef
    is_deleted: bool = False
    """The report was deleted before the answer to the write came."""


class ReportCache:
    def __init__(
        self,
        store: ReportStore,
        on_report: Callable[[str, WorkloadRef, Report | None], None] = lambda name, workload, report: None,  # noqa: ARG005
    ) -> None:
        """``on_report(name, workload, report)`` is called with each report that is stored; None: it was deleted."""
        self._store = store
        self._on_report = on_report
        self._known: dict[_Key, WorkloadRef] = {}
        self._counts: Counter[str] = Counter()
        """By namespace, how many are known."""
        self._failing: dict[_Key, _Current] = {}
        self._over: dict[_Key, _Over] = {}
        self._mislabelled: list[WorkloadRef] = []
        self._cached: OrderedDict[_Key, Stored] = OrderedDict()
        self._writing: dict[_Key, _Write] = {}
        self._classified_by_current_rules: set[_Key] = set()

    @property
    def failing(self) -> tuple[WorkloadRef, ...]:
        """Workloads whose report says that they fail."""
        return tuple(self._known[key] for key in self._failing)

    @property
    def workloads(self) -> tuple[WorkloadRef, ...]:
        """All that have a report, as far as is known."""
        return tuple(self._known.values())

    @property
    def failed(self) -> tuple[WorkloadRef, ...]:
        """Workloads whose report says that they have ended in failure."""
        return tuple(self._known[key] for key, over in self._over.items() if over.state == "Failed")

    @property
    def not_final(self) -> tuple[WorkloadRef, ...]:
        """Workloads that have ended or are deleted, whose report shows a pod, and not that its verdict is final."""
        return tuple(self._known[key] for key, over in self._over.items() if over.pod_uid and not over.final)

    def names(self) -> frozenset[tuple[str, str]]:
        """Namespace and name of every report, as far as is known, but those that are being written now."""
        return frozenset(self._known.keys() - self._writing.keys())

    def over_since(self, workload: WorkloadRef) -> datetime | None:
        """When the workload was found to have ended in failure, or to be deleted; None: neither."""
        over = self._over.get(_key(workload))
        return None if over is None else over.since

    def is_failing(self, workload: WorkloadRef) -> bool:
        return _key(workload) in self._failing

    def has(self, workload: WorkloadRef) -> bool:
        """Whether there is a report, as far as is known."""
        return _key(workload) in self._known

    def count_in(self, namespace: str) -> int:
        """Reports of a namespace that exist, or are being created."""
        created = sum(key.namespace == namespace and key not in self._known for key in self._writing)
        return self._counts[namespace] + created

    def failed_at(self, workload: WorkloadRef) -> datetime | None:
        """When the workload failed last, if it fails now."""
        current = self._failing.get(_key(workload))
        return None if current is None else current.failed_at

    def reported_pod_uid(self, workload: WorkloadRef) -> str:
        """UID of the pod that the workload's report names; "" where it names none."""
        key = _key(workload)
        current = self._failing.get(key) or self._over.get(key)
        return "" if current is None else current.pod_uid

    def longest_interval(self, workload: WorkloadRef) -> float:
        """Seconds between the failures of two pods of a failing workload that follow each other, at most; 0 where none
        follows another within ``INTERVAL_LIMIT``.
        """
        current = self._failing.get(_key(workload))
        return 0.0 if current is None else current.longest_interval

    def is_classified_by_current_rules(self, workload: WorkloadRef) -> bool:
        """Whether the rules in force decided the verdict of the report, when the reports were loaded."""
        return _key(workload) in self._classified_by_current_rules

    def on_rules_changed(self) -> None:
        """Other rules are in force than when the reports were loaded."""
        self._classified_by_current_rules.clear()

    @property
    def with_stale_labels(self) -> tuple[WorkloadRef, ...]:
        """Workloads whose report was loaded with labels that do not fit it: the last writer ended in between."""
        return tuple(self._mislabelled)

    async def load(self, rules: str = "", on_loaded: Callable[[Report], None] = lambda report: None) -> int:  # noqa: ARG005
        """Read all reports; how many there are. ``rules``: hash of those in force. Raises ApiError."""
        count = 0
        async for stored in self._store.load_all():
            self.store(stored)
            on_loaded(stored.report)
            if stored.report.failures and not labels(stored.report).items() <= stored.labels.items():
                self._mislabelled.append(stored.report.workload)
            if stored.report.current is not None and stored.report.rules == rules:
                self._classified_by_current_rules.add(_key(stored.report.workload))
            count += 1
        return count

    async def get(self, workload: WorkloadRef) -> Stored | None:
        """The workload's report, from memory or from the store. Raises ApiError."""
        key = _key(workload)
        if key in self._cached:
            self._cached.move_to_end(key)
            return self._cached[key]
        if key not in self._known:
            return None  # all were loaded at start; one that a second writer made since is noticed when writing
        return await self.read(workload)

    async def read(self, workload: WorkloadRef) -> Stored | None:
        """The workload's report, from the store. Raises ApiError.

        Forged owners can make the reports of two workloads of a namespace have one name. They share it: if each was
        taken for somebody else's and deleted, there would be no end.
        """
        stored = await self._store.get(self._known.get(_key(workload), workload))
        if stored is None:
            self.forget(workload.namespace, report_name(workload))
        else:
            self.store(stored)
        return stored

    def store(self, stored: Stored) -> None:
        """Remember what the store holds now."""
        workload = stored.report.workload
        key = _key(workload)
        if key not in self._known:
            self._counts[key.namespace] += 1
        self._known[key] = workload
        self._on_report(key.name, workload, stored.report)
        self._cached[key] = stored
        self._cached.move_to_end(key)
        while len(self._cached) > CACHE_SIZE:
            self._cached.popitem(last=False)
        report, current = stored.report, stored.report.current
        if current is None or report.state != "Failing":
            self._failing.pop(key, None)
        else:
            pod_uid = current.pod.uid if current.pod else ""
            self._failing[key] = _Current(current.at, pod_uid, longest_interval(report, INTERVAL_LIMIT))
        over_since = report.deleted_at or report.ended_at
        if over_since is None:
            self._over.pop(key, None)
        else:
            pod_uid = current.pod.uid if current and current.pod else ""
            self._over[key] = _Over(report.state, over_since, pod_uid, report.final)

    def store_written(self, stored: Stored) -> None:
        """Within ``writing``: remember what was written, unless it was deleted before the answer came."""
        write = self._writing.get(_key(stored.report.workload))
        if write is None or not write.is_deleted:
            self.store(stored)

    def invalidate(self, workload: WorkloadRef) -> None:
        """A write was refused: perhaps what is remembered is wrong. Read it again before the next."""
        self._cached.pop(_key(workload), None)

    @contextmanager
    def writing(self, workload: WorkloadRef) -> Iterator[None]:
        """While we write the report its changes are ours; another's are noticed by the write itself."""
        key = _key(workload)
        self._writing[key] = _Write(workload)
        try:
            yield
        finally:
            self._writing.pop(key, None)  # two forged workloads may have one name

    def on_changed(self, namespace: str, name: str, version: str) -> None:
        """The report is now at ``version``; if that is news, the next write reads it first."""
        key = _Key(namespace, name)
        stored = self._cached.get(key)
        if stored is not None and key not in self._writing and _is_newer(version, stored.version):
            del self._cached[key]
            log.info("report %s/%s: changed by another, read again before the next write", namespace, name)

    def forget(self, namespace: str, name: str) -> WorkloadRef | None:
        """The report was deleted; whose it was, if that is known, or is while it is written for the first time."""
        key = _Key(namespace, name)
        workload = self._known.pop(key, None)
        write = self._writing.get(key)
        if write is not None:
            write.is_deleted = True
        if workload is not None:
            self._counts -= Counter([namespace])  # drops what falls to 0
            self._on_report(name, workload, None)
        self._cached.pop(key, None)
        self._failing.pop(key, None)
        self._over.pop(key, None)
        return workload or (write.workload if write else None)


def _is_newer(version: str, known: str) -> bool:
    """Versions of etcd-backed kinds are numbers, and may be compared since 1.35 (KEP-5504); others are only equal."""
    if version.isdecimal() and known.isdecimal():
        return int(version) > int(known)
    return version != known


def _key(workload: WorkloadRef) -> _Key:
    return _Key(workload.namespace, report_name(workload))
