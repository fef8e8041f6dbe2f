"""Reports as somebody else left them: edited ledgers, foreign owners of a name, deletions, no CRD (F10, F15, F16)."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from coroner_operator.model.ledger import POD_DIGITS, SERIES_DIGITS, short_hash
from coroner_operator.runtime.engine import Engine
from embedded_apiserver import EmbeddedApiServer
from tests.support.live_objects import changed, ended, failed_pod, live_pod, waiting, workload
from tests.support.operators import ROOT, Operators
from tests.support.reports import Reports
from tests.support.waiting import until

Object = dict[str, Any]
CRD = yaml.safe_load((ROOT / "crds" / "failurereports.coroner.dev.yaml").read_text())

# {pod}: a pod and a container of its, as the ledger writes them. Times and counts are in base 36.
LEDGERS = {
    "more compacted than ended": "v1 #a/b*1 {pod}1/2s",
    "more unobserved than counted": "v1 uzzzz #unknown/uncategorized*1",
    "pruned until a time that no calendar has": "v1 wzzzzzzzzzzzzzzzz #a/b*1",
    "counted at a time that no calendar has": "v1 #a/b*1@zzzzzzzzzzzzzzzz",
    "in the year 9999": "v1 #a/b*1@3jj6nr3z {pod}1.0C0@3jj6nr3z",
    "more than an integer of JSON holds": "v1 #a/b*zzzzzzzzzzzzzzzzzzzz",
    "an instance before the first": "v1 #a/b*0 {pod}5.zzC0@1",
    "instances without end": "v1 #a/b*0 {pod}zzzzzzzzzzzz.0C0@1~1",
    "names that are no labels": "v1 #\x1b[31m{{}}/\u202e*1",
    "a name too many": "v1 " + " ".join(f"#a{number}/b*1" for number in range(500)),
}


@pytest.mark.parametrize("name", LEDGERS)
async def test_a_crafted_ledger_stops_nobody_and_not_its_own_workload_either(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, name: str
) -> None:
    """F10: whoever may write failurereports/status could make the operator hang, or refuse every later write."""
    first = operators.fork()
    crashed = server.put(live_pod("attack", state=waiting("CrashLoopBackOff"), last=ended(3, number=1), restarts=1))
    report = await until(lambda: reports.of("attack"), 30)
    first.kill()
    pod = f"{short_hash(crashed['metadata']['uid'], POD_DIGITS)}:{short_hash('main', SERIES_DIGITS)}"
    report["status"]["ledger"] = [LEDGERS[name].format(pod=pod)]
    server.put(report)
    second = operators.fork()
    last = ended(4, number=3)
    server.put(changed(crashed, state=waiting("CrashLoopBackOff"), last=last, restarts=3))
    server.put(failed_pod("victim"))
    await until(lambda: reports.of("victim"), 30)
    status = await until(lambda: (s := reports.status("attack")).get("exitCode") == 4 and s, 30)
    assert 1 <= status["failures"] < 1_000
    assert second.status is None


@pytest.mark.parametrize("field", ["lastSeen", "firstSeen", "recoveredAt"])
async def test_times_of_the_far_future_do_not_outlive_the_next_failure(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, field: str
) -> None:
    """F10: the newest of all failures, for all time."""
    first = operators.fork()
    crashed = server.put(live_pod("attack", state=waiting("CrashLoopBackOff"), last=ended(3, number=1), restarts=1))
    report = await until(lambda: reports.of("attack"), 30)
    first.kill()
    far = "9999-12-31T23:59:59Z"
    report["status"] |= {field: far, "failedAt": far}
    report["status"]["history"][0]["failedAt"] = far
    server.put(report)
    operators.fork()
    server.put(changed(crashed, state=waiting("CrashLoopBackOff"), last=ended(4, number=2), restarts=2))
    await until(lambda: reports.status("attack").get("exitCode") == 4, 30, "the newer failure is shown")
    assert "9999" not in str(reports.status("attack").get("lastSeen"))


async def test_a_report_of_the_wanted_name_by_somebody_else_does_not_block_it(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    pod = failed_pod("victim")
    name = f"pod-victim-{pod['metadata']['uid'][:8]}"
    foreign = {"apiVersion": "v1", "kind": "Pod", "name": "another", "uid": "f00", "display": "Pod/another"}
    server.put(
        {
            "apiVersion": "coroner.dev/v1alpha1",
            "kind": "FailureReport",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"workload": foreign},
        }
    )
    operators.fork()
    server.put(pod)
    await until(lambda: reports.of("victim"), 30, "the victim's report")


async def test_the_operator_outlives_its_crd(server: EmbeddedApiServer, operators: Operators, reports: Reports) -> None:
    """F15: the process ended with a traceback."""
    process = operators.fork()
    server.put(failed_pod("before"))
    await until(lambda: reports.of("before"), 30)
    server.delete("CustomResourceDefinition", CRD["metadata"]["name"], "")
    server.put(failed_pod("meanwhile"))
    server.drop_watches()
    before = len(server.calls)
    await until(lambda: len(server.calls) > before + 10 or process.status is not None, 30)
    assert process.status is None
    server.put(CRD)
    server.put(failed_pod("after"))
    await until(lambda: reports.of("after"), 60)
    await until(lambda: reports.of("meanwhile"), 60)
    assert process.status is None


def _counted(engine: Engine) -> float:
    engine.metrics.exposition()  # new series are shown at 0 first
    exposition = engine.metrics.exposition().decode()
    return sum(float(n) for n in re.findall(r"^coroner_failures_total\{.*\} (\S+)$", exposition, re.MULTILINE))


async def test_deleting_a_report_does_not_count_its_failures_again(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    """F16: a tenant may delete his reports, and the counter of the whole cluster rose each time."""
    engine = await operators.start()
    server.put(failed_pod("attack"))
    report = await until(lambda: reports.of("attack"), 30)
    for _ in range(3):
        name = report["metadata"]["name"]
        server.delete("FailureReport", name)
        engine.report_deleted("default", name)  # as the process' own watch of reports tells it
        report = await until(lambda: reports.of("attack"), 30)
    assert _counted(engine) == 1


async def test_emptying_a_ledger_does_not_count_its_failures_again(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    """F16, by whoever may write the status."""
    engine = await operators.start()
    crashed = server.put(live_pod("attack", state=waiting("CrashLoopBackOff"), last=ended(3, number=1), restarts=1))
    report = await until(lambda: reports.of("attack"), 30)
    report["status"] |= {"ledger": [], "failures": 0, "history": []}
    server.put(report)
    engine.reports.forget("default", report["metadata"]["name"])
    server.put(changed(crashed, state=waiting("CrashLoopBackOff"), last=ended(4, number=2), restarts=2))
    await until(lambda: reports.status("attack").get("exitCode") == 4, 30)
    assert _counted(engine) == 3, "two ended instances, and a third"


async def test_a_pod_that_its_job_releases_is_not_counted_again(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    """F16: without its owner it was another workload, with another report and another count."""
    engine = await operators.start()
    job = server.put(workload("Job", "train"))
    pod = server.put(failed_pod("train-0", owner=job))
    await until(lambda: reports.of("train"), 30)
    server.put({**pod, "metadata": {**pod["metadata"], "ownerReferences": []}})
    server.put(failed_pod("fence"))
    await until(lambda: reports.of("fence"), 30)
    assert reports.of("train-0") is None
    await until(lambda: _counted(engine) >= 2, 30, "the Job's failure and the fence's are counted")
    assert _counted(engine) == 2
