"""A workload's report as a value, and what can happen to it: failures are folded in, it recovers, pods are forgotten.

All of it is pure: times come with the sightings or as arguments. Folding takes the greatest look at a failure by one
total order (``Record.order``), counts by identity (``Ledger``), and lets the newest look at a pod say what the pod
fails by (``Accusation``). So a report depends on what was seen of each pod, not on how the looks at several pods came
between each other, nor on repetition or batches.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from heapq import nlargest
from operator import attrgetter

import msgspec

from coroner_operator.model.current_failure import CurrentFailure
from coroner_operator.model.failure_record import FailureRecord, pod_ref, truncate, truncated
from coroner_operator.model.ledger import Entry, Ledger, failure_id
from coroner_operator.model.ledger_builder import LedgerBuilder
from coroner_operator.model.merge_order import preferred
from coroner_operator.model.observation import Observation, from_epoch, to_epoch, whole_seconds
from coroner_operator.model.workload_ref import WorkloadRef, report_name

__all__ = [
    "FailureRecord",
    "Observation",
    "Report",
    "WorkloadRef",
    "fold",
    "prune_deleted_pods",
    "recover",
    "report_name",
    "without_observation_times",
]

HISTORY_LIMIT = 20  # with 1,024-character messages about 30 KiB

RULES_LIMIT = 64  # a hash

# A pod that is gone cannot be listed again. This covers a stale watch cache and a replica that still holds sightings.
PRUNE_AFTER = timedelta(hours=1)


class Report(msgspec.Struct, frozen=True):
    """What is known of one workload's failures. All times are UTC, whole seconds."""

    workload: WorkloadRef
    current: FailureRecord | None = None
    """What the pod with the newest failure fails by; None: nothing is failing, or the workload has recovered."""
    history: tuple[FailureRecord, ...] = ()
    """The newest failures, newest first, past ones included."""
    ledger: Ledger = Ledger()
    first_seen: datetime | None = None
    """Time of the first failure ever; None: there was none yet."""
    last_seen: datetime | None = None
    """Time of the newest failure; of the last look where that one still waits."""
    failing_since: datetime | None = None
    """None: nothing is failing."""
    recovered_at: datetime | None = None
    """When the workload was last found well again after a failure."""
    rules: str = ""
    """Hash of the rules that decided ``current``; where nothing is failing, of those that judged last."""

    @property
    def failures(self) -> int:
        """Every failure once, seen or known from its number only; a lower bound where the ledger is incomplete."""
        return sum(tally.total for tally in self.ledger.counts().values())


def fold(report: Report, sightings: Iterable[Observation]) -> Report:
    """The report with these failures in it.

    Failures that are past, or that the workload has already recovered from, count and enter the history, but accuse
    nobody. One that is seen again under newer rules (``Sighting.revises``) keeps its place and changes its verdict.
    Raises nothing; texts are bounded here, so that the API server accepts whatever comes.
    """
    draft = LedgerBuilder(report.ledger)
    history = {record.id: record for record in report.history}
    first, last = report.first_seen, report.last_seen
    accusation, since = CurrentFailure(report.current), report.failing_since
    rules, newest_rules = report.rules, ""
    looked = False
    for sighting in sightings:
        looked = True
        newest_rules = sighting.rules or newest_rules
        record, first_time = _recorded(draft, sighting)
        if record is None:
            continue
        newest_look = max(record.at, record.seen_at or record.at)
        first = min(first or record.at, record.at)
        last = max(last or newest_look, newest_look)
        past = record.summary()
        known = history.get(record.id)
        history[record.id] = past if known is None else preferred(known, past, sighting.reclassified)
        if sighting.failure.current and (began := _failing_since(report, sighting, record, first_time)):
            since = min(since or began, began)
            if accusation.observe(record, sighting):
                rules = sighting.rules or rules
    if not looked:
        return report
    return msgspec.structs.replace(
        report,
        current=accusation.current,
        history=tuple(nlargest(HISTORY_LIMIT, history.values(), key=attrgetter("order"))),
        ledger=draft.build(),
        first_seen=first,
        last_seen=last,
        failing_since=since,
        rules=truncate(rules if accusation.current is not None else newest_rules or rules, RULES_LIMIT),
    )


