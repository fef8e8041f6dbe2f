"""What a site or a tenant does not want to have reported is left out, and nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from coroner_operator.kube import owner_resolver
from coroner_operator.model.workload_ref import WorkloadRef
from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.live_objects import event, failed_pod, workload
from tests.support.operators import Operators
from tests.support.owner_chains import ALL_PRESETS, KINDS, definition, obj, owned_by, pod_of
from tests.support.pods import Json
from tests.support.reports import Reports
from tests.support.waiting import until

IGNORE = {"annotations": {"coroner.dev/ignore": "true"}}


def with_metadata(obj: Json, **metadata: Any) -> Json:
    return {**obj, "metadata": {**obj["metadata"], **metadata}}


def namespace(name: str, **metadata: Any) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}


async def processed(server: EmbeddedApiServer, reports: Reports) -> None:
    """All that failed before has been seen to."""
    server.put(failed_pod("last"))
    await until(lambda: reports.of("last"))
    server.delete("Pod", "last")


def a_pod(server: EmbeddedApiServer) -> None:
    server.put(with_metadata(failed_pod("quiet"), **IGNORE))


def a_job(server: EmbeddedApiServer) -> None:
    job = server.put(with_metadata(workload("Job", "quiet"), **IGNORE))
    server.put(failed_pod("quiet-1", owner=job))


def a_cron_job(server: EmbeddedApiServer) -> None:
    cron_job = server.put(with_metadata(workload("CronJob", "quiet"), **IGNORE))
    job = server.put(workload("Job", "quiet-1", owner=cron_job))
    server.put(failed_pod("quiet-1-1", owner=job))


def a_namespace(server: EmbeddedApiServer) -> None:
    server.put(namespace("quiet", **IGNORE))
    server.put(failed_pod("quiet", namespace="quiet"))


def an_excluded_namespace(server: EmbeddedApiServer) -> None:
    server.create_namespace("excluded")
    server.put(failed_pod("quiet", namespace="excluded"))


def a_pod_that_is_not_selected(server: EmbeddedApiServer) -> None:
    server.put(with_metadata(failed_pod("quiet"), labels={"stage": "dev"}))


IGNORED = [a_pod, a_job, a_cron_job, a_namespace, an_excluded_namespace, a_pod_that_is_not_selected]
SETTINGS = {"excluded_namespaces": "excluded", "pod_selector": "stage!=dev"}


@pytest.mark.parametrize("ignored", IGNORED)
@pytest.mark.parametrize("before", [False, True])
async def test_what_is_opted_out_gets_no_report(
    server: EmbeddedApiServer,
    operators: Operators,
    reports: Reports,
    ignored: Callable[[EmbeddedApiServer], None],
    before: bool,
) -> None:
    """Whether it failed before the operator was started or after."""
    if before:
        ignored(server)
    await operators.start(**SETTINGS)
    if not before:
        ignored(server)
    await processed(server, reports)
    assert [report["spec"]["workload"]["name"] for report in server.objects("FailureReport")] == ["last"]
    assert {event["regarding"]["name"] for event in server.objects("Event", api_version="events.k8s.io/v1")} <= {"last"}


@pytest.mark.parametrize("chain", ["PyTorchJob", "JobSet > Job", "RayJob > RayCluster"])
async def test_a_workload_of_a_custom_kind_is_opted_out(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, chain: str
) -> None:
    """Also by the object at the top, which the pod itself does not refer to; another one of its kind is reported."""
    for kind in KINDS:
        server.put(definition(kind))
    await operators.start(presets=ALL_PRESETS)
    for name, metadata in (("quiet", IGNORE), ("loud", {})):
        above: list[Json] = []
        for number, word in enumerate(chain.split(" > ")):
            made = obj(word, name if number == 0 else f"{name}-{number}", "default", *map(owned_by, above[-1:]))
            above.append(server.put(made if number else with_metadata(made, **metadata)))
        server.put(pod_of(f"{name}-pod", "default", owned_by(above[-1])))
    await until(lambda: reports.of("loud"))
    await processed(server, reports)
    assert reports.of("quiet") is None
    events = server.objects("Event", api_version="events.k8s.io/v1")
    assert not [event for event in events if event["regarding"]["name"].startswith("quiet")]


@pytest.mark.parametrize("value", ["false", "True", "", "yes"])
async def test_only_true_opts_out(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, value: str
) -> None:
    await operators.start()
    server.put(with_metadata(failed_pod("loud"), annotations={"coroner.dev/ignore": value}))
    await until(lambda: reports.of("loud"))


async def test_a_job_of_ignored_pods_has_not_failed_without_a_pod(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event that it failed comes all the same, after its pods are gone."""
    monkeypatch.setattr("coroner_operator.controller.workload_failures.GRACE", 0.1)
    await operators.start(**SETTINGS)
    failed = {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m"}]}
    for name, template in (
        ("annotated", IGNORE),
        ("not-selected", {"labels": {"stage": "dev"}}),
    ):
        job = server.put(workload("Job", name, status=failed, template={"metadata": template}))
        server.put(event(job, "BackoffLimitExceeded", "m"))
    loud = server.put(workload("Job", "loud", status=failed, template={"metadata": {"labels": {"stage": "live"}}}))
    server.put(event(loud, "BackoffLimitExceeded", "m"))
    await until(lambda: reports.of("loud"))
    await asyncio.sleep(0.3)
    assert [report["spec"]["workload"]["name"] for report in server.objects("FailureReport")] == ["loud"]


async def test_a_namespace_that_is_included_again_is_reported(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    a_namespace(server)
    await operators.start()
    await processed(server, reports)
    assert reports.of("quiet") is None
    server.put(namespace("quiet"))
    await until(lambda: reports.of("quiet"))


async def test_a_tenant_opts_out_nothing_of_another_namespace(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    """Neither by a Job of the same name and UID, nor by a pod of the same name."""
    server.create_namespace("attacker")
    await operators.start()
    job = server.put(workload("Job", "train"))
    forged = with_metadata(job, namespace="attacker", **IGNORE)
    server.put(forged)
    server.put(failed_pod("forged", namespace="attacker", owner=forged))
    server.put(with_metadata(failed_pod("train-1", namespace="attacker"), **IGNORE))
    server.put(failed_pod("train-1", owner=job))
    await until(lambda: reports.of("train"))
    assert [report["metadata"]["namespace"] for report in server.objects("FailureReport")] == ["default"]


async def test_reports_of_what_is_ignored_now_are_deleted(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    server.create_namespace("excluded")
    server.create_namespace("quiet")
    first = await operators.start()
    server.put(failed_pod("a", namespace="excluded"))
    server.put(failed_pod("b", namespace="quiet"))
    server.put(failed_pod("c"))
    await until(lambda: all(reports.of(name) for name in "abc"))
    await first.stop()
    server.put(namespace("quiet", **IGNORE))
    await operators.start(**SETTINGS)
    await until(lambda: not reports.of("a") and not reports.of("b"))
    assert reports.of("c")


async def test_a_workload_that_is_ignored_later_is_not_counted_on(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_resolver, "CACHE_SECONDS", 0.0)
    engine = await operators.start()
    job = server.put(workload("Job", "train"))
    server.put(failed_pod("train-1", owner=job))
    await until(lambda: reports.failures("train") == 1)
    ref = WorkloadRef("batch/v1", "Job", "default", "train", job["metadata"]["uid"])
    server.put(with_metadata(job, **IGNORE))
    server.put(failed_pod("train-2", owner=job))
    await until(lambda: engine._opt_out.ignores_report(ref))
    await processed(server, reports)
    assert reports.failures("train") == 1
    await engine._retention.sweep()
    await until(lambda: reports.of("train") is None)


async def test_without_permission_to_list_namespaces_their_pods_are_reported(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults.add(Fault(path="/api/v1/namespaces", status=403))
    a_namespace(server)
    await operators.start()
    await until(lambda: reports.of("quiet"))
    assert "the annotation coroner.dev/ignore has no effect on namespaces" in caplog.text


async def test_events_can_be_switched_off(server: EmbeddedApiServer, operators: Operators, reports: Reports) -> None:
    await operators.start(events=False)
    await processed(server, reports)
    assert server.objects("Event", api_version="events.k8s.io/v1") == []
