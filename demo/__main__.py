"""``make demo``: start the embedded API server and the operator, let recorded failures happen, show the reports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from demo.output import Screen
from demo.recording import RECORDINGS
from demo.replay import heal, play
from demo.scenarios import SCENES, Scene
from embedded_apiserver import EmbeddedApiServer, running_server

ROOT = Path(__file__).parents[1]
_REPORTED_WITHIN = 45.0  # seconds; a slow machine needs longer than the few that it takes
_EXPLAINED = ("a4-python-traceback", "j1-unschedulable-cpu")


def main() -> int:
    for end in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: operator and folder go too
        signal.signal(end, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="coroner-demo-") as folder, running_server() as server:
        kubeconfig = server.kubeconfig(Path(folder) / "kubeconfig")
        log = Path(folder) / "operator.log"
        for crd in sorted((ROOT / "crds").glob("*.yaml")):
            server.put(yaml.safe_load(crd.read_text("utf-8")))
        for namespace in sorted({scene.namespace for scene in SCENES}):
            server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        screen = Screen(server.url, kubeconfig)
        screen.heading("The operator starts; then ten failures, recorded on a real kubelet, happen again.")
        with _operator(kubeconfig, log):
            play(server, SCENES, screen.say)
            if missing := _wait_for(server, SCENES, "Failing"):
                return _gave_up(f"not reported: {', '.join(missing)}", log)
            healing = tuple(scene for scene in SCENES if scene.heals)
            for scene in healing:
                screen.say(f"{scene.namespace:9} {scene.workload:23} is mended and runs well")
                heal(server, scene)
            if missing := _wait_for(server, healing, "Recovered"):
                return _gave_up(f"not seen to recover: {', '.join(missing)}", log)
            _show(screen, server)
            if os.environ.get("DEMO_KEEP"):
                _keep(server, kubeconfig)
    return 0


def _show(screen: Screen, server: EmbeddedApiServer) -> None:
    screen.table()
    report = _reports(server)["research", SCENES[0].workload]
    screen.describe("research", report["metadata"]["name"])
    screen.explain(*(RECORDINGS / f"{name}.json" for name in _EXPLAINED))


def _keep(server: EmbeddedApiServer, kubeconfig: Path) -> None:
    print(
        f"\nThe API server listens at {server.url} until you press Ctrl-C. In another terminal:\n"
        f"  export KUBECONFIG={kubeconfig}\n"
        "  kubectl get fr -A -o wide\n"
        "  kubectl get fr -A -l coroner.dev/category=resources",
        flush=True,
    )
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()


@contextmanager
def _operator(kubeconfig: Path, log: Path) -> Iterator[None]:
    """The operator as a process of its own, with little patience so that the play stays short."""
    command = [sys.executable, "-m", "coroner_operator", "run", "--kubeconfig", str(kubeconfig)]
    command += ["--health-address", "", "--metrics-address", "", "--recovery-after", "2s"]
    command += ["--grace-period-image-pull", "1s", "--grace-period-container-creating", "1s", "--grace-period-unschedulable", "1s"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _reports(server: EmbeddedApiServer) -> dict[tuple[str, str], dict[str, Any]]:
    """Reports by namespace and workload (kind/name)."""
    found = {}
    for report in server.objects("FailureReport"):
        workload = report["spec"]["workload"]
        found[report["metadata"]["namespace"], f"{workload['kind']}/{workload['name']}"] = report
    return found


def _wait_for(server: EmbeddedApiServer, scenes: tuple[Scene, ...], state: str) -> list[str]:
    """Wait until each scene's report has this state; the workloads whose report does not, when time is up."""
    end = time.monotonic() + _REPORTED_WITHIN
    while missing := [s.workload for s in scenes if not _has(server, s, state)]:
        if time.monotonic() > end:
            return missing
        time.sleep(0.2)
    return []


def _has(server: EmbeddedApiServer, scene: Scene, state: str) -> bool:
    status = _reports(server).get((scene.namespace, scene.workload), {}).get("status", {})
    told = status.get("subcategory") == scene.subcategory if state == "Failing" else True
    return status.get("state") == state and told


def _gave_up(why: str, log: Path) -> int:
    print(f"demo: {why}\nthe operator's log ends with:\n{log.read_text('utf-8', 'replace')[-3000:]}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
