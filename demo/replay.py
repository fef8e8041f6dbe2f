"""Replays scenarios on the API server: objects appear, fail and recover as on the real cluster, only faster."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from demo.recording import Recording
from demo.scenarios import Scenario
from embedded_apiserver import EmbeddedApiServer

_PAUSE = 0.7  # seconds between two scenarios, so that the output can be followed


def replay(server: EmbeddedApiServer, scenarios: tuple[Scenario, ...], say: Callable[[str], None]) -> None:
    """Let the failures happen, one scenario after the other."""
    for scenario in scenarios:
        say(f"{scenario.namespace:9} {scenario.workload:23} {scenario.description}")
        for file in scenario.files:
            _create(server, Recording(file, scenario.rename, datetime.now(UTC)))
        time.sleep(_PAUSE)


def recover(server: EmbeddedApiServer, scenario: Scenario) -> None:
    """Make the scenario's pods ready and its Deployment available, as after a roll-out with a fix."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for file in scenario.files:
        obj = Recording(file, scenario.rename, datetime.now(UTC)).object
        if obj["kind"] == "Pod":
            _make_ready(obj, now)
        elif obj["kind"] in ("Deployment", "ReplicaSet"):
            obj["status"] |= {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1}
            obj["status"].pop("unavailableReplicas", None)
            obj["status"]["observedGeneration"] = obj["metadata"].get("generation", 1)
        server.put(obj)


def _create(server: EmbeddedApiServer, recording: Recording) -> None:
    """Create a pod as Pending, then update it to its recorded status; its events follow."""
    obj = recording.object
    if obj["kind"] == "Pod":
        server.put(obj | {"status": {"phase": "Pending"}})
    server.put(obj)
    for event in recording.events:
        server.put(event)


def _make_ready(pod: dict[str, Any], now: str) -> None:
    status = pod["status"]
    status["phase"] = "Running"
    for container in status["containerStatuses"]:
        container |= {"state": {"running": {"startedAt": now}}, "ready": True, "started": True}
        container["restartCount"] += 1
        container["containerID"] = "containerd://restarted"
    for condition in status["conditions"]:
        if condition["type"] in ("Ready", "ContainersReady"):
            condition |= {"status": "True", "lastTransitionTime": now}
            condition.pop("reason", None)
            condition.pop("message", None)
