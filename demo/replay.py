"""Plays scenes into the API server: objects appear, fail and heal as they did on the real cluster, only faster."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from demo.recording import Recording
from demo.scenarios import Scene
from embedded_apiserver import EmbeddedApiServer

_PACE = 0.7  # seconds between two scenes: slow enough to watch


def play(server: EmbeddedApiServer, scenes: tuple[Scene, ...], say: Callable[[str], None]) -> None:
    """Let every scene's failure happen, one after the other."""
    for scene in scenes:
        say(f"{scene.namespace:9} {scene.workload:23} {scene.told}")
        for file in scene.files:
            recording = Recording(file, scene.rename, datetime.now(UTC))
            _appear(server, recording)
        time.sleep(_PACE)


def heal(server: EmbeddedApiServer, scene: Scene) -> None:
    """The scene's pods run well from now on, and its Deployment is available, as after a corrected roll-out."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for file in scene.files:
        obj = Recording(file, scene.rename, datetime.now(UTC)).object
        if obj["kind"] == "Pod":
            _run_well(obj, now)
        elif obj["kind"] in ("Deployment", "ReplicaSet"):
            obj["status"] |= {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1}
            obj["status"].pop("unavailableReplicas", None)
            obj["status"]["observedGeneration"] = obj["metadata"].get("generation", 1)
        server.put(obj)


def _appear(server: EmbeddedApiServer, recording: Recording) -> None:
    """A pod is first seen while it is still well, then as it was recorded; events come with it."""
    obj = recording.object
    if obj["kind"] == "Pod":
        server.put(obj | {"status": {"phase": "Pending"}})
    server.put(obj)
    for event in recording.events:
        server.put(event)


def _run_well(pod: dict[str, Any], now: str) -> None:
    status = pod["status"]
    status["phase"] = "Running"
    for container in status["containerStatuses"]:
        container |= {"state": {"running": {"startedAt": now}}, "ready": True, "started": True}
        container["restartCount"] += 1
        container["containerID"] = "containerd://healed"
    for condition in status["conditions"]:
        if condition["type"] in ("Ready", "ContainersReady"):
            condition |= {"status": "True", "lastTransitionTime": now}
            condition.pop("reason", None)
            condition.pop("message", None)
