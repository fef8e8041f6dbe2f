"""1,000 failures of 50 workloads, while the operator is killed with kill -9 again and again: each counts once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from embedded_apiserver import EmbeddedApiServer
from tests.chaos.backends import EmbeddedBackend, RealBackend
from tests.chaos.failure_simulation import FailureSimulation
from tests.chaos.process_killer import kill_after_changes, run_until_killed
from tests.support.operators import Operators

WORKLOADS, FAILURES = 50, 20
TURNS = WORKLOADS * FAILURES


@pytest.mark.timeout(900)  # usual: 3 minutes, which is 100 starts of a process
async def test_1000_failures_are_counted_exactly_over_100_kills(
    server: EmbeddedApiServer, backend: EmbeddedBackend, operators: Operators, fast_settings: Path
) -> None:
    rng = random.Random(4)
    simulation = FailureSimulation(backend, rng, workloads=WORKLOADS, failures=FAILURES)
    await simulation.set_up()
    hit: Counter[str] = Counter()
    start = partial(operators.fork, "--config", str(fast_settings))
    for _ in range(100):
        kill_point = await run_until_killed(server, simulation, start, rng, TURNS // 100)
        hit[kill_point.kind if kill_point.hit else "at rest"] += 1
    assert hit.total() - hit["at rest"] > 80, hit  # the simulation must not have been over too early
    assert hit["create or labels"] > 10, hit
    start()
    await _finish(simulation)
    assert simulation.failures == 1000
    await simulation.recover_all_but_one()


@pytest.mark.timeout(600)
@pytest.mark.xdist_group("kill_9")  # minutes, in a namespace of its own: beside all others that need an API server
async def test_1000_failures_are_counted_exactly_over_20_kills_on_a_real_api_server(
    real_backend: RealBackend, real_operators: Operators, fast_settings: Path
) -> None:
    rng = random.Random(20)
    simulation = FailureSimulation(real_backend, rng, workloads=WORKLOADS, failures=FAILURES)
    await simulation.set_up()
    flags = ("--config", str(fast_settings), "--namespaces", real_backend.namespace)
    for _ in range(20):
        await simulation.advance(TURNS // 40)
        process = real_operators.fork(*flags)
        async with asyncio.TaskGroup() as group:
            group.create_task(simulation.advance(TURNS // 40))
            group.create_task(
                kill_after_changes(real_backend.client, real_backend.namespace, process, rng.randint(1, 40))
            )
    real_operators.fork(*flags)
    await _finish(simulation)
    assert simulation.failures == 1000
    await simulation.recover_all_but_one()


async def _finish(simulation: FailureSimulation) -> None:
    """To the end; crash loops that nobody had looked at have stood still."""
    while not simulation.is_over:
        await simulation.wait_until_exact(within=120)
        await simulation.advance(WORKLOADS)
    await simulation.wait_until_exact(within=120)
