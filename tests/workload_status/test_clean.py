"""`coroner clean`: what Coroner wrote is removed, and nothing that anybody else wrote."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from coroner_operator.__main__ import main
from tests.cluster.server import Server
from tests.support.waiting import until
from tests.workload_status import kinds
from tests.workload_status.backend import Sandbox

READY = {
    "type": "Ready",
    "status": "False",
    "reason": "Waiting",
    "message": "m",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
PHASE = {"phase": "Active", "round": 1}


async def clean(sandbox: Sandbox, *arguments: str) -> Result:
    command = ["clean", "--kubeconfig", str(sandbox.kubeconfig), "-n", sandbox.namespace, *arguments]
    return await asyncio.to_thread(CliRunner().invoke, main, command)


async def failed(sandbox: Sandbox, schema: Any, **status: Any) -> None:
    """A failed Training with our words in its status, and no operator any more."""
    await sandbox.install(kinds.crd(sandbox.group, schema))
    training = await sandbox.training(status={**PHASE, **status})
    await sandbox.training("untouched", status=PHASE)
    async with sandbox.operator():
        await sandbox.crash(training)
        await until(lambda: _ours(sandbox))


async def _ours(sandbox: Sandbox) -> bool:
    status = await sandbox.status()
    return "failure" in status or any(c["type"] == "coroner.dev/Failing" for c in status.get("conditions", ()))


async def test_a_condition_is_removed_from_those_of_others(sandbox: Sandbox) -> None:
    await failed(sandbox, kinds.CONDITIONS_MAP, conditions=[READY])
    before = await sandbox.status()
    tried = await clean(sandbox, f"trainings.{sandbox.group}")
    assert tried.exit_code == 0
    assert tried.output.splitlines() == [
        f"trainings.{sandbox.group}/run in {sandbox.namespace} cleaned (dry run)",
        "1 object found; nothing was changed. Use --yes to remove what Coroner wrote.",
    ]
    assert await sandbox.status() == before
    done = await clean(sandbox, f"trainings.{sandbox.group}", "--yes")
    assert done.output.splitlines() == [
        f"trainings.{sandbox.group}/run in {sandbox.namespace} cleaned",
        "1 object done, 0 failed",
    ]
    assert await sandbox.status() == {**PHASE, "conditions": [READY]}
    assert (await clean(sandbox, f"trainings.{sandbox.group}", "--yes")).output == "0 objects done, 0 failed\n"


async def test_a_block_is_removed_and_so_are_the_reports(sandbox: Sandbox) -> None:
    await failed(sandbox, kinds.STATUS_FAILURE)
    assert await sandbox.report()
    done = await clean(sandbox, f"trainings.{sandbox.group}", "--reports", "--yes")
    assert done.exit_code == 0, done.output
    assert "2 objects done, 0 failed" in done.output
    assert await sandbox.status() == PHASE
    assert await sandbox.report() == {}


async def test_a_kind_that_is_not_there_is_one_line(sandbox: Sandbox) -> None:
    for kind in ("nothings.example.com", "../pods"):
        refused = await clean(sandbox, kind)
        assert (refused.exit_code, len(refused.output.splitlines())) == (2, 1)
        assert "no such CustomResourceDefinition" in refused.output
    nothing = await clean(sandbox)
    assert (nothing.exit_code, len(nothing.output.splitlines())) == (2, 1)


async def test_kubectl_alone_removes_it_too(sandbox: Sandbox, backend: str, request: pytest.FixtureRequest) -> None:
    """As docs/install.md says: an apply without fields by the same field manager."""
    if backend != "real":
        return
    server: Server = request.getfixturevalue("api_server")
    await failed(sandbox, kinds.CONDITIONS_MAP, conditions=[READY])
    listed = json.loads(
        server.kubectl("get", f"trainings.{sandbox.group}", "-A", "--show-managed-fields", "-o", "json")
    )
    ours = [
        {key: item[key] for key in ("apiVersion", "kind")}
        | {"metadata": {key: item["metadata"][key] for key in ("name", "namespace")}}
        for item in listed["items"]
        if any(
            e["manager"] == "coroner" and e.get("subresource") == "status" for e in item["metadata"]["managedFields"]
        )
    ]
    assert [item["metadata"]["name"] for item in ours] == ["run"]
    stream = "".join(map(json.dumps, ours))
    server.kubectl("apply", "--server-side", "--field-manager=coroner", "--subresource=status", "-f", "-", input=stream)
    assert await sandbox.status() == {**PHASE, "conditions": [READY]}
