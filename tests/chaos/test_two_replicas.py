"""Two operators without an election, over a whole play: what one of them has counted the other does not count again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from embedded_apiserver import EmbeddedApiServer
from tests.chaos.backends import EmbeddedStage
from tests.chaos.failure_simulation import Play
from tests.support.operators import Operators
from tests.support.waiting import until


@pytest.mark.timeout(600)
async def test_two_processes_at_once_count_1000_failures_exactly(
    server: EmbeddedApiServer, stage: EmbeddedStage, operators: Operators, quick: Path
) -> None:
    play = Play(stage, random.Random(2), workloads=50, failures=20)
    await play.set_up()
    await play.go_on(50)
    for _ in range(2):
        await operators.spawn("--config", str(quick))
    await until(lambda: sum(call.is_watch and call.path == "/api/v1/pods" for call in server.calls) == 2, within=30)
    while not play.is_over:
        await play.go_on_at_their_heels(25, lag=20)
    await play.until_exact(within=60)
    assert play.failures == 1000
    await play.all_get_well_but_one()
