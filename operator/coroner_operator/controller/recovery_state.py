"""One failing workload until it has recovered: which of its pods fail, have ended, or are healthy again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from coroner_categorizer.objects.pod import ContainerState, Pod
from coroner_operator.config.lifetimes import keeps_pods_running
from coroner_operator.kube.owner_resolver import controller_key
from coroner_operator.model.observation import Observation
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef

HEALTHY_PODS_LIMIT = 16  # healthy pods remembered; one is enough, more only make up for its deletion
OBSERVATIONS_LIMIT = 16  # last failures of pods that fail now, ~5 KB each; of the other pods only the UID

# After this long the kubelet itself takes a container for healthy and resets its back-off (2 x MaxContainerBackOff).
MAX_STABILIZATION_SECONDS = 600.0


class PodState(Enum):
    UNOBSERVED = "the report shows its failure; it was not observed since the operator started"
    FAILING = "it fails, and has not ended"
    ENDED = "phase Failed: it stays for all to see, and a healthy workload has long replaced it"
    HEALTHY = "it failed before, and is Ready or has succeeded"


class Replacement(Enum):
    """What follows where a pod has ended in phase Failed and stays."""

    CERTAIN = "its controller keeps its pods running"
    EXPECTED = "by its restartPolicy it was to run for good: a later healthy pod of the workload replaces it"
    NONE = "as far as is known nothing does its work again"


@dataclass
class FailedPod:
    """A pod of the workload that failed, or crashed before."""

    state: PodState
    replacement: Replacement = Replacement.NONE
    healthy_from: float = float("inf")
    """Loop time from which on it counts as healthy, if nothing happens to it."""


@dataclass(eq=False)
class WorkloadRecovery:
    workload: WorkloadRef
    failed_at: datetime | None = None
    """Time of the newest failure."""
    controllers: set[WorkloadKey] = field(default_factory=set)
    """The controllers between the workload and its pods, itself included."""
    failed_pods: dict[str, FailedPod] = field(default_factory=dict)
    """By UID; all pods here are in the workload's namespace."""
    observations: dict[str, Observation] = field(default_factory=dict)
    """By UID, the last failure of pods that fail now; bounded: of those that began to fail first."""
    create_failed_at: datetime | None = None
    """When a pod could not be created; None: one was since."""
    healthy_pods: dict[str, float] = field(default_factory=dict)
    """Healthy pods that are newer than the failure, or failed before, and the loop time from which on they count."""
    healthy_since: float | None = None
    """Loop time since which the workload's own status says that it is healthy."""
    longest_run: float = 0.0
    """Seconds that a pod of the workload was fine before it failed, at most: what its next pods must exceed."""
    checks: int = 0
    """Checks without success since something last happened to a pod."""
    changes: int = 0
    """How often something happened to a pod."""

    @property
    def has_failing_pod(self) -> bool:
        return any(pod.state is PodState.FAILING for pod in self.failed_pods.values())

    @property
    def has_unreplaced_pod(self) -> bool:
        """Whether a pod stays that has ended in phase Failed, and that a later healthy pod does not make up for."""
        return any(
            pod.state is PodState.ENDED and pod.replacement is Replacement.NONE for pod in self.failed_pods.values()
        )

    @property
    def has_only_healthy_pods(self) -> bool:
        """Whether a pod that failed is healthy again, and none fails, has ended, or proves more than that.

        It was healthy already when another failed, which is deleted since.
        """
        states = {pod.state for pod in self.failed_pods.values()}
        return states == {PodState.HEALTHY} and not self.healthy_pods

    @property
    def pods_healthy_from(self) -> float:
        """Loop time from which on all pods that failed before and are healthy now count as healthy."""
        return max(self._healthy_from(), default=float("-inf"))

    def next_healthy(self, now: float) -> float | None:
        """Loop time at which the next pod that failed before will count as healthy; None: there is none."""
        return min((time for time in self._healthy_from() if time > now), default=None)

    def has_stopped(self, pod_uid: str, now: float) -> bool:
        """As ``FailingPods.has_stopped``; ``now``: loop time."""
        if not pod_uid:
            return self.create_failed_at is None
        pod = self.failed_pods.get(pod_uid)
        match pod.state if pod else None:
            case None:
                return True  # deleted
            case PodState.ENDED:
                # replaced: what fails now are the others
                is_long_running = keeps_pods_running(self.workload.group, self.workload.kind)
                return is_long_running or (pod and pod.replacement) is Replacement.CERTAIN
            case PodState.HEALTHY:
                return pod is not None and pod.healthy_from <= now
            case _:
                return False

    def is_deleted(self, pod_uid: str) -> bool:
        """As ``FailingPods.is_deleted``, of a pod that failed."""
        return bool(pod_uid) and pod_uid not in self.failed_pods

    def set_failed_at(self, time: datetime) -> None:
        """The workload failed at this time. Pods that were healthy before prove nothing about what comes after."""
        if self.failed_at is None or time > self.failed_at:
            self.failed_at = time
            self.healthy_pods.clear()
            self.healthy_since = None

    def set_failing(self, pod: Pod, observation: Observation, *, has_ended: bool) -> None:
        pod_uid = pod.metadata.uid
        self.failed_pods[pod_uid] = FailedPod(PodState.ENDED if has_ended else PodState.FAILING, _replacement(pod))
        self.longest_run = max(self.longest_run, run_before_failure(pod, observation.failure.at))
        self.healthy_pods.pop(pod_uid, None)
        self.healthy_since = None
        if has_ended:
            self.observations.pop(pod_uid, None)
        elif pod_uid in self.observations or len(self.observations) < OBSERVATIONS_LIMIT:
            self.observations[pod_uid] = observation

    def set_unready(self, pod_uid: str) -> None:
        """The pod is starting or not ready, which proves nothing: one that was healthy again is not any more."""
        self.healthy_pods.pop(pod_uid, None)
        pod = self.failed_pods.get(pod_uid)
        if pod is not None and pod.state is PodState.HEALTHY:
            self.failed_pods[pod_uid] = FailedPod(PodState.FAILING)

    def set_healthy(self, pod: Pod, healthy_from: float) -> None:
        """The pod is healthy, and counts so from this loop time on."""
        uid, created = pod.metadata.uid, pod.metadata.creationTimestamp
        failed = self.failed_pods.get(uid)
        if failed is not None or has_crashed(pod):  # the latter after a restart of ours: between two crashes of a loop
            if failed is None or failed.state is not PodState.HEALTHY:
                self.failed_pods[uid] = FailedPod(PodState.HEALTHY, healthy_from=healthy_from)
            self.observations.pop(uid, None)
        is_newer = self.failed_at is None or (created is not None and created > self.failed_at)
        if uid in self.failed_pods or is_newer:
            self._add_healthy(uid, healthy_from)

    def remove(self, pod_uid: str) -> bool:
        """The pod is deleted; whether it had mattered."""
        self.observations.pop(pod_uid, None)
        was_healthy = self.healthy_pods.pop(pod_uid, None) is not None
        had_failed = self.failed_pods.pop(pod_uid, None) is not None
        return had_failed or was_healthy

    def _add_healthy(self, pod_uid: str, healthy_from: float) -> None:
        if pod_uid in self.healthy_pods or len(self.healthy_pods) < HEALTHY_PODS_LIMIT:
            self.healthy_pods.setdefault(pod_uid, healthy_from)

    def _healthy_from(self) -> list[float]:
        return [pod.healthy_from for pod in self.failed_pods.values() if pod.state is PodState.HEALTHY]


