"""What happened to a workload as a whole, by the failures of its pods: the same decisions as in its report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import UTC, datetime
from typing import Any, NamedTuple

from coroner_categorizer.objects.pod import Pod
from coroner_categorizer.objects.times import newest
from coroner_categorizer.verdict import Failure
from coroner_operator.config.lifetimes import keeps_pods_running, lifetime
from coroner_operator.config.presets import Outcome
from coroner_operator.controller.pod_filters import is_deletion, is_healthy, is_retired
from coroner_operator.model.current_failure import FailingPods
from coroner_operator.model.failure_record import FailureRecord
from coroner_operator.model.fold import fold
from coroner_operator.model.observation import Observation, observations_of
from coroner_operator.model.report import Report, end_in_failure, recover
from coroner_operator.model.report_codec import to_status
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef

_EPOCH = datetime.fromtimestamp(0, UTC)


class ClassifiedPod(NamedTuple):
    pod: Pod | None
    """None: pods of the workload could not be created."""
    failures: tuple[Failure, ...]


class WorkloadSummary(NamedTuple):
    """A workload with several pods."""

    report: Report
    """What a report would say of it that knows these pods only."""
    pods: int
    failing: int
    """How many of the pods are failing."""
    removed: frozenset[str]
    """UIDs of pods that a controller has removed in a roll-out or a scale-down, and that had not failed before."""
    unexplained: bool
    """Pods are failing, and no rule matched any of them."""
    outcome: Outcome | None
    """How the workload has ended by its own status; None: it has not, or that is not known."""

    @property
    def workload(self) -> WorkloadRef:
        return self.report.workload

    @property
    def key(self) -> WorkloadKey:
        return self.report.workload.key

    @property
    def current(self) -> FailureRecord | None:
        """The failure of the pod that failed first; None: nothing is failing."""
        return self.report.current

    @property
    def is_failing(self) -> bool:
        return self.unexplained or self.current is not None

    def status(self) -> Mapping[str, Any]:
        """As in the status of a FailureReport."""
        return to_status(self.report)

    def follows(self, pod_uid: str, failure: Failure | None) -> bool:
        """Whether this failure of a pod is a consequence of the one that the workload began to fail by."""
        current = self.current
        if failure is None or not failure.consequence or current is None or current.pod is None:
            return False
        return not current.consequence and current.pod.uid != pod_uid


class Members(NamedTuple):
    """What is known of a workload: the arguments of ``summarize``, which takes its time."""

    workload: WorkloadRef
    pods: Sequence[ClassifiedPod]
    outcome: Outcome | None
    failing: frozenset[str]
    unexplained: bool
    has_several_pods: bool

    def summary(self) -> WorkloadSummary:
        return summarize(self.workload, self.pods, self.outcome, failing=self.failing, unexplained=self.unexplained)


def summarize(
    workload: WorkloadRef,
    pods: Sequence[ClassifiedPod],
    outcome: Outcome | None,
    *,
    failing: Set[str],
    unexplained: bool,
) -> WorkloadSummary:
    """``failing``: UIDs of the pods that are failing. ``unexplained``: by no rule."""
    long_running = keeps_pods_running(workload.group, workload.kind)
    at = _newest_time(pods)
    observations = [observation for each in pods for observation in _observations(each, at)]
    report = fold(Report(workload), observations, FailingPods(long_running=long_running))
    if outcome == "succeeded" or (outcome is None and _is_replaced(report, pods)):
        report = recover(report, at)
    elif outcome == "failed":
        report = end_in_failure(report, at)
    existing = {each.pod.metadata.uid for each in pods if each.pod is not None}
    removed = frozenset(each.pod.metadata.uid for each in pods if each.pod is not None and _is_removed(each))
    is_unexplained = unexplained and report.current is None
    return WorkloadSummary(report, len(existing), len(failing), removed, is_unexplained, outcome)


def _is_replaced(report: Report, classified: Sequence[ClassifiedPod]) -> bool:
    """Whether the pod of the current failure is deleted, and those that were created since are healthy."""
    current = report.current
    if current is None or current.pod is None:
        return False
    pods = [
        (each.pod, any(failure.current for failure in each.failures)) for each in classified if each.pod is not None
    ]
    is_deleted = any(pod.metadata.deletionTimestamp for pod, _ in pods if pod.metadata.uid == current.pod.uid)
    later = [each for each in pods if (each[0].metadata.creationTimestamp or _EPOCH) > current.at]
    return is_deleted and any(is_healthy(pod) for pod, _ in later) and not any(is_failing for _, is_failing in later)


def _is_removed(classified: ClassifiedPod) -> bool:
    current = [failure for failure in classified.failures if failure.current]
    if classified.pod is None or not current or not is_retired(classified.pod, lifetime):
        return False
    return all(is_deletion(failure.verdict) for failure in current)


def _observations(classified: ClassifiedPod, at: datetime) -> Iterable[Observation]:
    pod = classified.pod
    if pod is None:
        return [Observation("", "", "", failure, at) for failure in classified.failures]
    retired = is_retired(pod, lifetime)
    failures = (failure for failure in classified.failures if not (retired and is_deletion(failure.verdict)))
    return observations_of(pod, failures, at)


def _newest_time(pods: Sequence[ClassifiedPod]) -> datetime:
    """The newest that the objects have: nothing else is known of when they were read."""
    created = (each.pod.metadata.creationTimestamp for each in pods if each.pod is not None)
    ended = (failure.at for each in pods for failure in each.failures)
    return newest((*created, *ended)) or _EPOCH
