"""Texts that cost time: no tenant's text stops the operator, or keeps another's report waiting (F1, F2, F6)."""

from __future__ import annotations

import asyncio

import pytest

from tests.attacks.arena import Arena
from tests.attacks.attackers import SUPERLINEAR, existing_job, post_long_event
from tests.attacks.conftest import StartOperator


@pytest.mark.parametrize("attack", SUPERLINEAR)
async def test_a_long_event_stops_nobody_neither_now_nor_after_a_restart(
    arena: Arena, start_operator: StartOperator, attack: str
) -> None:
    operator = await start_operator()
    await post_long_event(arena.attacker, await existing_job(arena.attacker), attack)
    await arena.victim.fails()
    operator.check()
    await asyncio.to_thread(operator.kill)
    again = await start_operator()  # it is listed once more
    await arena.victim.fails()
    again.check()
