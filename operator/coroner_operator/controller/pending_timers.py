"""How long pods have waited for an image, a volume or a node: reported only after a grace period.

Times are the process's own: after a restart a wait is timed from zero, which delays a report and never invents one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from coroner_categorizer.objects.pod import NORMAL_WAITING_REASONS, Pod
from coroner_categorizer.verdict import Failure
from coroner_operator.config.settings import GracePeriods
from coroner_operator.controller.pod_filters import is_starting

PendingPhase = Literal["image_pull", "container_creating", "unschedulable"]


def pending_phase(pod: Pod) -> PendingPhase:
    """Which grace period applies to a pod that waits."""
    scheduled = pod.condition("PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        return "unschedulable"
    reasons = {
        container.state.waiting.reason
        for container in pod.status.containerStatuses + pod.status.initContainerStatuses
        if container.state.waiting is not None
    }
    return "container_creating" if reasons <= NORMAL_WAITING_REASONS else "image_pull"


@dataclass
class _Pending:
    since: dict[PendingPhase, float] = field(default_factory=dict)
    """Loop time at which the pod was first seen in each phase."""
    due: float = 0.0
    """Loop time at which the grace period of its phase ends."""
    is_over: bool = False
    """Whether ``has_expired`` has said so."""


class PendingTimers:
    """The pods that wait now, and since when."""

    def __init__(self, grace_periods: GracePeriods) -> None:
        self._grace_periods = grace_periods
        self._pods: dict[str, _Pending] = {}

    def __len__(self) -> int:
        return len(self._pods)

    def reportable(self, pod: Pod, failures: Iterable[Failure]) -> tuple[Failure, ...]:
        """The failures that may be reported now: those that are no waits, can never heal, or have lasted."""
        reportable: list[Failure] = []
        pending: list[Failure] = []
        for failure in failures:
            has_grace = failure.waiting and not failure.permanent and not failure.overdue
            (pending if has_grace else reportable).append(failure)
        if pending:
            if self.has_expired(pod):
                reportable += pending
        elif not is_starting(pod):
            self.clear(pod.metadata.uid)
        return tuple(reportable)

    def has_expired(self, pod: Pod) -> bool:
        """Whether the grace period for what the pod waits for now is over; it begins when this is asked first."""
        phase, now = pending_phase(pod), _now()
        pending = self._pods.setdefault(pod.metadata.uid, _Pending())
        pending.due = pending.since.setdefault(phase, now) + getattr(self._grace_periods, phase)
        pending.is_over = now >= pending.due
        return pending.is_over

    def wait(self, pod_uid: str, seconds: float) -> None:
        """What goes on in the pod is a failure after that time."""
        self._pods[pod_uid] = _Pending(due=_now() + seconds)

    def seconds_left(self, pod_uid: str) -> float | None:
        """Until the pod has to be classified again; None: its grace period has ended, or it waits for nothing."""
        pending = self._pods.get(pod_uid)
        return None if pending is None or pending.is_over else max(pending.due - _now(), 0.0)

    def clear(self, pod_uid: str) -> None:
        """The pod waits for nothing any more, or is deleted."""
        self._pods.pop(pod_uid, None)


def _now() -> float:
    return asyncio.get_running_loop().time()
