"""The roles grant what the operator asks for when everything that it can do happens, and nothing else."""

import asyncio
from pathlib import Path
from typing import Any

import yaml

from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.live_objects import failed_pod, workload
from tests.support.operators import Operators
from tests.support.permissions import granted, needed, of_a_listed_kind, shipped_roles
from tests.support.reports import Reports
from tests.support.waiting import until
from tests.workload_status.kinds import STATUS_FAILURE, crd

YEAR_AGO = "2025-01-01T00:00:00Z"
GROUP = "train.example.com"


async def leave_an_old_report_of(server: EmbeddedApiServer, operators: Operators, reports: Reports, name: str) -> None:
    """Of a pod that is gone, so that the next operator has something to delete."""
    first = await operators.start()
    server.put(failed_pod(name))
    await until(lambda: reports.of(name))
    await first.stop()
    server.delete("Pod", name)
    report: Any = reports.of(name)
    metadata = {**report["metadata"], "creationTimestamp": YEAR_AGO}
    server.put({**report, "metadata": metadata, "status": {**report["status"], "lastSeen": YEAR_AGO}})


def fail_pods_of_every_kind(server: EmbeddedApiServer, number: int) -> None:
    """One pod more of each kind of workload; the first time the workloads are created as well."""
    owners = {
        "CronJob": ("Job", "nightly"),
        "Deployment": ("ReplicaSet", "web"),
        "StatefulSet": (None, "db"),
        "DaemonSet": (None, "agent"),
    }
    for kind, (between, name) in owners.items():
        top = _found(server, kind, name) or server.put(workload(kind, name))
        owner = top
        if between is not None:
            owner = _found(server, between, f"{name}-1") or server.put(workload(between, f"{name}-1", owner=top))
        server.put(failed_pod(f"{name}-{number}", 137, owner=owner))
    training = {"apiVersion": f"{GROUP}/v1", "kind": "Training", "metadata": {"name": "run"}, "spec": {}}
    owner = _found(server, "Training", "run") or server.put(training)
    server.put(failed_pod(f"run-{number}", owner=owner))


def label_every_report(server: EmbeddedApiServer, number: int) -> None:
    """As a person does: the operator reads the report again before it writes."""
    for report in server.objects("FailureReport"):
        metadata = report["metadata"]
        server.put({**report, "metadata": {**metadata, "labels": {**metadata.get("labels", {}), "seen": f"{number}"}}})


def _found(server: EmbeddedApiServer, kind: str, name: str) -> dict[str, Any] | None:
    return next((o for o in server.objects(kind) if o["metadata"]["name"] == name), None)


async def test_the_roles_grant_exactly_what_is_asked_for(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, tmp_path: Path
) -> None:
    server.put(crd(GROUP, STATUS_FAILURE))
    await leave_an_old_report_of(server, operators, reports, "gone")
    config = tmp_path / "config.yaml"
    settings = {
        "workloads": [{"group": GROUP, "version": "v1", "resource": "trainings"}],
        "leader_election": True,
        "lease_namespace": "default",
        "retry_period": 0.2,
        "recovery_after": 0.3,
        "workload_interval": 0.2,
    }
    config.write_text(yaml.safe_dump(settings))
    server.faults.add(Fault(method="POST", path="/apis/events.k8s.io/", drop="after", times=1))  # made, and made again
    operators.spawn("--config", str(config))

    wanted = granted(shipped_roles()) | of_a_listed_kind(GROUP, "trainings")
    for number in range(80):  # 40 s, of which the process takes some to start and to retry the Event
        if needed(server.calls) >= wanted:
            break
        label_every_report(server, number)
        fail_pods_of_every_kind(server, number)
        await asyncio.sleep(0.5)
    assert needed(server.calls) == wanted
