"""Whose failure it is: references name what their authors please, and only what was read is believed."""

from __future__ import annotations

from typing import Any

import pytest

from coroner_operator.controller import workload_failures
from coroner_operator.kube import owner_resolver
from coroner_operator.model.workload_ref import PodKey
from coroner_operator.reports import cache
from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.live_objects import ago, changed, event, failed_pod, live_pod, reference, uid, workload
from tests.support.operators import Operators
from tests.support.pods import Json, owned_by
from tests.support.reports import Reports
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def _attackers_namespace(server: EmbeddedApiServer) -> None:
    server.create_namespace("attacker")


def shown(server: EmbeddedApiServer) -> dict[tuple[str, str], tuple[int, str]]:
    """Namespace and workload of each report, with the number of failures and the name of the pod."""
    return {
        (report["metadata"]["namespace"], report["spec"]["workload"]["display"]): (
            report["status"]["failures"],
            report["status"]["pod"]["name"],
        )
        for report in server.objects("FailureReport")
        if "status" in report
    }


@pytest.mark.parametrize("first", ["attacker", "victim"])
@pytest.mark.parametrize("restarted", [False, True])
async def test_the_uid_of_anothers_job_takes_and_hides_nothing(
    server: EmbeddedApiServer, operators: Operators, first: str, restarted: bool
) -> None:
    operator = await operators.start()
    nightly = server.put(workload("CronJob", "nightly"))
    job = server.put(workload("Job", "nightly-1", owner=nightly))
    pods = {
        "attacker": failed_pod("forged", namespace="attacker", owner=job),
        "victim": failed_pod("honest", owner=job),
    }
    expected = {
        "attacker": {("attacker", "Job/nightly-1"): (1, "forged")},
        "victim": {("default", "CronJob/nightly"): (1, "honest")},
    }
    server.put(pods.pop(first))
    await until(lambda: shown(server) == expected[first])
    if restarted:
        await operator.stop()
        await operators.start()
    (second,) = pods.values()
    server.put(second)
    await until(lambda: shown(server) == expected["attacker"] | expected["victim"])