def stabilization_seconds(pod: Pod, recovery_after: float, longest_run: float = 0.0) -> float:
    """Seconds that a healthy pod must stay healthy to count: twice as long as the last run that crashed, at least.

    A program that crashes a minute after each start is Ready for most of that minute; the back-off in between is no
    measure, it reaches five minutes. ``longest_run``: of the pods before it, which it replaces.
    """
    if pod.status.phase == "Succeeded":
        return 0.0
    statuses = pod.status.containerStatuses + pod.status.initContainerStatuses
    runs = [_run_seconds(container.lastState) for container in statuses]
    return max(recovery_after, probation_seconds(max(runs, default=0.0)), probation_seconds(longest_run))


def probation_seconds(run: float) -> float:
    """How long to wait after a run of so many seconds has ended in a failure."""
    return min(2 * run, MAX_STABILIZATION_SECONDS)


def run_before_failure(pod: Pod, failed_at: datetime | None) -> float:
    """Seconds for which a pod ran until it failed; 0 where it never ran, or for so long that it says nothing.

    A pod that has run for hours may be evicted, and the one that replaces it need not run for hours to be healthy.
    """
    statuses, started = pod.status.containerStatuses + pod.status.initContainerStatuses, pod.status.startTime
    states = [state for status in statuses for state in (status.state, status.lastState)]
    runs = [_run_seconds(state) for state in states]
    left_times = any(state.terminated is not None and state.terminated.finishedAt is not None for state in states)
    was_evicted = pod.status.phase == "Failed" and not left_times
    if was_evicted and failed_at is not None and started is not None:
        runs = [(failed_at - started).total_seconds()]
    return max((run for run in runs if 0 < run <= MAX_STABILIZATION_SECONDS), default=0.0)


def _replacement(pod: Pod) -> Replacement:
    controller = controller_key(pod.metadata)
    if controller is None:
        return Replacement.NONE
    if keeps_pods_running(controller.group, controller.kind):
        return Replacement.CERTAIN
    return Replacement.EXPECTED if pod.spec.restartPolicy == "Always" else Replacement.NONE


def has_crashed(pod: Pod) -> bool:
    """Whether a container of the pod has ended before and was restarted."""
    return any(
        container.lastState.terminated is not None
        for container in pod.status.containerStatuses + pod.status.initContainerStatuses
    )


def _run_seconds(state: ContainerState) -> float:
    ended = state.terminated
    # startedAt is 1970 where the container never started (o1)
    if ended is None or ended.startedAt is None or ended.finishedAt is None or ended.startedAt.year < 2000:
        return 0.0
    return max(0.0, (ended.finishedAt - ended.startedAt).total_seconds())
