"""Kinds are found at run time: installed later, changed, removed."""

from __future__ import annotations

from typing import Any

from tests.support.live_objects import live_pod
from tests.support.waiting import until
from tests.workload_status import kinds
from tests.workload_status.backend import World


def says_failing(world: World, name: str = "run") -> Any:
    async def look() -> Any:
        return (await world.status(name)).get("failure")

    return look


async def test_a_kind_that_is_installed_later_is_picked_up_without_a_restart(world: World) -> None:
    async with world.operator():
        await world.install(kinds.crd(world.group, kinds.STATUS_FAILURE))
        await world.crash(await world.training(status={"phase": "Active"}))
        assert (await until(says_failing(world)))["state"] == "Failing"


async def test_a_schema_that_learns_the_field_gets_the_verdict_without_a_new_failure(world: World) -> None:
    await world.install(kinds.crd(world.group, kinds.status()))
    training = await world.training(status={"phase": "Active"})
    async with world.operator():
        await world.crash(training)
        await world.reported(state="Failing")
        await world.install(kinds.crd(world.group, kinds.STATUS_FAILURE))
        assert (await until(says_failing(world)))["state"] == "Failing"
        await world.install(kinds.crd(world.group, kinds.CONDITIONS_MAP))

        async def condition() -> Any:
            return (await world.status()).get("conditions")

        assert [c["type"] for c in await until(condition)] == ["coroner.dev/Failing"]


async def test_a_kind_that_is_removed_does_no_harm_and_may_come_back(world: World) -> None:
    crd = kinds.crd(world.group, kinds.STATUS_FAILURE)
    await world.install(crd)
    training = await world.training(status={"phase": "Active"})
    async with world.operator() as engine:
        await world.crash(training)
        await until(says_failing(world))
        await world.uninstall(crd["metadata"]["name"])
        await world.crash(None, name="alone")
        await world.reported("alone", failures=1)
        assert not engine.ended.done()
        await world.install(crd)
        again = await world.training("again", status={"phase": "Active"})
        await world.crash(again, name="again-0")
        assert (await until(says_failing(world, "again")))["state"] == "Failing"


async def test_a_recovery_that_an_earlier_run_could_not_tell_is_told_by_the_next(world: World) -> None:
    await world.install(kinds.crd(world.group, kinds.STATUS_FAILURE))
    training = await world.training(status={"phase": "Active"})
    async with world.operator():
        await world.crash(training)
        await until(says_failing(world))
    async with world.operator(workloads=[]):  # as if it had ended between report and workload
        await world.heal(training)
        await world.reported(state="Recovered")
    assert (await world.status())["failure"]["state"] == "Failing"
    async with world.operator():

        async def recovered() -> bool:
            status = await world.status()
            return bool(status["failure"] == {"state": "Recovered", "failures": 1})

        await until(recovered)


async def test_a_workload_of_the_whole_cluster_is_found_and_its_event_is_in_default(world: World) -> None:
    await world.install(kinds.crd(world.group, kinds.STATUS_FAILURE, scope="Cluster"))
    name = f"run-{world.group.partition('.')[0]}"
    path = f"/apis/{world.group}/v1/trainings"
    body = {"apiVersion": f"{world.group}/v1", "kind": "Training", "metadata": {"name": name}, "spec": {}}
    training = (await world.api.post(path, body)).body
    async with world.operator():
        await world.crash(training)

        async def block() -> Any:
            return (await world.api.get(f"{path}/{name}")).body.get("status", {}).get("failure")

        assert (await until(block))["state"] == "Failing"

        async def event() -> Any:
            uid = training["metadata"]["uid"]
            return [e for e in await world.events("default") if e["regarding"]["uid"] == uid]

        assert "namespace" not in (await until(event))[0]["regarding"]


async def test_a_healthy_pod_of_a_listed_kind_costs_its_workload_nothing(world: World) -> None:
    await world.install(kinds.crd(world.group, kinds.STATUS_FAILURE))
    training = await world.training(status={"phase": "Active"})
    async with world.operator() as engine:
        await world.play(live_pod("run-0", owner=training))
        await world.crash(None, name="alone")
        await world.reported("alone", failures=1)
        assert await world.status() == {"phase": "Active"}
        assert "coroner_workload_writes_total{" not in engine.metrics.exposition().decode()
