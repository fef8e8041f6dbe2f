"""The verdict where people look first: on the custom workload itself."""

import re
from collections.abc import Iterator

import pytest

from tests.e2e.manifests import make_job
from tests.e2e.namespace import Namespace
from tests.e2e_chart.custom_workload import Trainings, make_pod
from tests.e2e_chart.kubectl_view import FAIL, REPORT_SECONDS, show
from tests.e2e_chart.release import Release
from tests.support.waiting import wait_for
from tests.workload_status import kinds

pytestmark = pytest.mark.timeout(600)


def removed_afterwards(trainings: Trainings) -> Iterator[Trainings]:
    yield trainings
    trainings.remove()


@pytest.fixture
def with_block(namespace: Namespace) -> Iterator[Trainings]:
    """Of a kind whose schema has ``status.failure``."""
    yield from removed_afterwards(Trainings(namespace, "block.example.com"))


@pytest.fixture
def with_condition(namespace: Namespace) -> Iterator[Trainings]:
    """Of a kind that has conditions alone."""
    yield from removed_afterwards(Trainings(namespace, "condition.example.com"))


@pytest.fixture
def late(namespace: Namespace) -> Iterator[Trainings]:
    """Of a kind that is installed while the operator runs."""
    yield from removed_afterwards(Trainings(namespace, "late.example.com"))


def test_a_custom_workload_bears_the_verdict_also_one_of_a_kind_that_came_later(
    release: Release,
    namespace: Namespace,
    with_block: Trainings,
    with_condition: Trainings,
    late: Trainings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_block.install(kinds.STATUS_FAILURE)
    with_condition.install(kinds.CONDITIONS_MAP)
    release.install(workloads=[each.listed for each in (with_block, with_condition, late)])
    late.install(kinds.STATUS_FAILURE)

    for trainings in (with_block, with_condition):
        trainings.make("train", phase="Active")
        namespace.create(trainings.owned("train", make_pod(f"{trainings.word}-0", FAIL)))
    late.make("train", phase="Active")
    namespace.create(late.owned("train", make_job("late", FAIL)))

    described_with_block(with_block, capsys)
    described_with_block(late, capsys)
    described_with_condition(with_condition, capsys)
    assert "forbidden" not in release.log().lower()

    # The controllers try again, and this time it goes well.
    namespace.server.kubectl("delete", "pod", "block-0", "condition-0", "-n", namespace.name)
    for trainings in (with_block, with_condition):
        namespace.create(trainings.owned("train", make_pod(f"{trainings.word}-1", "exit 0")))
    well = {"phase": "Active", "failure": {"state": "Recovered", "failures": 1}}
    wait_for(lambda: with_block.status("train") == well, REPORT_SECONDS, "nothing of the failure but its count")
    wait_for(
        lambda: with_condition.condition("train")["reason"] == "Recovered", REPORT_SECONDS, "the condition has turned"
    )
    assert with_condition.condition("train")["status"] == "False"
    assert late.status("train")["failure"]["state"] == "Failing"


def described_with_block(trainings: Trainings, capsys: pytest.CaptureFixture[str]) -> None:
    """`kubectl describe` shows the verdict beside what the controller says."""
    namespace = trainings.namespace
    wait_for(lambda: trainings.status("train")["failure"], REPORT_SECONDS, f"a block on {trainings.word}")
    wait_for(lambda: trainings.event("train"), REPORT_SECONDS, f"an event on {trainings.word}")
    report = trainings.report("train")
    assert (report["category"], report["exitCode"]) == ("user-code", 3)
    text = show(namespace.server, capsys, "describe", f"{trainings.definition}/train", "-n", namespace.name)
    status = text.partition("\nStatus:\n")[2]
    for field in ("category", "subcategory", "reason", "message", "hint"):
        assert re.search(rf"^    {field.title()}: +{re.escape(report[field])}$", status, re.MULTILINE), field
    assert re.search(r"^    Exit Code: +3$", status, re.MULTILINE)
    assert re.search(r"^  Phase: +Active$", status, re.MULTILINE)


def described_with_condition(trainings: Trainings, capsys: pytest.CaptureFixture[str]) -> None:
    """What a condition cannot hold is in the Event, which `kubectl describe` shows below the status."""
    namespace = trainings.namespace
    condition = wait_for(lambda: trainings.condition("train"), REPORT_SECONDS, f"a condition on {trainings.word}")
    wait_for(lambda: trainings.event("train"), REPORT_SECONDS, f"an event on {trainings.word}")
    report = trainings.report("train")
    shown = (condition["status"], condition["reason"], condition["message"])
    assert shown == ("True", report["reason"], report["message"])
    text = show(namespace.server, capsys, "describe", f"{trainings.definition}/train", "-n", namespace.name)
    pod = f"Pod {trainings.word}-0 failed first."
    assert f"{report['message']} [{report['category']}/{report['subcategory']}] {pod} {report['hint']}" in text
    assert re.search(r"^  Phase: +Active$", text, re.MULTILINE)
