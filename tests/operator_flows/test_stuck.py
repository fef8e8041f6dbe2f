"""What is normal for a while is reported once it has lasted too long, and not before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from embedded_apiserver import EmbeddedApiServer
from tests.support.live_objects import ago, event, failed_pod, live_pod, uid, workload
from tests.support.operators import Operators
from tests.support.pods import Json, completed, condition, pod, running
from tests.support.reports import Reports
from tests.support.waiting import until

ZONE = 'invalid timeZone: "Mars/Base": unknown time zone Mars/Base'


async def until_processed(server: EmbeddedApiServer, reports: Reports) -> None:
    """What was put before this has been processed."""
    name = f"witness-{uid()}"
    server.put(failed_pod(name, 3))
    await until(lambda: reports.of(name))


async def reported(reports: Reports, name: str) -> Json:
    status: Json = (await until(lambda: reports.of(name)))["status"]
    return status


def terminating(name: str, **delta: float) -> Json:
    """Its grace period ended that long ago."""
    obj = live_pod(name)
    obj["metadata"] |= {"deletionTimestamp": ago(**delta), "deletionGracePeriodSeconds": 30}
    return obj


def unready(owner: Json | None = None, name: str = "web-1", **started: float) -> Json:
    """It was started that long ago, and has not been ready since."""
    at = ago(**started)
    obj = live_pod(name, owner=owner, ready=False, state={"running": {"startedAt": at}}, created=at)
    obj["status"]["conditions"] = [
        condition("PodScheduled", "True", at=at),
        condition("Ready", "False", "ContainersNotReady", "containers with unready status: [main]", at=at),
    ]
    return obj


def rolled_out(server: EmbeddedApiServer, **spec: Any) -> Json:
    """The ReplicaSet of a Deployment."""
    deployment = server.put(workload("Deployment", "web", replicas=1, **spec))
    replica_set: Json = server.put(
        workload("ReplicaSet", "web-1", owner=deployment, replicas=1, status={"replicas": 1})
    )
    return replica_set


async def test_a_pod_that_is_kept_beyond_its_grace_period_is_stuck(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    server.put(terminating("long-ago", minutes=10))
    await operators.start()
    assert (await reported(reports, "long-ago"))["subcategory"] == "stuck-terminating"
    server.put(terminating("watched", minutes=10))
    status = await reported(reports, "watched")
    assert (status["category"], status["confidence"]) == ("platform", "Likely")


async def test_a_pod_in_its_grace_period_is_reported_only_after_it(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start(grace_periods={"terminating": 2})
    deletion = datetime.now(UTC)
    server.put(terminating("web", seconds=-1))
    server.put(terminating("slow", minutes=-10))
    await until_processed(server, reports)
    assert (await reported(reports, "web"))["subcategory"] == "stuck-terminating"
    assert datetime.now(UTC) - deletion >= timedelta(seconds=2)
    assert reports.of("slow") is None


async def test_a_pod_that_is_removed_in_time_is_no_failure(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start(grace_periods={"terminating": 1})
    server.put(terminating("gone", seconds=0))
    server.delete("Pod", "gone")
    server.put(terminating("stays", seconds=0))
    await reported(reports, "stays")
    await until_processed(server, reports)
    assert reports.of("gone") is None


async def test_a_pod_that_is_never_ready_fails_its_deployment_by_its_deadline(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    server.put(unready(rolled_out(server, progressDeadlineSeconds=20), seconds=25))
    status = await reported(reports, "web")
    assert (status["category"], status["subcategory"], status["confidence"]) == ("user-config", "never-ready", "Likely")
    assert "the progressDeadlineSeconds of Deployment web" in status["message"]


@pytest.mark.parametrize("spec", [{"paused": True, "progressDeadlineSeconds": 20}, {"progressDeadlineSeconds": 86400}])
async def test_a_deployment_that_is_paused_or_has_time_does_not_fail(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, spec: Json
) -> None:
    await operators.start()
    server.put(unready(rolled_out(server, **spec), hours=1))
    await until(lambda: any(call.path.endswith("/deployments/web") for call in server.calls))
    await until_processed(server, reports)
    assert reports.of("web") is None


async def test_a_slow_start_within_the_deadline_is_no_failure_and_reads_nothing(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    starting = server.put(unready(rolled_out(server, progressDeadlineSeconds=20), seconds=2))
    await until_processed(server, reports)
    starting["status"]["conditions"] = [condition("Ready", "True", at=ago(seconds=0))]
    server.put(starting)
    await until_processed(server, reports)
    assert reports.of("web") is None
    assert not any(call.path.endswith("/deployments/web") for call in server.calls)


async def test_a_pod_that_becomes_ready_in_the_end_recovers(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start(grace_periods={"never_ready": 20})
    late = server.put(unready(name="late", seconds=25))
    assert (await reported(reports, "late"))["subcategory"] == "never-ready"
    late["status"]["conditions"] = [condition("Ready", "True", at=ago(seconds=0))]
    late["status"]["containerStatuses"][0]["ready"] = True
    server.put(late)
    await until(lambda: (reports.of("late") or {})["status"]["state"] == "Recovered")


async def test_a_job_that_a_sidecar_keeps_from_completing(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    for name, other in (("load", "istio-proxy"), ("train", "upload")):
        owner = server.put(workload("Job", name))
        done = completed(at=ago(minutes=10))
        server.put(pod(done, running(other), name=f"{name}-x", uid=f"uid-{name}", created=ago(hours=1), owner=owner))
    status = await reported(reports, "load")
    assert (status["subcategory"], status["container"]) == ("sidecar-runs-on", "istio-proxy")
    await until_processed(server, reports)
    assert reports.of("train") is None


async def test_a_cron_job_that_starts_nothing_is_reported_unless_it_is_suspended(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    for name, suspend in (("paused", True), ("nightly", False)):
        server.put(event(server.put(workload("CronJob", name, suspend=suspend)), "UnknownTimeZone", ZONE))
    assert (await reported(reports, "nightly"))["subcategory"] == "invalid-schedule"
    await until_processed(server, reports)
    assert reports.of("paused") is None
