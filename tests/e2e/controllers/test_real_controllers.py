"""Failures under real controllers: whose failure it is, and what the user's own object shows of it.

All cases run once, at the same time, under an operator with the settings and the rights that the chart renders; each
test then looks at one case.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.chart.charts import Helm, Manifest, find_helm
from tests.cluster.controllers.catalogue import selected
from tests.cluster.server import Server
from tests.e2e.conftest import account_kubeconfig
from tests.e2e.controllers.case import Case, Expected, cases_of, matches
from tests.e2e.controllers.case_runner import (
    Outcome,
    count_of,
    namespaces,
    run_all,
    verdict_of,
    watched,
)
from tests.e2e.controllers.history import History
from tests.support.operator_process import OperatorProcess

# The run itself takes about two minutes, which the first test bears.
pytestmark = pytest.mark.timeout(900)

CASES: dict[str, tuple[Case, ...]] = {controller.name: cases_of(controller.name) for controller in selected()}
NAMES = [f"{controller}/{case.name}" for controller, cases in CASES.items() for case in cases]
FAILING = [f"{controller}/{case.name}" for controller, cases in CASES.items() for case in cases if case.expected]
HEALTHY = [name for name in NAMES if name not in FAILING]

ACCOUNT = "coroner-controllers"
CHART_VALUES = {
    "workloads": [
        {"group": "jobset.x-k8s.io", "version": "*", "resource": "jobsets"},
        {"group": "leaderworkerset.x-k8s.io", "version": "*", "resource": "leaderworkersets"},
        {"group": "kubeflow.org", "version": "*", "resource": "pytorchjobs"},
        {"group": "ray.io", "version": "*", "resource": "rayclusters"},
    ],
    "leaderElection": {"enabled": False},
    "config": {
        "grace_periods": {"image_pull": "5s", "container_creating": "20s", "unschedulable": "20s"},
        "recovery_after": "4s",
    },
}
OWN_RIGHTS = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")


@dataclass
class Results:
    outcomes: dict[tuple[str, str], Outcome]
    operator: OperatorProcess
    exit_status: int


def settings_of(rendered: list[Manifest]) -> str:
    """The operator's settings file."""
    (text,) = (m["data"]["coroner.yaml"] for m in rendered if "coroner.yaml" in m.get("data", {}))
    return str(text)


@pytest.fixture(scope="module")
def results(
    installed_cluster: Server, controllers: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Results]:
    server, folder = installed_cluster, tmp_path_factory.mktemp("operator")
    rendered = Helm(find_helm(4)).render(CHART_VALUES, release=ACCOUNT, namespace="coroner")
    rights = {"apiVersion": "v1", "kind": "List", "items": [m for m in rendered if m["kind"] in OWN_RIGHTS]}
    (account,) = (m["metadata"]["name"] for m in rendered if m["kind"] == "ServiceAccount")
    settings = folder / "settings.yaml"
    settings.write_text(settings_of(rendered))
    cases = {f"controllers-{name}": some for name, some in CASES.items()}
    history = History(server, watched([case for some in cases.values() for case in some]))
    with ExitStack() as stack:
        server.kubectl("apply", "-n", "coroner", "-f", "-", input=json.dumps(rights))
        stack.callback(server.kubectl, "delete", "-n", "coroner", "-f", "-", input=json.dumps(rights))
        stack.enter_context(namespaces(server, list(cases)))
        stack.enter_context(history.watching())
        kubeconfig = account_kubeconfig(server, "coroner", account, folder / "kubeconfig")
        operator = OperatorProcess(kubeconfig, folder / "operator.log", "--config", str(settings))
        stack.callback(operator.end)
        operator.wait_until_ready()
        try:
            outcomes = run_all(server, history, cases)
        except AssertionError as error:
            error.add_note(f"the operator's log ends:\n{operator.tail()}")
            raise
        yield Results(outcomes, operator, operator.stop())


def outcome_of(results: Results, name: str) -> Outcome:
    controller, _, case = name.partition("/")
    outcome = results.outcomes[f"controllers-{controller}", case]
    assert not outcome.fault, outcome.fault
    return outcome


def expected_of(outcome: Outcome) -> Expected:
    assert outcome.case.expected is not None
    return outcome.case.expected


@pytest.mark.parametrize("name", FAILING)
def test_the_report_is_the_users_objects_and_there_is_no_other(results: Results, name: str) -> None:
    outcome = outcome_of(results, name)
    workloads = [report.newest["spec"]["workload"] for report in outcome.reports]
    assert [workload["display"] for workload in workloads] == [expected_of(outcome).workload]
    assert workloads[0]["uid"] == outcome.workload["metadata"]["uid"]


@pytest.mark.parametrize("name", FAILING)
def test_the_report_says_what_failed_and_whether_it_is_over(results: Results, name: str) -> None:
    outcome = outcome_of(results, name)
    expected, (report, *_) = expected_of(outcome), outcome.reports
    status = report.newest["status"]
    assert status["state"] == expected.state, json.dumps(status, indent=1)
    failure = status if expected.state == "Failing" else status["history"][0]
    assert verdict_of(failure) == expected.verdict
    assert failure.get("exitCode") == expected.exitCode or expected.exitCode is None
    assert expected.state == "Failing" or "category" not in status
    assert expected.state == "Recovered" or status["retry"] == expected.retry


@pytest.mark.parametrize("name", FAILING)
def test_no_other_failure_is_ever_the_current_one(results: Results, name: str) -> None:
    """A recovery may be as quick as the first report: then there is none."""
    outcome = outcome_of(results, name)
    expected = expected_of(outcome)
    current = [
        (verdict_of(version["status"]), version["status"]["pod"]["name"])
        for report in outcome.reports
        for version in report.all
        if version.get("status", {}).get("state") == "Failing"
    ]
    assert [c for c in current if c[0] != expected.verdict or not matches(expected.pod, c[1])] == []


@pytest.mark.parametrize("name", FAILING)
def test_a_failure_is_counted_once(results: Results, name: str) -> None:
    outcome = outcome_of(results, name)
    expected, (report, *_) = expected_of(outcome), outcome.reports
    assert count_of(report.newest, expected.verdict) == expected.counted, json.dumps(report.newest["status"], indent=1)
    assert report.newest["status"]["failures"] == expected.counted


@pytest.mark.parametrize("name", FAILING)
def test_the_users_object_shows_the_verdict(results: Results, name: str) -> None:
    outcome = outcome_of(results, name)
    expected, status = expected_of(outcome), outcome.reports[0].newest["status"]
    if expected.shown == "event":
        verdict = f"[{expected.verdict}]"
        assert [event["note"] for event in outcome.events if verdict in event["note"]] or expected.state == "Recovered"
    else:
        conditions = {c["type"]: c for c in outcome.workload["status"]["conditions"]}
        shown = conditions["coroner.dev/Failing"]
        assert shown["status"] == str(expected.state == "Failing")
        assert expected.state == "Recovered" or shown["message"] == status["message"]


@pytest.mark.parametrize("name", HEALTHY)
def test_what_does_not_fail_has_no_report(results: Results, name: str) -> None:
    outcome = outcome_of(results, name)
    assert [report.newest for report in outcome.reports] == []
    assert outcome.events == []


def test_the_operator_met_no_fault_of_its_own(results: Results) -> None:
    log = results.operator.output()
    assert results.exit_status == 0
    assert "Traceback" not in log
    assert "forbidden" not in log.lower()
