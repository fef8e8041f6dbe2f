"""1,000 failures of 50 workloads, while the operator is killed with kill -9 again and again: each counts once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from embedded_apiserver import EmbeddedApiServer
from tests.chaos.backends import EmbeddedStage, RealStage
from tests.chaos.failure_simulation import Play
from tests.chaos.process_killer import Death, kill_after_changes
from tests.support.operators import Operators

WORKLOADS, FAILURES = 50, 20
TURNS = WORKLOADS * FAILURES


@pytest.mark.timeout(900)  # usual: 3 minutes, which is 100 starts of a process
async def test_1000_failures_are_counted_exactly_over_100_kills(
    server: EmbeddedApiServer, stage: EmbeddedStage, operators: Operators, quick: Path
) -> None:
    dice = random.Random(4)
    play = Play(stage, dice, workloads=WORKLOADS, failures=FAILURES)
    await play.set_up()
    struck: Counter[str] = Counter()
    for _ in range(100):
        death = await _a_life(server, play, operators, quick, dice)
        struck[death.kind if death.struck else "at rest"] += 1
    assert struck.total() - struck["at rest"] > 80, struck  # the play must not have been over too early
    assert struck["create or labels"] > 10, struck
    await operators.spawn("--config", str(quick))
    await _play_on(play)
    assert play.failures == 1000
    await play.all_get_well_but_one()


async def _a_life(
    server: EmbeddedApiServer, play: Play, operators: Operators, config: Path, dice: random.Random
) -> Death:
    """One process of the operator, from its start to its death; ten turns of the play meanwhile."""
    turns = TURNS // 100
    await play.go_on(turns // 2)  # for the LIST to find
    process = await operators.spawn("--config", str(config))
    death = Death.drawn(dice, server, process)
    fed = False

    async def nothing_is_left() -> bool:
        nonlocal fed
        if not fed and death.is_watching:
            await play.go_on(turns // 2)  # for the WATCH to tell
            fed = True
        return fed and not await play.mistakes()

    await death.at_the_latest_when(nothing_is_left)
    if not fed:
        await play.go_on(turns // 2)  # while nobody looks
    return death


@pytest.mark.timeout(600)
async def test_1000_failures_are_counted_exactly_over_20_kills_on_a_real_api_server(
    real_stage: RealStage, real_operators: Operators, quick: Path
) -> None:
    dice = random.Random(20)
    play = Play(real_stage, dice, workloads=WORKLOADS, failures=FAILURES)
    await play.set_up()
    flags = ("--config", str(quick), "--namespaces", real_stage.namespace)
    for _ in range(20):
        await play.go_on(TURNS // 40)
        process = await real_operators.spawn(*flags)
        async with asyncio.TaskGroup() as group:
            group.create_task(play.go_on(TURNS // 40))
            group.create_task(kill_after_changes(real_stage.client, real_stage.namespace, process, dice.randint(1, 40)))
    await real_operators.spawn(*flags)
    await _play_on(play)
    assert play.failures == 1000
    await play.all_get_well_but_one()


async def _play_on(play: Play) -> None:
    """To the end; crash loops that nobody had looked at have stood still."""
    while not play.is_over:
        await play.until_exact(within=60)
        await play.go_on(WORKLOADS)
    await play.until_exact(within=60)
