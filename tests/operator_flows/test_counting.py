"""Every failure counts once, whatever happens to the connection, the operator or its writes."""

import asyncio
import random
import signal
from pathlib import Path

import pytest

from coroner_operator.kube.client import Client, load_configuration
from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.live_objects import ago, changed, ended, failed_pod, live_pod, waiting, workload
from tests.support.operators import Operators
from tests.support.paths import parse_path
from tests.support.pods import Json
from tests.support.reports import Reports
from tests.support.waiting import until


async def test_a_relist_counts_nothing_twice(server: EmbeddedApiServer, operators: Operators, reports: Reports) -> None:
    await operators.start()
    server.put(failed_pod("one"))
    await until(lambda: reports.failures("one") == 1)
    version = reports.existing("one")["metadata"]["resourceVersion"]
    lists = _lists(server)
    server.expire_watches()
    await until(lambda: _lists(server) > lists)
    server.put(failed_pod("two"))
    await until(lambda: reports.failures("two") == 1)
    assert sum(call.is_write and "/pod-one-" in call.path for call in server.calls) == 2  # create, status
    assert reports.existing("one")["metadata"]["resourceVersion"] == version


async def test_restarts_by_rule_are_counted_once_and_make_no_report(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    first = await operators.start()
    job = server.put(workload("Job", "train"))
    early = server.put(_restarted_by_rule(job, "train-0", restarts=2))
    server.put(failed_pod("witness"))
    await until(lambda: reports.failures("witness") == 1)
    assert reports.of("train") is None
    server.put(failed_pod("train-1", 3, owner=job))
    await until(lambda: reports.status("train").get("restartsByRule") == 2)
    server.put(_restarted_by_rule(job, "train-0", restarts=3, pod_uid=early["metadata"]["uid"]))
    await until(lambda: reports.status("train").get("restartsByRule") == 3)
    await first.stop()
    server.put(_restarted_by_rule(job, "train-0", restarts=5, pod_uid=early["metadata"]["uid"]))
    server.put(_restarted_by_rule(job, "train-2", restarts=1))
    await operators.start()
    await until(lambda: reports.status("train").get("restartsByRule") == 6)
    assert reports.failures("train") == 1


async def test_what_failed_while_the_watch_was_away_is_counted(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    refused = server.faults.add(Fault(method="GET", path="/api/v1/pods", drop="before"))
    server.drop_watches()
    await until(lambda: server.faults.hits(refused) >= 3)
    server.put(failed_pod("meanwhile"))
    server.faults.remove(refused)
    assert await until(lambda: reports.failures("meanwhile") == 1)


async def test_a_throttled_watch_waits_as_long_as_the_server_says(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start()
    throttled = server.faults.add(Fault(path=r"/api/v1/pods\?.*watch", status=429, retry_after=1, times=1))
    began = asyncio.get_running_loop().time()
    server.drop_watches()
    server.put(failed_pod("later"))
    await until(lambda: reports.failures("later") == 1)
    assert server.faults.hits(throttled) == 1
    assert asyncio.get_running_loop().time() - began >= 1
    assert b'coroner_watch_restarts_total{kind="pods",reason="throttled"} 1.0' in engine.metrics.exposition()


async def test_a_page_that_expires_in_the_middle_of_a_list_starts_the_list_again(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    job = server.put(workload("Job", "wide"))
    for number in range(1200):
        server.put(failed_pod(f"wide-{number}", owner=job))
    server.faults.add(Fault(path=r"/api/v1/pods\?.*continue=", status=410, times=1))
    await operators.start()
    await until(lambda: reports.failures("wide") == 1200)


async def test_a_new_operator_counts_on_exactly(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    job = server.put(workload("Job", "train"))
    first = await operators.start()
    for number in range(5):
        server.put(failed_pod(f"train-{number}", owner=job))
    await until(lambda: reports.failures("train") == 5)
    await first.stop()
    for number in range(5, 8):
        server.put(failed_pod(f"train-{number}", owner=job))
    await operators.start()
    await until(lambda: reports.failures("train") == 8)


async def test_restarts_that_went_unseen_are_counted(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    crashing = live_pod("crashing", state=waiting("CrashLoopBackOff"), last=ended(2, number=1))
    server.put(crashing)
    await until(lambda: reports.failures("crashing") == 1)
    server.put(changed(crashing, state=waiting("CrashLoopBackOff"), last=ended(2, number=4), restarts=3))
    await until(lambda: reports.failures("crashing") == 4)
    assert reports.status("crashing")["unseen"] == 2


async def test_a_write_whose_answer_is_lost_is_counted_once(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    job = server.put(workload("Job", "train"))
    lost = server.faults.add(Fault(method="PATCH", path="/status", drop="after", times=3))
    for number in range(4):
        server.put(failed_pod(f"train-{number}", owner=job))
        await until(lambda: reports.failures("train") == number + 1)  # noqa: B023
    assert server.faults.hits(lost) == 3
    assert sum(entry["count"] for entry in reports.status("train")["counts"]) == 4


async def test_a_create_whose_answer_is_lost_is_counted_once(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    lost = server.faults.add(Fault(method="PATCH", drop="after", times=1))
    server.put(failed_pod("one"))
    await until(lambda: reports.failures("one") == 1)
    assert server.faults.hits(lost) == 1


async def test_writes_that_fail_are_tried_until_they_hold_and_do_not_hold_up_others(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start(writers=1)
    broken = server.faults.add(Fault(method="PATCH", path="/pod-unlucky-", status=500))
    server.put(failed_pod("unlucky"))
    await until(lambda: server.faults.hits(broken) >= 2)
    server.put(failed_pod("lucky"))
    await until(lambda: reports.failures("lucky") == 1)
    assert reports.of("unlucky") is None
    server.faults.remove(broken)
    await until(lambda: reports.failures("unlucky") == 1)
    assert b'coroner_writes_total{outcome="retried"}' in engine.metrics.exposition()


async def test_two_operators_at_once_count_each_failure_once(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engines = [await operators.start(), await operators.start()]
    jobs = [server.put(workload("Job", f"job-{number}")) for number in range(5)]
    for number in range(100):
        server.put(failed_pod(f"pod-{number}", owner=jobs[number % 5]))
        if number % 10 == 0:
            await asyncio.sleep(0)
    await until(lambda: all(reports.failures(f"job-{number}") == 20 for number in range(5)))
    conflicts = b'coroner_writes_total{outcome="conflict"}'
    assert any(conflicts in engine.metrics.exposition() for engine in engines)


async def test_a_report_that_another_has_changed_is_read_again_and_not_overwritten(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, tmp_path: Path
) -> None:
    await operators.start()
    web = server.put(workload("ReplicaSet", "train"))
    earlier = failed_pod("train-0", owner=web)
    earlier["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = ago(seconds=5)
    server.put(earlier)
    report = await until(lambda: reports.of("train"))
    async with Client(await load_configuration(server.kubeconfig(tmp_path / "other"))) as other:
        name = report["metadata"]["name"]
        await other.request(
            "PATCH",
            parse_path(f"/apis/coroner.dev/v1alpha1/namespaces/default/failurereports/{name}"),
            body={"metadata": {"labels": {"team": "ml"}}},
            content_type="application/merge-patch+json",
        )
        await other.request(
            "PATCH",
            parse_path(f"/apis/coroner.dev/v1alpha1/namespaces/default/failurereports/{name}/status"),
            {"fieldManager": "someone"},
            body={"status": {"message": "nothing to see here"}},
            content_type="application/merge-patch+json",
        )
    server.put(failed_pod("train-1", owner=web))
    await until(lambda: reports.failures("train") == 2)
    assert reports.existing("train")["metadata"]["labels"]["team"] == "ml"
    assert reports.status("train")["message"] != "nothing to see here"


async def test_a_burst_costs_writes_by_workloads_and_not_by_failures(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start(batch_window=0.05, write_interval=0.5)
    jobs = [server.put(workload("Job", f"job-{number}")) for number in range(50)]
    began = asyncio.get_running_loop().time()
    order = list(range(2000))
    random.Random(7).shuffle(order)
    for number in order:
        server.put(failed_pod(f"pod-{number}", 1 + number % 3, owner=jobs[number % 50]))
        if number % 20 == 0:
            await asyncio.sleep(0)
    await until(lambda: all(reports.failures(f"job-{number}") == 40 for number in range(50)), within=60)
    took = asyncio.get_running_loop().time() - began
    # two requests for the first write (create, status), then one each interval, plus the one that ends the burst
    assert reports.writes <= 50 * (3 + took / 0.5)
    assert reports.writes < 600
    assert len([call for call in server.calls if "/jobs/" in call.path]) < 50 * (3 + took / 0.2)


@pytest.mark.parametrize(("kind", "shown"), [("Job", 4), ("ReplicaSet", 3)])
async def test_an_older_failure_that_is_heard_of_later_is_the_cause_in_a_job_and_over_in_a_deployment(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, kind: str, shown: int
) -> None:
    """Both pods were there when the first one failed."""
    await operators.start()
    owner, created = server.put(workload(kind, "train")), ago(minutes=10)
    newer = failed_pod("newer", 3, owner=owner, created=created)
    older = failed_pod("older", 4, owner=owner, created=created)
    older["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = ago(minutes=5)
    server.put(newer)
    await until(lambda: reports.failures("train") == 1)
    server.put(older)
    await until(lambda: reports.failures("train") == 2)
    assert reports.status("train")["exitCode"] == shown


async def test_kill_9_at_any_moment_changes_no_count(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    jobs = [server.put(workload("Job", f"job-{number}")) for number in range(5)]
    dice = random.Random(11)
    for round_ in range(4):
        process = operators.spawn()
        began = reports.writes
        for number in range(25):
            server.put(failed_pod(f"pod-{round_}-{number}", owner=jobs[number % 5]))
        # the moment: after some writes of this round, in the middle of others
        wanted = began + dice.randint(1, 5)
        await until(lambda: reports.writes >= wanted)  # noqa: B023
        process.kill()
    operators.spawn()
    await until(lambda: all(reports.failures(f"job-{number}") == 20 for number in range(5)), within=30)


async def test_what_is_gathered_is_written_before_a_sigterm_ends_the_process(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, tmp_path: Path
) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("batch_window: 1h\n")
    process = operators.spawn("--config", str(config))
    await until(lambda: server.watch_count >= 2)
    server.put(failed_pod("last-failure", owner=server.put(workload("Job", "train"))))
    # having read the pod's owner it has gathered the failure, or is about to
    await until(lambda: any(call.path.endswith("/jobs/train") for call in server.calls))
    assert reports.of("train") is None
    process.signal(signal.SIGTERM)
    assert await process.ended(15) == 0
    assert reports.failures("train") == 1


async def test_a_failure_whose_events_are_being_read_at_the_end_is_counted(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start()
    slow = server.faults.add(Fault(method="GET", path="involvedObject.uid", delay=0.3))
    server.put(failed_pod("killed", 137))
    await until(lambda: server.faults.hits(slow))
    await engine.stop()
    assert reports.failures("killed") == 1


def _lists(server: EmbeddedApiServer) -> int:
    return sum(call.path == "/api/v1/pods" and not call.is_watch for call in server.calls)


def _restarted_by_rule(job: Json, name: str, *, restarts: int, pod_uid: str | None = None) -> Json:
    """A pod that runs, after its rule has restarted it so often."""
    last = ended(42, number=restarts)
    pod = live_pod(name, owner=job, last=last, restarts=restarts, pod_uid=pod_uid)
    (container,) = pod["spec"]["containers"]
    exit_codes = {"operator": "In", "values": [42]}
    container |= {"restartPolicy": "Never", "restartPolicyRules": [{"action": "Restart", "exitCodes": exit_codes}]}
    return pod
