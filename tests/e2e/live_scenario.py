"""Scenarios that run on a real cluster beside the operator, and the reports that came of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.cluster.server import KubectlError, Server
from tests.e2e.record import run, summary
from tests.e2e.scenarios.exit_codes import ends
from tests.e2e.support.conditions import says, unschedulable, waits
from tests.e2e.support.manifests import make_pod, shell, volume
from tests.e2e.support.scenario import Manifest, Scenario
from tests.e2e.support.scenario_runner import ScenarioRunner
from tests.support.waiting import WAIT_FACTOR, wait_for

Report = dict[str, Any]

REPORTS = {"FailureReport": "/apis/coroner.dev/v1alpha1/failurereports"}
CONCURRENCY = 24
# Two cores start two dozen pods at a time; a probe's answer and its kill are events, which come last.
REPORT_SECONDS = 45
RECOVERY_SECONDS = 60


@dataclass
class Outcome:
    """What came of one scenario."""

    scenario: Scenario
    fault: str = ""
    """Why the cluster did not show what the scenario is about; "" = it did."""
    reported: Report | None = None
    """The report as soon as it said what is right; else the last one seen."""
    repaired: Report | None = None
    """The same, after the workload was repaired."""
    repaired_line: str = ""
    """What `kubectl get failurereports` prints of it then."""
    at_the_end: Report | None = None
    """The report after all scenarios had come about and failures that began later had been reported."""


def new_runner(server: Server) -> ScenarioRunner:
    """A runner that also watches reports: the CRD must be there."""
    return ScenarioRunner(server, also=REPORTS)


def needs_own_cluster(scenario: Scenario) -> bool:
    """Its images, registries or node are those of tests/cluster/up."""
    text = json.dumps(scenario.manifests)
    return scenario.alone or any(word in text for word in ("localhost", "127.0.0.1", "coroner.dev/late"))


def report_of(runner: ScenarioRunner, scenario: Scenario) -> Report | None:
    """The report of the scenario's workload, once it has a status."""
    for report in runner.objects("FailureReport", runner.namespace(scenario)):
        workload = report["spec"]["workload"]
        if (workload["kind"], workload["name"]) == (scenario.kind, scenario.name) and "status" in report:
            return report
    return None


def is_failing(report: Report | None) -> bool:
    """Now, or for good."""
    return report is not None and report["status"]["state"] in ("Failing", "Failed")


def is_as_expected(scenario: Scenario, report: Report | None) -> bool:
    """The report is what the scenario says about category, subcategory and message; it may be deleted by now."""
    status = report["status"] if report else {}
    named = (status.get("category"), status.get("subcategory")) == (scenario.category, scenario.subcategory)
    return named and status["state"] != "Recovered" and scenario.message in status["message"]


def is_recovered(report: Report | None) -> bool:
    """State and labels: these follow seconds later."""
    if report is None or report["status"]["state"] != "Recovered":
        return False
    labels: dict[str, str] = report["metadata"]["labels"]
    return labels["coroner.dev/state"] == "Recovered" and "coroner.dev/category" not in labels


@contextmanager
def namespaces(server: Server, scenarios: Sequence[Scenario]) -> Iterator[None]:
    """Create the scenarios' namespaces; they are deleted at the end, with all that belongs to no namespace."""
    names = sorted({scenario.namespace for scenario in (*scenarios, *SENTINELS)})
    made = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
    server.kubectl("create", "-f", "-", input=_list_of(made))

    def have_their_service_accounts() -> bool:
        text = server.kubectl("get", "serviceaccounts", "-A", "-o", "jsonpath={.items[*].metadata.namespace}")
        return set(names) <= set(text.split())

    try:
        wait_for(have_their_service_accounts, 60, f"a service account in each of {names}")
        yield
    finally:
        above = [m for s in scenarios for m in s.manifests if m["kind"] in OF_NO_NAMESPACE]
        options = ("--ignore-not-found", "--wait=false")
        if above:
            server.kubectl("delete", *options, "-f", "-", input=_list_of(above))
        server.kubectl("delete", "namespace", *options, *names)


