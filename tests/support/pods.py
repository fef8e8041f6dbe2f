"""The one builder of pods with a status: ``pod(failed(137, "OOMKilled"))``. Shapes are those that the API serves.

Everything has a fixed time and name, so that verdicts can be compared word for word; `live_objects` builds the same
pods with times of now and UIDs of their own, for operators that run.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

STARTED = "2026-11-21T21:15:40Z"
ENDED = "2026-11-21T21:15:50Z"
LATER = "2026-11-21T21:16:00Z"
RESOURCES: Json = {"limits": {"memory": "256Mi"}, "requests": {"memory": "256Mi", "cpu": "8"}}


def terminated(exit_code: int, reason: str = "", message: str = "", at: str = ENDED, started: str = STARTED) -> Json:
    """One ended instance of a container."""
    reason = reason or ("Completed" if exit_code == 0 else "Error")
    ended = {"exitCode": exit_code, "reason": reason, "startedAt": started, "finishedAt": at}
    return ended | ({"message": message} if message else {}) | {"containerID": f"containerd://{exit_code}-{at}"}


def status(name: str, state: Json, last: Json | None = None, restarts: int = 0, ready: bool = False) -> Json:
    ended = state.get("terminated") or (last or {}).get("terminated") or {}
    newest = f"containerd://running-{name}" if "running" in state else ended.get("containerID", "")
    return {
        "name": name,
        "state": state,
        "lastState": last or {},
        "restartCount": restarts,
        "ready": ready,
        "containerID": newest,
    }


def failed(exit_code: int, reason: str = "", message: str = "", name: str = "main", at: str = ENDED) -> Json:
    """A container that ended badly and stays so."""
    return status(name, {"terminated": terminated(exit_code, reason, message, at)})


def completed(name: str = "main", at: str = ENDED) -> Json:
    return status(name, {"terminated": terminated(0, at=at)})


def running(name: str = "main", last: Json | None = None, restarts: int = 0, ready: bool = True) -> Json:
    state = {"running": {"startedAt": LATER}}
    return status(name, state, {"terminated": last} if last else None, restarts, ready)


def waiting(reason: str, message: str = "", name: str = "main", last: Json | None = None, restarts: int = 0) -> Json:
    state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
    return status(name, state, {"terminated": last} if last else None, restarts)


def crash_looping(exit_code: int, reason: str = "", message: str = "", name: str = "main", restarts: int = 3) -> Json:
    back_off = f"back-off 40s restarting failed container={name} pod=p_default(uid-1)"
    return waiting("CrashLoopBackOff", back_off, name, terminated(exit_code, reason, message), restarts)


def condition(type_: str, status_: str, reason: str = "", message: str = "", at: str = ENDED) -> Json:
    return {"type": type_, "status": status_, "reason": reason, "message": message, "lastTransitionTime": at}


def disrupted(reason: str, message: str = "", at: str = "2026-11-21T21:15:49Z") -> Json:
    return condition("DisruptionTarget", "True", reason, message, at)


def owned_by(owner: Json | None) -> Json:
    """The part of the metadata that names the controller."""
    if owner is None:
        return {}
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    return {"ownerReferences": [reference]}


def pod(
    *containers: Json,
    name: str = "p",
    namespace: str = "default",
    uid: str = "uid-1",
    created: str = STARTED,
    owner: Json | None = None,
    resources: Json = RESOURCES,
    phase: str = "",
    init: tuple[Json, ...] = (),
    sidecars: tuple[Json, ...] = (),
    restart_policy: str = "Never",
    conditions: tuple[Json, ...] = (),
    deleted: str = "",
    grace: int = 30,
    **pod_status: str,
) -> Json:
    """A pod with these container statuses; the phase follows from them as the kubelet would set it.

    ``resources``: of each container; {}: it has none.
    """
    if not phase:
        states = [c["state"] for c in containers]
        if any(
            "running" in s or ("waiting" in s and c["restartCount"]) for s, c in zip(states, containers, strict=True)
        ):
            phase = "Running"
        elif any("waiting" in s for s in states) or not states:
            phase = "Pending"
        else:
            phase = "Failed" if any(s["terminated"]["exitCode"] for s in states) else "Succeeded"
    metadata: Json = {"name": name, "namespace": namespace, "uid": uid, "creationTimestamp": created}
    metadata |= owned_by(owner)
    if deleted:
        metadata |= {"deletionTimestamp": deleted, "deletionGracePeriodSeconds": grace}
    is_scheduled = all(c["status"] == "True" for c in conditions if c["type"] == "PodScheduled")
    limits = {"resources": resources} if resources else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "nodeName": "node-1" if is_scheduled else "",
            "restartPolicy": restart_policy,
            "terminationGracePeriodSeconds": 30,
            "containers": [{"name": c["name"], "image": "app:1", **limits} for c in containers]
            or [{"name": "main", "image": "app:1", **limits}],
            "initContainers": [{"name": c["name"], "image": "init:1"} for c in init]
            + [{"name": c["name"], "image": "side:1", "restartPolicy": "Always"} for c in sidecars],
        },
        "status": {
            "phase": phase,
            "conditions": list(conditions),
            "containerStatuses": list(containers),
            "initContainerStatuses": [*init, *sidecars],
            **pod_status,
        },
    }


def without_limits(subject: Json) -> Json:
    for container in subject["spec"]["containers"]:
        container["resources"] = {}
    return subject


def event(
    reason: str,
    message: str,
    container: str = "",
    type_: str = "Warning",
    at: str = "2026-11-21T21:15:49Z",
    kind: str = "Pod",
    uid: str = "uid-1",
) -> Json:
    about: Json = {"kind": kind, "namespace": "default", "name": "j" if kind == "Job" else "p", "uid": uid}
    if container:
        about["fieldPath"] = f"spec.containers{{{container}}}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"p.{abs(hash((reason, message, at))):x}", "namespace": "default"},
        "involvedObject": about,
        "reason": reason,
        "message": message,
        "type": type_,
        "count": 1,
        "firstTimestamp": at,
        "lastTimestamp": at,
    }


def killing(
    message: str = "Stopping container main", container: str = "main", at: str = "2026-11-21T21:15:48Z"
) -> Json:
    return event("Killing", message, container, "Normal", at)


def on_node(reason: str, message: str, node: str = "node-1", at: str = "2026-11-21T21:15:49Z") -> Json:
    """By the component of the node that reports it."""
    component = "kernel-monitor" if reason == "OOMKilling" else "kubelet"
    involved = {"kind": "Node", "name": node, "uid": node}
    return event(reason, message, at=at) | {"involvedObject": involved, "source": {"component": component}}


def unschedulable(message: str) -> Json:
    return pod(conditions=(condition("PodScheduled", "False", "Unschedulable", message),))


def job(*conditions: Json, deadline: int | None = None) -> Json:
    spec = {"activeDeadlineSeconds": deadline} if deadline is not None else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "namespace": "default", "uid": "uid-job"},
        "spec": spec,
        "status": {"conditions": list(conditions)},
    }


def create_failed(message: str) -> Json:
    return event("FailedCreate", message, kind="Job", uid="uid-job")
