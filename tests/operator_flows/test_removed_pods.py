"""Pods that a roll-out, a scale-down or the deletion of their workload removes have not failed; others have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from embedded_apiserver import EmbeddedApiServer
from tests.operator_flows.test_recovering import settled
from tests.support.live_objects import ago, changed, ended, live_pod, reference, waiting, workload
from tests.support.operators import Operators
from tests.support.pods import Json
from tests.support.reports import Reports
from tests.support.waiting import until


def deleted(pod: Json, *, exit_code: int = 137, ready_until: str = "") -> Json:
    """The same pod, whose container ends within the grace period after its deletion was requested."""
    gone = changed(pod, phase="Running", state=ended(exit_code))
    gone["metadata"] = {
        **pod["metadata"],
        "deletionTimestamp": (datetime.now(UTC) + timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "deletionGracePeriodSeconds": 30,
    }
    if ready_until:
        for condition in gone["status"]["conditions"]:
            if condition["type"] == "Ready":
                condition["lastTransitionTime"] = ready_until
    return gone


def remove(server: EmbeddedApiServer, pod: Json, **more: Any) -> None:
    """As the kubelet does: first its containers end, then it is gone."""
    server.put(deleted(pod, **more))
    server.delete("Pod", pod["metadata"]["name"])


def owners(server: EmbeddedApiServer) -> dict[str, Json]:
    """What controls the pods of six kinds, by the name of the kind whose user would see a report."""
    rollout = reference("argoproj.io/v1alpha1", "Rollout", "rollout")
    revision = reference("serving.knative.dev/v1", "Revision", "revision")
    knative = server.put(workload("Deployment", "revision-deployment", owner=revision))
    lws = reference("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "lws")
    return {
        "Rollout": server.put(workload("ReplicaSet", "rollout-1", owner=rollout)),
        "Knative": server.put(workload("ReplicaSet", "revision-1", owner=knative)),
        "LeaderWorkerSet": server.put(workload("StatefulSet", "lws-0", owner=lws)),
        "CloneSet": reference("apps.kruise.io/v1alpha1", "CloneSet", "cloneset"),
        "RayCluster": reference("ray.io/v1", "RayCluster", "raycluster"),
        "CNPG": reference("postgresql.cnpg.io/v1", "Cluster", "cnpg"),
        "an unknown kind": reference("example.dev/v1", "Cache", "cache"),
    }


@pytest.mark.parametrize("exit_code", [137, 143, 0])
async def test_scale_down_roll_out_and_scale_to_zero_make_no_report(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, exit_code: int
) -> None:
    await operators.start()
    for name, owner in owners(server).items():
        for number in range(3):
            prefix = name.lower().replace(" ", "-")
            pod = server.put(live_pod(f"{prefix}-{number}", owner=owner, created=ago(minutes=5)))
            if number:  # the last one of a roll-out
                server.put(live_pod(f"{prefix}-new-{number}", owner=owner))
            remove(server, pod, exit_code=exit_code)
    await settled(server, operators, reports)
    assert {report["spec"]["workload"]["name"] for report in server.objects("FailureReport")} == {"witness"}


async def test_a_pod_that_failed_by_itself_before_somebody_deleted_it_has_failed(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    cache = reference("example.dev/v1", "Cache", "cache")
    crashing = server.put(
        live_pod("cache-0", owner=cache, state=waiting("CrashLoopBackOff"), last=ended(3, number=7), restarts=1)
    )
    await until(lambda: reports.state("cache") == "Failing")
    server.put(deleted(crashing, exit_code=137, ready_until=ago(minutes=1)))
    server.delete("Pod", "cache-0")
    await settled(server, operators, reports)
    assert reports.state("cache") == "Failing"
    assert reports.failures("cache") >= 1
    broken = server.put(live_pod("db-0", owner=server.put(workload("StatefulSet", "db", replicas=1))))
    remove(server, broken, exit_code=3)
    await until(lambda: reports.status("db").get("exitCode") == 3)


async def test_a_pod_of_an_unknown_kind_that_was_not_ready_when_it_was_deleted_may_have_failed(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    cache = reference("example.dev/v1", "Cache", "cache")
    hung = server.put(live_pod("cache-0", owner=cache, ready=False))
    remove(server, hung, ready_until=ago(minutes=3))
    await until(lambda: reports.status("cache").get("subcategory") == "deleted")


async def test_a_pod_that_somebody_deletes_from_a_job_has_failed(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    job = server.put(workload("Job", "train"))
    remove(server, server.put(live_pod("train-0", owner=job)))
    await until(lambda: reports.status("train").get("subcategory") == "deleted")


@pytest.mark.parametrize("how", ["gone", "replaced", "being deleted"])
async def test_a_job_that_is_deleted_with_its_healthy_pods_makes_no_report(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, how: str
) -> None:
    await operators.start()
    job = server.put(workload("Job", "train", owner=reference("jobset.x-k8s.io/v1alpha2", "JobSet", "set")))
    pods = [server.put(live_pod(f"train-{number}", owner=job)) for number in range(3)]
    if how == "being deleted":
        job["metadata"] = {**job["metadata"], "deletionTimestamp": ago(), "finalizers": ["foregroundDeletion"]}
        server.put(job)
    else:
        server.delete("Job", "train")
        if how == "replaced":
            server.put(workload("Job", "train"))
    for pod in pods:
        remove(server, pod)
    await settled(server, operators, reports)
    assert {report["spec"]["workload"]["name"] for report in server.objects("FailureReport")} == {"witness"}
