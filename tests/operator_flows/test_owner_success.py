"""A program that is stopped after an owner of its pod has succeeded has not failed, whatever code it ends with."""

from __future__ import annotations

from typing import Any

import pytest

from embedded_apiserver import EmbeddedApiServer, Fault
from tests.operator_flows.test_recovering import settled
from tests.operator_flows.test_removed_pods import deleted, remove
from tests.support.live_objects import ago, failed_pod, live_pod
from tests.support.operators import Operators
from tests.support.owner_chains import ALL_PRESETS, KINDS, definition, obj, owned_by
from tests.support.pods import Json
from tests.support.reports import Reports
from tests.support.waiting import until

CASES: list[tuple[str, Json, Json]] = [
    # owners, the status of the topmost when it has succeeded, and another one
    ("PyTorchJob", {"conditions": [{"type": "Succeeded", "status": "True"}]}, {"conditions": []}),
    ("MPIJob", {"conditions": [{"type": "Succeeded", "status": "True"}]}, {"conditions": []}),
    ("JobSet > Job", {"terminalState": "Completed"}, {"terminalState": "Failed"}),
    ("TrainJob > JobSet > Job", {"conditions": [{"type": "Complete", "status": "True"}]}, {}),
    ("RayJob > RayCluster", {"jobDeploymentStatus": "Complete"}, {"jobDeploymentStatus": "Running"}),
    ("Workflow", {"phase": "Succeeded"}, {"phase": "Failed", "conditions": [{"type": "Completed", "status": "True"}]}),
    ("Job.batch.volcano.sh", {"state": {"phase": "Completed"}}, {"state": {"phase": "Running"}}),
    (
        "SparkApplication.sparkoperator.k8s.io",
        {"applicationState": {"state": "COMPLETED"}},
        {"applicationState": {"state": "RUNNING"}},
    ),
    ("AppWrapper > Job", {"phase": "Succeeded"}, {"phase": "Running"}),
]


@pytest.fixture
def installed(server: EmbeddedApiServer) -> EmbeddedApiServer:
    """With the kinds of all presets."""
    for kind in KINDS:
        server.put(definition(kind))
    return server


def workload_with_pod(server: EmbeddedApiServer, chain: str, status: Json, **more: Any) -> Json:
    """The pod, which runs."""
    above: list[Json] = []
    for number, word in enumerate(chain.split(" > ")):
        made = obj(word, f"run-{number}", "default", *(owned_by(owner) for owner in above[-1:]))
        made["status"] = {} if number else status
        above.append(server.put(made))
    pod = live_pod("run-pod", created=ago(seconds=50), **more)
    pod["metadata"]["ownerReferences"] = [owned_by(above[-1])]
    return server.put(pod)


def reported(server: EmbeddedApiServer) -> set[str]:
    return {report["spec"]["workload"]["name"] for report in server.objects("FailureReport")} - {"witness"}


@pytest.mark.parametrize("exit_code", [1, 143])
@pytest.mark.parametrize(("chain", "succeeded", "other"), CASES, ids=[case[0] for case in CASES])
async def test_a_pod_is_stopped_after_an_owner_has_succeeded(
    installed: EmbeddedApiServer,
    operators: Operators,
    reports: Reports,
    chain: str,
    succeeded: Json,
    other: Json,
    exit_code: int,
) -> None:
    await operators.start(presets=ALL_PRESETS)
    remove(installed, workload_with_pod(installed, chain, succeeded), exit_code=exit_code)
    await settled(installed, operators, reports)
    assert reported(installed) == set()


@pytest.mark.parametrize(("chain", "succeeded", "other"), CASES, ids=[case[0] for case in CASES])
async def test_a_pod_that_is_stopped_while_no_owner_has_succeeded_has_failed(
    installed: EmbeddedApiServer, operators: Operators, reports: Reports, chain: str, succeeded: Json, other: Json
) -> None:
    await operators.start(presets=ALL_PRESETS)
    remove(installed, workload_with_pod(installed, chain, other), exit_code=1)
    await until(lambda: reports.status("run-0").get("exitCode") == 1)


PYTORCH, SUCCEEDED = "PyTorchJob", {"conditions": [{"type": "Succeeded", "status": "True"}]}


async def test_an_object_that_only_has_the_name_of_the_owner_says_nothing(
    installed: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start(presets=ALL_PRESETS)
    pod = workload_with_pod(installed, PYTORCH, {})
    installed.delete("PyTorchJob", "run-0")
    installed.put({**obj(PYTORCH, "run-0"), "status": SUCCEEDED})
    remove(installed, pod, exit_code=1)
    await until(lambda: reports.status("run-0").get("exitCode") == 1)


async def test_a_pod_that_failed_before_its_owner_succeeded_has_failed(
    installed: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    """Nobody had stopped it. It is counted, and its workload has recovered."""
    await operators.start(presets=ALL_PRESETS)
    running = workload_with_pod(installed, PYTORCH, {})
    failed = failed_pod("run-other", 3)
    failed["metadata"]["ownerReferences"] = running["metadata"]["ownerReferences"]
    installed.put(failed)
    await until(lambda: reports.state("run-0") == "Failing")
    owner = next(each for each in installed.objects("PyTorchJob"))
    installed.put({**owner, "status": SUCCEEDED})
    remove(installed, running, exit_code=1)
    installed.delete("Pod", "run-other")
    await until(lambda: reports.state("run-0") == "Recovered")
    assert reports.failures("run-0") == 1


async def test_an_owner_that_cannot_be_read_delays_nothing(
    installed: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start(presets=ALL_PRESETS)
    pod = workload_with_pod(installed, PYTORCH, SUCCEEDED)
    installed.faults.add(Fault(method="GET", path="/pytorchjobs/", status=403))
    remove(installed, pod, exit_code=1)
    await until(lambda: reports.status("run-0").get("exitCode") == 1)


async def test_the_pods_of_a_workload_share_one_answer(
    installed: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start(presets=ALL_PRESETS)
    first = workload_with_pod(installed, PYTORCH, SUCCEEDED)
    pods = [first]
    for number in range(39):
        pod = live_pod(f"run-pod-{number}", created=ago(seconds=50))
        pod["metadata"]["ownerReferences"] = first["metadata"]["ownerReferences"]
        pods.append(installed.put(pod))
    before = len(installed.calls)
    for pod in pods:
        installed.put(deleted(pod, exit_code=1))
    await settled(installed, operators, reports)
    reads = [call for call in installed.calls[before:] if call.path.endswith("/pytorchjobs/run-0")]
    assert 1 <= len(reads) <= 2, "its metadata, and its status"
    assert reported(installed) == set()
