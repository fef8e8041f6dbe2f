"""The ports that any pod of the network can reach (F12)."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from embedded_apiserver import EmbeddedApiServer
from tests.attacks.conftest import until_ready
from tests.support.live_objects import failed_pod
from tests.support.operator_process import OperatorProcess
from tests.support.reports import Reports
from tests.support.waiting import until

DESCRIPTORS = 512
"""What a process may have open; 1,024 is common."""


@asynccontextmanager
async def half_open(url: str, count: int) -> AsyncIterator[None]:
    """So many connections that have sent the beginning of a request and will never send its end."""
    port = urlsplit(url).port
    writers: list[asyncio.StreamWriter] = []
    try:
        for _ in range(count):
            with contextlib.suppress(OSError, TimeoutError):
                _, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 2)
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ")
                writers.append(writer)
        yield
    finally:
        for writer in writers:
            writer.close()


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
