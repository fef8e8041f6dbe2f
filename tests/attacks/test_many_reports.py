"""How many reports a namespace may have, and what is read for an Event about a workload (F8)."""

from __future__ import annotations

import pytest

from coroner_operator.controller import workload_failures
from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.live_objects import event, failed_pod, reference, workload
from tests.support.operators import Operators
from tests.support.pods import Json
from tests.support.reports import Reports
from tests.support.waiting import until

QUOTA = 'Error creating: pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'


def count(server: EmbeddedApiServer) -> int:
    return len(server.objects("FailureReport"))


def foreign_pod(number: int) -> Json:
    return failed_pod(f"pod-{number}", owner=reference("x.example/v1", "Foo", f"foo-{number}"))


async def test_at_the_limit_no_report_is_made_and_it_is_said(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    server.create_namespace("victim")
    engine = await operators.start(reports_per_namespace=5)
    for number in range(30):
        server.put(foreign_pod(number))
    server.put(failed_pod("victim", namespace="victim"))
    await until(lambda: reports.of("victim"))
    said = await until(lambda: [e for e in server.objects("Event") if e["reason"] == "TooManyReports"])
    assert {e["metadata"]["namespace"] for e in said} == {"default"}
    await until(lambda: b'coroner_writes_total{outcome="refused"} 25.0' in engine.metrics.exposition())
    assert count(server) == 6


async def test_the_oldest_reports_of_deleted_workloads_make_room(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    """The honest lookalike: Jobs that come and go, more than the limit in a week."""
    await operators.start(reports_per_namespace=5)
    for number in range(12):
        job = server.put(workload("Job", f"job-{number}"))
        pod = server.put(failed_pod(f"job-{number}-x", owner=job))
        await until(lambda: reports.of(f"job-{number}"))  # noqa: B023
        server.delete("Pod", pod["metadata"]["name"])
        server.delete("Job", f"job-{number}")
    assert count(server) <= 5
    assert reports.of("job-11")
    assert reports.of("job-0") is None


async def test_workloads_that_cannot_be_read_make_room_once_their_pods_are_gone(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start(reports_per_namespace=5)
    for number in range(12):
        server.put(foreign_pod(number))
        await until(lambda: reports.of(f"foo-{number}"))  # noqa: B023
        server.delete("Pod", f"pod-{number}")
    assert count(server) <= 5


async def test_what_had_no_room_is_reported_when_there_is_room(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start(reports_per_namespace=3)
    for number in range(4):
        server.put(failed_pod(f"pod-{number}"))
    await until(lambda: b'coroner_writes_total{outcome="refused"} 1.0' in engine.metrics.exposition())
    await until(lambda: sum(reports.of(f"pod-{number}") is not None for number in range(4)) == 3)
    missing = next(f"pod-{number}" for number in range(4) if reports.of(f"pod-{number}") is None)
    other = next(r for r in server.objects("FailureReport"))
    pod = other["spec"]["workload"]["name"]
    server.delete("Pod", pod)
    server.delete("FailureReport", other["metadata"]["name"], api_version="coroner.dev/v1alpha1")
    assert (await until(lambda: reports.of(missing)))["status"]["failures"] == 1


async def test_events_about_what_does_not_exist_make_no_report_and_cost_no_list(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    job = server.put(workload("Job", "job"))
    for number in range(40):
        absent = workload("Job", f"absent-{number}")
        server.put(event(absent, "FailedCreate", QUOTA))
        server.put(event(absent, "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
        server.put(event({**reference("x.example/v1", "Foo", "foo")}, "FailedCreate", QUOTA))
        earlier = {**job, "metadata": {**job["metadata"], "uid": f"{number:08x}-0000-4000-8000-00000000dead"}}
        server.put(event(earlier, "FailedCreate", QUOTA))
    server.put(event(job, "FailedCreate", QUOTA))
    await until(lambda: reports.of("job"))
    assert count(server) == 1
    lists = [call for call in server.calls if call.path == "/api/v1/namespaces/default/events" and not call.is_watch]
    assert not lists


async def test_what_cannot_be_read_now_is_counted_and_read_again(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    """F8: after a time-out the failure was lost in silence."""
    engine = await operators.start()
    job = server.put(workload("Job", "job"))
    server.faults.add(Fault(method="GET", path="/jobs/job", status=503, times=3))
    server.put(event(job, "FailedCreate", QUOTA))
    assert await until(lambda: reports.of("job"))
    assert b'coroner_deferred_total{reason="no_answer"}' in engine.metrics.exposition()


async def test_what_there_was_no_room_for_is_read_again(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workload_failures, "WAITING_LIMIT", 3)
    monkeypatch.setattr(workload_failures, "REREAD_DELAY", 0.2)
    engine = await operators.start()
    slow = server.faults.add(Fault(method="GET", path="/jobs/job-", delay=0.3))
    for number in range(10):
        server.put(event(server.put(workload("Job", f"job-{number}")), "FailedCreate", QUOTA))
    await until(lambda: b'coroner_deferred_total{reason="queue_full"}' in engine.metrics.exposition())
    server.faults.remove(slow)
    await until(lambda: all(reports.of(f"job-{number}") for number in range(10)))
