"""Real failures on a real kubelet become reports; the operator runs with the rights of deploy/rbac.yaml, no more."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.server import Server
from tests.e2e.manifests import ABSENT_IMAGE, RUN_OUT_OF_MEMORY, make_deployment, make_job
from tests.e2e.namespace import Namespace
from tests.support.waiting import wait_for

MESSAGE = "disk quota of user 4711 used up"
SAY_AND_FAIL = f"echo '{MESSAGE}' >/dev/termination-log; exit 1"
# Pods start one after the other on a small machine, and the image pull has ten seconds of timeout.
REPORT_SECONDS = 90


def ended_containers(namespace: Namespace, job: str) -> list[dict[str, Any]]:
    """The terminated states that this Job's pods show."""
    return [
        status["state"]["terminated"]
        for pod in namespace.objects("pods")
        if pod["metadata"]["labels"].get("job-name") == job
        for status in pod["status"].get("containerStatuses", [])
        if "terminated" in status["state"]
    ]


def test_a_container_that_runs_out_of_memory_is_reported(
    namespace: Namespace, start_operator: Any, own_rights: Callable[[Server], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    start_operator(own_rights(namespace.server))
    namespace.apply(make_job("train", RUN_OUT_OF_MEMORY, memory="32Mi"))

    (ended,) = wait_for(lambda: ended_containers(namespace, "train"), REPORT_SECONDS, "the container has ended")
    seen = time.monotonic()
    status = wait_for(lambda: namespace.report("Job", "train"), REPORT_SECONDS, "a report of Job/train")["status"]
    took = time.monotonic() - seen

    assert ended["reason"] == "OOMKilled"
    assert status["state"] in ("Failing", "Failed")
    assert (status["category"], status["subcategory"]) == ("resources", "oom-killed")
    assert (status["reason"], status["exitCode"], status["container"]) == ("OOMKilled", 137, "main")
    assert (status["retry"], status["confidence"]) == ("NeedsChange", "Confirmed")
    assert "32Mi" in status["message"]
    assert status["failures"] == 1
    table = namespace.server.kubectl("get", "fr", "-n", namespace.name)
    assert "oom-killed" in table
    with capsys.disabled():
        print(f"\nOOM: report at most {took:.2f} s after the pod's status said so\n{table}")


def test_a_job_that_exits_1_is_reported_with_its_words(
    namespace: Namespace, start_operator: Any, own_rights: Callable[[Server], Path]
) -> None:
    start_operator(own_rights(namespace.server))
    namespace.apply(make_job("import", SAY_AND_FAIL))
    report = wait_for(lambda: namespace.report("Job", "import"), REPORT_SECONDS, "a report of Job/import")
    status = report["status"]
    assert (status["category"], status["subcategory"], status["exitCode"]) == ("user-code", "error-exit", 1)
    assert status["terminationMessage"].strip() == MESSAGE
    assert MESSAGE in namespace.server.kubectl("describe", "fr", report["metadata"]["name"], "-n", namespace.name)
    labels = "coroner.dev/category=user-code,coroner.dev/state in (Failing,Failed)"
    selected = namespace.server.kubectl("get", "fr", "-n", namespace.name, "-l", labels, "-o", "name")
    assert selected.strip().endswith(report["metadata"]["name"])


def test_an_image_that_cannot_be_pulled_is_reported_on_the_deployment(
    namespace: Namespace, start_operator: Any, own_rights: Callable[[Server], Path]
) -> None:
    start_operator(own_rights(namespace.server))
    namespace.apply(make_deployment("web", None, image=ABSENT_IMAGE))
    report = wait_for(lambda: namespace.report("Deployment", "web"), REPORT_SECONDS, "a report of Deployment/web")
    status = report["status"]
    assert (status["category"], status["subcategory"]) == ("platform", "registry-unavailable")
    assert status["retry"] == "MayRecover"
    assert "connection refused" in str(status["evidence"]) + status["message"]
    kinds = {each["spec"]["workload"]["kind"] for each in namespace.objects("failurereports")}
    assert kinds == {"Deployment"}, "the ReplicaSet and the pod have no report of their own"


def test_kill_9_changes_no_count(
    namespace: Namespace, start_operator: Any, own_rights: Callable[[Server], Path]
) -> None:
    """Killed after a report, killed in the middle of a burst, and failures while nobody was watching."""
    rights = own_rights(namespace.server)
    operator = start_operator(rights)
    namespace.apply(make_job("before", SAY_AND_FAIL, pods=3))
    wait_for(lambda: namespace.failures("Job", "before") == 3, REPORT_SECONDS, "three failures of Job/before")

    namespace.apply(make_job("during", SAY_AND_FAIL, pods=5))
    wait_for(lambda: namespace.failures("Job", "during") >= 1, REPORT_SECONDS, "the first failure of Job/during")
    operator.kill()

    namespace.apply(make_job("away", SAY_AND_FAIL, pods=2))
    wait_for(lambda: len(ended_containers(namespace, "during")) == 5, REPORT_SECONDS, "five ends of Job/during")
    wait_for(lambda: len(ended_containers(namespace, "away")) == 2, REPORT_SECONDS, "two ends of Job/away")
    start_operator(rights)
    wait_for(lambda: namespace.failures("Job", "during") == 5, REPORT_SECONDS, "five failures of Job/during")
    wait_for(lambda: namespace.failures("Job", "away") == 2, REPORT_SECONDS, "two failures of Job/away")

    # What failed last is reported last: whatever a restart could have counted twice has been counted by then.
    namespace.apply(make_job("after", SAY_AND_FAIL))
    wait_for(lambda: namespace.failures("Job", "after") == 1, REPORT_SECONDS, "a failure of Job/after")
    counts = {name: namespace.failures("Job", name) for name in ("before", "during", "away", "after")}
    assert counts == {"before": 3, "during": 5, "away": 2, "after": 1}


def test_sigterm_ends_the_operator_cleanly(
    namespace: Namespace, start_operator: Any, own_rights: Callable[[Server], Path]
) -> None:
    operator = start_operator(own_rights(namespace.server))
    assert operator.stop() == 0
    assert "Traceback" not in operator.output()
