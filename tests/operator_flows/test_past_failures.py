"""A pod that is healthy now but failed before: it counts, and is nobody's current failure."""

from embedded_apiserver import EmbeddedApiServer
from tests.support.live_objects import ago, changed, ended, failed_pod, live_pod, running, waiting
from tests.support.operators import Operators
from tests.support.reports import Reports
from tests.support.waiting import until


async def test_a_crash_that_was_over_before_anyone_looked_is_in_the_history_of_a_recovered_workload(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    server.put(live_pod("healed", last=ended(137, "OOMKilled", ran=1), restarts=1))
    await operators.start()
    status = (await until(lambda: reports.of("healed")))["status"]
    assert (status["state"], status["failures"]) == ("Recovered", 1)
    assert [entry["reason"] for entry in status["history"]] == ["OOMKilled"]


async def test_a_crash_of_long_ago_makes_no_report(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    long_ago = ended(137, "OOMKilled")
    long_ago["terminated"]["finishedAt"] = ago(days=8)
    server.put(live_pod("healed", last=long_ago, restarts=1))
    server.put(failed_pod("witness"))
    await operators.start()
    await until(lambda: reports.of("witness"))
    server.put(failed_pod("second"))
    await until(lambda: reports.of("second"))
    assert reports.of("healed") is None


async def test_a_crash_of_long_ago_counts_where_there_is_a_report(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    first = await operators.start(retention="1h")
    crashing = live_pod("crashing", state=waiting("CrashLoopBackOff"), last=ended(2, ran=0))
    server.put(crashing)
    await until(lambda: reports.failures("crashing") == 1)
    await first.stop()
    unseen = ended(2, number=2)
    unseen["terminated"]["finishedAt"] = ago(hours=2)
    server.put(changed(crashing, state=running(), last=unseen, restarts=2))
    await operators.start(retention="1h")
    await until(lambda: reports.failures("crashing") == 2)


async def test_a_success_is_no_failure(server: EmbeddedApiServer, operators: Operators, reports: Reports) -> None:
    await operators.start()
    server.put(live_pod("done", phase="Succeeded", state=ended(0, "Completed")))
    server.put(failed_pod("witness"))
    await until(lambda: reports.of("witness"))
    assert reports.of("done") is None


async def test_restarts_that_a_rule_declares_make_no_report_and_do_not_count_when_the_container_fails_in_the_end(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    rules = {"restartPolicy": "Never", "restartPolicyRules": [rule]}
    worker = live_pod("worker", last=ended(42), restarts=3)
    worker["spec"]["containers"][0] |= rules
    server.put(worker)
    server.put(failed_pod("witness"))
    await until(lambda: reports.of("witness"))
    assert reports.of("worker") is None
    failed = changed(worker, phase="Failed", state=ended(7, number=2), last=ended(42), restarts=3)
    failed["spec"]["containers"][0] |= rules
    server.put(failed)
    await until(lambda: reports.of("worker"))
    assert reports.failures("worker") == 1


async def test_containers_that_were_restarted_with_all_make_no_report(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    removed = {"exitCode": 137, "reason": "RestartingAllContainers", "startedAt": None, "finishedAt": None}
    server.put(live_pod("bystander", last={"terminated": removed}, restarts=2))
    server.put(failed_pod("witness"))
    await until(lambda: reports.of("witness"))
    assert reports.of("bystander") is None
