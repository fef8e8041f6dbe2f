"""Code that is newer than the CRD writes nothing, says what is missing and what to run, and begins when it is there."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from coroner_operator.runtime.engine import Engine
from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.live_objects import failed_pod
from tests.support.operators import Operators
from tests.support.reports import Reports
from tests.support.waiting import until
from tests.workload_status.backend import OUR_CRD, Sandbox

SENTENCE = (
    "CustomResourceDefinition failurereports.coroner.dev is older than this operator; missing: status.hint in version "
    "v1alpha1. Upgrade the chart with its CRDs, or run: kubectl apply --server-side -f crds/"
)


def without_hint() -> dict[str, Any]:
    crd: dict[str, Any] = copy.deepcopy(OUR_CRD)
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    del schema["properties"]["hint"]
    schema["x-kubernetes-validations"] = []
    return crd


async def readiness(engine: Engine) -> tuple[int, str]:
    port = next(iter(engine.ports.values()))
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as answer:
        return answer.status, (await answer.text()).strip()


async def test_an_older_crd_keeps_the_operator_unready_until_it_is_upgraded(sandbox: Sandbox) -> None:
    await sandbox.install(without_hint())
    try:
        async with sandbox.operator(ready=False, workloads=[]) as engine:
            await sandbox.crash(None, name="alone")

            async def unready() -> bool:
                return await readiness(engine) == (503, SENTENCE)

            await until(unready)
            assert await sandbox.report("alone") == {}
            await sandbox.install(OUR_CRD)
            assert (await sandbox.reported("alone", failures=1))["hint"]

            async def ready() -> bool:
                return (await readiness(engine))[0] == 200

            await until(ready)
    finally:
        await sandbox.install(OUR_CRD)


async def test_a_crd_downgraded_at_run_time_delays_writes_and_loses_none(sandbox: Sandbox) -> None:
    try:
        async with sandbox.operator(workloads=[]) as engine:
            await sandbox.crash(None, name="alone", number=1)
            await sandbox.reported("alone", failures=1)
            await sandbox.install(without_hint())

            async def unready() -> bool:
                return await readiness(engine) == (503, SENTENCE)

            await until(unready)
            await sandbox.crash(None, name="alone", number=2, exit_code=7)
            await sandbox.crash(None, name="alone", number=3, exit_code=8)

            async def noticed() -> bool:
                return b"coroner_queue_length 1.0" in engine.metrics.exposition()

            await until(noticed)
            await sandbox.reported("alone", failures=1)
            await sandbox.install(OUR_CRD)
            assert (await sandbox.reported("alone", failures=3))["hint"]
    finally:
        await sandbox.install(OUR_CRD)


async def test_a_crd_that_may_not_be_read_is_logged_once_and_work_goes_on(
    embedded: EmbeddedApiServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    embedded.faults.add(Fault(path="customresourcedefinitions", status=403))
    embedded.put(failed_pod("alone"))
    with caplog.at_level(logging.WARNING, "coroner"):
        async with Operators(embedded.kubeconfig(tmp_path / "kubeconfig")) as operators:
            engine = await operators.start()
            await until(lambda: Reports(embedded).failures("alone") == 1)
            assert await readiness(engine) == (200, "ok")
    messages = [record.getMessage() for record in caplog.records if record.name == "coroner.schema_gate"]
    assert len(messages) == 1
    assert messages[0].startswith("failurereports.coroner.dev cannot be read")


@pytest.mark.embedded
async def test_without_the_crd_readiness_says_what_to_install(tmp_path: Path) -> None:
    async with EmbeddedApiServer() as server, Operators(server.kubeconfig(tmp_path / "kubeconfig")) as operators:
        process = operators.spawn("--health-address", "127.0.0.1:0", "--metrics-address", "")
        await until(lambda: server.watch_count)
        assert process.status is None
        assert not any(call.is_write for call in server.calls)
