"""The operator as a process of its own, as a user would start it."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.cluster.scripts import free_ports
from tests.e2e.waiting import wait_for

READY_SECONDS = 60
STOP_SECONDS = 20


class OperatorProcess:
    """`python -m coroner_operator run` on a kubeconfig; its output goes to LOG, which restarts append to."""

    def __init__(self, kubeconfig: Path, log: Path, *options: str) -> None:
        health, metrics = free_ports(2)
        self.log = log
        self.health_url = f"http://127.0.0.1:{health}"
        self.metrics_url = f"http://127.0.0.1:{metrics}/metrics"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CORONER_")},
            "CORONER_HEALTH_ADDRESS": f"127.0.0.1:{health}",
            "CORONER_METRICS_ADDRESS": f"127.0.0.1:{metrics}",
            "PYTHONUNBUFFERED": "1",
        }
        command = [sys.executable, "-m", "coroner_operator", "run", "--kubeconfig", str(kubeconfig), *options]
        with log.open("a") as output:
            output.write(f"$ {' '.join(command)}\n")
            output.flush()
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
            )

    def wait_until_ready(self) -> None:
        wait_for(self.is_ready, READY_SECONDS, f"the operator is ready ({self.health_url}/readyz)")

    def is_ready(self) -> bool:
        ended = self._process.poll()
        if ended is not None:
            # OSError, so that nobody waits any longer: wait_for() passes it on.
            raise OSError(f"the operator ended with status {ended}:\n{self.tail()}")
        try:
            with urllib.request.urlopen(f"{self.health_url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def kill(self) -> None:
        """kill -9: no word of farewell is written."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """Exit status after SIGTERM; fails where the operator does not end in time."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"the operator did not end within {STOP_SECONDS} s of SIGTERM:\n{self.tail()}"
            ) from None

    def end(self) -> None:
        """However it goes: after this the process is gone."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
