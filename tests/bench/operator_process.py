"""The operator as a process of its own, and what it costs."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.cluster.scripts import free_ports

STOP_SECONDS = 30


class OperatorEndedError(Exception):
    """The operator is gone, and should not be."""


class Operator:
    """``coroner run`` on a kubeconfig, from construction to ``stop()``. Settings come from the environment (CORONER_…)."""

    def __init__(self, kubeconfig: Path, log: Path, profile: Path | None = None) -> None:
        """``profile``: where cProfile's figures go; they make everything slower."""
        self.log = log
        port = free_ports(1)[0]
        self._url = f"http://127.0.0.1:{port}"
        address = f"127.0.0.1:{port}"
        command = [sys.executable]
        if profile:
            command += ["-m", "cProfile", "-o", str(profile)]
        command += ["-m", "coroner_operator", "run", "--kubeconfig", str(kubeconfig)]
        command += ["--health-address", address, "--metrics-address", address]
        self.began = time.time()
        """Seconds since 1970."""
        with log.open("a") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)

    def check(self) -> None:
        """Raises OperatorEndedError."""
        if (status := self._process.poll()) is not None:
            raise OperatorEndedError(f"the operator ended with status {status}:\n{self.tail()}")

    def is_ready(self) -> bool:
        return self._get("/readyz") is not None

    @property
    def pid(self) -> int:
        return self._process.pid

    def peak_rss(self) -> int:
        """Bytes. Raises OSError where there is no /proc."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[0]) * 1024

    def metric(self, line: str) -> float:
        """Value of a metric, named as the exposition does, labels included; 0 while there is none."""
        text = self._get("/metrics") or ""
        found = re.search(rf"^{re.escape(line)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def stop(self) -> None:
        """However it goes: after this the process is gone."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _get(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(self._url + path, timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            return None
