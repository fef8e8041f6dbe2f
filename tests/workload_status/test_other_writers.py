"""A controller that rewrites the whole status: noticed, written again with back-off, and left alone in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from coroner_operator.publish.status_sync import MAX_OVERWRITES
from coroner_operator.publish.workload_status import WorkloadStatusWriter
from tests.support.waiting import until
from tests.workload_status import kinds
from tests.workload_status.backend import World, metric

EVERY = 0.2  # s between two rewrites


@asynccontextmanager
async def hostile(world: World, name: str = "run") -> AsyncIterator[list[int]]:
    """Rewrites the status from scratch for as long as the context lasts; gives the answers it got."""
    answers: list[int] = []

    async def rewrite() -> None:
        while True:
            obj = (await world.api.get(world.path(name))).body
            answer = await world.put_status(obj, {"phase": "Active", "round": len(answers)})
            answers.append(answer.status)
            await asyncio.sleep(EVERY)  # its pace; nothing waits for it

    task = asyncio.create_task(rewrite())
    try:
        yield answers
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def looks_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rounds take seconds, not half a minute."""
    monkeypatch.setattr(
        "coroner_operator.publish.publisher.WorkloadStatusWriter", partial(WorkloadStatusWriter, first_check=0.2)
    )


async def test_against_one_who_rewrites_all_the_time_writes_are_bounded_and_the_report_is_right(
    world: World, looks_soon: None
) -> None:
    await world.install(kinds.crd(world.group, kinds.STATUS_FAILURE))
    training = await world.training(status={"phase": "Active"})
    async with world.operator(workload_interval="20ms") as engine:

        def wrote(outcome: str) -> float:
            return metric(engine, "coroner_workload_writes_total", outcome=outcome)

        async with hostile(world) as rewritten:
            await world.crash(training, number=1)

            async def yielded() -> bool:
                return wrote("gave_up") == 1

            await until(yielded)
            assert wrote("overwritten") == MAX_OVERWRITES + 1
            assert wrote("written") == MAX_OVERWRITES + 1, "the first time, and once a round"
            before = len(rewritten)
            for number in range(2, 12):  # failures that come now are reported, and nothing is written on the object
                await world.crash(training, number=number, exit_code=number)
            await world.reported(failures=11, state="Failing")

            async def rewritten_often() -> bool:
                return len(rewritten) > before + 10

            await until(rewritten_often)
        assert wrote("written") == MAX_OVERWRITES + 1
        assert wrote("gave_up") == 1
        assert "failure" not in await world.status()

        async def told() -> Any:
            return [event for event in await world.events() if event["reason"] == "StatusOverwritten"]

        (event,) = await until(told)
        assert event["regarding"]["uid"] == training["metadata"]["uid"]
        assert 'field manager "controller" keeps overwriting the status of Training/run' in event["note"]
        assert (await world.report())["failures"] == 11


async def test_against_one_who_rewrites_while_failures_pour_in_each_failure_costs_no_round_of_its_own(
    world: World, looks_soon: None
) -> None:
    await world.install(kinds.crd(world.group, kinds.CONDITIONS_MAP))
    training = await world.training(status={"phase": "Active"})
    async with world.operator(workload_interval="20ms") as engine, hostile(world):
        for number in range(1, 31):
            await world.crash(training, number=number, exit_code=number)
        await world.reported(failures=30)

        async def yielded() -> bool:
            return metric(engine, "coroner_workload_writes_total", outcome="gave_up") == 1

        await until(yielded)
        rounds = metric(engine, "coroner_workload_writes_total", outcome="overwritten")
        assert rounds == MAX_OVERWRITES + 1
        assert metric(engine, "coroner_workload_writes_total", outcome="written") <= 31


@pytest.mark.parametrize("backend", ["real"], indirect=True)
async def test_for_a_whole_minute_at_the_usual_pace(world: World) -> None:
    """300 rewrites, 30 failures; looks and intervals as a site has them."""
    await world.install(kinds.crd(world.group, kinds.STATUS_FAILURE))
    training = await world.training(status={"phase": "Active"})
    async with world.operator(workload_interval="2s") as engine, hostile(world) as rewritten:
        for number in range(1, 31):
            await world.crash(training, number=number, exit_code=number)
            await world.reported(failures=number, state="Failing")

        async with asyncio.timeout(150):
            while len(rewritten) < 300:  # noqa: ASYNC110 - a minute of hostility, by its number of rewrites
                await asyncio.sleep(EVERY)
        writes = {
            outcome: metric(engine, "coroner_workload_writes_total", outcome=outcome)
            for outcome in ("written", "overwritten", "conflict", "gave_up")
        }
        assert writes["gave_up"] == 1
        assert writes["overwritten"] == MAX_OVERWRITES + 1
        assert writes["written"] <= MAX_OVERWRITES + 1
        assert writes["conflict"] <= 20
        report = await world.reported(failures=30, state="Failing")
        assert report["reason"] and report["message"]
        assert (await world.status()).keys() == {"phase", "round"}


async def test_what_was_overwritten_once_is_back_soon(world: World, looks_soon: None) -> None:
    await world.install(kinds.crd(world.group, kinds.STATUS_FAILURE))
    training = await world.training(status={"phase": "Active"})
    async with world.operator() as engine:
        await world.crash(training)

        async def block() -> Any:
            return (await world.status()).get("failure")

        said = await until(block)

        async def wiped() -> bool:
            obj = (await world.api.get(world.path("run"))).body
            return (await world.put_status(obj, {"phase": "Paused"})).status == 200

        await until(wiped)
        assert await until(block) == said
        assert (await world.status())["phase"] == "Paused"
        assert metric(engine, "coroner_workload_writes_total", outcome="overwritten") == 1


async def test_a_field_of_ours_that_another_has_changed_is_ours_again(world: World, looks_soon: None) -> None:
    await world.install(kinds.crd(world.group, kinds.STATUS_FAILURE))
    training = await world.training(status={"phase": "Active"})
    async with world.operator():
        await world.crash(training)

        async def message() -> str:
            return str((await world.status()).get("failure", {}).get("message", ""))

        said = await until(message)

        async def changed() -> bool:
            obj = (await world.api.get(world.path("run"))).body
            failure = {**obj["status"]["failure"], "message": "all is well"}
            answer = await world.put_status(obj, {**obj["status"], "failure": failure})
            return answer.status == 200

        await until(changed)

        async def back() -> bool:
            return await message() == said

        await until(back)
