"""How a workload says that it is well, kind by kind."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from coroner_operator.controller.workload_health import HealthReader, WorkloadHealth
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import Transient
from coroner_operator.kube.paths import ResourcePath
from coroner_operator.kube.resources import POD
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
        ("Job", {}, condition("Failed"), WorkloadHealth.FAILED),
        ("Job", {}, condition("FailureTarget"), WorkloadHealth.UNHEALTHY),
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
    assert await HealthReader(client).read(ref(obj), FAILED_AT) is state


async def test_what_is_gone_or_replaced_will_not_recover(server: EmbeddedApiServer, client: Client) -> None:
    obj = server.put(workload("Deployment", "web", replicas=2, status=TWO))
    assert await HealthReader(client).read(ref(obj, uid=uid()), FAILED_AT) is WorkloadHealth.DELETED
    server.delete("Deployment", "web")
    assert await HealthReader(client).read(ref(obj), FAILED_AT) is WorkloadHealth.DELETED


async def test_kinds_that_are_not_ours_to_read_are_judged_by_their_pods(
    server: EmbeddedApiServer, client: Client
) -> None:
    other = WorkloadRef("ray.io/v1", "RayJob", "default", "ray", uid())
    assert await HealthReader(client).read(other, FAILED_AT) is WorkloadHealth.UNKNOWN
    assert not server.calls
    obj = server.put(workload("Deployment", "web"))
    server.faults.add(Fault(status=403))
    assert await HealthReader(client).read(ref(obj), FAILED_AT) is WorkloadHealth.UNKNOWN


async def test_a_server_in_trouble_says_nothing(server: EmbeddedApiServer, client: Client) -> None:
    obj = server.put(workload("Deployment", "web"))
    server.faults.add(Fault(status=500))
    with pytest.raises(Transient):
        await HealthReader(client).read(ref(obj), FAILED_AT)


class Answer:
    """A client that has one answer."""

    def __init__(self, obj: Any) -> None:
        self._raw = json.dumps(obj).encode()

    async def get(self, path: ResourcePath, accept: str = "") -> bytes:
        return self._raw


def succeeded(status: str) -> dict[str, Any]:
    return condition("Succeeded", status)


@pytest.mark.parametrize(
    ("group", "kind", "status", "state"),
    [
        ("argoproj.io", "Workflow", {"phase": "Running"}, WorkloadHealth.RUNNING),
        ("argoproj.io", "Workflow", {"phase": "Failed"}, WorkloadHealth.FAILED),
        ("argoproj.io", "Workflow", {"phase": "Error"}, WorkloadHealth.FAILED),
        ("argoproj.io", "Workflow", {"phase": "Succeeded"}, WorkloadHealth.COMPLETED),
        ("argoproj.io", "Workflow", {"phase": ["Failed"]}, WorkloadHealth.RUNNING),
        ("argoproj.io", "Workflow", None, WorkloadHealth.RUNNING),
        ("tekton.dev", "PipelineRun", succeeded("Unknown"), WorkloadHealth.RUNNING),
        ("tekton.dev", "PipelineRun", succeeded("False"), WorkloadHealth.FAILED),
        ("tekton.dev", "PipelineRun", succeeded("True"), WorkloadHealth.COMPLETED),
        ("kubeflow.org", "PyTorchJob", condition("Restarting"), WorkloadHealth.RUNNING),
        ("kubeflow.org", "PyTorchJob", condition("Failed"), WorkloadHealth.FAILED),
        ("kubeflow.org", "PyTorchJob", condition("Failed", "False"), WorkloadHealth.RUNNING),
        ("batch.volcano.sh", "Job", condition("Failed"), WorkloadHealth.RUNNING),  # no Job of Kubernetes
        ("batch.volcano.sh", "Job", {"state": {"phase": "Failed"}}, WorkloadHealth.FAILED),
        ("ray.io", "RayCluster", {"state": "failed"}, WorkloadHealth.UNKNOWN),
        ("example.dev", "Gang", {"phase": "Failed"}, WorkloadHealth.UNKNOWN),
    ],
)
async def test_a_custom_kind_has_ended_where_its_preset_says_so(
    group: str, kind: str, status: Any, state: WorkloadHealth
) -> None:
    workload = WorkloadRef(f"{group}/v1", kind, "default", "one", "u-1")
    client: Any = Answer({"metadata": {"uid": "u-1"}, "status": status})
    reader = HealthReader(client, lambda ref: POD.object_path(ref.namespace, ref.name))
    assert await reader.read(workload, FAILED_AT) is state
