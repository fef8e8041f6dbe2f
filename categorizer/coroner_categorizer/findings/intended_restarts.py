"""Restarts that the pod's author intended: no failures, although an instance of a container ended for them.

- ``restartPolicyRules`` restart a container after some exit codes (1.34+). That is a failure only where it repeats so
  soon that the kubelet backs off, or where the container is not restarted after all.
- A rule with ``RestartAllContainers`` (1.35+) also ends the other containers of the pod.
- A resize restarts a container whose ``resizePolicy`` demands it (1.33+).

Order and texts are the kubelet's: ContainerShouldRestart in pkg/api/v1/pod/util.go, convertToAPIContainerStatuses in
kubelet_pods.go, computePodResizeAction in kuberuntime_manager.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.pod import (
    RESTARTING_ALL_CONTAINERS,
    Container,
    ContainerStatus,
    Pod,
    RestartRule,
    Terminated,
)
from coroner_categorizer.objects.times import is_before

_RESIZE_TEXT = "resize requires restart"
_RESTART_ALL = "RestartAllContainers"
_ACTIONS = ("Restart", _RESTART_ALL)
_BACK_OFF = "CrashLoopBackOff"


def is_intended(pod: Pod, spec: Container, status: ContainerStatus, ended: Terminated, events: Sequence[Event]) -> bool:
    """Whether this instance, which ended with another code than 0, did so for an intended restart.

    An OOM kill, and a start that failed, are failures whatever a rule says of their exit codes.
    """
    if ended.reason == RESTARTING_ALL_CONTAINERS:
        return True
    if ended.reason != "Error":
        return False
    return (
        _ended_with_all(pod, ended)
        or _ended_for_resize(spec, ended, events)
        or _is_restarted_by_rule(pod, spec, status, ended, events)
    )


def restarts_by_rule(pod: Pod) -> int:
    """How many restarts the pod's rules have caused, as far as its status shows.

    Where a container is restarted for other reasons too, only the newest restart counts, if a rule matches its end.
    """
    return sum(_restarts_by_rule(spec, status) for spec, status in _with_status(pod))


def rule_facts(spec: Container, status: ContainerStatus, ended: Terminated) -> dict[str, str]:
    """For the message about a container that its rules restart again and again."""
    restarts = status.restartCount if _matching_rule(spec, ended.exitCode) else 0
    return {"restartsByRule": str(restarts)} if restarts else {}


def counts_restarts(pod: Pod, spec: Container) -> bool:
    """Whether every restart of the container is a failure, so that ``restartCount`` tells how many there were."""
    restarted_with_others = any(
        rule.action == _RESTART_ALL for c in (*pod.spec.containers, *pod.spec.initContainers) for rule in _rules(c)
    )
    return not (restarted_with_others or _rules(spec) or restarts_for_resize(spec))


def _rules(spec: Container) -> list[RestartRule]:
    return spec.restartPolicyRules if spec.restartPolicy is not None else []


def _matching_rule(spec: Container, exit_code: int) -> RestartRule | None:
    """The rule that decides what happens after this exit code; None: the restart policy does."""
    rule = next((rule for rule in _rules(spec) if rule.matches(exit_code)), None)
    return rule if rule and rule.action in _ACTIONS else None


def _restarts_by_rule(spec: Container, status: ContainerStatus) -> int:
    if not _rules(spec):
        return 0
    if spec.restartPolicy == "Never":
        return status.restartCount
    last = status.lastState.terminated
    return int(bool(last and _matching_rule(spec, last.exitCode)))


def _with_status(pod: Pod) -> list[tuple[Container, ContainerStatus]]:
    specs = {c.name: c for c in (*pod.spec.containers, *pod.spec.initContainers)}
    statuses = (*pod.status.containerStatuses, *pod.status.initContainerStatuses)
    return [(specs[s.name], s) for s in statuses if s.name in specs]


def _ended_with_all(pod: Pod, ended: Terminated) -> bool:
    """Whether it ended while the kubelet was ending all containers, before it removed them and their statuses."""
    restarting = pod.condition("AllContainersRestarting")
    if not restarting or restarting.status != "True" or not restarting.lastTransitionTime or not ended.finishedAt:
        return False
    return not is_before(ended.finishedAt, restarting.lastTransitionTime)


def restarts_for_resize(spec: Container) -> bool:
    """Whether a resize may restart the container."""
    return any(policy.restartPolicy == "RestartContainer" for policy in spec.resizePolicy)


def _ended_for_resize(spec: Container, ended: Terminated, events: Sequence[Event]) -> bool:
    """Whether the kubelet ended this instance for a resize. The program may answer SIGTERM with a code of its own."""
    if not restarts_for_resize(spec) or not ended.startedAt or not ended.finishedAt:
        return False
    kills = (e for e in events if e.reason == "Killing" and e.container == spec.name and _RESIZE_TEXT in e.text)
    # Of a repeated event, the times between the first and the last are not known.
    times = [time for e in kills for time in (e.first_seen, e.last_seen) if time]
    return any(not is_before(time, ended.startedAt) and not is_before(ended.finishedAt, time) for time in times)


def _is_restarted_by_rule(
    pod: Pod, spec: Container, status: ContainerStatus, ended: Terminated, events: Sequence[Event]
) -> bool:
    if not _matching_rule(spec, ended.exitCode) or _is_backing_off(spec, status, events):
        return False
    is_last = ended == status.state.terminated
    stopped = bool(pod.metadata.deletionTimestamp or pod.status.reason or pod.disruption)
    # The pod failed instead: its kubelet does not know rules, or has them switched off.
    return not is_last or pod.status.phase != "Failed" or stopped


def _is_backing_off(spec: Container, status: ContainerStatus, events: Sequence[Event]) -> bool:
    """Whether the kubelet has delayed the restart after the newest instance that ended: the container is in a loop."""
    if status.state.waiting and status.state.waiting.reason == _BACK_OFF:
        return True
    newest = status.state.terminated or status.lastState.terminated
    if not newest or not newest.finishedAt:
        return False
    delays = (e.last_seen for e in events if e.reason == "BackOff" and e.container == spec.name)
    return any(time and not is_before(time, newest.finishedAt) for time in delays)
