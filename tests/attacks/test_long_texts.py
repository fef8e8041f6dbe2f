"""Texts that cost time: no tenant's text stops the operator, or keeps another's report waiting (F1, F2, F6)."""

from __future__ import annotations

import asyncio

import pytest

from tests.attacks.arena import Arena, Tenant, idle_job
from tests.attacks.conftest import StartOperator

JOB = {"apiVersion": "batch/v1", "kind": "Job"}
LONG = 200_000  # characters; the core API takes events of up to 1.5 MB

SUPERLINEAR = {
    "quota": ("FailedCreate", "requested: a, used: b, "),
    "amounts": ("FailedCreate", "exceeded quota: q, requested: " + "a" * LONG + ", used: b, limited: "),
    "create prefix": ("FailedCreate", "create Pod "),
    "request URL": ("FailedCreate", "Error creating: https://"),
    "assignments": ("FailedCreate", "a=b"),
    "colons": ("FailedCreate", "a: "),
    "quotes": ("FailedCreate", '"' + "\\"),
    "blanks": ("FailedCreate", " \t"),
}
"""Name → reason, and what the message repeats until it is ``LONG``: beginnings that never come to their end."""


def repeated(part: str, length: int = LONG) -> str:
    return (part * (length // len(part) + 1))[:length]


async def post_long_event(attacker: Tenant, reason: str, part: str) -> None:
    job = await attacker.create("jobs", idle_job("target"), "/apis/batch/v1")
    involved = {**JOB, "name": "target", "uid": job["metadata"]["uid"]}
    await attacker.event(involved, reason, repeated(part))


@pytest.mark.parametrize("attack", SUPERLINEAR)
async def test_a_long_event_stops_nobody_neither_now_nor_after_a_restart(
    arena: Arena, start_operator: StartOperator, attack: str
) -> None:
    operator = await start_operator()
    await post_long_event(arena.attacker, *SUPERLINEAR[attack])
    await arena.victim.fails()
    operator.check()
    await asyncio.to_thread(operator.kill)
    again = await start_operator()  # it is listed once more
    await arena.victim.fails()
    again.check()
