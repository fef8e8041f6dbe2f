"""``make demo``: start the embedded API server and the operator, replay recorded failures, show the reports."""

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

from demo.output import Output
from demo.recording import RECORDINGS
from demo.replay import recover, replay
from demo.scenarios import SCENARIOS, Scenario
from embedded_apiserver import EmbeddedApiServer, running_server

ROOT = Path(__file__).parents[1]
_REPORT_TIMEOUT = 45.0  # seconds; usually a few, but more on a slow machine
_EXPLAINED = ("a4-python-traceback", "j1-unschedulable-cpu")


def main() -> int:
    for end in (signal.SIGTERM, signal.SIGHUP):  # like Ctrl-C: stop the operator and remove the folder
        signal.signal(end, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="coroner-demo-") as folder, running_server() as server:
        kubeconfig = server.kubeconfig(Path(folder) / "kubeconfig")
        log = Path(folder) / "operator.log"
        for crd in sorted((ROOT / "crds").glob("*.yaml")):
            server.put(yaml.safe_load(crd.read_text("utf-8")))
        for namespace in sorted({scenario.namespace for scenario in SCENARIOS}):
            server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        output = Output(server.url, kubeconfig)
        output.heading(
            f"Starting the operator, then replaying {len(SCENARIOS)} failures that were recorded on a real kubelet"
        )
        with _operator(kubeconfig, log):
            replay(server, SCENARIOS, output.say)
            if missing := _wait_for(server, SCENARIOS, "Failing"):
                return _report_error(f"no report for {', '.join(missing)}", log)
            recovering = tuple(scenario for scenario in SCENARIOS if scenario.recovers)
            for scenario in recovering:
                output.say(f"{scenario.namespace:9} {scenario.workload:23} is fixed and becomes available")
                recover(server, scenario)
            if missing := _wait_for(server, recovering, "Recovered"):
                return _report_error(f"no recovery reported for {', '.join(missing)}", log)
            _show(output, server)
            if os.environ.get("DEMO_KEEP"):
                _keep(server, kubeconfig)
    return 0


def _show(output: Output, server: EmbeddedApiServer) -> None:
    output.table()
    first = SCENARIOS[0]
    report = _reports(server)[first.namespace, first.workload]
    output.describe(first.namespace, report["metadata"]["name"])
    output.explain(*(RECORDINGS / f"{name}.json" for name in _EXPLAINED))


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
    """The operator as a separate process, with short grace periods so that the demo stays short."""
    command = [sys.executable, "-m", "coroner_operator", "run", "--kubeconfig", str(kubeconfig)]
    command += ["--health-address", "", "--metrics-address", "", "--recovery-after", "2s"]
    command += [
        "--grace-period-image-pull",
        "1s",
        "--grace-period-container-creating",
        "1s",
        "--grace-period-unschedulable",
        "1s",
    ]
    with log.open("wb") as stdout:
        process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.STDOUT)
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


def _wait_for(server: EmbeddedApiServer, scenarios: tuple[Scenario, ...], state: str) -> list[str]:
    """Wait until the report of every scenario has this state, or says that it has failed for good where it shall fail;
    return the workloads without it on time-out.
    """
    deadline = time.monotonic() + _REPORT_TIMEOUT
    while missing := [s.workload for s in scenarios if not _is_reported(server, s, state)]:
        if time.monotonic() > deadline:
            return missing
        time.sleep(0.2)
    return []


def _is_reported(server: EmbeddedApiServer, scenario: Scenario, state: str) -> bool:
    status = _reports(server).get((scenario.namespace, scenario.workload), {}).get("status", {})
    if state == "Failing":
        return bool(status.get("state") in ("Failing", "Failed")) and status.get("subcategory") == scenario.subcategory
    return bool(status.get("state") == state)


def _report_error(error: str, log: Path) -> int:
    print(f"demo: {error}\nEnd of the operator's log:\n{log.read_text('utf-8', 'replace')[-3000:]}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
