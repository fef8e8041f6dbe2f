"""The real servers: they answer, they are one a run, and they end with whoever asked for them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.scripts import SCRIPTS, script_environment
from tests.cluster.server import KubectlError, Server

ROOT = Path(__file__).parents[2]
HOLDING = """
import sys
from tests.cluster.sources import OwnBuild
with OwnBuild(kubelet=False).start() as server:
    print(server.kubeconfig, flush=True)
    sys.stdin.read()
"""


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def processes_of(state: Path) -> list[str]:
    """Command lines that name this state folder."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended while we looked
            continue
        if str(state) in line:
            lines.append(line)
    return lines


@pytest.fixture
def holder(api_server: Server, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another test run (a process of its own) that has an API server, and its state folder."""
    if api_server.origin != "our own build":
        pytest.skip(f"only our own build is started by a script of ours, this is {api_server.origin}")
    environment = {**script_environment({}), "RUNS": str(tmp_path), "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen(
        [sys.executable, "-c", HOLDING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    assert run.stdin and run.stdout
    try:
        yield run, Path(run.stdout.readline().strip()).parent
    finally:
        run.stdin.close()
        run.stdout.close()
        run.wait(timeout=60)
        subprocess.run([str(SCRIPTS / "down"), "--all"], env=environment, check=True, capture_output=True)


def test_the_api_server_answers(api_server: Server) -> None:
    assert api_server.url.startswith("https://")
    names = json.loads(api_server.kubectl("get", "namespaces", "-o", "json"))["items"]
    assert "default" in [entry["metadata"]["name"] for entry in names]


def test_kubectls_refusal_is_an_error_with_its_words(api_server: Server) -> None:
    with pytest.raises(KubectlError, match='namespaces "absent" not found'):
        api_server.kubectl("get", "namespace", "absent")


def test_a_killed_run_leaves_nothing_behind(holder: tuple[subprocess.Popen[str], Path]) -> None:
    run, state = holder
    assert processes_of(state)
    run.kill()
    until(lambda: not state.exists(), 30, f"{state} is gone")
    assert processes_of(state) == []


def test_the_next_run_ends_what_a_killed_hold_left(holder: tuple[subprocess.Popen[str], Path]) -> None:
    run, state = holder
    os.kill(int((state / "held").read_text().split()[0]), signal.SIGKILL)
    run.kill()
    assert [line for line in processes_of(state) if "etcd" in line]
    environment = script_environment({"RUNS": str(state.parent)})
    subprocess.run([str(SCRIPTS / "down"), "--stale"], env=environment, check=True, capture_output=True)
    assert not state.exists()
    assert processes_of(state) == []


def test_a_pod_runs_on_the_cluster(cluster: Server) -> None:
    assert cluster.runs_pods
    cluster.kubectl("run", "hello", "--image=busybox:1.36", "--restart=Never", "--", "true")
    try:
        cluster.kubectl("wait", "pod/hello", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s", timeout=90)
    finally:
        cluster.kubectl("delete", "pod", "hello", "--wait=false")
