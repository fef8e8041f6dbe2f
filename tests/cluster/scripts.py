"""The shell scripts of this folder, run from Python: to their end, or for as long as a cluster is wanted."""

import contextlib
import os
import random
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

SCRIPTS = Path(__file__).parent
PORTS = ("ETCD_PORT", "ETCD_PEER_PORT", "APISERVER_PORT", "KCM_PORT", "SCHED_PORT", "KUBELET_PORT")


class NoKubernetesError(Exception):
    """No Kubernetes can be had; the text says why, and what would help."""


def cache_folder() -> Path:
    """The same folder as lib.sh's CACHE."""
    given = os.environ.get("CACHE")
    return (
        Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coroner-cluster"
    )


def script_environment(given: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "CACHE": str(cache_folder()), "PYTHON": sys.executable, **given}


def run_script(name: str, *args: str) -> None:
    """Run one of this folder's scripts to its end. Raises NoKubernetesError with its last line."""
    done = subprocess.run(
        [str(SCRIPTS / name), *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=script_environment({}),
    )
    if done.returncode != 0:
        raise NoKubernetesError(f"tests/cluster/{name} {' '.join(args)} failed: {last_line(done.stdout)}")


def last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no output"


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has, outside the range from which the kernel serves outgoing connections."""
    held: list[socket.socket] = []
    try:
        while len(held) < count:
            candidate = socket.socket()
            try:
                candidate.bind(("127.0.0.1", random.randint(20000, 29999)))
            except OSError:
                candidate.close()
            else:
                held.append(candidate)
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


@contextlib.contextmanager
def hold(name: str, options: list[str], given: Mapping[str, str]) -> Iterator[Path]:
    """`up OPTIONS` in a state folder of its own, `down` at the end; yields the kubeconfig.

    The script `hold` does both. It ends the cluster when its standard input closes, so a test run that is killed
    leaves nothing behind; it has a session of its own, so Ctrl-C does not reach it.
    """
    runs = Path(os.environ.get("RUNS") or cache_folder() / "runs")
    state = runs / f"{name}-{os.getpid()}"
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    environment = script_environment({**ports, "RUNS": str(runs), "STATE": str(state), **given})
    with tempfile.TemporaryFile("w+") as log:
        holder = subprocess.Popen(
            [str(SCRIPTS / "hold"), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            env=environment,
        )
        assert holder.stdin and holder.stdout
        try:
            line = holder.stdout.readline()  # ends without a word where `up` failed: `up` has a deadline for every step
            if not line.startswith("ready "):
                log.seek(0)
                lines = [entry for entry in log.read().splitlines() if entry.strip()]
                faults = [entry.split("ERROR: ", 1)[1] for entry in lines if "ERROR: " in entry]
                # where it gave up without such a line, what the program that failed said last
                reason = next(iter(faults or reversed(lines)), "no reason given")
                raise NoKubernetesError(f"the cluster did not start: {reason}")
            yield Path(line.removeprefix("ready ").strip())
        finally:
            holder.stdin.close()
            holder.stdout.close()
            holder.wait()
