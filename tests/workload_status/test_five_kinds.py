"""Five ways in which a stranger's kind declares its status, and what Coroner says on its objects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.waiting import until
from tests.workload_status import kinds
from tests.workload_status.backend import World, metric

CONTROLLERS = {"phase": "Active"}


async def said(world: World, name: str, **fields: Any) -> Any:
    """``status.<name>`` of the workload as soon as it has these values."""

    async def look() -> Any:
        part = (await world.status()).get(name)
        if name == "conditions":
            part = next((c for c in part or () if c["type"] == "coroner.dev/Failing"), None)
        return part if part and all(part.get(field) == value for field, value in fields.items()) else None

    return await until(look)


async def test_a_block_of_just_the_declared_fields_and_of_the_failure_nothing_once_it_has_recovered(
    world: World,
) -> None:
    await world.install(kinds.crd(world.group, kinds.STATUS_FAILURE))
    training = await world.training(status=CONTROLLERS)
    async with world.operator():
        await world.crash(training, exit_code=3)
        block = await said(world, "failure", exitCode=3)
        report = await world.reported(failures=1)
        assert block == {
            **{name: report[name] for name in ("state", "category", "subcategory", "reason", "message", "hint")},
            "exitCode": 3,
            "pod": {"name": "run-0"},
            "failures": 1,
        }
        assert (await world.status())["phase"] == "Active"
        live = (await world.api.get(world.path("run"))).body
        (ours,) = (e for e in live["metadata"]["managedFields"] if e["manager"] == "coroner")
        assert (ours["operation"], ours["subresource"]) == ("Apply", "status")
        await world.heal(training, exit_code=3)
        await world.reported(state="Recovered")
        assert await said(world, "failure", state="Recovered") == {"state": "Recovered", "failures": 1}


async def test_one_condition_beside_the_controllers_own_turned_when_the_workload_has_recovered(world: World) -> None:
    await world.install(kinds.crd(world.group, kinds.CONDITIONS_MAP))
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": "Starting",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    training = await world.training(status={"phase": "Active", "conditions": [ready]})
    async with world.operator():
        await world.crash(training, number=1, exit_code=3)
        first = await said(world, "conditions", status="True")
        report = await world.reported(failures=1)
        assert (first["reason"], first["message"]) == (report["reason"], report["message"])
        await world.crash(training, number=2, exit_code=4)
        second = await said(world, "conditions", message=(await world.reported(failures=2))["message"])
        assert second["lastTransitionTime"] == first["lastTransitionTime"], "its status has not changed"
        await world.heal(training, number=2, exit_code=4)
        last = await said(world, "conditions", status="False")
        assert last["reason"] == "Recovered"
        assert ready in (await world.status())["conditions"]
        assert len((await world.status())["conditions"]) == 2


async def test_a_status_that_keeps_everything_gets_the_whole_block_without_the_reports_memory(world: World) -> None:
    await world.install(kinds.crd(world.group, kinds.PRESERVING))
    training = await world.training(status=CONTROLLERS)
    async with world.operator():
        await world.crash(training)
        block = await said(world, "failure", state="Failing")
        assert block.keys() >= {"category", "evidence", "rule", "container", "failures", "lastSeen"}
        assert not block.keys() & {"history", "ledger", "conditions", "counts"}
        assert (await world.status())["phase"] == "Active"


@pytest.mark.parametrize(
    ("status", "subresource"),
    [
        pytest.param(kinds.CONDITIONS_ATOMIC, True, id="atomic conditions"),
        pytest.param(None, True, id="no status in the schema"),
        pytest.param(kinds.STATUS_FAILURE, False, id="no status subresource"),
        pytest.param(kinds.status(), True, id="neither failure nor conditions"),
    ],
)
async def test_nothing_is_written_where_it_would_be_lost_or_do_harm(
    world: World, status: Any, subresource: bool
) -> None:
    await world.install(kinds.crd(world.group, status, subresource=subresource))
    training = await world.training(status=CONTROLLERS)
    before = (await world.api.get(world.path("run"))).version
    async with world.operator() as engine:
        await world.crash(training)
        await world.reported(state="Failing")
        events = await until(world.events)  # the step after the one in question
        assert [event["regarding"]["uid"] for event in events] == [training["metadata"]["uid"]]
        assert (await world.api.get(world.path("run"))).version == before
        assert "coroner_workload_writes_total{" not in engine.metrics.exposition().decode()
        assert metric(engine, "coroner_events_total", outcome="created") == 1


async def test_a_later_object_of_the_same_name_is_not_accused(world: World) -> None:
    await world.install(kinds.crd(world.group, kinds.STATUS_FAILURE))
    async with world.operator() as engine:
        await world.crash(await world.training(status=CONTROLLERS))
        await said(world, "failure", state="Failing")
        await world.api.delete(world.path("run"))
        await world.training(status=CONTROLLERS)

        async def noticed() -> bool:
            return metric(engine, "coroner_workload_writes_total", outcome="gone") == 1

        await until(noticed)
        assert await world.status() == CONTROLLERS
