"""Kinds are found at run time: installed later, changed, removed."""

from __future__ import annotations

from typing import Any

from tests.support.live_objects import live_pod
from tests.support.waiting import until
from tests.workload_status import kinds
from tests.workload_status.backend import Sandbox


def is_failing(sandbox: Sandbox, name: str = "run") -> Any:
    async def look() -> Any:
        return (await sandbox.status(name)).get("failure")

    return look


async def test_a_kind_that_is_installed_later_is_picked_up_without_a_restart(sandbox: Sandbox) -> None:
    async with sandbox.operator():
        await sandbox.install(kinds.crd(sandbox.group, kinds.STATUS_FAILURE))
        await sandbox.crash(await sandbox.training(status={"phase": "Active"}))
        assert (await until(is_failing(sandbox)))["state"] == "Failing"


async def test_a_schema_that_adds_the_field_gets_the_verdict_without_a_new_failure(sandbox: Sandbox) -> None:
    await sandbox.install(kinds.crd(sandbox.group, kinds.status()))
    training = await sandbox.training(status={"phase": "Active"})
    async with sandbox.operator():
        await sandbox.crash(training)
        await sandbox.reported(state="Failing")
        await sandbox.install(kinds.crd(sandbox.group, kinds.STATUS_FAILURE))
        assert (await until(is_failing(sandbox)))["state"] == "Failing"
        await sandbox.install(kinds.crd(sandbox.group, kinds.CONDITIONS_MAP))

        async def condition() -> Any:
            return (await sandbox.status()).get("conditions")

        assert [c["type"] for c in await until(condition)] == ["coroner.dev/Failing"]


async def test_a_removed_kind_does_no_harm_and_may_be_installed_again(sandbox: Sandbox) -> None:
    crd = kinds.crd(sandbox.group, kinds.STATUS_FAILURE)
    await sandbox.install(crd)
    training = await sandbox.training(status={"phase": "Active"})
    async with sandbox.operator() as engine:
        await sandbox.crash(training)
        await until(is_failing(sandbox))
        await sandbox.uninstall(crd["metadata"]["name"])
        await sandbox.crash(None, name="alone")
        await sandbox.reported("alone", failures=1)
        assert not engine.ended.done()
        await sandbox.install(crd)
        again = await sandbox.training("again", status={"phase": "Active"})
        await sandbox.crash(again, name="again-0")
        assert (await until(is_failing(sandbox, "again")))["state"] == "Failing"


async def test_a_recovery_that_an_earlier_run_could_not_write_is_written_by_the_next(sandbox: Sandbox) -> None:
    await sandbox.install(kinds.crd(sandbox.group, kinds.STATUS_FAILURE))
    training = await sandbox.training(status={"phase": "Active"})
    async with sandbox.operator():
        await sandbox.crash(training)
        await until(is_failing(sandbox))
    async with sandbox.operator(workloads=[]):  # as if it had ended between report and workload
        await sandbox.heal(training)
        await sandbox.reported(state="Recovered")
    assert (await sandbox.status())["failure"]["state"] == "Failing"
    async with sandbox.operator():

        async def recovered() -> bool:
            status = await sandbox.status()
            return bool(status["failure"] == {"state": "Recovered", "failures": 1})

        await until(recovered)


async def cluster_scoped_training(sandbox: Sandbox) -> tuple[Any, str]:
    """An object of a cluster-scoped kind, and its path."""
    await sandbox.install(kinds.crd(sandbox.group, kinds.STATUS_FAILURE, scope="Cluster"))
    path = f"/apis/{sandbox.group}/v1/trainings"
    name = f"run-{sandbox.group.partition('.')[0]}"
    body = {"apiVersion": f"{sandbox.group}/v1", "kind": "Training", "metadata": {"name": name}, "spec": {}}
    return (await sandbox.api.post(path, body)).body, f"{path}/{name}"


async def test_a_cluster_scoped_workload_that_is_listed_as_such_is_written_and_its_event_has_no_namespace(
    sandbox: Sandbox,
) -> None:
    training, path = await cluster_scoped_training(sandbox)
    async with sandbox.operator(workloads=[{**sandbox.listed[0], "scope": "Cluster"}]):
        await sandbox.crash(training)

        async def block() -> Any:
            return (await sandbox.api.get(path)).body.get("status", {}).get("failure")

        assert (await until(block))["state"] == "Failing"

        async def about() -> Any:
            events = await sandbox.events("default")
            return [e["regarding"] for e in events if e["regarding"].get("uid") == training["metadata"]["uid"]]

        (regarding,) = await until(about)
    assert regarding == {key: training[key] for key in ("apiVersion", "kind")} | {
        key: training["metadata"][key] for key in ("name", "uid")
    }
    assert await sandbox.events() == []
    assert await sandbox.report(training["metadata"]["name"])


async def test_a_cluster_scoped_workload_that_is_listed_without_its_scope_is_not_written(sandbox: Sandbox) -> None:
    training, path = await cluster_scoped_training(sandbox)
    async with sandbox.operator():
        await sandbox.crash(training)
        (event,) = await until(sandbox.events)
    assert (event["regarding"]["kind"], event["regarding"]["name"]) == ("Pod", "run-0")
    assert await sandbox.report("run-0")
    assert "status" not in (await sandbox.api.get(path)).body


async def test_a_healthy_pod_of_a_listed_kind_causes_no_request_for_its_workload(sandbox: Sandbox) -> None:
    await sandbox.install(kinds.crd(sandbox.group, kinds.STATUS_FAILURE))
    training = await sandbox.training(status={"phase": "Active"})
    async with sandbox.operator() as engine:
        await sandbox.set_pod(live_pod("run-0", owner=training))
        await sandbox.crash(None, name="alone")
        await sandbox.reported("alone", failures=1)
        assert await sandbox.status() == {"phase": "Active"}
        assert "coroner_workload_writes_total{" not in engine.metrics.exposition().decode()