async def test_a_forged_owner_does_not_keep_a_jobs_own_failure_from_being_reported(
    server: EmbeddedApiServer, operators: Operators
) -> None:
    condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "lastTransitionTime": ago()}
    job = server.put(workload("Job", "train", status={"conditions": [condition]}))
    await operators.start()
    server.put(failed_pod("forged", namespace="attacker", owner=job))
    await until(lambda: ("attacker", "Job/train") in shown(server))
    server.put(event(job, "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
    await until(lambda: server.objects("FailureReport", "default"))


async def test_a_pod_as_the_forged_owner_does_not_keep_the_victims_pod_from_recovering(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    victim = server.put(live_pod("victim", state={"waiting": {"reason": "ErrImageNeverPull"}}, phase="Pending"))
    await until(lambda: reports.state("victim") == "Failing")
    forged = reference("v1", "Pod", "forged")
    forged["metadata"]["uid"] = victim["metadata"]["uid"]
    attack = server.put(failed_pod("attack", namespace="attacker", owner=forged))
    await until(lambda: reports.state("forged") == "Failing")
    server.delete("Pod", attack["metadata"]["name"], "attacker")
    server.put(changed(victim))
    await until(lambda: reports.state("victim") == "Recovered")
    assert reports.state("forged") == "Failing"


async def test_a_job_of_the_same_name_is_another_workload(server: EmbeddedApiServer, operators: Operators) -> None:
    await operators.start()
    old = server.put(workload("Job", "train"))
    server.put(failed_pod("old-0", owner=old))
    await until(lambda: len(shown(server)) == 1)
    server.delete("Job", "train")
    new = server.put(workload("Job", "train"))
    server.put(failed_pod("old-1", owner=old))
    server.put(failed_pod("new-0", owner=new))

    def failures() -> dict[str, int]:
        return {r["spec"]["workload"]["uid"]: r["status"]["failures"] for r in server.objects("FailureReport")}

    await until(lambda: failures() == {old["metadata"]["uid"]: 2, new["metadata"]["uid"]: 1})


async def test_a_replica_set_that_a_deployment_adopts_keeps_the_failures_that_it_had(
    server: EmbeddedApiServer, operators: Operators, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_resolver, "CACHE_SECONDS", 0.0)
    operator = await operators.start()
    web = server.put(workload("ReplicaSet", "web"))
    old = server.put(failed_pod("old", owner=web))
    await until(lambda: shown(server) == {("default", "ReplicaSet/web"): (1, "old")})
    deployment = server.put(workload("Deployment", "site"))
    server.put({**web, "metadata": {**web["metadata"], **owned_by(deployment)}})
    server.put(failed_pod("new", owner=web))
    expected = {("default", "ReplicaSet/web"): (1, "old"), ("default", "Deployment/site"): (1, "new")}
    await until(lambda: shown(server) == expected)
    await operator.stop()
    await operators.start()
    server.put(changed(old, owner=web, phase="Failed", state=old["status"]["containerStatuses"][0]["state"]))
    server.put(failed_pod("fence"))
    await until(lambda: shown(server) == {**expected, ("default", "Pod/fence"): (1, "fence")})


async def test_a_pod_that_was_released_before_a_restart_is_not_counted_again(
    server: EmbeddedApiServer, operators: Operators
) -> None:
    operator = await operators.start()
    job = server.put(workload("Job", "train"))
    pod = server.put(failed_pod("train-0", owner=job))
    await until(lambda: shown(server) == {("default", "Job/train"): (1, "train-0")})
    await operator.stop()
    server.put({**pod, "metadata": {**pod["metadata"], "ownerReferences": []}})
    await operators.start()
    server.put(failed_pod("fence"))
    await until(lambda: ("default", "Pod/fence") in shown(server))
    assert shown(server) == {("default", "Job/train"): (1, "train-0"), ("default", "Pod/fence"): (1, "fence")}


def owned_by_node(name: str, *, namespace: str = "default", **annotations: str) -> Json:
    pod = failed_pod(name, namespace=namespace, owner=reference("v1", "Node", "node-1"))
    pod["metadata"]["annotations"] = annotations
    pod["spec"]["nodeName"] = "node-1"
    return pod


MIRROR = {"kubernetes.io/config.mirror": "3f2a9c1b7d0e4a529b1c0f6f3d2e8a47"}


async def test_a_node_owns_its_mirror_pods_and_no_event_is_about_the_node(
    server: EmbeddedApiServer, operators: Operators
) -> None:
    await operators.start()
    server.put(owned_by_node("etcd-node-1", namespace="kube-system", **MIRROR))
    server.put(owned_by_node("lookalike"))
    elsewhere_bound = owned_by_node("other-node", **MIRROR)
    elsewhere_bound["spec"]["nodeName"] = "node-2"
    server.put(elsewhere_bound)
    expected = {
        ("kube-system", "Node/node-1"): (1, "etcd-node-1"),
        ("default", "Pod/lookalike"): (1, "lookalike"),
        ("default", "Pod/other-node"): (1, "other-node"),
    }
    await until(lambda: shown(server) == expected)

    def regarding() -> set[tuple[str, ...]]:
        events = server.objects("Event", api_version="events.k8s.io/v1")
        return {(e["metadata"]["namespace"], e["regarding"]["kind"], e["regarding"]["name"]) for e in events}

    pods = {("kube-system", "Pod", "etcd-node-1"), ("default", "Pod", "lookalike"), ("default", "Pod", "other-node")}
    await until(lambda: regarding() == pods)


@pytest.mark.parametrize(
    ("api_version", "kind"), [("v1", "Node"), ("v1", "Namespace"), ("rbac.authorization.k8s.io/v1", "ClusterRole")]
)
async def test_above_a_job_no_cluster_scoped_object_is_the_workload(
    server: EmbeddedApiServer, operators: Operators, api_version: str, kind: str
) -> None:
    await operators.start()
    job = server.put(workload("Job", "train", owner=reference(api_version, kind, "above")))
    server.put(failed_pod("train-0", owner=job))
    await until(lambda: shown(server) == {("default", "Job/train"): (1, "train-0")})


@pytest.mark.parametrize("status", [400, 403, 404, 405, 406, 415, 422])
async def test_an_owner_that_cannot_be_read_ends_the_walk(
    server: EmbeddedApiServer, operators: Operators, status: int
) -> None:
    server.faults.add(Fault(method="GET", path="/jobs/odd", status=status))
    await operators.start()
    server.put(failed_pod("odd-0", owner=reference("batch/v1", "Job", "odd")))
    await until(lambda: shown(server) == {("default", "Job/odd"): (1, "odd-0")})


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_owner_that_may_be_read_soon_is_waited_for(
    server: EmbeddedApiServer, operators: Operators, status: int
) -> None:
    server.faults.add(Fault(method="GET", path="/jobs/train", status=status, times=3))
    await operators.start()
    job = server.put(workload("Job", "train", owner=server.put(workload("CronJob", "nightly"))))
    server.put(failed_pod("train-0", owner=job))
    await until(lambda: shown(server) == {("default", "CronJob/nightly"): (1, "train-0")})


async def test_an_owner_without_a_name_is_not_asked_for_as_a_list(
    server: EmbeddedApiServer, operators: Operators
) -> None:
    await operators.start()
    nameless: Any = reference("batch/v1", "Job", "")
    server.put(failed_pod("one", owner=nameless))
    server.put(event(nameless | {"metadata": {"name": "", "uid": uid()}}, "FailedCreate", "Error creating: no"))
    job = server.put(workload("Job", "fence"))
    server.put(event(job, "FailedCreate", "Error creating: no"))
    await until(lambda: {("default", "Pod/one")} <= shown_workloads(server))
    await until(lambda: [r for r in server.objects("FailureReport") if r["spec"]["workload"]["name"] == "fence"])
    assert [call.path for call in server.calls if call.path.rstrip("/").endswith("/jobs")] == []


def shown_workloads(server: EmbeddedApiServer) -> set[tuple[str, str]]:
    return {
        (report["metadata"]["namespace"], report["spec"]["workload"]["display"])
        for report in server.objects("FailureReport")
    }


async def test_two_workloads_whose_reports_have_one_name_do_not_delete_each_others(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "CACHE_SIZE", 0)
    await operators.start()
    one, other = reference("x.example/v1", "Foo-a", "b"), reference("x.example/v1", "Foo", "a-b")
    other["metadata"]["uid"] = one["metadata"]["uid"]
    for number, owner in enumerate((one, other, one, other), start=1):
        server.put(failed_pod(f"p-{number}", owner=owner))
        await until(lambda number=number: reports.failures("b") == number)  # type: ignore[misc]
    assert len(server.objects("FailureReport")) == 1
    assert [call for call in server.calls if call.method == "DELETE"] == []


async def test_pods_that_come_and_go_do_not_push_out_whose_pods_exist(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_resolver, "PODS_REMEMBERED", 3)
    engine = await operators.start()
    server.put(failed_pod("honest"))
    report = await until(lambda: reports.of("honest"))
    for number in range(5):
        gone = server.put(failed_pod(f"gone-{number}", namespace="attacker"))
        key = PodKey("attacker", gone["metadata"]["uid"])
        await until(lambda: engine._owners.known_workload(key))  # noqa: B023
        server.delete("Pod", f"gone-{number}", "attacker")
        await until(lambda: engine._owners.known_workload(key) is None)  # noqa: B023
    server.delete("FailureReport", report["metadata"]["name"])
    await until(lambda: reports.of("honest"))


async def test_workloads_without_pods_do_not_push_out_those_of_another_namespace(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workload_failures, "NEVER_CREATED_LIMIT", 3)
    await operators.start()
    server.put(event(server.put(workload("Job", "honest")), "FailedCreate", "pods is forbidden: exceeded quota"))
    report = await until(lambda: reports.of("honest"))
    for number in range(5):
        job = workload("Job", f"stuck-{number}")
        job["metadata"]["namespace"] = "attacker"
        server.put(event(server.put(job), "FailedCreate", "pods is forbidden: exceeded quota"))
    await until(lambda: len(server.objects("FailureReport", "attacker")) == 5)
    server.delete("FailureReport", report["metadata"]["name"])
    await until(lambda: reports.of("honest"))
