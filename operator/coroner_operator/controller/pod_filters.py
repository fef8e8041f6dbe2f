"""Which pods need to be processed: cheap enough to ask of every pod, and never wrong about a failing one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from coroner_categorizer.findings.intended_restarts import restarts_for_resize
from coroner_categorizer.findings.tekton import ended_by_signal
from coroner_categorizer.objects.deletion_time import deletion_requested
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.exit_codes import KILL_EXIT_CODES
from coroner_categorizer.objects.pod import (
    NORMAL_WAITING_REASONS,
    Container,
    ContainerState,
    ContainerStatus,
    Pod,
    Waiting,
)
from coroner_categorizer.objects.times import is_before
from coroner_categorizer.verdict import Verdict
from coroner_operator.config.lifetimes import Lifetimes
from coroner_operator.kube.owner_resolver import controller_key

CLOCK_SKEW = timedelta(seconds=5)  # between the node that sets Ready and the API server that dates the deletion
EVENT_TTL = timedelta(hours=1)  # kube-apiserver --event-ttl, by default


def may_have_failed(pod: Pod) -> bool:
    """Whether the pod shows anything that could be a failure, present or past, or a wait for something."""
    status = pod.status
    if status.phase == "Failed" or status.reason:
        return True
    for condition in status.conditions:
        # SchedulingGated is deliberate; the scheduler has not tried the pod yet
        held_up = condition.type == "PodScheduled" and condition.status == "False"
        if held_up and condition.reason != "SchedulingGated":
            return True
    if pod.disruption is not None:
        return True
    return any(_shows_failure(container) for container in status.containerStatuses) or any(
        _shows_failure(container) for container in status.initContainerStatuses
    )


def is_starting(pod: Pod) -> bool:
    """On its way and not running yet: if that lasts, only events say why. Gated pods are not on their way."""
    if pod.status.phase != "Pending" or pod.metadata.deletionTimestamp is not None:
        return False
    scheduled = pod.condition("PodScheduled")
    return scheduled is None or scheduled.reason != "SchedulingGated"


def is_healthy(pod: Pod) -> bool:
    """Whether the pod is Ready, or has succeeded."""
    if pod.status.phase == "Succeeded":
        return True
    if pod.status.phase != "Running" or pod.metadata.deletionTimestamp is not None:
        return False
    ready = pod.condition("Ready")
    return ready is not None and ready.status == "True"


def is_retired(pod: Pod, lifetime_of: Lifetimes) -> bool:
    """Whether a controller that keeps its pods running did away with this one: by a roll-out, or a scale-down.

    Its program may end with 137 or 143 then, which is no failure. The pod's own controller decides, whatever is above:
    the Deployment of a Knative Service scales its pods as any other does. A kind of which nothing is known is
    presumed to keep pods running; what it deletes that is not Ready may have failed.
    """
    controller = controller_key(pod.metadata)
    if controller is None or pod.metadata.deletionTimestamp is None:
        return False
    known = lifetime_of(controller.group, controller.kind)
    return was_ready_when_deleted(pod) if known is None else known.long_running


def is_deletion(verdict: Verdict) -> bool:
    """Whether the verdict only says that the pod was deleted while it ran: no failure of a pod that ``is_retired``."""
    return (verdict.category, verdict.subcategory) == ("cancelled", "deleted")


def was_ready_when_deleted(pod: Pod) -> bool:
    """Whether the pod was Ready when its deletion was requested: it is not any more once its containers have ended."""
    ready, deleted_at = pod.condition("Ready"), deletion_requested(pod)
    if ready is None or deleted_at is None:
        return False
    became_unready = ready.lastTransitionTime
    return ready.status == "True" or (
        became_unready is not None and not is_before(became_unready, deleted_at, CLOCK_SKEW)
    )


def shown_failures(pod: Pod) -> tuple[object, ...]:
    """What the pod shows of failures, present and past.

    Of two states that show the same, the older one says nothing that the newer one does not.
    """
    status, disruption, scheduled = pod.status, pod.disruption, pod.condition("PodScheduled")
    containers = tuple(
        (container.name, container.restartCount, _end(container.state), _end(container.lastState), waiting.reason)
        for container in status.containerStatuses + status.initContainerStatuses
        for waiting in (container.state.waiting or Waiting(),)
    )
    conditions = (disruption.reason if disruption else "", scheduled.status if scheduled else "")
    is_deleted = pod.metadata.deletionTimestamp is not None
    return (status.phase in ("Failed", "Succeeded"), status.reason, is_deleted, *conditions, *containers)


def _end(state: ContainerState) -> tuple[str, int, str] | None:
    ended = state.terminated
    return None if ended is None else (ended.containerID, ended.exitCode, ended.reason)


def needs_normal_events(pod: Pod, warnings: Iterable[Event], now: datetime) -> bool:
    """Whether events that were no warnings could change the verdict on the pod, if there still are any.

    A kill (137, or the program's own answer to SIGTERM, 143) may be a probe's or a hook's: only a ``Killing`` event
    shows it. So may any other end, but then the failed probe is among the ``warnings`` (q6), or the container keeps
    succeeding (q2b). A resize that restarts the container has only that event too, and so has the stop of a step of
    Tekton.
    """
    if pod.disruption is not None or pod.status.reason:
        return False  # the pod itself says who stopped it
    probed = any(event.reason == "Unhealthy" for event in warnings)
    specs = {spec.name: spec for spec in pod.spec.containers + pod.spec.initContainers}
    for container in pod.status.containerStatuses + pod.status.initContainerStatuses:
        waiting, spec = container.state.waiting, specs.get(container.name, Container())
        for state in (container.state, container.lastState):
            ended = state.terminated
            if ended is None or ended.reason == "StartError":
                continue
            if ended.reason == "OOMKilled" and ended.exitCode != 143 and not probed:
                continue  # the reason says it all, unless a probe may have killed it as well
            loops_well = ended.exitCode == 0 and waiting is not None and waiting.reason == "CrashLoopBackOff"
            stopped = ended.exitCode in KILL_EXIT_CODES or ended_by_signal(spec, ended)
            explained_by_event = ended.exitCode != 0 and (probed or restarts_for_resize(spec))
            if not (stopped or loops_well or explained_by_event):
                continue
            if ended.finishedAt is None or now - ended.finishedAt < EVENT_TTL:
                return True
    return False


def _shows_failure(container: ContainerStatus) -> bool:
    ended, waiting = container.state.terminated, container.state.waiting
    if ended is not None and (ended.exitCode != 0 or ended.reason != "Completed"):
        return True
    if waiting is not None and waiting.reason not in NORMAL_WAITING_REASONS:
        return True
    return container.lastState.terminated is not None or container.restartCount > 0
