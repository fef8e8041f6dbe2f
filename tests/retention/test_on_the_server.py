"""Whether workloads are there, and reports that go, as the API server tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.bodies import OBJECT_LIMIT
from coroner_operator.kube.client import Client
from coroner_operator.kube.owner_resolver import OwnerResolver
from coroner_operator.kube.resources import Resource
from coroner_operator.model.workload_ref import WorkloadRef
from coroner_operator.reports import workload_existence
from coroner_operator.reports.expiry_index import ApiReportIndex, ReportSummary
from coroner_operator.reports.retention import Retention
from coroner_operator.reports.workload_existence import ApiExistenceChecker, Existence
from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.live_objects import failed_pod, live_pod, reference, workload
from tests.support.operators import Operators
from tests.support.pods import Json
from tests.support.reports import Reports
from tests.support.waiting import until


def ref(obj: Json) -> WorkloadRef:
    metadata = obj["metadata"]
    return WorkloadRef(obj["apiVersion"], obj["kind"], "default", metadata["name"], metadata["uid"])


def checker(client: Client) -> ApiExistenceChecker:
    return ApiExistenceChecker(client, OwnerResolver(client, lambda: BackOff(base=0.01)), "default")


async def test_a_workload_is_here_as_long_as_it_or_a_pod_of_it_is(server: EmbeddedApiServer, client: Client) -> None:
    here = server.put(workload("Job", "here"))
    orphaned = workload("Job", "orphaned")
    server.put(failed_pod("orphaned-0", owner=orphaned))
    ray = reference("ray.io/v1", "RayJob", "ray")
    middle = server.put(workload("Job", "middle", owner=ray))
    server.put(live_pod("middle-0", owner=middle))
    lone = server.put(live_pod("lone"))
    for obj in (here, orphaned, ray, lone):
        assert await checker(client).check(ref(obj)) is Existence.PRESENT, obj["metadata"]["name"]


async def test_what_is_gone_or_only_of_the_same_name(server: EmbeddedApiServer, client: Client) -> None:
    server.put(workload("Job", "again"))
    earlier = workload("Job", "again")  # another UID
    for obj in (earlier, workload("CronJob", "never"), live_pod("no-pod")):
        assert await checker(client).check(ref(obj)) is Existence.DELETED, obj["metadata"]["name"]


async def test_what_may_not_be_read_leaves_no_trace_and_what_cannot_be_read_now_is_here(
    server: EmbeddedApiServer, client: Client
) -> None:
    assert await checker(client).check(ref(reference("ray.io/v1", "RayJob", "ray"))) is Existence.UNKNOWN
    server.faults.add(Fault(path="/jobs/forbidden", status=403))
    assert await checker(client).check(ref(workload("Job", "forbidden"))) is Existence.UNKNOWN
    server.faults.add(Fault(path="/jobs/slow", status=503))
    assert await checker(client).check(ref(workload("Job", "slow"))) is Existence.PRESENT


@pytest.mark.parametrize("status", [400, 405, 406, 415, 422])
async def test_what_cannot_be_answered_is_unknown_unless_a_pod_of_it_exists(
    server: EmbeddedApiServer, client: Client, status: int
) -> None:
    server.faults.add(Fault(path="/jobs/odd", status=status))
    odd = workload("Job", "odd")
    assert await checker(client).check(ref(odd)) is Existence.UNKNOWN
    server.put(failed_pod("odd-0", owner=odd))
    assert await checker(client).check(ref(odd)) is Existence.PRESENT
    assert await checker(client).check(ref(workload("Job", "gone"))) is Existence.DELETED


async def test_a_workload_that_is_too_large_to_be_read_is_there(server: EmbeddedApiServer, client: Client) -> None:
    large = workload("Job", "large")
    large["metadata"]["annotations"] = {"x": "x" * OBJECT_LIMIT}
    server.put(large)
    assert await checker(client).check(ref(large)) is Existence.PRESENT


@pytest.mark.parametrize("limit", ["PODS_LIMIT", "OWNERS_LIMIT"])
async def test_where_there_are_too_many_pods_to_look_at_all_reports_are_kept(
    server: EmbeddedApiServer, client: Client, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(workload_existence, limit, 3)
    gone = ref(workload("Job", "gone"))
    for number in range(2):
        server.put(failed_pod(f"pod-{number}", owner=workload("Job", f"job-{number}")))
    assert await checker(client).check(gone) is Existence.DELETED
    server.put(failed_pod("pod-2", owner=workload("Job", "job-2")))
    assert await checker(client).check(gone) is Existence.PRESENT


async def test_a_kind_that_is_not_served_says_nothing(server: EmbeddedApiServer, client: Client) -> None:
    """Nor is the version in a reference that of the request: it may be older than what is served."""
    path = Resource("RayJob", "ray.io/v1", "rayjobs").object_path("default", "ray")
    removed = ApiExistenceChecker(client, OwnerResolver(client), "default", readable=lambda _: path)
    assert await removed.check(ref(reference("ray.io/v1", "RayJob", "ray"))) is Existence.UNKNOWN
    old = server.put(workload("Job", "job"))
    assert await checker(client).check(ref(old | {"apiVersion": "batch/v1beta1"})) is Existence.PRESENT


async def test_reports_are_outlined_and_removed_only_as_they_were_outlined(
    server: EmbeddedApiServer, client: Client, operators: Operators, reports: Reports
) -> None:
    job = server.put(workload("Job", "train"))
    engine = await operators.start()
    server.put(failed_pod("train-0", owner=job))
    await until(lambda: reports.failures("train") == 1)
    index = ApiReportIndex(client)

    async def summary() -> ReportSummary:
        (found,) = [found async for found in index.summaries()]
        return found

    old = await summary()
    assert old.workload == ref(job)
    assert datetime.now(UTC) - old.last_activity < timedelta(minutes=1)
    server.put(failed_pod("train-1", owner=job))
    await until(lambda: reports.failures("train") == 2)
    assert not await index.delete(old)
    await engine.stop()
    assert await index.delete(await summary())
    assert reports.of("train") is None
    assert not await index.delete(old)


async def test_an_operator_deletes_what_is_old_and_gone_and_keeps_the_rest(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    first = await operators.start()
    stays = server.put(workload("Job", "stays"))
    goes = server.put(workload("Job", "goes"))
    for owner in (stays, goes):
        server.put(failed_pod(f"{owner['metadata']['name']}-0", owner=owner))
    await until(lambda: reports.of("stays") and reports.of("goes"))
    await first.stop()
    for name in ("stays-0", "goes-0"):
        server.delete("Pod", name)
    server.delete("Job", "goes")
    for report in server.objects("FailureReport"):  # its last word is a year old
        year_ago = "2025-01-01T00:00:00Z"
        server.put(
            {
                **report,
                "metadata": {**report["metadata"], "creationTimestamp": year_ago},
                "status": {**report["status"], "lastSeen": year_ago},
            }
        )
    second = await operators.start()
    await until(lambda: reports.of("goes") is None)
    assert reports.of("stays")
    await until(lambda: b'coroner_reports_deleted_total{reason="retention"} 1.0' in second.metrics.exposition())
    server.put(failed_pod("stays-1", owner=stays))
    await until(lambda: reports.failures("stays") == 2)


async def test_a_namespace_that_cannot_be_looked_at_does_not_hinder_the_others(
    server: EmbeddedApiServer, client: Client, operators: Operators, reports: Reports
) -> None:
    server.create_namespace("other")
    engine = await operators.start()
    server.put(failed_pod("mine"))
    server.put(failed_pod("yours", namespace="other"))
    await until(lambda: reports.of("mine") and reports.of("yours"))
    await engine.stop()
    server.delete("Pod", "mine")
    server.delete("Pod", "yours", "other")
    server.faults.add(Fault(method="GET", path="/namespaces/default/pods\\?", status=503))
    owners = OwnerResolver(client, lambda: BackOff(base=0.01))
    week_later = datetime.now(UTC) + timedelta(days=8)
    await Retention(
        ApiReportIndex(client),
        lambda namespace: ApiExistenceChecker(client, owners, namespace),
        retention=7 * 86400,
        per_namespace=500,
        now=lambda: week_later,
    ).sweep()
    assert reports.of("mine")
    assert reports.of("yours") is None
