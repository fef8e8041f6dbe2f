"""The operator as a process of its own, as a user would start it."""

from __future__ import annotations

import re
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.scripts import free_ports
from tests.support.preloaded import ForkedProcess
from tests.support.processes import Program, own_environment
from tests.support.waiting import wait_for

READY_SECONDS = 60.0


class OperatorProcess(Program):
    """`python -m coroner_operator run` on a kubeconfig, with ports of its own for health and metrics."""

    def __init__(
        self,
        kubeconfig: Path,
        log: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        python_options: Sequence[str] = (),
        forked: bool = False,
    ) -> None:
        """``environment``: None: the test's own without CORONER_…; ``python_options``: of the interpreter.
        ``forked``: from a process that has imported it, for tests of which each starts one.
        """
        health, metrics = free_ports(2)
        self.health_url = f"http://127.0.0.1:{health}"
        self.metrics_url = f"http://127.0.0.1:{metrics}/metrics"
        self.started_at = time.time()
        """Seconds since 1970."""
        given = own_environment() if environment is None else environment
        addresses = {
            "CORONER_HEALTH_ADDRESS": f"127.0.0.1:{health}",
            "CORONER_METRICS_ADDRESS": f"127.0.0.1:{metrics}",
            "PYTHONUNBUFFERED": "1",
        }
        arguments = ("run", "--kubeconfig", str(kubeconfig), *options)
        if forked:
            self._log = log
            self._command = " ".join(("coroner_operator", *arguments))
            self._process = ForkedProcess("coroner_operator", arguments, {**given, **addresses}, log)
        else:
            command = [sys.executable, *python_options, "-m", "coroner_operator", *arguments]
            super().__init__(command, log=log, environment={**given, **addresses})

    def wait_until_ready(self) -> None:
        wait_for(self.is_ready, READY_SECONDS, f"the operator is ready ({self.health_url}/readyz)")

    def is_ready(self) -> bool:
        """Raises ProgramEndedError."""
        self.check()
        return _get(f"{self.health_url}/readyz") is not None

    def metric(self, line: str) -> float:
        """Value of a metric, named as the exposition does, labels included; 0 while there is none."""
        found = re.search(rf"^{re.escape(line)} (\S+)$", _get(self.metrics_url) or "", re.MULTILINE)
        return float(found[1]) if found else 0.0

    def peak_rss(self) -> int:
        """Bytes. Raises OSError where there is no /proc."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[0]) * 1024


def _get(url: str) -> str | None:
    """The answer's text; None where there is none, or an error."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return None
