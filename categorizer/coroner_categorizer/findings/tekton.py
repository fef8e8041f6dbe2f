"""Pods of Tekton: which ends of containers its entrypoint and its controller cause.

A step runs below Tekton's entrypoint, which waits until the step before has ended, and reports a program that a signal
ended with 255. After a step has failed, the entrypoints of those after it end with 1 without running them; sidecars
that still run are replaced by an image that does nothing, in which their command may not even exist
(tektoncd/pipeline, cmd/entrypoint/main.go and pkg/pod/entrypoint.go).
"""

from __future__ import annotations

from datetime import datetime

from coroner_categorizer.objects.pod import Container, ContainerStatus, Pod, Terminated
from coroner_categorizer.objects.times import is_before

_SIGNAL_EXIT = 255  # Go's ExitStatus of a program that a signal ended is −1
_SIDECAR_PREFIX = "sidecar-"


def is_step(spec: Container) -> bool:
    """Whether the container runs below Tekton's entrypoint."""
    program = spec.command[0] if spec.command else ""
    return program.startswith("/tekton/") and program.endswith("/entrypoint")


def ended_by_signal(spec: Container, ended: Terminated) -> bool:
    """Whether a signal may have ended the program of this step."""
    return is_step(spec) and ended.exitCode == _SIGNAL_EXIT and ended.reason == "Error"


def ended_after_steps(pod: Pod, container: str, ended: Terminated) -> bool:
    """Whether this step was skipped, or this sidecar stopped: a step before had failed, or all had ended."""
    steps = [spec for spec in pod.spec.containers if is_step(spec)]
    names = [spec.name for spec in steps]
    if not names or not ended.finishedAt:
        return False
    statuses = {s.name: s for s in pod.status.containerStatuses}
    if container in names:
        return _is_after(ended.finishedAt, _first_failure(statuses, names[: names.index(container)]))
    if not container.startswith(_SIDECAR_PREFIX):
        return False
    return _is_after(ended.finishedAt, _first_failure(statuses, names) or _last_end(statuses, names))


def _is_after(time: datetime, other: datetime | None) -> bool:
    return other is not None and not is_before(time, other)


def _first_failure(statuses: dict[str, ContainerStatus], names: list[str]) -> datetime | None:
    """When the first of these steps failed."""
    ends = (statuses[name].state.terminated for name in names if name in statuses)
    return next((end.finishedAt for end in ends if end and end.exitCode != 0), None)


def _last_end(statuses: dict[str, ContainerStatus], names: list[str]) -> datetime | None:
    """When the last of these steps ended; None while one has not."""
    ends = [statuses[name].state.terminated if name in statuses else None for name in names]
    times = [end.finishedAt for end in ends if end and end.finishedAt]
    return max(times) if len(times) == len(names) else None
