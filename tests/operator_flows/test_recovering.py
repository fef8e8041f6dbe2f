"""When a workload is well again its report says so, keeps the history, and not a moment too early."""

from typing import Any

from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.live_objects import (
    ago,
    changed,
    ended,
    event,
    failed_pod,
    live_pod,
    reference,
    running,
    waiting,
    workload,
)
from tests.support.operators import Operators
from tests.support.reports import Reports
from tests.support.waiting import until

CRASHED: dict[str, Any] = {"state": waiting("CrashLoopBackOff"), "last": ended(2)}


async def test_a_job_that_completes_after_a_retry_has_recovered(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    job = server.put(workload("Job", "train"))
    server.put(failed_pod("train-0", 137, "OOMKilled", owner=job))
    await until(lambda: reports.state("train") == "Failing")
    retry = live_pod("train-1", owner=job)
    server.put(retry)
    job["status"]["conditions"] = [{"type": "Complete", "status": "True"}]
    server.put(job)
    server.put(changed(retry, phase="Succeeded", state=ended(0, "Completed")))
    await until(lambda: reports.state("train") == "Recovered")
    status = reports.status("train")
    assert not status.keys() & {"category", "reason", "message", "hint", "evidence", "exitCode", "pod"}
    assert status["failures"] == 1
    assert [entry["reason"] for entry in status["history"]] == ["OOMKilled"]
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "Failing": "False",
        "Failed": "False",
        "Recovered": "True",
        "Deleted": "False",
    }
    await until(lambda: reports.existing("train")["metadata"]["labels"].get("coroner.dev/state") == "Recovered")
    assert "coroner.dev/category" not in reports.existing("train")["metadata"]["labels"]


async def test_a_failed_job_does_not_recover(server: EmbeddedApiServer, operators: Operators, reports: Reports) -> None:
    await operators.start()
    failed = server.put(workload("Job", "failed", status={"conditions": [{"type": "Failed", "status": "True"}]}))
    server.put(failed_pod("failed-0", owner=failed))
    await until(lambda: reports.state("failed") == "Failed")
    await settled(server, operators, reports)
    assert reports.state("failed") == "Failed"


