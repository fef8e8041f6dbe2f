"""Pods that stay as they are, while nothing in them fails."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from coroner_categorizer.findings.finding import Excerpt, FailureRank, Finding
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.pod import ContainerStatus, Pod
from coroner_categorizer.objects.times import is_before, newest, rfc3339, shifted
from coroner_categorizer.objects.workload import Workload
from coroner_categorizer.stuck.patience import DEFAULT_PATIENCE, PROGRESS_DEADLINE, Patience
from coroner_categorizer.verdict import FailureKey
from coroner_categorizer.vocabulary.phrases import VOCABULARY, Phrases

_SIDECAR = Phrases(VOCABULARY.sidecar_names)
_PROBE_FAILED = "Readiness probe failed: "
_NODE_NOT_READY = "NodeNotReady"  # of the node controller, about each pod of a node that does not answer (s6)


class Lasting(NamedTuple):
    """What goes on in a pod."""

    text: str
    """What the pod waits for, unredacted."""
    since: datetime
    due: datetime
    """From then on it is a failure."""
    finding: Finding
    """What it is then."""


def lasting(
    pod: Pod, events: Sequence[Event] = (), owner: Workload | None = None, patience: Patience = DEFAULT_PATIENCE
) -> Lasting | None:
    """What the pod waits for, if it has not ended and is not starting. ``owner``: its Deployment, if known."""
    if pod.metadata.deletionTimestamp:
        return _terminating(pod, events, patience)
    if pod.status.phase != "Running":
        return None
    if pod.spec.restartPolicy == "Always":
        return _never_ready(pod, events, owner, patience)
    return _kept_running(pod, patience)


def is_sidecar_name(container: str) -> bool:
    """Whether a container of this name is known only to serve the others of its pod."""
    return _SIDECAR.found_in(container)


def is_never_ready(pod: Pod) -> bool:
    """Whether the pod is meant to run on, and has not become Ready since its containers started. Cheap."""
    if pod.status.phase != "Running" or pod.spec.restartPolicy != "Always" or pod.metadata.deletionTimestamp:
        return False
    ready = pod.condition("Ready")
    if not ready or ready.status != "False" or not ready.lastTransitionTime:
        return False
    since = _all_started(pod)
    # The kubelet sets Ready to False when it accepts the pod (q4); that of a pod that was Ready changes later.
    return since is not None and not is_before(since, ready.lastTransitionTime)


def _all_started(pod: Pod) -> datetime | None:
    """When the last of the pod's containers started; None while not all of them run."""
    running = [status.state.running for status in pod.status.containerStatuses]
    if not running or len(running) < len(pod.spec.containers) or not all(r and r.startedAt for r in running):
        return None
    return newest(r.startedAt for r in running if r)


def _terminating(pod: Pod, events: Sequence[Event], patience: Patience) -> Lasting | None:
    """A pod that should have been removed by its deletionTimestamp, which includes its grace period."""
    stamp = pod.metadata.deletionTimestamp
    due = shifted(stamp, patience.terminating) if stamp else None
    if not stamp or not due:
        return None
    grace = pod.metadata.deletionGracePeriodSeconds or pod.spec.terminationGracePeriodSeconds
    facts = {"terminatingSince": rfc3339(stamp)} | ({"gracePeriod": f"{grace} s"} if grace else {})
    statuses = (*pod.status.containerStatuses, *pod.status.initContainerStatuses)
    running = [status.name for status in statuses if status.state.running]
    text = "the kubelet to remove the pod"
    seen = [Excerpt("metadata.deletionTimestamp", facts["terminatingSince"])]
    if running:
        facts |= {"stillRunning": _quoted(running)}
        text = f"the end of container {facts['stillRunning']}"
    elif pod.metadata.finalizers:
        facts |= {"finalizers": _quoted(pod.metadata.finalizers)}
        text = f"finalizer {facts['finalizers']}"
        seen.append(Excerpt("metadata.finalizers", ", ".join(pod.metadata.finalizers)))
    lost = next((e for e in reversed(events) if e.reason == _NODE_NOT_READY), None)
    if running and lost:
        facts |= {"nodeEvent": lost.text.strip()}
        seen.append(Excerpt(f"events[{lost.reason}]", lost.text))
    if failed := next((e for e in reversed(events) if e.reason == "FailedKillPod"), None):
        facts |= {"killError": failed.text.strip()}
        seen.append(Excerpt(f"events[{failed.reason}]", failed.text))
    finding = Finding(
        names=("StuckTerminating",),
        rank=FailureRank.POD,
        source="metadata.deletionTimestamp",
        key=FailureKey(pod.metadata.uid, "", "StuckTerminating"),
        at=due,
        text=f"set to {facts['terminatingSince']}",
        facts=facts,
        max_confidence="Likely",
        waiting=True,
        overdue=True,
        supporting=tuple(seen[1:]),
    )
    return Lasting(text, stamp, due, finding)


