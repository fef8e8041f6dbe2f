"""A workload's report as a value, and what can happen to it besides new failures (``fold``): its state changes, and
pods that are deleted are forgotten. All of it is pure: times come as arguments.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec

from coroner_operator.model.failure_record import FailureRecord
from coroner_operator.model.initiator import Followers, following
from coroner_operator.model.ledger import Ledger, failure_id
from coroner_operator.model.ledger_builder import LedgerBuilder
from coroner_operator.model.observation import Observation, to_epoch, whole_seconds
from coroner_operator.model.workload_ref import WorkloadRef

State = Literal["Failing", "Failed", "Recovered", "Deleted"]
"""Failing: something fails now. Failed: the workload has ended in failure, and nothing will retry it. Recovered:
nothing fails. Deleted: the workload does not exist any more (docs/adr/0018-states.md).
"""

RULES_LIMIT = 64  # characters of Report.rules: a hash
OWNERS_LIMIT = 8  # a workload's objects of listed kinds whose pods fail at the same time

# A pod that is deleted cannot be listed again. This covers a stale watch cache and a replica that still holds
# observations.
PRUNE_AFTER = timedelta(hours=1)


class RuleRestarts(NamedTuple):
    """The restarts of one pod that its restartPolicyRules have caused: they are no failures, and counted apart."""

    pod_uid: str
    restarts: int
    """Since the pod was created."""
    observed_at: datetime
    """By the operator's clock."""


class ListedOwner(msgspec.Struct, frozen=True):
    """An owner of the workload's pods, other than the workload, on which the verdict is shown too."""

    ref: WorkloadRef
    failing: bool = False
    """The current failure is one of its own pods."""


class Report(msgspec.Struct, frozen=True):
    """What is known of one workload's failures. All times are UTC, whole seconds."""

    workload: WorkloadRef
    current: FailureRecord | None = None
    """The failure that the report shows; None: nothing is failing, or the workload has recovered."""
    history: tuple[FailureRecord, ...] = ()
    """The newest failures, newest first, past ones included."""
    ledger: Ledger = Ledger()
    first_seen: datetime | None = None
    """Time of the first failure ever; None: there was none yet."""
    last_seen: datetime | None = None
    """Time of the newest failure; of its last observation where it still waits."""
    failing_since: datetime | None = None
    """Of the current failure and those before it, since the last recovery; None: there is no current failure."""
    pod_failing_since: datetime | None = None
    """When the pod of ``current`` failed first; earlier than ``current`` where its container ends again and again."""
    followers: Followers | None = None
    """The other pods that ended because of ``current``, or like it; None: there are none."""
    recovered_at: datetime | None = None
    """When the workload was last found healthy after a failure."""
    ended_at: datetime | None = None
    """When the workload was found to have ended in failure; None: it has not, or it has been started again."""
    deleted_at: datetime | None = None
    """When the workload was found to be deleted; None: it exists, as far as we know."""
    final: bool = False
    """Whether the verdict on the pod of the current failure will not change any more by these ``rules``."""
    rules: str = ""
    """Hash of the rules that decided ``current``; where nothing is failing, of those that classified last."""
    owners: tuple[ListedOwner, ...] = ()
    """Those of the failures that were current; at most ``OWNERS_LIMIT``, the oldest are forgotten."""

    @property
    def state(self) -> State:
        if self.deleted_at is not None:
            return "Deleted"
        if self.current is None:
            return "Recovered"
        return "Failing" if self.ended_at is None else "Failed"

    @property
    def failures(self) -> int:
        """Every failure once, observed or known from its number only; a lower bound where the ledger is incomplete."""
        return sum(count.total for count in self.ledger.counts().values())


class Transition(NamedTuple):
    """A change of state that no failure of a pod shows."""

    to: Literal["Failed", "Recovered", "Deleted"]
    at: datetime


def change_state(report: Report, transition: Transition) -> Report:
    """The report after the transition; unchanged where it does not apply."""
    match transition.to:
        case "Recovered":
            return recover(report, transition.at)
        case "Failed":
            return end_in_failure(report, transition.at)
        case "Deleted":
            return mark_deleted(report, transition.at)


def recover(report: Report, at: datetime) -> Report:
    """The workload is healthy, as found at ``at``. History and counts stay; only a new failure fails it again.

    Unchanged where nothing is failing, and where the current failure or the deletion is newer than the finding. What is
    healthy after it was found to be deleted exists: a list was out of date.
    """
    at = whole_seconds(at)
    if report.current is None or (report.deleted_at is not None and at < report.deleted_at):
        return report
    if at < max(report.current.at, report.current.seen_at or report.current.at):
        return report
    return msgspec.structs.replace(
        report,
        current=None,
        failing_since=None,
        pod_failing_since=None,
        followers=None,
        recovered_at=at,
        ended_at=None,
        deleted_at=None,
        final=False,
        owners=show_on(report.owners, ()),
    )


def end_in_failure(report: Report, at: datetime) -> Report:
    """The workload has ended in failure, as found at ``at``: the current failure stays as its cause.

    Failures of its pods that are observed later count, and do not make it fail again: only ``restart`` does. Unchanged
    where nothing is failing.
    """
    if report.state != "Failing":
        return report
    return msgspec.structs.replace(report, ended_at=whole_seconds(at))


