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
from tests.workload_status.backend import Sandbox, metric

OVERWRITE_INTERVAL = 0.2  # s between two rewrites


@asynccontextmanager
async def overwriting_controller(sandbox: Sandbox, name: str = "run") -> AsyncIterator[list[int]]:
    """Rewrites the status from scratch for as long as the context lasts; gives the answers it got."""
    answers: list[int] = []

    async def rewrite() -> None:
        while True:
            obj = (await sandbox.api.get(sandbox.path(name))).body
            answer = await sandbox.put_status(obj, {"phase": "Active", "round": len(answers)})
            answers.append(answer.status)
            await asyncio.sleep(OVERWRITE_INTERVAL)  # its pace; nothing waits for it

    task = asyncio.create_task(rewrite())
    try:
        yield answers
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Overwrites are restored within seconds, not half a minute."""
    monkeypatch.setattr(
        "coroner_operator.publish.publisher.WorkloadStatusWriter", partial(WorkloadStatusWriter, first_check=0.2)
    )


async def test_against_a_constant_overwriter_writes_are_bounded_and_the_report_is_right(
    sandbox: Sandbox, quick_checks: None
) -> None:
    await sandbox.install(kinds.crd(sandbox.group, kinds.STATUS_FAILURE))
    training = await sandbox.training(status={"phase": "Active"})
    async with sandbox.operator(workload_interval="20ms") as engine:

        def writes_with(outcome: str) -> float:
            return metric(engine, "coroner_workload_writes_total", outcome=outcome)

        async with overwriting_controller(sandbox) as rewritten:
            await sandbox.crash(training, number=1)

            async def gave_up() -> bool:
                return writes_with("gave_up") == 1

            await until(gave_up)
            assert writes_with("overwritten") == MAX_OVERWRITES + 1
            assert writes_with("written") == MAX_OVERWRITES + 1, "the first time, and once per restore"
            before = len(rewritten)
            for number in range(2, 12):  # failures that come now are reported, and nothing is written on the object
                await sandbox.crash(training, number=number, exit_code=number)
            await sandbox.reported(failures=11, state="Failing")

            async def rewritten_often() -> bool:
                return len(rewritten) > before + 10

            await until(rewritten_often)
        assert writes_with("written") == MAX_OVERWRITES + 1
        assert writes_with("gave_up") == 1
        assert "failure" not in await sandbox.status()

        async def reported() -> Any:
            return [event for event in await sandbox.events() if event["reason"] == "StatusOverwritten"]

        (event,) = await until(reported)
        assert event["regarding"]["uid"] == training["metadata"]["uid"]
        assert 'field manager "controller" keeps overwriting the status of Training/run' in event["note"]
        assert (await sandbox.report())["failures"] == 11


async def test_against_a_constant_overwriter_new_failures_do_not_count_as_overwrites(
    sandbox: Sandbox, quick_checks: None
) -> None:
    await sandbox.install(kinds.crd(sandbox.group, kinds.CONDITIONS_MAP))
    training = await sandbox.training(status={"phase": "Active"})
    async with sandbox.operator(workload_interval="20ms") as engine, overwriting_controller(sandbox):
        for number in range(1, 31):
            await sandbox.crash(training, number=number, exit_code=number)
        await sandbox.reported(failures=30)

        async def gave_up() -> bool:
            return metric(engine, "coroner_workload_writes_total", outcome="gave_up") == 1

        await until(gave_up)
        overwrites = metric(engine, "coroner_workload_writes_total", outcome="overwritten")
        assert overwrites == MAX_OVERWRITES + 1
        assert metric(engine, "coroner_workload_writes_total", outcome="written") <= 31


@pytest.mark.apiserver
@pytest.mark.parametrize("backend", ["real"], indirect=True)
async def test_one_minute_of_overwrites_at_default_intervals(sandbox: Sandbox) -> None:
    """300 rewrites, 30 failures; default intervals."""
    await sandbox.install(kinds.crd(sandbox.group, kinds.STATUS_FAILURE))
    training = await sandbox.training(status={"phase": "Active"})
    async with sandbox.operator(workload_interval="2s") as engine, overwriting_controller(sandbox) as rewritten:
        for number in range(1, 31):
            await sandbox.crash(training, number=number, exit_code=number)
            await sandbox.reported(failures=number, state="Failing")

        async with asyncio.timeout(150):
            while len(rewritten) < 300:  # noqa: ASYNC110 - a minute of hostility, by its number of rewrites
                await asyncio.sleep(OVERWRITE_INTERVAL)
        writes = {
            outcome: metric(engine, "coroner_workload_writes_total", outcome=outcome)
            for outcome in ("written", "overwritten", "conflict", "gave_up")
        }
        assert writes["gave_up"] == 1
        assert writes["overwritten"] == MAX_OVERWRITES + 1
        assert writes["written"] <= MAX_OVERWRITES + 1
        assert writes["conflict"] <= 20
        report = await sandbox.reported(failures=30, state="Failing")
        assert report["reason"] and report["message"]
        assert (await sandbox.status()).keys() == {"phase", "round"}


async def test_a_single_overwrite_is_restored(sandbox: Sandbox, quick_checks: None) -> None:
    await sandbox.install(kinds.crd(sandbox.group, kinds.STATUS_FAILURE))
    training = await sandbox.training(status={"phase": "Active"})
    async with sandbox.operator() as engine:
        await sandbox.crash(training)

        async def block() -> Any:
            return (await sandbox.status()).get("failure")

        written = await until(block)

        async def wiped() -> bool:
            obj = (await sandbox.api.get(sandbox.path("run"))).body
            return (await sandbox.put_status(obj, {"phase": "Paused"})).status == 200

        await until(wiped)
        assert await until(block) == written
        assert (await sandbox.status())["phase"] == "Paused"
        assert metric(engine, "coroner_workload_writes_total", outcome="overwritten") == 1


async def test_a_field_that_another_writer_changed_is_restored(sandbox: Sandbox, quick_checks: None) -> None:
    await sandbox.install(kinds.crd(sandbox.group, kinds.STATUS_FAILURE))
    training = await sandbox.training(status={"phase": "Active"})
    async with sandbox.operator():
        await sandbox.crash(training)

        async def message() -> str:
            return str((await sandbox.status()).get("failure", {}).get("message", ""))

        written = await until(message)

        async def changed() -> bool:
            obj = (await sandbox.api.get(sandbox.path("run"))).body
            failure = {**obj["status"]["failure"], "message": "all is well"}
            answer = await sandbox.put_status(obj, {**obj["status"], "failure": failure})
            return answer.status == 200

        await until(changed)

        async def back() -> bool:
            return await message() == written

        await until(back)
