"""The controllers of docs/for-controllers.md decide what the document says, against a server that keeps reports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from embedded_apiserver import EmbeddedApiServer, running_server
from tests.support.processes import Program, own_environment
from tests.support.waiting import until
from tools.go_types import TYPES, main

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
RETRY, STOP, ASK = "retry", "stop", "ask"
START_SECONDS = 120.0  # the official client has hundreds of modules


@pytest.fixture
def server() -> Iterator[EmbeddedApiServer]:
    with running_server() as server:
        server.load(ROOT / "crds")
        yield server


def go() -> str:
    """The Go tool; without it the test is skipped, or fails with REQUIRE_GO=1."""
    found = shutil.which("go")
    if found is None:
        (pytest.fail if os.environ.get("REQUIRE_GO") == "1" else pytest.skip)("no go on PATH")
    assert found is not None
    return found


def report(name: str, number: int, retry: str, confidence: str = "Confirmed", **status: Any) -> dict[str, Any]:
    """A final verdict on the pod of that number, of a workload that has ended in failure."""
    workload = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": f"u-{name}", "display": f"Job/{name}"}
    current = {
        "failureID": f"{name}-{number}",
        "failure": "resources/oom-killed",
        "category": "resources",
        "subcategory": "oom-killed",
        "retry": retry,
        "confidence": confidence,
        "exitCode": 137,
        "failedAt": "2026-01-01T00:00:00Z",
        "final": True,
        "observedPod": {"name": f"{name}-{number}", "uid": f"p-{name}-{number}"},
    }
    state = status.pop("state", "Failed")
    times = {"Failed": {"endedAt": "2026-01-01T00:00:00Z"}, "Deleted": {"deletedAt": "2026-01-01T00:00:00Z"}}
    return {
        "apiVersion": "coroner.dev/v1alpha1",
        "kind": "FailureReport",
        "metadata": {"name": name, "namespace": "team-a", "uid": f"r-{name}"},
        "spec": {"workload": workload},
        "status": {"state": state, "failures": number, **times.get(state, {}), **current, **status},
    }


def not_final(report: dict[str, Any]) -> dict[str, Any]:
    status = {name: value for name, value in report["status"].items() if name not in ("final", "observedPod")}
    return {**report, "status": status}


def recovered(name: str) -> dict[str, Any]:
    whole = report(name, 1, "MayRecover")
    return {**whole, "status": {"state": "Recovered", "failures": 1}}


async def decisions(server: EmbeddedApiServer, start: Callable[[], Program]) -> list[str]:
    """What the controller prints about reports that exist at its start, and about later changes."""
    server.create_namespace("team-a")
    server.put(report("train", 1, "NeedsChange"))
    server.put(report("preempted", 1, "MayRecover"))
    server.put(recovered("well"))
    server.put(report("deleted", 1, "NeedsChange", state="Deleted"))
    server.put(report("retried", 1, "MayRecover", state="Failing"))  # by its own controller
    server.put(not_final(report("early", 1, "NeedsChange")))
    controller = start()
    try:
        await until(lambda: len(printed(controller)) == 2, START_SECONDS)
        server.put(report("train", 1, "NeedsChange", lastSeen="2026-01-01T00:05:00Z"))  # no other pod
        server.put(report("train", 1, "MayRecover", rules="changed"))  # decided already
        server.put(report("guess", 1, "MayRecover", "Unknown"))
        server.put(report("train", 2, "MayRecover"))
        server.put(report("early", 1, "NeedsChange", state="Failing"))
        server.put(report("retried", 1, "MayRecover"))
        await until(lambda: len(printed(controller)) == 6)
        lines = printed(controller)
    finally:
        controller.kill()
    return sorted(lines[:2]) + lines[2:]


def printed(controller: Program) -> list[str]:
    """Without the command, which a log begins with."""
    controller.check()
    return controller.output().splitlines()[1:]


EXPECTED = [
    f"team-a/Job/preempted: {RETRY} (resources/oom-killed)",
    f"team-a/Job/train: {STOP} (resources/oom-killed)",
    f"team-a/Job/guess: {ASK} (resources/oom-killed)",
    f"team-a/Job/train: {RETRY} (resources/oom-killed)",
    f"team-a/Job/early: {STOP} (resources/oom-killed)",
    f"team-a/Job/retried: {RETRY} (resources/oom-killed)",
]


async def test_the_python_controller_decides_once_on_each_pod(server: EmbeddedApiServer, tmp_path: Path) -> None:
    environment = {**own_environment(), "KUBECONFIG": str(server.kubeconfig(tmp_path / "kubeconfig"))}
    command = [sys.executable, str(EXAMPLES / "retry_controller.py")]
    assert await decisions(server, lambda: Program(command, log=tmp_path / "log", environment=environment)) == EXPECTED


@pytest.fixture
def go_controller(tmp_path: Path) -> str:
    binary = str(tmp_path / "retry-controller")
    environment = {**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    subprocess.run([go(), "build", "-o", binary, "."], cwd=EXAMPLES / "go", env=environment, check=True)
    return binary


async def test_the_go_controller_decides_once_on_each_pod(
    server: EmbeddedApiServer, tmp_path: Path, go_controller: str
) -> None:
    command = [go_controller, "--server", server.url]
    assert await decisions(server, lambda: Program(command, log=tmp_path / "log")) == EXPECTED


def test_the_go_types_are_those_of_the_crd(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["go_types.py", "--check"])
    assert main() == 0, capsys.readouterr().err
    assert "type FailureReport struct" in TYPES.read_text("utf-8")
