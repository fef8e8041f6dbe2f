"""Failing, Failed, Recovered, Deleted: each is what it says, and nothing else is shown as failing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from embedded_apiserver import EmbeddedApiServer
from tests.operator_flows.test_recovering import settled
from tests.support.live_objects import changed, ended, failed_pod, live_pod, running, waiting, workload
from tests.support.operators import Operators
from tests.support.pods import Json
from tests.support.reports import Reports
from tests.support.waiting import until

FAILED = {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}
CRASHING: dict[str, Any] = {"state": waiting("CrashLoopBackOff"), "last": ended(2, ran=0)}


def true_condition(status: Json) -> str:
    (true,) = (c["type"] for c in status["conditions"] if c["status"] == "True")
    return str(true)


def failing(server: EmbeddedApiServer) -> set[str]:
    """What ``kubectl get fr -l coroner.dev/state=Failing`` shows."""
    reports = server.objects("FailureReport")
    shown = [r for r in reports if r["metadata"].get("labels", {}).get("coroner.dev/state") == "Failing"]
    return {report["spec"]["workload"]["name"] for report in shown}


async def test_a_job_is_failing_until_its_condition_says_that_it_has_failed(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    job = server.put(workload("Job", "train"))
    server.put(failed_pod("train-0", 137, "OOMKilled", owner=job))
    await until(lambda: reports.state("train") == "Failing")
    target = {"conditions": [{"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded"}]}
    server.put({**job, "status": target})
    server.put(failed_pod("train-1", 137, "OOMKilled", owner=job))
    await settled(server, operators, reports)
    assert reports.state("train") == "Failing"
    server.put({**job, "status": FAILED})
    await until(lambda: reports.state("train") == "Failed")
    status = reports.status("train")
    assert (status["category"], status["reason"], status["failures"]) == ("resources", "OOMKilled", 2)
    assert status.keys() >= {"message", "hint", "endedAt", "failingSince"}
    assert true_condition(status) == "Failed"
    await until(lambda: failing(server) == set())


async def test_a_failed_job_that_is_deleted_with_its_pods_keeps_its_cause(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    job = server.put(workload("Job", "train", status=FAILED))
    server.put(failed_pod("train-0", 3, owner=job))
    await until(lambda: reports.state("train") == "Failed")
    server.delete("Job", "train")
    server.delete("Pod", "train-0")
    await until(lambda: reports.state("train") == "Deleted")
    status = reports.status("train")
    assert (status["exitCode"], true_condition(status)) == (3, "Deleted")
    assert status.keys() >= {"message", "hint", "endedAt", "deletedAt"}


async def test_a_failed_job_whose_pod_is_cleaned_up_has_failed_still(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    job = server.put(workload("Job", "train", status=FAILED))
    server.put(failed_pod("train-0", 3, owner=job))
    await until(lambda: reports.state("train") == "Failed")
    server.delete("Pod", "train-0")
    await settled(server, operators, reports)
    assert reports.state("train") == "Failed"


async def test_a_job_that_failed_and_one_that_was_deleted_while_the_operator_was_away(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start()
    jobs = {name: server.put(workload("Job", name)) for name in ("failed", "deleted", "failed-and-deleted")}
    for name, job in jobs.items():
        server.put(failed_pod(f"{name}-0", 3, owner=job))
    server.put({**jobs["failed-and-deleted"], "status": FAILED})
    await until(lambda: reports.state("failed") == reports.state("deleted") == "Failing")
    await until(lambda: reports.state("failed-and-deleted") == "Failed")
    await engine.stop()
    server.put({**jobs["failed"], "status": FAILED})
    for name in ("deleted", "failed-and-deleted"):
        server.delete("Job", name)
        server.delete("Pod", f"{name}-0")
    await operators.start()
    await until(lambda: reports.state("failed") == "Failed")
    await until(lambda: reports.state("deleted") == reports.state("failed-and-deleted") == "Deleted")


async def test_a_bare_pod_that_will_not_restart_has_failed_and_is_deleted_when_it_is_gone(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start()
    server.put(failed_pod("once", 3))
    server.put(failed_pod("later", 3))
    await until(lambda: reports.state("once") == reports.state("later") == "Failed")
    server.delete("Pod", "once")
    await until(lambda: reports.state("once") == "Deleted")
    await engine.stop()
    server.delete("Pod", "later")
    await operators.start()
    await until(lambda: reports.state("later") == "Deleted")
    assert reports.status("later")["exitCode"] == 3


async def test_a_bare_pod_that_restarts_its_container_is_failing(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    crashing = server.put(live_pod("crashing", **CRASHING))
    await until(lambda: reports.state("crashing") == "Failing")
    server.put(changed(crashing, state=running(), last=ended(2, ran=0), restarts=1))
    await until(lambda: reports.state("crashing") == "Recovered")


async def test_a_deployment_that_is_deleted_while_it_fails_is_deleted(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    web = server.put(workload("Deployment", "web", replicas=1))
    replicas = server.put(workload("ReplicaSet", "web-1", owner=web))
    server.put(live_pod("web-1-x", owner=replicas, **CRASHING))
    await until(lambda: reports.state("web") == "Failing")
    for kind, name in (("Deployment", "web"), ("ReplicaSet", "web-1"), ("Pod", "web-1-x")):
        server.delete(kind, name)
    await until(lambda: reports.state("web") == "Deleted")
    assert reports.status("web")["exitCode"] == 2


async def test_a_pod_that_is_created_after_the_end_and_fails_makes_the_workload_fail_again(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    """What ended can be started again by its user, in some kinds."""
    await operators.start()
    job = server.put(workload("Job", "train", status=FAILED))
    server.put(failed_pod("train-0", 3, owner=job))
    await until(lambda: reports.state("train") == "Failed")
    server.put({**job, "status": {}})
    late = reports.status("train")["endedAt"].replace("Z", "+00:00")
    server.put(failed_pod("train-1", 4, owner=job, created=_later(late)))
    await until(lambda: reports.state("train") == "Failing")
    assert "endedAt" not in reports.status("train")


def _later(time: str) -> str:
    return (datetime.fromisoformat(time) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
