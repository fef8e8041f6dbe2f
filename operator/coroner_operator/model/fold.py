"""How observed failures enter a report.

Folding keeps the greatest observation of a failure by one total order (``FailureRecord.order``), counts by identity
(``Ledger``), and decides which failure is shown (``current_failure``). So a report depends on what was observed of each
pod, not on how the observations of several pods came between each other, nor on repetition or batches. All of it is
pure: times come with the observations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from heapq import nlargest
from operator import attrgetter

import msgspec

from coroner_operator.model.current_failure import NOTHING_KNOWN, FailingPods, PodFailure, current_failure
from coroner_operator.model.failure_record import FailureRecord, pod_ref, truncate, truncated
from coroner_operator.model.initiator import Attempts, Followers, count_followers, following
from coroner_operator.model.ledger import POD_DIGITS, Entry, failure_id
from coroner_operator.model.ledger_builder import LedgerBuilder, Lookup
from coroner_operator.model.merge_order import preferred
from coroner_operator.model.observation import Observation, from_epoch, to_epoch, whole_seconds
from coroner_operator.model.report import RULES_LIMIT, ListedOwner, Report, show_on

HISTORY_LIMIT = 20  # with 1,024-character messages about 30 KiB


def fold(report: Report, observations: Iterable[Observation], pods: FailingPods = NOTHING_KNOWN) -> Report:
    """The report with these failures in it; ``pods``: what is known now of the pods that fail.

    Failures that are past, or that the workload has already recovered from, count and enter the history, but are never
    current. One that is observed again under newer rules (``Observation.reclassified``) keeps its place and changes its
    verdict. Raises nothing; texts are truncated here, so that the API server accepts whatever comes.
    """
    builder = LedgerBuilder(report.ledger)
    history = {record.id: record for record in report.history}
    first, last, since = report.first_seen, report.last_seen, report.failing_since
    observed: list[PodFailure] = []
    anything_new, rules = False, ""
    observations = tuple(observations)
    for observation in observations:
        anything_new = True
        rules = observation.rules or rules
        recorded = _record(builder, observation)
        if recorded is None:
            continue
        record, is_new = recorded
        newest_look = max(record.at, record.seen_at or record.at)
        first = min(first or record.at, record.at)
        last = max(last or newest_look, newest_look)
        past, known = record.summary(), history.get(record.id)
        history[record.id] = past if known is None else preferred(known, past, observation.reclassified)
        if observation.failure.current and (began := _failing_since(report, observation, record, is_new=is_new)):
            since = min(since or began, began)
            observed.append(_pod_failure(record, observation))
    stored = _stored(report)
    current = current_failure(
        stored,
        observed,
        _still_failing(report, builder, pods),
        pods,
        lambda with_consequences: Attempts(builder.pods, with_consequences=with_consequences),
    )
    if not anything_new and current is stored:
        return report
    followers = _followers(report, builder, current)
    return msgspec.structs.replace(
        report,
        current=current and current.record,
        pod_failing_since=current and current.since,
        followers=followers,
        history=tuple(nlargest(HISTORY_LIMIT, history.values(), key=attrgetter("order"))),
        ledger=builder.build(),
        first_seen=first,
        last_seen=last,
        failing_since=since,
        rules=truncate((current.rules if current else rules) or report.rules, RULES_LIMIT),
        owners=_owners(report, current and current.record.id, (*pods.observations, *observations)),
    )


def _owners(report: Report, current: str | None, observations: Sequence[Observation]) -> tuple[ListedOwner, ...]:
    """The owners on which the verdict is shown; ``current``: ID of the current failure."""
    if report.owners or any(observation.owners for observation in observations):
        for observation in reversed(observations):
            if failure_id(observation.failure.key, _number(observation)) == current:
                return show_on(report.owners, observation.owners)
    return report.owners


def _record(builder: LedgerBuilder, observation: Observation) -> tuple[FailureRecord, bool] | None:
    """Count the failure; its record, and whether it is new. None: it is counted, and its time is not known any more."""
    key, number = observation.failure.key, _number(observation)
    known = builder.find(key, number)
    record = _to_record(observation, known)
    if record is None:
        return None
    verdict = record.verdict
    entry = Entry(
        to_epoch(record.at),
        -1 if record.seen_at is None else to_epoch(record.seen_at),
        verdict.confidence,
        (verdict.category, verdict.subcategory),
        record.consequence,
    )
    observed_at = to_epoch(whole_seconds(observation.observed_at))
    created = None if observation.pod_created is None else min(to_epoch(observation.pod_created), observed_at)
    builder.record(key, number, entry, observed_at, reclassified=observation.reclassified, created=created)
    return record, known.is_new


def _to_record(observation: Observation, known: Lookup) -> FailureRecord | None:
    failure, observed_at = observation.failure, whole_seconds(observation.observed_at)
    at = None if failure.at is None else whole_seconds(failure.at)
    if at is None or at > observed_at:
        # No time, or a node's clock runs ahead: its first observation dates it, so that a later one moves nothing.
        if known.entry is None and not known.is_new:
            return None
        at = observed_at if known.entry is None else from_epoch(known.entry.at)
    if observation.reclassified and known.entry is not None:
        at = max(at, from_epoch(known.entry.at))  # another verdict, in the same place
    number = _number(observation)
    return FailureRecord(
        id=failure_id(failure.key, number),
        at=at,
        seen_at=observed_at if failure.waiting and number is None else None,
        pod=pod_ref(observation),
        verdict=truncated(failure.verdict),
        consequence=failure.consequence,
    )


def _number(observation: Observation) -> int | None:
    """How many instances of the container have ended, this one included; None: the failure is no instance."""
    number = observation.failure.ended_instances
    return None if number is None or number < 1 else number


def _stored(report: Report) -> PodFailure | None:
    current = report.current
    if current is None:
        return None
    return PodFailure(current, current.seen_at or current.at, report.rules, first_at=report.pod_failing_since)


def _followers(report: Report, builder: LedgerBuilder, current: PodFailure | None) -> Followers | None:
    if current is None:
        return None
    same = report.current is not None and report.current.id[:POD_DIGITS] == current.record.id[:POD_DIGITS]
    before = report.followers if same else None
    is_incomplete = builder.is_incomplete or (before is not None and before.lower_bound)
    return count_followers(following(builder.pods, current.record, current.since), before, lower_bound=is_incomplete)


def _pod_failure(record: FailureRecord, observation: Observation) -> PodFailure:
    return PodFailure(
        record, whole_seconds(observation.observed_at), observation.rules, reclassified=observation.reclassified
    )


def _still_failing(report: Report, builder: LedgerBuilder, pods: FailingPods) -> Iterator[PodFailure]:
    """What the pods that fail now fail by, without what the workload has recovered from. All of it is counted."""
    for observation in pods.observations:
        record = _to_record(observation, builder.find(observation.failure.key, _number(observation)))
        if record is not None and _failing_since(report, observation, record, is_new=False):
            yield _pod_failure(record, observation)


def _failing_since(report: Report, observation: Observation, record: FailureRecord, *, is_new: bool) -> datetime | None:
    """Since when the workload fails by this record; None: it has recovered from it.

    A failed pod of a Job that has succeeded since stays for all to list: its failure is older than the recovery, and
    known. A wait that is observed after the recovery has come back; a failure that is observed for the first time after
    the recovery is new, even where its node's clock is behind.
    """
    recovered_at = report.recovered_at
    if recovered_at is None or record.at > recovered_at:
        return record.at
    observed_at = whole_seconds(observation.observed_at)
    has_come_back = record.seen_at is not None and observed_at > recovered_at
    return observed_at if has_come_back or (is_new and observed_at >= recovered_at) else None
