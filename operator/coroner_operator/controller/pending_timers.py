"""Pods that wait for an image, a volume or a node: told only when the wait has lasted.

Times are the process's own: after a restart a wait is timed anew, which delays a report and never invents one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from coroner_categorizer.objects.pod import NORMAL_WAITING_REASONS, Pod
from coroner_categorizer.verdict import Failure
from coroner_operator.config.settings import GracePeriods
from coroner_operator.controller.pod_filters import is_starting

PendingPhase = Literal["image_pull", "container_creating", "unschedulable"]


def pending_phase(pod: Pod) -> PendingPhase:
    """Which patience applies to a pod that waits."""
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
class _Waiting:
    since: dict[PendingPhase, float] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None


class PendingTimers:
    """The pods that wait now, since when, and one timer for each."""

    def __init__(self, patience: GracePeriods, on_expired: Callable[[str], None]) -> None:
        """``wake`` is called with a pod's UID when its patience is over: time for another look."""
        self._patience = patience
        self._on_expired = on_expired
        self._pods: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._pods)

    def reportable(self, pod: Pod, failures: Iterable[Failure]) -> tuple[Failure, ...]:
        """The failures that may be told now: those that are no waits, can never heal, or have lasted."""
        told: list[Failure] = []
        unripe: list[Failure] = []
        for failure in failures:
            (unripe if failure.waiting and not failure.permanent else told).append(failure)
        if unripe:
            if self.has_expired(pod):
                told += unripe
        elif not is_starting(pod):
            self.clear(pod.metadata.uid)
        return tuple(told)

    def has_expired(self, pod: Pod) -> bool:
        """Whether what the pod waits for now has been awaited for long enough; sets the timer if not."""
        wait = pending_phase(pod)
        loop = asyncio.get_running_loop()
        waiting = self._pods.setdefault(pod.metadata.uid, _Waiting())
        due = waiting.since.setdefault(wait, loop.time()) + getattr(self._patience, wait)
        if waiting.timer is not None:
            waiting.timer.cancel()
            waiting.timer = None
        if loop.time() >= due:
            return True
        waiting.timer = loop.call_at(due, self._on_expired, pod.metadata.uid)
        return False

    def clear(self, pod_uid: str) -> None:
        """The pod waits for nothing any more, or is gone."""
        waiting = self._pods.pop(pod_uid, None)
        if waiting is not None and waiting.timer is not None:
            waiting.timer.cancel()

    def close(self) -> None:
        for uid in tuple(self._pods):
            self.clear(uid)
