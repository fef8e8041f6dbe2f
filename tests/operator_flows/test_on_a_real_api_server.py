"""The ways of the API server that everything rests on, once more where they are not ours: SSA, preconditions, watches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from coroner_operator.config.settings import load_settings
from coroner_operator.kube.client import Client, load_configuration
from coroner_operator.runtime.engine import Engine
from tests.cluster.server import Server
from tests.support.default_pack import CATEGORIZER
from tests.support.live_objects import ended, live_pod, running, waiting
from tests.support.operators import QUICK
from tests.support.paths import parse_path
from tests.support.real_namespace import prepare
from tests.support.waiting import until

NAMESPACE = "coroner-flow"


class Real:
    """A real API server on which the test plays the kubelet."""

    def __init__(self, server: Server, client: Client) -> None:
        self.server = server
        self.client = client

    async def put(self, obj: dict[str, Any]) -> None:
        """Create the pod if it is not there, and give it this status. Bound to no node: no kubelet is asked."""
        name = obj["metadata"]["name"]
        spec = {key: value for key, value in obj["spec"].items() if key != "nodeName"}
        body = {**obj, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}
        path = f"/api/v1/namespaces/{NAMESPACE}/pods"
        if name not in {p["metadata"]["name"] for p in await self.list("/api/v1", "pods")}:
            await self.client.request("POST", parse_path(path), body=body)
        await self.client.request(
            "PATCH",
            parse_path(f"{path}/{name}/status"),
            body={"status": obj["status"]},
            content_type="application/merge-patch+json",
        )

    async def list(self, group: str, plural: str) -> list[dict[str, Any]]:
        path = f"{group}/namespaces/{NAMESPACE}/{plural}"
        items = json.loads(await self.client.get(parse_path(path)))["items"]
        assert isinstance(items, list)
        return items

    async def status(self, name: str) -> dict[str, Any]:
        for report in await self.list("/apis/coroner.dev/v1alpha1", "failurereports"):
            if report["spec"]["workload"]["name"] == name:
                return {**report.get("status", {}), "labels": report["metadata"]["labels"]}
        return {}

    async def until(self, name: str, **wanted: Any) -> dict[str, Any]:
        """The report's status as soon as these fields have these values."""
        status: dict[str, Any] = {}
        try:
            async with asyncio.timeout(20):
                while any(status.get(field) != value for field, value in wanted.items()):
                    await asyncio.sleep(0.05)
                    status = await self.status(name)
        except TimeoutError:
            raise AssertionError(f"never {wanted}: {status}") from None
        return status


@pytest.fixture
async def real(api_server: Server) -> AsyncIterator[Real]:
    prepare(api_server, NAMESPACE)
    try:
        async with Client(await load_configuration(api_server.kubeconfig), "coroner-tests") as client:
            yield Real(api_server, client)
    finally:
        api_server.kubectl("delete", "failurereports,pods", "--all", "-n", NAMESPACE, "--grace-period=0", "--force")
        api_server.kubectl("delete", "namespace", NAMESPACE)


class Running:
    """An operator that watches the test's namespace."""

    def __init__(self, real: Real) -> None:
        settings = {**QUICK, "kubeconfig": real.server.kubeconfig, "namespaces": (NAMESPACE,), "recovery_after": 1}
        self.engine = Engine(load_settings(settings), real.client, CATEGORIZER)

    async def __aenter__(self) -> Engine:
        self.engine.start()
        async with asyncio.timeout(20):
            await self.engine.synced()
        return self.engine

    async def __aexit__(self, *_: object) -> None:
        await self.engine.stop()


async def test_a_failure_is_reported_counted_on_by_the_next_operator_and_recovers(real: Real) -> None:
    crashed = live_pod("crashing", state=waiting("CrashLoopBackOff"), last=ended(2, number=1, ran=0))
    async with Running(real):
        await real.put(crashed)
        status = await real.until("crashing", failures=1, state="Failing", exitCode=2)
        assert status["labels"]["coroner.dev/category"] == "user-code"
    fourth = ended(2, number=4, ran=0)
    container_id = fourth["terminated"]["containerID"]
    crashed["status"]["containerStatuses"][0] |= {
        "lastState": fourth,
        "restartCount": 3,
        "containerID": container_id,
    }
    await real.put(crashed)
    async with Running(real):
        await real.until("crashing", failures=4, unseen=2)
        healed = live_pod("crashing", state=running(), last=ended(2, number=4, ran=0), restarts=4)
        await real.put(healed)
        status = await real.until("crashing", state="Recovered", failures=4)
        assert not status.keys() & {"category", "reason", "message", "exitCode", "pod"}
        assert status["history"]

        async def has_no_verdict() -> bool:
            return "coroner.dev/category" not in (await real.status("crashing"))["labels"]

        await until(has_no_verdict)
        labels = (await real.status("crashing"))["labels"]
        assert labels["coroner.dev/state"] == "Recovered"
        assert labels.keys() == {
            f"coroner.dev/{name}" for name in ("state", "workload-kind", "workload-name", "workload-uid")
        }


async def test_two_operators_at_once_count_each_failure_once(real: Real) -> None:
    async with Running(real) as one, Running(real) as other:
        for number in range(12):
            crashed = live_pod(
                "crashing", state=waiting("CrashLoopBackOff"), last=ended(2, number=number), restarts=number
            )
            await real.put(crashed)
        await real.until("crashing", failures=12)
    conflicts = b'coroner_writes_total{outcome="conflict"}'
    assert any(conflicts in engine.metrics.exposition() for engine in (one, other))


async def test_after_a_report_was_deleted_a_new_failure_begins_a_new_one(real: Real) -> None:
    async with Running(real):
        await real.put(live_pod("crashing", state=waiting("CrashLoopBackOff"), last=ended(2, number=0)))
        await real.until("crashing", failures=1)
        real.server.kubectl("delete", "failurereports", "--all", "-n", NAMESPACE)
        await real.put(live_pod("crashing", state=waiting("CrashLoopBackOff"), last=ended(3, number=1), restarts=1))
        status = await real.until("crashing", exitCode=3, state="Failing")
        assert [entry["exitCode"] for entry in status["history"]] == [3]
