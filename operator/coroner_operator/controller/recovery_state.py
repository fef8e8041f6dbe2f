"""One failing workload while it is watched for its recovery: which pods fail, and which speak for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from coroner_categorizer.objects.pod import ContainerState, Pod
from coroner_operator.model.report import WorkloadRef

HEALTHY_PODS_LIMIT = 16  # well pods remembered as proof; one is enough, more only survive its deletion
SILENT = 1_000  # pods that are gone while none fails: only one of them can be the one that speaks

LONG_RUNNING = frozenset({"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"})
"""Controllers that keep their pods running. Each roll-out deletes pods, and one that does not heed SIGTERM ends with
137: no failure of theirs."""

# After this long the kubelet itself takes a container for healthy and resets its back-off (2 x MaxContainerBackOff).
MAX_STABILIZATION_SECONDS = 600.0


@dataclass
class FailedPod:
    """A pod of the workload that failed, or crashed before."""

    terminal: bool
    """Phase Failed: it stays for all to see, and a well workload has long replaced it."""
    healthy_from: float | None = None
    """Loop time from which on it counts as well, if nothing happens; None: it is not well now."""
    silenced: bool = False
    """It counts as well, and what fails still was asked to speak instead."""

    @property
    def is_failing(self) -> bool:
        return self.healthy_from is None and not self.terminal


@dataclass(eq=False)
class WorkloadRecovery:
    workload: WorkloadRef
    failed_at: datetime | None = None
    """Time of the newest failure."""
    silent: set[str] = field(default_factory=set)
    """Pods that failed and are well now or gone, while others fail: they should not speak for the workload any more."""
    controllers: set[str] = field(default_factory=set)
    """UIDs of the controllers between the workload and its pods, itself included."""
    failed_pods: dict[str, FailedPod] = field(default_factory=dict)
    create_failed_at: datetime | None = None
    """When a pod could not be created; None: one was since."""
    healthy_pods: dict[str, float] = field(default_factory=dict)
    """Well pods that are newer than the failure, or healed, and the loop time from which on they count."""
    healthy_since: float | None = None
    """Loop time since which the workload's own status says that it is well."""
    timer: asyncio.TimerHandle | None = None
    checks: int = 0
    """Checks without success since something last happened to a pod."""
    checking: bool = False
    check_again: bool = False

    @property
    def failing(self) -> tuple[str, ...]:
        """UIDs of the pods that fail now."""
        return tuple(uid for uid, member in self.failed_pods.items() if member.is_failing)

    @property
    def has_failing_pod(self) -> bool:
        return bool(self.failing)

    @property
    def pods_healthy_from(self) -> float:
        """Loop time from which on all pods that had failed count as well."""
        times = (m.healthy_from for m in self.failed_pods.values() if not m.terminal and m.healthy_from is not None)
        return max(times, default=float("-inf"))

    def add_healthy_pod(self, pod_uid: str, well_from: float) -> None:
        if pod_uid in self.healthy_pods or len(self.healthy_pods) < HEALTHY_PODS_LIMIT:
            self.healthy_pods.setdefault(pod_uid, well_from)

    def silence(self, now: float) -> float | None:
        """Add those to ``silent`` that count as well since; the loop time when the next one will, None if none does."""
        next_at: float | None = None
        for uid, member in self.failed_pods.items():
            if member.silenced or (member.terminal and not self._is_replaced):
                continue
            if member.terminal or (member.healthy_from is not None and member.healthy_from <= now):
                member.silenced = True
                self._hush(uid)
            elif member.healthy_from is not None:
                next_at = min(member.healthy_from, next_at or member.healthy_from)
        return next_at

    def drop(self, pod_uid: str) -> bool:
        """The pod is gone; whether it had mattered."""
        had_proof = self.healthy_pods.pop(pod_uid, None) is not None
        had_failed = self.failed_pods.pop(pod_uid, None) is not None
        if had_failed:
            self._hush(pod_uid)
        return had_failed or had_proof

    def has_failed(self, pod_uid: str) -> bool:
        """Whether it fails, or has ended so and nobody replaces it."""
        member = self.failed_pods.get(pod_uid)
        return member is not None and member.healthy_from is None and not (member.terminal and self._is_replaced)

    @property
    def _is_replaced(self) -> bool:
        """Whether a pod that ended is soon replaced: what fails now are the others."""
        return self.workload.kind in LONG_RUNNING

    def _hush(self, pod_uid: str) -> None:
        if len(self.silent) < SILENT:
            self.silent.add(pod_uid)


def stabilization_seconds(pod: Pod, recovery_after: float) -> float:
    """Seconds that a well pod must stay well to count: twice as long as its last run that crashed, at least.

    A program that crashes a minute after each start is Ready for most of that minute; the back-off in between is no
    measure, it reaches five minutes.
    """
    if pod.status.phase == "Succeeded":
        return 0.0
    runs = [
        _run_seconds(container.lastState)
        for container in pod.status.containerStatuses + pod.status.initContainerStatuses
    ]
    return max(recovery_after, min(2 * max(runs, default=0.0), MAX_STABILIZATION_SECONDS))


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
