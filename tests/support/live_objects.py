"""The objects that a kubelet and the controllers write while an operator runs: UIDs of their own, times of now."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.pods import Json, condition, owned_by, pod, status

_numbers = itertools.count(1)


def uid() -> str:
    """A UID that no other object of this run has."""
    return f"{next(_numbers):08x}-0000-4000-8000-000000000000"


def ago(**delta: float) -> str:
    return (datetime.now(UTC) - timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


def workload(kind: str, name: str, *, owner: Json | None = None, status: Json | None = None, **spec: Any) -> Json:
    api_version = {"Job": "batch/v1", "CronJob": "batch/v1"}.get(kind, "apps/v1")
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": "default", "uid": uid(), "generation": 1, **owned_by(owner)},
        "spec": spec,
        "status": {"observedGeneration": 1, **(status or {})},
    }


def reference(api_version: str, kind: str, name: str) -> Json:
    """An owner that exists only in references: a kind that the server does not know."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "uid": uid()}}


def ended(exit_code: int = 1, reason: str = "Error", message: str = "", *, number: int = 1, ran: float = 3) -> Json:
    """A terminated state; ``number`` tells instances of one container apart."""
    return {
        "terminated": {
            "exitCode": exit_code,
            "reason": reason,
            **({"message": message} if message else {}),
            "startedAt": ago(seconds=ran),
            "finishedAt": ago(seconds=0),
            "containerID": f"containerd://{number:064x}",
        }
    }


def running() -> Json:
    return {"running": {"startedAt": ago(seconds=0)}}


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, "message": message}}


def live_pod(
    name: str,
    *,
    owner: Json | None = None,
    phase: str = "Running",
    state: Json | None = None,
    last: Json | None = None,
    restarts: int = 0,
    ready: bool | None = None,
    created: str | None = None,
    namespace: str = "default",
    pod_uid: str | None = None,
) -> Json:
    """A pod with one container; healthy and Ready unless something else is said."""
    state = running() if state is None else state
    ready = "running" in state if ready is None else ready
    created = created or ago(seconds=5)
    return pod(
        status("main", state, last, restarts, ready),
        name=name,
        namespace=namespace,
        uid=pod_uid or uid(),
        created=created,
        owner=owner,
        resources={},
        phase=phase,
        restart_policy="Always",
        conditions=(
            condition("PodScheduled", "True", at=created),  # dates a wait: later, it would be the newest failure
            condition("Ready", "True" if ready else "False", at=ago(seconds=0)),
        ),
    )


def failed_pod(name: str, exit_code: int = 1, reason: str = "Error", message: str = "", **more: Any) -> Json:
    """A pod that has failed for good."""
    return live_pod(name, phase="Failed", state=ended(exit_code, reason, message), **more)


def changed(old: Json, **more: Any) -> Json:
    """The same pod later on."""
    metadata = old["metadata"]
    new = live_pod(metadata["name"], namespace=metadata["namespace"], pod_uid=metadata["uid"], **more)
    new["metadata"] = metadata
    return new


def event(about: Json, reason: str, message: str, type_: str = "Warning") -> Json:
    metadata = about["metadata"]
    number = next(_numbers)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{number:x}", "namespace": metadata.get("namespace", "default")},
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "namespace": metadata.get("namespace", "default"),
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
        "reason": reason,
        "message": message,
        "type": type_,
        "count": 1,
        "firstTimestamp": ago(seconds=0),
        "lastTimestamp": ago(seconds=0),
    }


def probe_kill(about: Json) -> tuple[Json, Json]:
    """The kubelet's events about a pod whose container fails its liveness probe and is killed for it."""
    failed = event(about, "Unhealthy", "Liveness probe failed: no")
    killing = event(about, "Killing", "Container main failed liveness probe, will be restarted", "Normal")
    for said in (failed, killing):
        said["involvedObject"]["fieldPath"] = "spec.containers{main}"
    return failed, killing
