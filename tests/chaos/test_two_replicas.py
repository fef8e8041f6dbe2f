"""Two operators without an election, over a whole simulation: what one of them has counted the other does not count again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from embedded_apiserver import EmbeddedApiServer
from tests.chaos.backends import EmbeddedBackend
from tests.chaos.failure_simulation import FailureSimulation
from tests.support.operators import Operators
from tests.support.waiting import until


@pytest.mark.timeout(600)
async def test_two_processes_at_once_count_1000_failures_exactly(
    server: EmbeddedApiServer, backend: EmbeddedBackend, operators: Operators, fast_settings: Path
) -> None:
    simulation = FailureSimulation(backend, random.Random(2), workloads=50, failures=20)
    await simulation.set_up()
    await simulation.advance(50)
    for _ in range(2):
        operators.fork("--config", str(fast_settings))
    await until(lambda: sum(call.is_watch and call.path == "/api/v1/pods" for call in server.calls) == 2, within=30)
    while not simulation.is_over:
        await simulation.advance_in_step(25, lag=20)
    await simulation.wait_until_exact(within=120)
    assert simulation.failures == 1000
    await simulation.recover_all_but_one()
