"""How many reports a namespace may have: at the limit, room is made by deleting old ones, or no new one is made.

Room is made apart from the writers, a tenth of the limit at a time: first reports of deleted workloads, then those of
workloads that cannot be read and have no pods, each time the oldest ones. Where there is none to delete, the workloads
that have no report for it are remembered, and reported as soon as there is room.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from coroner_operator.kube.workqueue import WorkQueue
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef
from coroner_operator.reports.expiry_index import ReportSummary
from coroner_operator.reports.workload_existence import Existence, ExistenceChecker

log = logging.getLogger("coroner.report_limit")

RETRY_INTERVAL = 120.0  # s; workloads are deleted meanwhile
REFUSED_LIMIT = 500  # workloads of a namespace that are remembered
CONCURRENCY = 4  # namespaces


class Reports(Protocol):
    """What exists: ``ReportCache``."""

    def has(self, workload: WorkloadRef) -> bool: ...

    def count_in(self, namespace: str) -> int:
        """Reports that exist, or are being created."""
        ...


class Index(Protocol):
    """Both raise ``ApiError``."""

    def in_namespace(self, namespace: str) -> AsyncIterator[ReportSummary]: ...

    async def delete(self, summary: ReportSummary) -> bool: ...


class ReportLimit:
    """``admits()`` before a report is created; ``start()``, ``close()``."""

    def __init__(
        self,
        reports: Reports,
        index: Index,
        existence_checker: Callable[[str], ExistenceChecker],
        *,
        per_namespace: int,
        on_deleted: Callable[[ReportSummary, str], None] = lambda summary, reason: None,  # noqa: ARG005
        on_full: Callable[[WorkloadRef, int], None] = lambda workload, limit: None,  # noqa: ARG005
        on_room: Callable[[WorkloadRef], None] = lambda workload: None,  # noqa: ARG005
        retry_interval: float = RETRY_INTERVAL,
    ) -> None:
        """``on_full(workload, limit)`` is called, at most once each interval and namespace, where a report could not
        be made; ``on_room(workload)`` when it can be made now: what it was made of must be observed again.
        """
        self._reports = reports
        self._index = index
        self._existence_checker = existence_checker
        self._limit = per_namespace
        self._on_deleted = on_deleted
        self._on_full = on_full
        self._on_room = on_room
        self._retry_interval = retry_interval
        self._refused: dict[str, OrderedDict[WorkloadKey, WorkloadRef]] = {}
        """By namespace, workloads that have no report for want of room."""
        self._queue: WorkQueue[str] = WorkQueue(self._make_room, name="report limit", workers=CONCURRENCY)
        """Namespaces that are full."""

    def start(self) -> None:
        self._queue.start()

    async def close(self) -> None:
        await self._queue.close()

    def admits(self, workload: WorkloadRef) -> bool:
        """Whether the workload's report may be written. If not, ``on_room`` follows when it may be."""
        if self._reports.has(workload) or self._reports.count_in(workload.namespace) < self._limit:
            return True
        refused = self._refused.setdefault(workload.namespace, OrderedDict())
        refused[workload.key] = workload
        while len(refused) > REFUSED_LIMIT:
            refused.popitem(last=False)
        if workload.namespace not in self._queue:
            self._queue.add(workload.namespace)
        return False

    def report_deleted(self, namespace: str) -> None:
        """There may be room in the namespace."""
        if namespace in self._refused:
            self._queue.add(namespace)

    async def _make_room(self, namespace: str) -> float | None:
        """Seconds until the next try; None: there is room for all. Raises ApiError."""
        refused = self._refused.get(namespace)
        if refused is None:  # all were admitted while a deletion was observed
            return None
        if self._reports.count_in(namespace) >= self._limit:
            await self._delete_old(namespace, max(self._limit // 10, 1))
        for _ in range(min(self._limit - self._reports.count_in(namespace), len(refused))):
            _, workload = refused.popitem(last=False)
            self._on_room(workload)
        if not refused:
            del self._refused[namespace]
            return None
        self._on_full(next(iter(refused.values())), self._limit)
        return self._retry_interval

    async def _delete_old(self, namespace: str, wanted: int) -> None:
        """Delete so many reports at most. Raises ApiError."""
        checker = self._existence_checker(namespace)
        summaries = [summary async for summary in self._index.in_namespace(namespace)]
        unknown: list[ReportSummary] = []
        for summary in sorted(summaries, key=lambda summary: (summary.last_activity, summary.name)):
            if wanted <= 0:
                return
            match await checker.check(summary.workload):
                case Existence.DELETED:
                    wanted -= await self._delete(summary)
                case Existence.UNKNOWN:
                    unknown.append(summary)
        for summary in unknown[: max(wanted, 0)]:
            await self._delete(summary)

    async def _delete(self, summary: ReportSummary) -> bool:
        if not await self._index.delete(summary):
            return False
        log.info("report %s/%s: deleted to make room", summary.workload.namespace, summary.name)
        self._on_deleted(summary, "cap")
        return True
