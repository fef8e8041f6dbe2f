"""Five ways in which a stranger's kind declares its status, and what Coroner says on its objects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.waiting import until
from tests.workload_status import kinds
from tests.workload_status.backend import Sandbox, metric

CONTROLLERS = {"phase": "Active"}


async def status_with(sandbox: Sandbox, name: str, **fields: Any) -> Any:
    """``status.<name>`` of the workload as soon as it has these values."""

    async def look() -> Any:
        part = (await sandbox.status()).get(name)
        if name == "conditions":
            part = next((c for c in part or () if c["type"] == "coroner.dev/Failing"), None)
        return part if part and all(part.get(field) == value for field, value in fields.items()) else None

    return await until(look)


async def test_the_block_has_only_declared_fields_and_no_failure_fields_after_recovery(
    sandbox: Sandbox,
) -> None:
    await sandbox.install(kinds.crd(sandbox.group, kinds.STATUS_FAILURE))
    training = await sandbox.training(status=CONTROLLERS)
    async with sandbox.operator():
        await sandbox.crash(training, exit_code=3)
        block = await status_with(sandbox, "failure", exitCode=3)
        report = await sandbox.reported(failures=1)
        assert block == {
            **{name: report[name] for name in ("state", "category", "subcategory", "reason", "message", "hint")},
            "exitCode": 3,
            "pod": {"name": "run-0"},
            "failures": 1,
        }
        assert (await sandbox.status())["phase"] == "Active"
        live = (await sandbox.api.get(sandbox.path("run"))).body
        (ours,) = (e for e in live["metadata"]["managedFields"] if e["manager"] == "coroner")
        assert (ours["operation"], ours["subresource"]) == ("Apply", "status")
        await sandbox.heal(training, exit_code=3)
        await sandbox.reported(state="Recovered")
        assert await status_with(sandbox, "failure", state="Recovered") == {"state": "Recovered", "failures": 1}


async def test_one_condition_is_added_and_turns_false_when_the_workload_recovers(sandbox: Sandbox) -> None:
    await sandbox.install(kinds.crd(sandbox.group, kinds.CONDITIONS_MAP))
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": "Starting",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    training = await sandbox.training(status={"phase": "Active", "conditions": [ready]})
    async with sandbox.operator():
        await sandbox.crash(training, number=1, exit_code=3)
        first = await status_with(sandbox, "conditions", status="True")
        report = await sandbox.reported(failures=1)
        assert (first["reason"], first["message"]) == (report["reason"], report["message"])
        await sandbox.crash(training, number=2, exit_code=4)
        second = await status_with(sandbox, "conditions", message=(await sandbox.reported(failures=2))["message"])
        assert second["lastTransitionTime"] == first["lastTransitionTime"], "its status has not changed"
        await sandbox.heal(training, number=2, exit_code=4)
        last = await status_with(sandbox, "conditions", status="False")
        assert last["reason"] == "Recovered"
        assert ready in (await sandbox.status())["conditions"]
        assert len((await sandbox.status())["conditions"]) == 2


@pytest.mark.parametrize(
    ("status", "subresource"),
    [
        pytest.param(kinds.CONDITIONS_ATOMIC, True, id="atomic conditions"),
        pytest.param(kinds.PRESERVING, True, id="unknown fields are preserved"),
        pytest.param(None, True, id="no status in the schema"),
        pytest.param(kinds.STATUS_FAILURE, False, id="no status subresource"),
        pytest.param(kinds.status(), True, id="neither failure nor conditions"),
    ],
)
async def test_nothing_is_written_where_it_would_be_dropped_or_replace_foreign_fields(
    sandbox: Sandbox, status: Any, subresource: bool
) -> None:
    await sandbox.install(kinds.crd(sandbox.group, status, subresource=subresource))
    training = await sandbox.training(status=CONTROLLERS)
    before = (await sandbox.api.get(sandbox.path("run"))).version
    async with sandbox.operator() as engine:
        await sandbox.crash(training)
        await sandbox.reported(state="Failing")
        events = await until(sandbox.events)  # the step after the one in question
        assert [event["regarding"]["uid"] for event in events] == [training["metadata"]["uid"]]
        assert (await sandbox.api.get(sandbox.path("run"))).version == before
        assert "coroner_workload_writes_total{" not in engine.metrics.exposition().decode()
        assert metric(engine, "coroner_events_total", outcome="created") == 1


async def test_a_later_object_of_the_same_name_gets_no_verdict(sandbox: Sandbox) -> None:
    await sandbox.install(kinds.crd(sandbox.group, kinds.STATUS_FAILURE))
    async with sandbox.operator() as engine:
        await sandbox.crash(await sandbox.training(status=CONTROLLERS))
        await status_with(sandbox, "failure", state="Failing")
        await sandbox.api.delete(sandbox.path("run"))
        await sandbox.training(status=CONTROLLERS)

        async def noticed() -> bool:
            return metric(engine, "coroner_workload_writes_total", outcome="gone") == 1

        await until(noticed)
        assert await sandbox.status() == CONTROLLERS
