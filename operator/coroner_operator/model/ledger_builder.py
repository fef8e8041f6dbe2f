"""How a ledger changes: failures are recorded once, deleted pods are pruned, older entries are compacted."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from coroner_categorizer.verdict import FailureKey
from coroner_operator.model.ledger import (
    POD_DIGITS,
    UNOBSERVED,
    Count,
    Entry,
    Ledger,
    Name,
    PodEntries,
    RestartSeries,
    Series,
    SingleFailure,
    pod_key,
    series_key,
    short_hash,
)
from coroner_operator.model.merge_order import preferred

# Open instances a series, by how many series there are: the written ledger stays under 46, 190 and 560 KiB.
OPEN_WINDOW = ((256, 8), (4_096, 1))
SERIES_LIMIT = 20_000  # more failed containers at one time than one report can hold: from here on a lower bound
RESTARTS_LIMIT = 2**31 - 1  # of one pod: restartCount has 32 bits
PRUNED_RESTARTS_LIMIT = 2**52  # with those of SERIES_LIMIT pods it stays below COUNT_LIMIT
NAMES_LIMIT = 128  # the default pack has about a hundred; a name beyond counts as UNOBSERVED's


class Lookup(NamedTuple):
    """What the ledger says of a failure that is being recorded."""

    is_new: bool
    """Not counted before under its own name."""
    entry: Entry | None
    """What is known of it from earlier observations; None: nothing, or it is compacted."""


class LedgerBuilder:
    """The next ledger while it is being written; ``done`` gives it."""

    def __init__(self, ledger: Ledger) -> None:
        self._pods = dict(ledger.pods)
        self._compacted = dict(ledger.compacted)
        self._compacted_unobserved = ledger.compacted_unobserved
        self._pruned_until = ledger.pruned_until
        self._incomplete = ledger.incomplete
        self._pruned_restarts = ledger.pruned_restarts_by_rule
        self._series_count = sum(pod.size for pod in self._pods.values())
        self._names = set(ledger.counts()) | {UNOBSERVED}

    def find(self, identity: FailureKey, number: int | None) -> Lookup:
        """``number``: how many instances of the container have ended, this one included; None: it is no instance."""
        pod = self._pods.get(pod_key(identity))
        series = pod.series.get(series_key(identity, number)) if pod else None
        match series:
            case None:
                return Lookup(True, None)
            case SingleFailure(entry=entry):
                return Lookup(False, entry)
            case RestartSeries(compacted=compacted, entries=entries):
                entry = entries.get(number or 0)
                return Lookup(entry is None and (number or 0) > compacted, entry)

    def record(
        self,
        identity: FailureKey,
        number: int | None,
        entry: Entry,
        observed_at: int,
        *,
        reclassified: bool = False,
        created: int | None = None,
    ) -> None:
        """Count the failure unless it is counted; where it is and still open, ``preferred`` says which entry holds.

        ``created``: when the pod was.
        """
        key, pod_id = series_key(identity, number), pod_key(identity)
        pod = self._pods.get(pod_id) or PodEntries(None, {})
        series = pod.series.get(key)
        if series is None and not self._may_add(pod, observed_at):
            self._incomplete = True
            return
        if entry.name not in self._names:
            if len(self._names) >= NAMES_LIMIT:
                entry = entry._replace(name=UNOBSERVED)
            self._names.add(entry.name)
        if number is None:
            after: Series = _single(series, entry, reclassified)
        else:
            after = _in_series(
                series if isinstance(series, RestartSeries) else RestartSeries(0, 0, {}), number, entry, reclassified
            )
        if after != series:
            self._series_count += series is None
            self._pods[pod_id] = pod._replace(series={**pod.series, key: after}, created=pod.created or created)

    def record_restarts(self, pod_uid: str, count: int, observed_at: int) -> None:
        """The rules of the pod have restarted its containers so often. The greatest count of a pod holds."""
        pod_id = short_hash(pod_uid, POD_DIGITS)
        pod = self._pods.get(pod_id) or PodEntries(None, {})
        if count <= pod.restarts_by_rule:
            return
        if pod.restarts_by_rule == 0 and not self._may_add(pod, observed_at):
            # A pod that was pruned is counted.
            self._incomplete = self._incomplete or self._series_count >= SERIES_LIMIT
            return
        self._series_count += pod.restarts_by_rule == 0
        self._pods[pod_id] = pod._replace(restarts_by_rule=min(count, RESTARTS_LIMIT))

    @property
    def pods(self) -> Mapping[str, PodEntries]:
        """By the pod's short hash, before anything of them is compacted."""
        return self._pods

    @property
    def is_incomplete(self) -> bool:
        """Whether something was not counted, or so much is that no entry stays open."""
        return self._incomplete or self._series_count > OPEN_WINDOW[-1][0]

    def prune(self, existing_pod_uids: Iterable[str], now: int, grace: int, keep: Container[str] = ()) -> None:
        """Note which pods are deleted, and compact and drop those that were deleted more than ``grace`` seconds ago.

        ``existing_pod_uids``: the UIDs of all pods that exist. A pod that is back (a stale list had missed it) is kept.
        ``keep``: hashes of pods that are not dropped.
        """
        alive = {short_hash(uid, POD_DIGITS) for uid in existing_pod_uids}
        for pod_id, pod in list(self._pods.items()):
            if pod_id in alive:
                if pod.deleted_since is not None:
                    self._pods[pod_id] = pod._replace(deleted_since=None)
            elif pod.deleted_since is None:
                self._pods[pod_id] = pod._replace(deleted_since=now)
            elif now - pod.deleted_since > grace and pod_id not in keep:
                for series in pod.series.values():
                    self._compact(series, 0)
                del self._pods[pod_id]
                self._series_count -= pod.size
                restarts = self._pruned_restarts + pod.restarts_by_rule
                self._pruned_restarts = min(restarts, PRUNED_RESTARTS_LIMIT)
                self._pruned_until = max(pod.deleted_since, self._pruned_until or 0)

    def build(self) -> Ledger:
        window = next((open_ for limit, open_ in OPEN_WINDOW if self._series_count <= limit), 0)
        for pod_id, pod in self._pods.items():
            compacted = {key: after for key, s in pod.series.items() if (after := self._compact(s, window)) is not s}
            if compacted:
                created = pod.created if window else None
                self._pods[pod_id] = pod._replace(series={**pod.series, **compacted}, created=created)
        return Ledger(
            self._pods,
            self._compacted,
            self._compacted_unobserved,
            self._pruned_until,
            self._incomplete,
            self._pruned_restarts,
        )

    def _may_add(self, pod: PodEntries, observed_at: int) -> bool:
        pruned = not pod.size and self._pruned_until is not None and observed_at <= self._pruned_until
        return not pruned and self._series_count < SERIES_LIMIT

    def _compact(self, series: Series, window: int) -> Series:
        """What stays open of the series when only its ``window`` newest instances may; the rest goes into the sums."""
        match series:
            case SingleFailure(entry=entry):
                if entry is None or window:
                    return series
                self._add(entry.name, 1, entry.at)
                return SingleFailure(None)
            case RestartSeries(ended=ended, compacted=compacted, entries=entries):
                if ended - compacted <= window:
                    return series
                until = ended - window
                closed = [entry for number, entry in entries.items() if number <= until]
                for entry in closed:
                    self._add(entry.name, 1, entry.at)
                if unobserved := until - compacted - len(closed):
                    self._add(UNOBSERVED, unobserved, None)
                    self._compacted_unobserved += unobserved
                return RestartSeries(ended, until, {n: entry for n, entry in entries.items() if n > until})

    def _add(self, name: Name, count: int, at: int | None) -> None:
        before = self._compacted.get(name, Count(0, None))
        times = [time for time in (before.last_at, at) if time is not None]
        self._compacted[name] = Count(before.total + count, max(times, default=None))


def _single(series: Series | None, entry: Entry, reclassified: bool) -> Series:
    match series:
        case SingleFailure(entry=None):
            return series
        case SingleFailure(entry=Entry() as earlier):
            return SingleFailure(preferred(earlier, entry, reclassified))
        case _:
            return SingleFailure(entry)


def _in_series(series: RestartSeries, number: int, entry: Entry, reclassified: bool) -> RestartSeries:
    ended = max(series.ended, number)
    if number <= series.compacted:
        return series
    earlier = series.entries.get(number)
    entries = {**series.entries, number: entry if earlier is None else preferred(earlier, entry, reclassified)}
    return RestartSeries(ended, series.compacted, entries)
