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
from coroner_operator.model.failure_record import Record, bounded, bounded_pod, cut
from coroner_operator.model.ledger import Ledger, Mark, failure_id
from coroner_operator.model.ledger_builder import LedgerDraft
from coroner_operator.model.merge_order import holding
from coroner_operator.model.observation import Sighting, from_epoch, to_epoch, whole_seconds
from coroner_operator.model.workload_ref import WorkloadRef, report_name

__all__ = ["Record", "Report", "Sighting", "WorkloadRef", "fold", "forget", "recover", "report_name", "substance"]

HISTORY_LIMIT = 20  # with 1,024-character messages about 30 KiB

RULES_LIMIT = 64  # a hash

# A pod that is gone cannot be listed again. This covers a stale watch cache and a replica that still holds sightings.
FORGET_AFTER = timedelta(hours=1)


class Report(msgspec.Struct, frozen=True):
    """What is known of one workload's failures. All times are UTC, whole seconds."""

    workload: WorkloadRef
    current: Record | None = None
    """What the pod with the newest failure fails by; None: nothing is failing, or the workload has recovered."""
    history: tuple[Record, ...] = ()
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
        return sum(tally.total for tally in self.ledger.tallies().values())


def fold(report: Report, sightings: Iterable[Sighting]) -> Report:
    """The report with these failures in it.

    Failures that are past, or that the workload has already recovered from, count and enter the history, but accuse
    nobody. One that is seen again under newer rules (``Sighting.revises``) keeps its place and changes its verdict.
    Raises nothing; texts are bounded here, so that the API server accepts whatever comes.
    """
    draft = LedgerDraft(report.ledger)
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
        past = record.for_history()
        known = history.get(record.id)
        history[record.id] = past if known is None else holding(known, past, sighting.revises)
        if sighting.failure.current and (began := _accuses_since(report, sighting, record, first_time)):
            since = min(since or began, began)
            if accusation.hear(record, sighting):
                rules = sighting.rules or rules
    if not looked:
        return report
    return msgspec.structs.replace(
        report,
        current=accusation.held,
        history=tuple(nlargest(HISTORY_LIMIT, history.values(), key=attrgetter("order"))),
        ledger=draft.done(),
        first_seen=first,
        last_seen=last,
        failing_since=since,
        rules=cut(rules if accusation.held is not None else newest_rules or rules, RULES_LIMIT),
    )


def recover(report: Report, at: datetime) -> Report:
    """The workload is well again, as found at ``at``. History and counts stay; only a new failure fails it again.

    Unchanged where nothing is failing, and where the current failure is newer than the finding.
    """
    at = whole_seconds(at)
    if report.current is None or at < max(report.current.at, report.current.seen_at or report.current.at):
        return report
    return msgspec.structs.replace(report, current=None, failing_since=None, recovered_at=at)


def forget(report: Report, living: Iterable[str], now: datetime, grace: timedelta = FORGET_AFTER) -> Report:
    """Let the ledger drop the pods that are gone for longer than ``grace``. No count changes.

    ``living``: UIDs of all pods that exist now, of other workloads too if that is simpler; from a list that was
    begun after the report's last sighting.
    """
    draft = LedgerDraft(report.ledger)
    # failures of pods that were never created are filed under the workload's own UID
    draft.forget((*living, report.workload.uid), to_epoch(now), int(grace.total_seconds()))
    return msgspec.structs.replace(report, ledger=draft.done())


def substance(report: Report) -> Report:
    """The report without the times of mere looks at failures that still wait.

    Two reports of equal substance say the same; writing the newer one is not urgent.
    """
    unlooked = tuple(msgspec.structs.replace(record, seen_at=None) for record in report.history)
    current = report.current and msgspec.structs.replace(report.current, seen_at=None)
    ledger = report.ledger.without_looks()
    return msgspec.structs.replace(report, current=current, history=unlooked, ledger=ledger, last_seen=None)


def _recorded(draft: LedgerDraft, sighting: Sighting) -> tuple[Record | None, bool]:
    """The record of what was seen, and whether it was for the first time; counted in the draft."""
    failure, number = sighting.failure, sighting.failure.ended_instances
    identity = failure.identity
    seen_at = whole_seconds(sighting.observed_at)
    number = None if number is None or number < 1 else number
    known = draft.look_up(identity, number)
    at = None if failure.at is None else whole_seconds(failure.at)
    if at is None or at > seen_at:
        # Not recorded, or a node's clock runs ahead: the first look stands for it, so that a later look moves nothing.
        if known.mark is None and not known.first_time:
            return None, False
        at = seen_at if known.mark is None else from_epoch(known.mark.at)
    if sighting.revises and known.mark is not None:
        at = max(at, from_epoch(known.mark.at))  # another verdict, in the same place
    verdict = bounded(failure.verdict)
    waits = failure.waiting and number is None
    mark = Mark(
        to_epoch(at), to_epoch(seen_at) if waits else -1, verdict.confidence, (verdict.category, verdict.subcategory)
    )
    draft.record(identity, number, mark, to_epoch(seen_at), revises=sighting.revises)
    record = Record(
        id=failure_id(identity, number),
        at=at,
        seen_at=seen_at if waits else None,
        pod=bounded_pod(sighting.pod_name, sighting.pod_uid, sighting.node),
        verdict=verdict,
    )
    return record, known.first_time


def _accuses_since(report: Report, sighting: Sighting, record: Record, first_time: bool) -> datetime | None:
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