def run_together(runner: ScenarioRunner, scenarios: Sequence[Scenario]) -> list[Outcome]:
    """All at the same time; afterwards nothing of them is deleted."""
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        outcomes = list(pool.map(lambda s: _outcome(runner, s), scenarios))
        for fault in pool.map(lambda s: _check_sentinel(runner, s), SENTINELS):
            if fault:
                raise AssertionError(fault)
    silent = [o.scenario for o in outcomes if o.scenario.verdict is None]
    runner.wait_until(lambda: not any(is_failing(report_of(runner, s)) for s in silent), RECOVERY_SECONDS)
    for outcome in outcomes:
        outcome.at_the_end = report_of(runner, outcome.scenario)
    return outcomes


def run_alone(runner: ScenarioRunner, scenarios: Sequence[Scenario]) -> list[Outcome]:
    """One after the other: they touch the node."""
    outcomes = []
    for scenario in scenarios:
        outcome = _outcome(runner, scenario)
        outcome.at_the_end = report_of(runner, scenario)
        outcomes.append(outcome)
    return outcomes


def _outcome(runner: ScenarioRunner, scenario: Scenario) -> Outcome:
    outcome = Outcome(scenario)
    try:
        run(runner, scenario)
        if scenario.verdict is not None:
            outcome.reported = _await(runner, scenario, lambda report: is_as_expected(scenario, report), REPORT_SECONDS)
        if scenario.repair and scenario.repaired:
            scenario.repair(runner)
            runner.wait_for(scenario, scenario.repaired, scenario.timeout * WAIT_FACTOR)
            outcome.repaired = _await(runner, scenario, is_recovered, RECOVERY_SECONDS)
            outcome.repaired_line = _line_of(runner, outcome.repaired)
    except (AssertionError, TimeoutError, KubectlError) as fault:
        outcome.fault = f"{fault}: {json.dumps(summary(runner.seen(scenario)))[:2000]}"
    finally:
        if scenario.after:
            scenario.after(runner)
    return outcome


def _await(
    runner: ScenarioRunner, scenario: Scenario, is_right: Callable[[Report | None], bool], seconds: float
) -> Report | None:
    runner.wait_until(lambda: is_right(report_of(runner, scenario)), seconds)
    return report_of(runner, scenario)


def _line_of(runner: ScenarioRunner, report: Report | None) -> str:
    if report is None:
        return ""
    metadata = report["metadata"]
    return runner.kubectl("get", "failurereport", metadata["name"], "-n", metadata["namespace"], "--no-headers")


def _check_sentinel(runner: ScenarioRunner, scenario: Scenario) -> str:
    outcome = _outcome(runner, scenario)
    return "" if is_as_expected(scenario, outcome.reported) else f"no report of {scenario.name}: {outcome}"


def _sentinels() -> tuple[Scenario, ...]:
    """One for an end, and one for each thing that a pod may wait for: what began before has been reported before."""
    source, mount = volume("secret", secretName="sentinel-mounts")
    mounts = make_pod("sentinel-mounts", shell("true", volumeMounts=[mount]), volumes=[source])
    node = make_pod("sentinel-nodes", shell("true"), nodeSelector={"sentinel": "yes"})
    image = make_pod("sentinel-images", shell("true", envFrom=[{"secretRef": {"name": "sentinel"}}]))
    return (
        Scenario("sentinel-mounts", (mounts,), "user-config/missing-config", says("FailedMount")),
        Scenario("sentinel-nodes", (node,), "user-config/node-selector", unschedulable),
        Scenario("sentinel-images", (image,), "user-config/missing-config", waits("CreateContainerConfigError")),
        ends("sentinel-ends", "exit 1", "user-code/error-exit"),
    )


def _list_of(items: Sequence[Manifest]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)})


SENTINELS = _sentinels()
OF_NO_NAMESPACE = (
    "DeviceClass",
    "PersistentVolume",
    "PriorityClass",
    "ResourceSlice",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
)
