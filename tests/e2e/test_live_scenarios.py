"""Real failures of every group, made to happen on a real kubelet, and what the running operator reports of them.

All are results once, most of them at the same time, under an operator with the rights of deploy/rbac.yaml; each test
then looks at one scenario's report. The scenarios' table says what is right; it is also where fixtures come from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.server import Server
from tests.e2e.conftest import account_kubeconfig
from tests.e2e.live_scenario import (
    Outcome,
    Report,
    is_as_expected,
    is_failing,
    is_recovered,
    namespaces,
    needs_own_cluster,
    new_runner,
    run_alone,
    run_together,
)
from tests.e2e.live_selection import NEVER_REPORTED, PERHAPS_REPORTED, REPAIRED, REPORTED, SELF_RECOVERED
from tests.e2e.scenarios.pod_creation import denied_by_webhook
from tests.e2e.scenarios.table import SCENARIOS
from tests.e2e.support.own_images import add_images
from tests.e2e.support.registry import registries
from tests.e2e.support.webhook import admission_webhook
from tests.support.operator_process import OperatorProcess

# The run itself takes three minutes, which the first test bears.
pytestmark = pytest.mark.timeout(900)

SHORT_GRACE_PERIODS = (
    *("--grace-period-image-pull", "5s"),
    *("--grace-period-container-creating", "12s"),  # a node that has just begun may refuse tokens for some seconds
    *("--grace-period-unschedulable", "5s"),
    *("--recovery-after", "4s"),
)

WORDS = {"category", "subcategory", "reason", "message", "hint", "retry", "confidence", "container", "exitCode"}


@dataclass
class Results:
    outcomes: dict[str, Outcome]
    reports: list[Report]
    """All that there were."""
    operator: OperatorProcess
    exit_status: int


@pytest.fixture(scope="module")
def results(installed_cluster: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    server, folder = installed_cluster, tmp_path_factory.mktemp("live")
    runner = new_runner(server)
    wanted = {*REPORTED, *SELF_RECOVERED, *PERHAPS_REPORTED, *NEVER_REPORTED}
    own_cluster = (runner.state / "conf").is_dir()
    with ExitStack() as stack:
        table = [*SCENARIOS, *denied_by_webhook(*stack.enter_context(admission_webhook()))]
        scenarios = [s for s in table if s.name in wanted and (own_cluster or not needs_own_cluster(s))]
        order = {name: number for number, name in enumerate((*SELF_RECOVERED, *REPORTED))}
        scenarios.sort(key=lambda s: order.get(s.name, len(order)))
        if own_cluster:
            stack.enter_context(registries(runner.state / "conf" / "certs.d"))
            add_images(runner)
        stack.enter_context(namespaces(server, scenarios))
        stack.enter_context(runner.watching())
        rights = account_kubeconfig(server, "coroner", "coroner", folder / "own-rights")
        operator = OperatorProcess(rights, folder / "operator.log", *SHORT_GRACE_PERIODS)
        stack.callback(operator.end)
        operator.wait_until_ready()
        try:
            outcomes = run_together(runner, [s for s in scenarios if not s.alone])
            outcomes += run_alone(runner, [s for s in scenarios if s.alone])
        except AssertionError as error:
            error.add_note(f"the operator's log ends:\n{operator.tail()}")
            raise
        reports = [r for n in sorted({s.namespace for s in scenarios}) for r in runner.objects("FailureReport", n)]
        yield Results({o.scenario.name: o for o in outcomes}, reports, operator, operator.stop())


def outcome_of(results: Results, name: str) -> Outcome:
    if name not in results.outcomes:
        assert name in {s.name for s in SCENARIOS} or name.startswith("p13"), f"there is no scenario {name}"
        pytest.skip("needs a cluster of tests/cluster/up")
    outcome = results.outcomes[name]
    assert not outcome.fault, f"the cluster did not show what {name} is about: {outcome.fault}"
    return outcome


DELETED = "the workload does not exist any more"


def status_of(report: Report | None) -> dict[str, Any]:
    status: dict[str, Any] = report["status"] if report else {}
    return status


def test_there_are_enough_of_them() -> None:
    assert len(REPORTED) >= 60
    assert len({*REPORTED, *SELF_RECOVERED, *PERHAPS_REPORTED, *NEVER_REPORTED}) == len(
        [*REPORTED, *SELF_RECOVERED, *PERHAPS_REPORTED, *NEVER_REPORTED]
    )


@pytest.mark.parametrize("name", REPORTED)
def test_the_report_says_what_failed(results: Results, name: str) -> None:
    outcome = outcome_of(results, name)
    scenario, status = outcome.scenario, status_of(outcome.reported)
    assert status, f"no report of {scenario.kind}/{name}; the operator's log ends:\n{results.operator.tail(30)}"
    assert f"{status.get('category')}/{status.get('subcategory')}" == scenario.verdict, json.dumps(status, indent=1)
    assert scenario.message in status["message"]
    assert is_as_expected(scenario, outcome.reported)
    assert status.get("container", "") == scenario.container
    assert outcome.reported is not None
    labels = outcome.reported["metadata"]["labels"]
    assert labels["coroner.dev/workload-kind"] == scenario.kind
    (condition,) = (condition for condition in status["conditions"] if condition["status"] == "True")
    assert condition["type"] == status["state"]
    assert condition["message"] == (DELETED if status["state"] == "Deleted" else status["message"])
    counts = {f"{c['category']}/{c['subcategory']}": c["count"] for c in status["counts"]}
    assert scenario.verdict in counts
    assert sum(counts.values()) == status["failures"]


@pytest.mark.parametrize("name", REPORTED)
def test_every_failure_counts_once(results: Results, name: str) -> None:
    """At the end, when whatever could count twice has had its time."""
    outcome = outcome_of(results, name)
    status = status_of(outcome.at_the_end)
    if outcome.scenario.failures is None:
        assert status["failures"] >= 1
    else:
        assert status["failures"] == outcome.scenario.failures, json.dumps(status, indent=1)


@pytest.mark.parametrize("name", REPAIRED)
def test_what_is_repaired_has_recovered(results: Results, name: str) -> None:
    outcome = outcome_of(results, name)
    assert outcome.repaired is not None
    assert is_recovered(outcome.repaired), json.dumps(outcome.repaired["status"], indent=1)
    status = outcome.repaired["status"]
    assert WORDS & set(status) == set(), "what failed is in the history only"
    condition = next(condition for condition in status["conditions"] if condition["type"] == "Failing")
    assert (condition["status"], condition["reason"]) == ("False", "Recovered")
    assert status["recoveredAt"] == condition["lastTransitionTime"]
    assert status["failures"] >= 1
    # The failure, not its name: while a node is uncordoned the scheduler speaks of its taint for a moment (j23).
    assert status_of(outcome.reported)["failureID"] in {failure["failureID"] for failure in status["history"]}
    assert " Recovered " in outcome.repaired_line
    assert str(outcome.scenario.subcategory) not in outcome.repaired_line


@pytest.mark.parametrize("name", SELF_RECOVERED)
def test_what_recovered_by_itself_is_recovered(results: Results, name: str) -> None:
    outcome = outcome_of(results, name)
    assert outcome.at_the_end is not None
    assert is_recovered(outcome.at_the_end), json.dumps(outcome.at_the_end["status"], indent=1)
    status = outcome.at_the_end["status"]
    assert status["failures"] == SELF_RECOVERED[name], json.dumps(status, indent=1)


@pytest.mark.parametrize("name", PERHAPS_REPORTED)
def test_what_was_over_soon_is_not_failing_at_the_end(results: Results, name: str) -> None:
    report = outcome_of(results, name).at_the_end
    assert not is_failing(report), json.dumps(status_of(report), indent=1)


@pytest.mark.parametrize("name", NEVER_REPORTED)
def test_what_only_looks_like_a_failure_has_no_report(results: Results, name: str) -> None:
    report = outcome_of(results, name).at_the_end
    assert report is None, json.dumps(report, indent=1)


def test_the_topmost_workload_has_the_only_report(results: Results) -> None:
    workloads = [report["spec"]["workload"] for report in results.reports]
    assert len({workload["uid"] for workload in workloads}) == len(workloads)
    owned = {o.scenario.name for o in results.outcomes.values() if o.scenario.kind != "Pod"}
    below = [
        w["display"] for w in workloads if w["kind"] in ("Pod", "ReplicaSet") and w["name"].startswith(tuple(owned))
    ]
    assert below == []


def test_no_secret_is_in_a_report(results: Results) -> None:
    outcome = outcome_of(results, "y19-secret-in-text")
    assert "[redacted" in status_of(outcome.reported)["terminationMessage"]
    assert "hunter2" not in json.dumps(results.reports)
    assert "hunter2" not in results.operator.output()


def test_the_operator_met_no_fault_of_its_own(results: Results) -> None:
    log = results.operator.output()
    assert results.exit_status == 0
    assert "Traceback" not in log
    assert "forbidden" not in log.lower()