def mark_deleted(report: Report, at: datetime) -> Report:
    """The workload is deleted, as found at ``at``: what it failed by last stays readable."""
    return report if report.deleted_at else msgspec.structs.replace(report, deleted_at=whole_seconds(at))


def restart(report: Report, created_at: datetime) -> Report:
    """A pod that was created at that time fails. If that was after the end of the workload, it was started again, or
    was taken for deleted because none of its pods was there.
    """
    over_since, created_at = report.deleted_at or report.ended_at, whole_seconds(created_at)
    if report.current is None or over_since is None or created_at <= over_since:
        return report
    return msgspec.structs.replace(report, failing_since=created_at, ended_at=None, deleted_at=None)


def fails_itself(workload: WorkloadRef, observations: Iterable[Observation]) -> bool:
    """Whether these show that the workload is a pod that exists and fails."""
    if workload.kind != "Pod":
        return False
    return any(observation.pod_uid == workload.uid and observation.failure.current for observation in observations)


def without_deletion(report: Report) -> Report:
    """The workload exists: the list in which it was not was out of date."""
    return report if report.deleted_at is None else msgspec.structs.replace(report, deleted_at=None, final=False)


def without_final(report: Report, observations: Iterable[Observation]) -> list[Observation]:
    """The observations without what would change a final verdict: the same failure, and others of its pod as the
    current one. What other rules have classified may change it.
    """
    current = report.current
    if not report.final or current is None or current.pod is None:
        return list(observations)
    return [
        observation
        if observation.pod_uid != current.pod.uid or observation.rules != report.rules
        else msgspec.structs.replace(observation, failure=msgspec.structs.replace(observation.failure, current=False))
        for observation in observations
        if observation.rules != report.rules or _id(observation) != current.id
    ]


def _id(observation: Observation) -> str:
    number = observation.failure.ended_instances
    return failure_id(observation.failure.key, None if number is None or number < 1 else number)


def with_finality(before: Report, after: Report, is_settled: bool) -> Report:
    """``after``, which follows ``before``; ``is_settled``: nothing more will be known of the pod that it shows.

    What was final stays final for as long as it is shown.
    """
    is_shown = after.current is not None and after.current.pod is not None
    stays = before.final and (after.current, after.rules) == (before.current, before.rules)
    final = is_shown and (stays or is_settled)
    return after if after.final == final else msgspec.structs.replace(after, final=final)


def longest_interval(report: Report, limit: float) -> float:
    """Seconds from a failure to the first one of a pod that was created after it, at most; longer ones than ``limit``
    are left out. Where pods are replaced and fail again, it is about as long as one of them runs.
    """
    ends = sorted(at for pod in report.ledger.pods.values() for at in pod.ends)
    longest = 0
    for pod in report.ledger.pods.values():
        own = tuple(pod.ends)
        before = 0 if pod.created is None or not own else bisect_right(ends, pod.created)
        if before and (interval := min(own) - ends[before - 1]) <= limit:
            longest = max(longest, interval)
    return float(longest)


def show_on(owners: tuple[ListedOwner, ...], failing: Iterable[WorkloadRef]) -> tuple[ListedOwner, ...]:
    """The owners, of which now only these are failing."""
    known = {owner.ref.key: ListedOwner(owner.ref) for owner in owners}
    known.update((ref.key, ListedOwner(ref, failing=True)) for ref in failing)
    return tuple(known.values())[-OWNERS_LIMIT:]


def count_restarts(report: Report, restarts: Iterable[RuleRestarts]) -> Report:
    """With how often the rules of these pods have restarted their containers."""
    builder = LedgerBuilder(report.ledger)
    for pod in restarts:
        builder.record_restarts(pod.pod_uid, pod.restarts, to_epoch(pod.observed_at))
    return msgspec.structs.replace(report, ledger=builder.build())


def prune_deleted_pods(
    report: Report, existing_pod_uids: Iterable[str], now: datetime, grace: timedelta = PRUNE_AFTER
) -> Report:
    """Let the ledger drop the pods that were deleted longer than ``grace`` ago. No count changes.

    ``existing_pod_uids``: of all pods that exist now, those of other workloads too if that is simpler; from a LIST that
    was begun after the report's last observation.
    """
    builder = LedgerBuilder(report.ledger)
    current, since = report.current, report.pod_failing_since
    followers = following(builder.pods, current, since or current.at) if current else {}  # they are still counted
    # failures of pods that were never created are filed under the workload's own UID
    builder.prune((*existing_pod_uids, report.workload.uid), to_epoch(now), int(grace.total_seconds()), followers)
    return msgspec.structs.replace(report, ledger=builder.build())


def without_observation_times(report: Report) -> Report:
    """The report without the times at which failures that still wait were observed last.

    Two reports that are equal without them say the same; writing the newer one is not urgent.
    """
    history = tuple(msgspec.structs.replace(record, seen_at=None) for record in report.history)
    current = report.current and msgspec.structs.replace(report.current, seen_at=None)
    ledger = report.ledger.without_observation_times()
    return msgspec.structs.replace(report, current=current, history=history, ledger=ledger, last_seen=None)
