"""The objects that a kubelet and the controllers would write, small; and waiting for what should follow."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from embedded_apiserver import EmbeddedApiServer

T = TypeVar("T")
Object = dict[str, Any]

_numbers = itertools.count(1)


def uid() -> str:
    """A UID that no other object of this run has."""
    return f"{next(_numbers):08x}-0000-4000-8000-000000000000"


def ago(**delta: float) -> str:
    return (datetime.now(UTC) - timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


def workload(kind: str, name: str, *, owner: Object | None = None, status: Object | None = None, **spec: Any) -> Object:
    api_version = {"Job": "batch/v1", "CronJob": "batch/v1"}.get(kind, "apps/v1")
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": "default", "uid": uid(), "generation": 1, **_owned_by(owner)},
        "spec": spec,
        "status": {"observedGeneration": 1, **(status or {})},
    }


def reference(api_version: str, kind: str, name: str) -> Object:
    """An owner that exists only in references: a kind that the server does not know."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "uid": uid()}}


def ended(exit_code: int = 1, reason: str = "Error", message: str = "", *, number: int = 1, ran: float = 3) -> Object:
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


def running() -> Object:
    return {"running": {"startedAt": ago(seconds=0)}}


def waiting(reason: str, message: str = "") -> Object:
    return {"waiting": {"reason": reason, "message": message}}


def pod(
    name: str,
    *,
    owner: Object | None = None,
    phase: str = "Running",
    state: Object | None = None,
    last: Object | None = None,
    restarts: int = 0,
    ready: bool | None = None,
    created: str | None = None,
    namespace: str = "default",
    pod_uid: str | None = None,
) -> Object:
    """A pod with one container; healthy and Ready unless something else is said."""
    state = running() if state is None else state
    ready = "running" in state if ready is None else ready
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": pod_uid or uid(),
            "creationTimestamp": created or ago(seconds=5),
            **_owned_by(owner),
        },
        "spec": {"nodeName": "node-1", "restartPolicy": "Always", "containers": [{"name": "main", "image": "busybox"}]},
        "status": {
            "phase": phase,
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": ago(seconds=0)},
            ],
            "containerStatuses": [
                {"name": "main", "restartCount": restarts, "ready": ready, "state": state, "lastState": last or {}}
            ],
        },
    }


def failed(name: str, exit_code: int = 1, reason: str = "Error", message: str = "", **more: Any) -> Object:
    """A pod that has failed for good."""
    return pod(name, phase="Failed", state=ended(exit_code, reason, message), **more)


def changed(old: Object, **more: Any) -> Object:
    """The same pod later on."""
    metadata = old["metadata"]
    new = pod(metadata["name"], namespace=metadata["namespace"], pod_uid=metadata["uid"], **more)
    new["metadata"] = metadata
    return new


def event(about: Object, reason: str, message: str, type_: str = "Warning") -> Object:
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


async def until(condition: Callable[[], T], within: float = 15.0) -> T:
    """The condition's value as soon as it is true; AssertionError if it never is."""
    try:
        async with asyncio.timeout(within):
            while not (value := condition()):  # noqa: ASYNC110 - nobody tells when it becomes true
                await asyncio.sleep(0.01)
            return value
    except TimeoutError:
        raise AssertionError(f"never true within {within} s: {condition()!r}") from None


class Reports:
    """What the server holds of reports."""

    def __init__(self, server: EmbeddedApiServer) -> None:
        self._server = server

    def of(self, name: str) -> Object | None:
        """The report of the workload of this name; None if there is none with a status."""
        return next(
            (
                r
                for r in self._server.objects("FailureReport")
                if r["spec"]["workload"]["name"] == name and "status" in r
            ),
            None,
        )

    def status(self, name: str) -> Object:
        report = self.of(name)
        return report["status"] if report else {}

    def failures(self, name: str) -> int:
        count = self.status(name).get("failures", 0)
        assert isinstance(count, int)
        return count

    def state(self, name: str) -> str | None:
        return self.status(name).get("state")

    @property
    def writes(self) -> int:
        """Accepted or refused, on the status of reports."""
        return sum(call.is_write and "/failurereports/" in call.path for call in self._server.calls)


def _owned_by(owner: Object | None) -> Object:
    if owner is None:
        return {}
    metadata = owner["metadata"]
    return {
        "ownerReferences": [
            {
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "controller": True,
            }
        ]
    }
