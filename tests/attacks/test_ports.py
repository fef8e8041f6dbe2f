"""The ports that any pod of the network can reach (F12)."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

import aiohttp
import pytest

from embedded_apiserver import EmbeddedApiServer
from tests.attacks.attackers import half_open
from tests.attacks.conftest import until_ready
from tests.support.live_objects import failed_pod
from tests.support.operator_process import OperatorProcess
from tests.support.reports import Reports
from tests.support.waiting import until

DESCRIPTORS = 512
"""What a process may have open; 1,024 is common."""


@pytest.mark.parametrize("attacked", ["metrics", "health"])
async def test_connections_that_never_send_a_request_stop_neither_probes_nor_reports(
    server: EmbeddedApiServer, reports: Reports, tmp_path: Path, processes: list[OperatorProcess], attacked: str
) -> None:
    """F12: 1,130 of them to :9090, and /healthz did not answer."""
    operator = OperatorProcess(server.kubeconfig(tmp_path / "kubeconfig"), tmp_path / "operator.log")
    processes.append(operator)
    await until_ready(operator)
    resource.prlimit(operator.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    url = operator.metrics_url if attacked == "metrics" else operator.health_url
    async with half_open(url, DESCRIPTORS + 100), aiohttp.ClientSession() as session:

        async def alive() -> bool:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(f"{operator.health_url}/healthz", timeout=aiohttp.ClientTimeout(2)) as answer:
                    return answer.status == 200
            return False

        if attacked == "metrics":  # what shares no limit with the probes cannot starve them
            assert await alive()
        else:  # slow clients are sent away in time for the next probe
            await until(alive, 30, "/healthz answers again", poll=0.5)
        server.drop_watches()  # it needs new connections of its own, too
        server.put(failed_pod("victim"))
        await until(lambda: reports.of("victim"), 30, "the victim's report")
    operator.check()
