"""Small objects to explain."""

from typing import Any

from tests.support import pods
from tests.support.pods import Json


def pod(name: str, uid: str = "", *, exit_code: int = 0, reason: str = "Error", **metadata: Any) -> Json:
    """A pod with one container that ended."""
    container = pods.failed(exit_code, reason) if exit_code else pods.completed()
    built = pods.pod(container, name=name, namespace="ml", uid=uid or f"uid-{name}", resources={})
    built["metadata"] |= metadata
    return built


def refused_to_create(kind: str, name: str, uid: str, **reference: Any) -> Json:
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


def list_of(*items: Json, kind: str = "List") -> Json:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"resourceVersion": ""}, "items": list(items)}
