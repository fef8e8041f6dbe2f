"""An arena on a real API server, and the operator's process in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.attacks.arena import Arena, open_arena
from tests.attacks.recording_proxy import RecordingProxy, recording_proxy, redirected
from tests.cluster.server import Server
from tests.e2e.conftest import install
from tests.support.operator_process import OperatorProcess
from tests.support.waiting import until

READY_SECONDS = 60.0
QUICK = {
    "recovery_after": 0.3,
    "grace_periods": {"container_creating": 0},
    "log_level": "info",
    "retention": "1h",
}

StartOperator = Callable[..., Awaitable[OperatorProcess]]


@pytest.fixture(scope="session")
def installed_api_server(api_server: Server) -> Server:
    install(api_server)
    return api_server


@pytest.fixture
async def arena(installed_api_server: Server, tmp_path: Path) -> AsyncIterator[Arena]:
    async with open_arena(installed_api_server, tmp_path) as made:
        yield made


@pytest.fixture
async def proxy(arena: Arena) -> AsyncIterator[RecordingProxy]:
    """What the operator asks the API server for passes here."""
    async with recording_proxy(arena.operator_kubeconfig) as made:
        yield made


@pytest.fixture
def processes() -> Iterator[list[OperatorProcess]]:
    started: list[OperatorProcess] = []
    yield started
    for process in started:
        process.kill()  # one that hangs would not end by itself


@pytest.fixture
async def start_operator(
    arena: Arena, proxy: RecordingProxy, tmp_path: Path, processes: list[OperatorProcess]
) -> StartOperator:
    """start_operator(**settings): the operator's process, ready."""
    kubeconfig = redirected(arena.operator_kubeconfig, proxy.url, tmp_path / "through-the-proxy")

    async def start(**settings: Any) -> OperatorProcess:
        number = len(processes)
        config = tmp_path / f"settings-{number}.yaml"
        config.write_text(yaml.safe_dump({**QUICK, **settings}))
        log = tmp_path / f"operator-{number}.log"
        process = OperatorProcess(kubeconfig, log, "--config", str(config), forked=True)
        processes.append(process)
        await until_ready(process)
        return process

    return start


async def until_ready(process: OperatorProcess, within: float = READY_SECONDS) -> None:
    async def is_ready() -> bool:
        return await asyncio.to_thread(process.is_ready)

    await until(is_ready, within, "the operator is ready", poll=0.1)
