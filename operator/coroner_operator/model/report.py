"""A workload's report as a value, and what can happen to it besides new failures (``fold``): it recovers, and pods that
are deleted are forgotten. All of it is pure: times come as arguments.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from coroner_operator.model.failure_record import FailureRecord
from coroner_operator.model.ledger import Ledger
from coroner_operator.model.ledger_builder import LedgerBuilder
from coroner_operator.model.observation import to_epoch, whole_seconds
from coroner_operator.model.workload_ref import WorkloadRef

RULES_LIMIT = 64  # characters of Report.rules: a hash

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
    """None: nothing is failing."""
    recovered_at: datetime | None = None
    """When the workload was last found healthy after a failure."""
    rules: str = ""
    """Hash of the rules that decided ``current``; where nothing is failing, of those that classified last."""

    @property
    def failures(self) -> int:
        """Every failure once, observed or known from its number only; a lower bound where the ledger is incomplete."""
        return sum(count.total for count in self.ledger.counts().values())


def recover(report: Report, at: datetime) -> Report:
    """The workload is healthy, as found at ``at``. History and counts stay; only a new failure fails it again.

    Unchanged where nothing is failing, and where the current failure is newer than the finding.
    """
    at = whole_seconds(at)
    if report.current is None or at < max(report.current.at, report.current.seen_at or report.current.at):
        return report
    return msgspec.structs.replace(report, current=None, failing_since=None, recovered_at=at)


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
    # failures of pods that were never created are filed under the workload's own UID
    builder.prune((*existing_pod_uids, report.workload.uid), to_epoch(now), int(grace.total_seconds()))
    return msgspec.structs.replace(report, ledger=builder.build())


def without_observation_times(report: Report) -> Report:
    """The report without the times at which failures that still wait were observed last.

    Two reports that are equal without them say the same; writing the newer one is not urgent.
    """
    history = tuple(msgspec.structs.replace(record, seen_at=None) for record in report.history)
    current = report.current and msgspec.structs.replace(report.current, seen_at=None)
    ledger = report.ledger.without_observation_times()
    return msgspec.structs.replace(report, current=current, history=history, ledger=ledger, last_seen=None)