async def test_a_pod_that_heals_recovers_after_a_while(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    crashing = live_pod("crashing", **{**CRASHED, "last": ended(2, ran=0)})
    server.put(crashing)
    await until(lambda: reports.state("crashing") == "Failing")
    server.put(changed(crashing, state=running(), last=ended(2, ran=0), restarts=1))
    await until(lambda: reports.state("crashing") == "Recovered")
    assert reports.failures("crashing") == 1


async def test_a_crash_loop_between_two_crashes_has_not_recovered(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start(recovery_after=0)
    crashing = live_pod("crashing", state=waiting("CrashLoopBackOff"), last=ended(2, ran=60))
    server.put(crashing)
    await until(lambda: reports.state("crashing") == "Failing")
    server.put(changed(crashing, state=running(), last=ended(2, ran=60), restarts=1))
    await settled(server, operators, reports)
    assert reports.state("crashing") == "Failing"
    # nor after a restart of the operator in that moment
    await engine.stop()
    await operators.start(recovery_after=0)
    await settled(server, operators, reports, "second")
    assert reports.state("crashing") == "Failing"


async def test_a_deployment_that_is_well_between_two_crashes_of_a_pod_has_not_recovered_after_a_restart(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start()
    well = {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1}
    web = server.put(workload("Deployment", "web", replicas=1, status=well))
    crashing = live_pod("web-x", owner=web, state=waiting("CrashLoopBackOff"), last=ended(2, ran=60))
    server.put(crashing)
    await until(lambda: reports.state("web") == "Failing")
    await engine.stop()
    server.put(changed(crashing, state=running(), last=ended(2, ran=60), restarts=1))
    await operators.start()
    await settled(server, operators, reports)
    assert reports.state("web") == "Failing"


async def test_a_pod_that_healed_while_the_operator_was_away_recovers(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start()
    crashing = live_pod("crashing", **{**CRASHED, "last": ended(2, ran=0)})
    server.put(crashing)
    await until(lambda: reports.state("crashing") == "Failing")
    await engine.stop()
    server.put(changed(crashing, state=running(), last=ended(2, ran=0), restarts=1))
    await operators.start()
    await until(lambda: reports.state("crashing") == "Recovered")


async def test_an_older_member_that_fails_keeps_the_workload_failing(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    healthy = {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "updatedReplicas": 2}
    db = server.put(workload("StatefulSet", "db", replicas=2, status={**healthy, "readyReplicas": 1}))
    crashing = server.put(live_pod("db-0", owner=db, **CRASHED))
    await until(lambda: reports.state("db") == "Failing")
    server.put(live_pod("db-1", owner=db))
    await settled(server, operators, reports)
    assert reports.state("db") == "Failing"
    server.put(changed(crashing, state=running(), last=ended(2, ran=0), restarts=1))
    server.put({**db, "status": {**healthy, "observedGeneration": 1}})
    await until(lambda: reports.state("db") == "Recovered")


async def test_a_deployment_whose_failing_pods_were_replaced_recovers(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    web = server.put(workload("Deployment", "web", replicas=1, status={"replicas": 2, "updatedReplicas": 1}))
    old = server.put(workload("ReplicaSet", "web-1", owner=web))
    server.put(live_pod("web-1-x", owner=old, **CRASHED))
    await until(lambda: reports.state("web") == "Failing")
    new = server.put(workload("ReplicaSet", "web-2", owner=web))
    server.put(live_pod("web-2-x", owner=new))
    server.delete("Pod", "web-1-x")
    well = {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1}
    server.put({**web, "status": well})
    await until(lambda: reports.state("web") == "Recovered")


async def test_a_pod_that_vanished_while_the_watch_was_away_fails_no_more(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    well = {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1}
    web = server.put(workload("Deployment", "web", replicas=1, status=well))
    server.put(live_pod("web-x", owner=web, **CRASHED))
    await until(lambda: reports.state("web") == "Failing")
    away = server.faults.add(Fault(method="GET", path="/api/v1/pods", status=503))
    server.drop_watches()
    await until(lambda: server.faults.hits(away))
    server.delete("Pod", "web-x")
    server.compact()
    server.faults.remove(away)
    await until(lambda: reports.state("web") == "Recovered")


async def test_a_workload_of_an_unknown_kind_recovers_by_a_newer_pod(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    gang = reference("example.dev/v1", "Gang", "gang")
    bystander = server.put(live_pod("bystander", owner=gang, created=ago(hours=1)))
    server.put(failed_pod("gang-0", owner=gang, created=ago(minutes=2)))
    await until(lambda: reports.state("gang") == "Failing")
    server.put({**bystander, "metadata": {**bystander["metadata"], "labels": {"seen": "again"}}})
    await settled(server, operators, reports)
    assert reports.state("gang") == "Failing"
    server.put(live_pod("gang-1", owner=gang, created=ago(seconds=-2)))
    await until(lambda: reports.state("gang") == "Recovered")


async def test_a_workload_that_was_well_while_the_operator_was_away_recovers(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    first = await operators.start()
    job = server.put(workload("Job", "train"))
    server.put(failed_pod("train-0", owner=job))
    await until(lambda: reports.state("train") == "Failing")
    await first.stop()
    job["status"]["conditions"] = [{"type": "Complete", "status": "True"}]
    server.put(job)
    await operators.start()
    await until(lambda: reports.state("train") == "Recovered")
    # the failed pod is still there for all to list
    server.expire_watches()
    await settled(server, operators, reports)
    assert reports.state("train") == "Recovered"


async def test_pods_that_could_not_be_created_and_then_are_there_end_the_failure(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    web = server.put(workload("ReplicaSet", "web", replicas=1))
    server.put(event(web, "FailedCreate", 'Error creating: pods "web-x" is forbidden: exceeded quota: none'))
    await until(lambda: reports.state("web") == "Failing")
    server.put({**web, "status": {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "availableReplicas": 1}})
    await until(lambda: reports.state("web") == "Recovered")


async def test_a_new_failure_after_a_recovery_fails_the_workload_again(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start(recovery_after=0)
    crashing = live_pod("crashing", **{**CRASHED, "last": ended(2, ran=0)})
    server.put(crashing)
    await until(lambda: reports.state("crashing") == "Failing")
    server.put(changed(crashing, state=running(), last=ended(2, ran=0), restarts=1))
    await until(lambda: reports.state("crashing") == "Recovered")
    server.put(changed(crashing, state=waiting("CrashLoopBackOff"), last=ended(3, number=2, ran=0), restarts=1))
    await until(lambda: reports.state("crashing") == "Failing")
    assert reports.failures("crashing") == 2


async def test_a_stateful_set_whose_pods_are_replaced_and_each_die_stays_failing(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start()
    well = {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1}
    db = server.put(workload("StatefulSet", "db", replicas=1, status=well))
    for number, died in ((1, 140), (2, 70), (3, 0)):
        end = ended(1, number=number, ran=60)
        end["terminated"] |= {"startedAt": ago(seconds=died + 60), "finishedAt": ago(seconds=died)}
        server.put(live_pod("db-0", owner=db, phase="Failed", state=end, created=ago(seconds=died + 60)))
        await until(lambda: reports.failures("db") == number)  # noqa: B023
        server.delete("Pod", "db-0")
        server.put(live_pod("db-0", owner=db))
        await settled(server, operators, reports, f"witness-{number}")
        assert reports.state("db") == "Failing"
        server.delete("Pod", "db-0")
    # nor after a restart of the operator, which knows the times in the report only
    await engine.stop()
    server.put(live_pod("db-0", owner=db))
    await operators.start()
    await settled(server, operators, reports, "witness-4")
    assert reports.state("db") == "Failing"


async def settled(server: EmbeddedApiServer, operators: Operators, reports: Reports, name: str = "witness") -> None:
    """A failure that is put now is reported and has recovered: all that was to happen before has happened."""
    witness = live_pod(name, **{**CRASHED, "last": ended(2, ran=0)})
    server.put(witness)
    await until(lambda: reports.state(name) == "Failing")
    server.put(changed(witness, state=running(), last=ended(2, ran=0), restarts=1))
    await until(lambda: reports.state(name) == "Recovered")
