"""kill -9 again and again while 20 gangs of 50 pods fail: all is counted once, and the pod that failed first is named."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from embedded_apiserver import EmbeddedApiServer
from tests.chaos.backends import EmbeddedBackend, RealBackend
from tests.chaos.gang_storm import GangStorm
from tests.chaos.process_killer import kill_after_changes, run_until_killed
from tests.support.operators import Operators
from tests.support.processes import Program
from tests.support.waiting import until

GANGS, PODS, KILLS = 20, 50, 100


@pytest.mark.timeout(900)  # usual: 1 minute, which is 100 starts of a process
async def test_over_100_kills_counts_are_exact_and_all_20_initiators_are_named(
    server: EmbeddedApiServer, backend: EmbeddedBackend, operators: Operators, fast_settings: Path
) -> None:
    rng = random.Random(10)
    storm = GangStorm(backend, rng, gangs=GANGS, pods=PODS)
    await storm.set_up()
    start = partial(operators.fork, "--config", str(fast_settings))
    hit: Counter[str] = Counter()
    for left in range(KILLS, 0, -1):
        kill_point = await run_until_killed(server, storm, start, rng, turns=-(-storm.turns // left))
        hit[kill_point.kind if kill_point.hit else "at rest"] += 1
    assert storm.turns == 0
    assert hit.total() - hit["at rest"] > 80, hit
    await _end(storm, start)


@pytest.mark.timeout(600)
@pytest.mark.xdist_group("kill_9")  # as in test_kill_9.py
async def test_over_10_kills_on_a_real_api_server(
    real_backend: RealBackend, real_operators: Operators, fast_settings: Path
) -> None:
    rng = random.Random(11)
    storm = GangStorm(real_backend, rng, gangs=GANGS, pods=10)
    await storm.set_up()
    namespace = real_backend.namespace
    start = partial(real_operators.fork, "--config", str(fast_settings), "--namespaces", namespace)
    for left in range(10, 0, -1):
        turns = -(-storm.turns // left)
        await storm.advance(turns // 2)
        process = start()
        async with asyncio.TaskGroup() as group:
            group.create_task(storm.advance(turns - turns // 2))
            group.create_task(kill_after_changes(real_backend.client, namespace, process, rng.randint(1, 10)))
    assert storm.turns == 0
    await _end(storm, start)


async def _end(storm: GangStorm, start: Callable[[], Program]) -> None:
    """All is as it was, for the last operator and, once the Jobs have failed and no pod is left, for the next one."""
    last = start()
    await storm.wait_until_exact(within=60)
    last.kill()
    await storm.end_all()
    start()

    async def all_failed() -> bool:
        states = await storm.states()
        assert states == {gang.name: "Failed" for gang in storm.gangs}
        return True

    await until(all_failed, within=60)
    assert await storm.differences() == []
