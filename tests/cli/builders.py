"""Small objects to explain."""

from typing import Any


def pod(name: str, uid: str = "", *, exit_code: int = 0, reason: str = "Error", **metadata: Any) -> dict[str, Any]:
    """A pod with one container that ended."""
    ended = {"terminated": {"exitCode": exit_code, "reason": reason if exit_code else "Completed"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "ml", "uid": uid or f"uid-{name}", **metadata},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]},
        "status": {
            "phase": "Failed" if exit_code else "Succeeded",
            "containerStatuses": [{"name": "main", "containerID": f"containerd://{name}", "state": ended}],
        },
    }


def refused_to_create(kind: str, name: str, uid: str, **reference: Any) -> dict[str, Any]:
    """The event that a workload gets when its pods cannot be created."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.1", "namespace": "ml", "uid": f"event-{uid}"},
        "type": "Warning",
        "reason": "FailedCreate",
        "message": 'Error creating: pods "x" is forbidden: violates PodSecurity "restricted:latest"',
        "count": 3,
        "involvedObject": {
            "apiVersion": "batch/v1",
            "kind": kind,
            "namespace": "ml",
            "name": name,
            "uid": uid,
            **reference,
        },
    }


def list_of(*items: dict[str, Any], kind: str = "List") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"resourceVersion": ""}, "items": list(items)}