def _never_ready(pod: Pod, events: Sequence[Event], owner: Workload | None, patience: Patience) -> Lasting | None:
    if not is_never_ready(pod):
        return None
    since = _all_started(pod)
    deployment = owner if owner and owner.kind == "Deployment" else None
    if not since or (deployment and deployment.spec.paused):
        return None
    deadline = patience.never_ready
    if deployment:
        deadline = float(deployment.spec.progressDeadlineSeconds or PROGRESS_DEADLINE)
    due = shifted(since, deadline)
    if not due:
        return None
    ready = pod.condition("Ready")
    said = ready.message if ready else ""
    unready = [status.name for status in pod.status.containerStatuses if not status.ready]
    facts = {"notReadyFor": f"{deadline:g} s"} | ({"readyMessage": said} if said else {})
    if deployment:
        facts["workload"] = deployment.title
    probe = next((e for e in reversed(events) if _is_failed_probe(e, unready)), None)
    if not unready:
        facts |= _unfulfilled_gate(pod, said)
    if unready:
        facts["unready"] = _quoted(unready)
    if probe and (output := probe.text.partition(_PROBE_FAILED)[2].strip()):
        facts["probeOutput"] = output
    finding = Finding(
        names=("NeverReady", *((ready.reason,) if ready and ready.reason else ())),
        rank=FailureRank.POD,
        source="status.conditions[Ready]",
        key=FailureKey(pod.metadata.uid, "", "NeverReady"),
        at=due,
        container=unready[0] if len(unready) == 1 else "",
        text=said,
        facts=facts,
        max_confidence="Likely",
        waiting=True,
        overdue=True,
        supporting=(Excerpt(f"events[{probe.reason}]", probe.text),) if probe else (),
    )
    text = f"container {facts['unready']} to become ready" if unready else f"the pod to become ready: {said}"
    if "probeOutput" in facts:
        text = f"{text}: {facts['probeOutput']}"
    return Lasting(text, since, due, finding)


def _unfulfilled_gate(pod: Pod, said: str) -> dict[str, str]:
    """The condition that a readiness gate waits for, where Ready names one, and what its own message says of it."""
    gate = next((c for c in pod.status.conditions if c.status == "False" and f'gate "{c.type}"' in said), None)
    why = (gate.message or gate.reason) if gate else ""
    return {"gate": f'"{gate.type}"', "gateMessage": why} if gate and why else {}


def _is_failed_probe(event: Event, containers: Sequence[str]) -> bool:
    return event.reason == "Unhealthy" and _PROBE_FAILED in event.text and event.container in containers


def _kept_running(pod: Pod, patience: Patience) -> Lasting | None:
    """A pod whose work is done, with a sidecar that is a plain container: it ends only with all of these."""
    statuses = pod.status.containerStatuses
    running = [status for status in statuses if status.state.running]
    ended = [status for status in statuses if _has_completed(status)]
    if not running or not ended or len(running) + len(ended) < max(len(statuses), len(pod.spec.containers)):
        return None
    since = newest(status.state.terminated.finishedAt for status in ended if status.state.terminated)
    if not since or not all(is_sidecar_name(status.name) for status in running):
        return None
    due = shifted(since, patience.sidecar)
    if not due or all(is_sidecar_name(status.name) for status in ended):
        return None
    first = running[0]
    source = f"status.containerStatuses[{first.name}].state.running"
    completed, completed_at = _quoted([status.name for status in ended]), rfc3339(since)
    finding = Finding(
        names=("SidecarRunsOn",),
        rank=FailureRank.CONTAINER,
        source=source,
        key=FailureKey(pod.metadata.uid, first.name, "SidecarRunsOn"),
        at=due,
        container=first.name,
        text=f"runs; container {completed} completed at {completed_at}",
        facts={"completed": completed, "completedAt": completed_at},
        max_confidence="Likely",
        waiting=True,
        overdue=True,
    )
    return Lasting(f'sidecar "{first.name}" to end', since, due, finding)


def _has_completed(status: ContainerStatus) -> bool:
    ended = status.state.terminated
    return ended is not None and ended.exitCode == 0


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def starting(pod: Pod, events: Sequence[Event]) -> tuple[str, datetime | None] | None:
    """What a pod waits for that has not started yet, in which nothing has failed, and since when."""
    if pod.status.phase != "Pending" or pod.metadata.deletionTimestamp:
        return None
    scheduled = pod.condition("PodScheduled")
    if scheduled and scheduled.status == "False" and scheduled.reason == "SchedulingGated":
        return None
    since = pod.metadata.creationTimestamp
    if not pod.spec.nodeName:
        return "a node", since
    since = (scheduled.lastTransitionTime if scheduled else None) or since
    if warning := next((e for e in reversed(events) if e.type == "Warning"), None):
        return warning.text.strip(), since
    statuses = (*pod.status.initContainerStatuses, *pod.status.containerStatuses)
    if running := next((s for s in pod.status.initContainerStatuses if s.state.running and not s.ready), None):
        return f'init container "{running.name}" to end', since
    waiting = next((s for s in statuses if s.state.waiting), None)
    if waiting and waiting.state.waiting:
        reason = waiting.state.waiting.reason
        return f'container "{waiting.name}" to start' + (f" ({reason})" if reason else ""), since
    return "the kubelet", since