def recover(report: Report, at: datetime) -> Report:
    """The workload is well again, as found at ``at``. History and counts stay; only a new failure fails it again.

    Unchanged where nothing is failing, and where the current failure is newer than the finding.
    """
    at = whole_seconds(at)
    if report.current is None or at < max(report.current.at, report.current.seen_at or report.current.at):
        return report
    return msgspec.structs.replace(report, current=None, failing_since=None, recovered_at=at)


def prune_deleted_pods(
    report: Report, existing_pod_uids: Iterable[str], now: datetime, grace: timedelta = PRUNE_AFTER
) -> Report:
    """Let the ledger drop the pods that are gone for longer than ``grace``. No count changes.

    ``living``: UIDs of all pods that exist now, of other workloads too if that is simpler; from a list that was
    begun after the report's last sighting.
    """
    draft = LedgerBuilder(report.ledger)
    # failures of pods that were never created are filed under the workload's own UID
    draft.prune((*existing_pod_uids, report.workload.uid), to_epoch(now), int(grace.total_seconds()))
    return msgspec.structs.replace(report, ledger=draft.build())


def without_observation_times(report: Report) -> Report:
    """The report without the times of mere looks at failures that still wait.

    Two reports of equal substance say the same; writing the newer one is not urgent.
    """
    unlooked = tuple(msgspec.structs.replace(record, seen_at=None) for record in report.history)
    current = report.current and msgspec.structs.replace(report.current, seen_at=None)
    ledger = report.ledger.without_observation_times()
    return msgspec.structs.replace(report, current=current, history=unlooked, ledger=ledger, last_seen=None)


def _recorded(draft: LedgerBuilder, sighting: Observation) -> tuple[FailureRecord | None, bool]:
    """The record of what was seen, and whether it was for the first time; counted in the draft."""
    failure, number = sighting.failure, sighting.failure.ended_instances
    identity = failure.key
    seen_at = whole_seconds(sighting.observed_at)
    number = None if number is None or number < 1 else number
    known = draft.find(identity, number)
    at = None if failure.at is None else whole_seconds(failure.at)
    if at is None or at > seen_at:
        # Not recorded, or a node's clock runs ahead: the first look stands for it, so that a later look moves nothing.
        if known.entry is None and not known.is_new:
            return None, False
        at = seen_at if known.entry is None else from_epoch(known.entry.at)
    if sighting.reclassified and known.entry is not None:
        at = max(at, from_epoch(known.entry.at))  # another verdict, in the same place
    verdict = truncated(failure.verdict)
    waits = failure.waiting and number is None
    mark = Entry(
        to_epoch(at), to_epoch(seen_at) if waits else -1, verdict.confidence, (verdict.category, verdict.subcategory)
    )
    draft.record(identity, number, mark, to_epoch(seen_at), reclassified=sighting.reclassified)
    record = FailureRecord(
        id=failure_id(identity, number),
        at=at,
        seen_at=seen_at if waits else None,
        pod=pod_ref(sighting.pod_name, sighting.pod_uid, sighting.node),
        verdict=verdict,
    )
    return record, known.is_new


def _failing_since(report: Report, sighting: Observation, record: FailureRecord, first_time: bool) -> datetime | None:
    """Since when the workload fails by this record; None: it has recovered from it.

    A failed pod of a Job that has succeeded since stays for all to list: its failure is older than the recovery, and
    known. A wait that is seen after the recovery has come back; a failure heard of only after the recovery is new,
    even where its node's clock is behind.
    """
    floor = report.recovered_at
    if floor is None or record.at > floor:
        return record.at
    looked_at = whole_seconds(sighting.observed_at)
    is_new = (first_time and looked_at >= floor) or (record.seen_at is not None and looked_at > floor)
    return looked_at if is_new else None
