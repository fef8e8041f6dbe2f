"""Report, workload, event: in this order, each on its own, and none hides the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from embedded_apiserver import EmbeddedApiServer, Fault
from tests.operator_flows.test_removed_pods import deleted
from tests.support.live_objects import changed, ended, event, failed_pod, live_pod, reference, workload
from tests.support.operators import Operators
from tests.support.reports import Reports
from tests.support.waiting import until
from tests.workload_status import kinds
from tests.workload_status.backend import metric

GROUP = "example.com"
LISTED = [{"group": GROUP, "resource": "trainings"}]


@pytest.fixture
def server(embedded: EmbeddedApiServer) -> EmbeddedApiServer:
    embedded.put(kinds.crd(GROUP, kinds.STATUS_FAILURE))
    return embedded


@pytest.fixture
def training(server: EmbeddedApiServer) -> Any:
    body = {"apiVersion": f"{GROUP}/v1", "kind": "Training", "metadata": {"name": "run"}, "status": {"phase": "Active"}}
    return server.put(body)


@pytest.fixture
async def operators(server: EmbeddedApiServer, tmp_path: Path) -> Any:
    async with Operators(server.kubeconfig(tmp_path / "kubeconfig")) as operators:
        yield operators


def ours(server: EmbeddedApiServer) -> list[Any]:
    events = server.objects("Event", api_version="events.k8s.io/v1")
    return [event for event in events if event.get("reportingController") == "coroner.dev/coroner"]


def block(server: EmbeddedApiServer) -> Any:
    return ((server.get("Training", "run") or {}).get("status") or {}).get("failure")


async def test_the_report_is_written_first_then_the_workload_then_the_event(
    server: EmbeddedApiServer, operators: Operators, training: Any
) -> None:
    await operators.start(workloads=LISTED)
    server.put(failed_pod("run-0", owner=training))
    await until(lambda: ours(server))
    status_writes = [c.path for c in server.calls if c.method == "PATCH" and c.path.endswith("/status")]
    assert [path.split("/")[-3] for path in status_writes] == ["failurereports", "trainings"]
    writes = [c.path for c in server.calls if c.is_write]
    assert writes[-1].endswith("/events")
    applies = [c for c in server.calls if c.method == "PATCH" and "/trainings/" in c.path]
    assert {(c.content_type, c.query) for c in applies} == {
        ("application/apply-patch+yaml", "fieldManager=coroner&force=true")
    }


@pytest.mark.parametrize(
    "path", ["/failurereports", "/trainings/run/status", "/events.k8s.io/"], ids=["report", "workload", "event"]
)
async def test_a_failing_step_does_not_stop_the_others_and_the_report_is_written_in_the_end(
    server: EmbeddedApiServer, operators: Operators, training: Any, path: str
) -> None:
    engine = await operators.start(workloads=LISTED)
    fault = server.faults.add(Fault(match=lambda call: call.is_write and path in call.path, status=500))
    server.put(failed_pod("run-0", exit_code=3, owner=training))
    await until(lambda: server.faults.hits(fault) >= 2)
    reports = Reports(server)
    if "reports" not in path:
        await until(lambda: reports.failures("run") == 1)
    if "trainings" not in path:
        await until(lambda: block(server))
    if "events" not in path:
        await until(lambda: ours(server))
    server.faults.clear()
    await until(lambda: reports.failures("run") == 1 and block(server) and ours(server))
    assert len(ours(server)) == 1
    assert metric(engine, "coroner_events_total", outcome="created") == 1


async def test_a_burst_of_failures_of_one_job_is_one_event_on_the_job(
    server: EmbeddedApiServer, operators: Operators
) -> None:
    job = server.put(workload("Job", "train"))
    engine = await operators.start()
    for number in range(40):
        server.put(failed_pod(f"train-{number}", exit_code=3, owner=job))
    await until(lambda: Reports(server).failures("train") == 40)
    await engine.stop()
    (event,) = ours(server)
    assert event["regarding"]["uid"] == job["metadata"]["uid"]
    status = Reports(server).status("train")
    assert event["reason"] == status["reason"]
    assert event["note"].startswith(f"{status['message']} [{status['category']}/{status['subcategory']}]")


async def test_a_gang_is_one_event_that_names_the_pod_that_failed_first(
    server: EmbeddedApiServer, operators: Operators
) -> None:
    """Its controller deletes the others, which end with 137 after that."""
    training = reference("kubeflow.org/v1", "PyTorchJob", "llm")
    pods = [server.put(live_pod(f"llm-worker-{number}", owner=training)) for number in range(4)]
    engine = await operators.start()
    server.put(changed(pods[2], phase="Failed", state=ended(137, "OOMKilled")))
    await until(lambda: Reports(server).failures("llm") == 1)
    for number in (0, 1, 3):
        server.put(deleted(pods[number]))
    await until(lambda: Reports(server).status("llm").get("followers", {}).get("pods") == 3)
    await engine.stop()
    (event,) = ours(server)
    assert (event["regarding"]["kind"], event["regarding"]["name"]) == ("PyTorchJob", "llm")
    assert event["reason"] == "OOMKilled"
    assert " [resources/oom-killed] Pod llm-worker-2 failed first. " in event["note"]


@pytest.mark.parametrize("kind", ["Pod", "Deployment"])
async def test_the_event_of_a_pod_or_of_a_workload_that_runs_on_names_no_first_pod(
    server: EmbeddedApiServer, operators: Operators, kind: str
) -> None:
    owner = server.put(workload(kind, "web")) if kind != "Pod" else None
    engine = await operators.start()
    server.put(failed_pod("web-1", exit_code=3, owner=owner))
    await until(lambda: ours(server))
    await engine.stop()
    (event,) = ours(server)
    assert "failed first" not in event["note"]
    assert ("Seen on pod web-1." in event["note"]) == (kind == "Deployment")


async def test_a_restart_announces_no_failure_twice(server: EmbeddedApiServer, operators: Operators) -> None:
    job = server.put(workload("Job", "train"))
    first = await operators.start()
    server.put(failed_pod("train-0", exit_code=3, owner=job))
    await until(lambda: ours(server))
    await first.stop()
    second = await operators.start()
    server.put(failed_pod("other-0", exit_code=4, owner=server.put(workload("Job", "other"))))
    await until(lambda: metric(second, "coroner_events_total", outcome="created") == 1)
    assert [event.get("series") for event in ours(server)] == [None, None]


async def test_our_own_events_are_no_evidence_and_trigger_nothing(
    server: EmbeddedApiServer, operators: Operators
) -> None:
    """A bare pod's event is about the pod; a never-created pod's has the reason FailedCreate again."""
    job = server.put(workload("Job", "train"))
    engine = await operators.start()
    server.put(event(job, "FailedCreate", 'Error creating: pods "train-x" is forbidden: exceeded quota: small'))
    await until(lambda: ours(server))
    server.put(failed_pod("alone"))
    await until(lambda: len(ours(server)) == 2)
    asked = [c for c in server.calls if "involvedObject.uid" in c.query]
    assert len(asked) <= 1, "our event about the Job did not make it ask again"
    assert Reports(server).failures("train") == 1
    await engine.stop()
    assert metric(engine, "coroner_events_total", outcome="created") == 2
