"""The Lease, deletions with preconditions and lists of metadata where the API server is not ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from coroner_operator.kube.client import Client, load_configuration
from coroner_operator.kube.errors import Conflict, NotLeader
from coroner_operator.kube.lease import ApiLease
from coroner_operator.kube.owner_resolver import OwnerResolver
from coroner_operator.model.fold import fold
from coroner_operator.model.workload_ref import WorkloadRef
from coroner_operator.reports.expiry_index import ApiReportIndex
from coroner_operator.reports.store import ApiReportStore, Stored
from coroner_operator.reports.workload_existence import ApiExistenceChecker, Existence
from coroner_operator.runtime.leader_election import Election, LeadershipLost
from tests.cluster.server import Server
from tests.report_model.observations import EMPTY, ended
from tests.support.paths import parse_path
from tests.support.real_namespace import prepare

NAMESPACE = "coroner-leading"


@pytest.fixture
async def client(api_server: Server) -> AsyncIterator[Client]:
    prepare(api_server, NAMESPACE)
    try:
        async with Client(await load_configuration(api_server.kubeconfig), "coroner-tests") as client:
            yield client
    finally:
        api_server.kubectl("delete", "failurereports,pods,leases", "--all", "-n", NAMESPACE, "--force")
        api_server.kubectl("delete", "namespace", NAMESPACE)


@pytest.fixture
def lease(client: Client) -> ApiLease:
    return ApiLease(client, NAMESPACE, "coroner")


async def spec(client: Client) -> dict[str, Any]:
    path = parse_path(f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/coroner")
    held: dict[str, Any] = json.loads(await client.get(path))["spec"]
    return held


async def test_a_lease_is_acquired_held_and_released(client: Client, lease: ApiLease) -> None:
    first, second = Election(lease, "first", retry=0.4), Election(lease, "second", retry=0.4)
    leads = asyncio.create_task(first.run())
    async with asyncio.timeout(20):
        await first.leading.wait()
        waits = asyncio.create_task(second.run())
        await second.observed.wait()
        since = (await spec(client))["renewTime"]
        while (await spec(client))["renewTime"] == since:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
        held = await spec(client)
        assert (held["holderIdentity"], held["leaseDurationSeconds"]) == ("first", 15)
        assert not second.leading.is_set()
        leads.cancel()
        await asyncio.wait([leads])
        await first.release()
        await second.leading.wait()
        held = await spec(client)
        assert (held["holderIdentity"], held["leaseTransitions"]) == ("second", 1)
        # Taken away, and noticed.
        theirs = await lease.read()
        await lease.write(theirs, "thief", 15)
        with pytest.raises(LeadershipLost, match="thief"):
            await waits


async def test_the_second_of_two_writes_of_one_version_is_a_conflict(lease: ApiLease) -> None:
    held = await lease.write(None, "a", 15)
    with pytest.raises(Conflict):
        await lease.write(None, "b", 15)
    await lease.write(held, "a", 15)
    with pytest.raises(Conflict):
        await lease.write(held, "b", 15)


async def test_without_leadership_only_the_lease_is_written(client: Client, lease: ApiLease) -> None:
    client.write_allowed_for = lambda: 0.0
    await lease.write(None, "a", 15)
    with pytest.raises(NotLeader):
        await client.apply(
            parse_path(f"/api/v1/namespaces/{NAMESPACE}/configmaps/x"), {"apiVersion": "v1", "kind": "ConfigMap"}
        )


async def test_a_report_is_deleted_only_in_the_version_that_was_listed(client: Client) -> None:
    workload = WorkloadRef("batch/v1", "Job", NAMESPACE, "train", EMPTY.workload.uid)
    store, archive = ApiReportStore(client, (NAMESPACE,)), ApiReportIndex(client, (NAMESPACE,))
    report = fold(type(EMPTY)(workload), [ended()])
    written = await store.apply(report, None)
    assert isinstance(written, Stored)
    (outline,) = [found async for found in archive.summaries()]
    assert outline.workload == workload
    assert isinstance(await store.apply(fold(report, [ended(number=2, when=9)]), written), Stored)
    assert not await archive.delete(outline)
    (outline,) = [found async for found in archive.summaries()]
    assert await archive.delete(outline)
    assert await store.get(workload) is None


async def test_existing_and_deleted_workloads(client: Client) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await client.apply(parse_path(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"), account)
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "ray-0",
            "ownerReferences": [
                {"apiVersion": "ray.io/v1", "kind": "RayJob", "name": "ray", "uid": "1-2-3", "controller": True}
            ],
        },
        "spec": {"containers": [{"name": "main", "image": "busybox"}]},
    }
    answer = await client.request("POST", parse_path(f"/api/v1/namespaces/{NAMESPACE}/pods"), body=body)
    uid = json.loads(answer.body)["metadata"]["uid"]
    census = ApiExistenceChecker(client, OwnerResolver(client), NAMESPACE)
    for api_version, kind, name, its, trace in (
        ("v1", "Pod", "ray-0", uid, Existence.PRESENT),
        ("v1", "Pod", "ray-0", "an-earlier-one", Existence.DELETED),
        ("batch/v1", "Job", "train", "4-5-6", Existence.DELETED),
        ("ray.io/v1", "RayJob", "ray", "1-2-3", Existence.PRESENT),
        ("ray.io/v1", "RayJob", "other", "7-8-9", Existence.UNKNOWN),
    ):
        assert await census.check(WorkloadRef(api_version, kind, NAMESPACE, name, its)) is trace, (kind, name, its)
