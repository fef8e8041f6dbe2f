"""How a workload says that it is well, kind by kind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from coroner_operator.controller.workload_health import WorkloadHealth, read_health
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import Transient
from coroner_operator.model.workload_ref import WorkloadRef
from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.live_objects import uid, workload

FAILED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
TWO = {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "updatedReplicas": 2}


def condition(type_: str, status: str = "True") -> dict[str, Any]:
    return {"conditions": [{"type": type_, "status": status}]}


def ref(obj: dict[str, Any], **other: str) -> WorkloadRef:
    metadata = obj["metadata"]
    return WorkloadRef(obj["apiVersion"], obj["kind"], "default", metadata["name"], other.get("uid", metadata["uid"]))


@pytest.mark.parametrize(
    ("kind", "spec", "status", "state"),
    [
        ("Job", {}, {}, WorkloadHealth.UNHEALTHY),
        ("Job", {}, condition("Complete"), WorkloadHealth.COMPLETED),
        ("Job", {}, condition("Complete", "False"), WorkloadHealth.UNHEALTHY),
        ("Job", {}, condition("SuccessCriteriaMet"), WorkloadHealth.COMPLETED),
        ("Job", {}, condition("Failed"), WorkloadHealth.TERMINAL),
        ("Job", {}, condition("FailureTarget"), WorkloadHealth.TERMINAL),
        ("CronJob", {}, {}, WorkloadHealth.UNHEALTHY),
        ("CronJob", {}, {"lastSuccessfulTime": "2026-11-22T11:59:59Z"}, WorkloadHealth.UNHEALTHY),
        ("CronJob", {}, {"lastSuccessfulTime": "2026-11-22T12:00:01Z"}, WorkloadHealth.COMPLETED),
        ("Deployment", {"replicas": 2}, TWO, WorkloadHealth.HEALTHY),
        ("Deployment", {"replicas": 3}, TWO, WorkloadHealth.UNHEALTHY),
        ("Deployment", {"replicas": 2}, {**TWO, "updatedReplicas": 1}, WorkloadHealth.UNHEALTHY),
        ("Deployment", {"replicas": 2}, {**TWO, "replicas": 3}, WorkloadHealth.UNHEALTHY),
        ("Deployment", {"replicas": 2}, {**TWO, "observedGeneration": 0}, WorkloadHealth.UNHEALTHY),
        ("Deployment", {"replicas": 0}, {}, WorkloadHealth.HEALTHY),
        ("Deployment", {}, {}, WorkloadHealth.UNHEALTHY),
        ("ReplicaSet", {"replicas": 2}, TWO, WorkloadHealth.HEALTHY),
        ("StatefulSet", {"replicas": 2}, TWO, WorkloadHealth.HEALTHY),
        ("StatefulSet", {"replicas": 2}, {**TWO, "updatedReplicas": 0}, WorkloadHealth.HEALTHY),
        ("StatefulSet", {"replicas": 2}, {**TWO, "readyReplicas": 1}, WorkloadHealth.UNHEALTHY),
        (
            "DaemonSet",
            {},
            {"desiredNumberScheduled": 2, "numberAvailable": 2, "updatedNumberScheduled": 2},
            WorkloadHealth.HEALTHY,
        ),
        (
            "DaemonSet",
            {},
            {"desiredNumberScheduled": 2, "numberAvailable": 1, "updatedNumberScheduled": 2},
            WorkloadHealth.UNHEALTHY,
        ),
    ],
)
async def test_the_status_tells(
    server: EmbeddedApiServer, client: Client, kind: str, spec: Any, status: Any, state: WorkloadHealth
) -> None:
    obj = server.put(workload(kind, "one", status=status, **spec))
    assert await read_health(client, ref(obj), FAILED_AT) is state


async def test_what_is_gone_or_replaced_will_not_recover(server: EmbeddedApiServer, client: Client) -> None:
    obj = server.put(workload("Deployment", "web", replicas=2, status=TWO))
    assert await read_health(client, ref(obj, uid=uid()), FAILED_AT) is WorkloadHealth.TERMINAL
    server.delete("Deployment", "web")
    assert await read_health(client, ref(obj), FAILED_AT) is WorkloadHealth.TERMINAL


async def test_kinds_that_are_not_ours_to_read_are_told_by_their_pods(
    server: EmbeddedApiServer, client: Client
) -> None:
    other = WorkloadRef("ray.io/v1", "RayJob", "default", "ray", uid())
    assert await read_health(client, other, FAILED_AT) is WorkloadHealth.UNKNOWN
    assert not server.calls
    obj = server.put(workload("Deployment", "web"))
    server.faults.add(Fault(status=403))
    assert await read_health(client, ref(obj), FAILED_AT) is WorkloadHealth.UNKNOWN


async def test_a_server_in_trouble_says_nothing(server: EmbeddedApiServer, client: Client) -> None:
    obj = server.put(workload("Deployment", "web"))
    server.faults.add(Fault(status=500))
    with pytest.raises(Transient):
        await read_health(client, ref(obj), FAILED_AT)
