"""Scenarios played on a real cluster while the operator runs, and the reports that came of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.cluster.server import KubectlError, Server
from tests.e2e.record import play, summary
from tests.e2e.scenarios.exit_codes import ends
from tests.e2e.support.conditions import says, unschedulable, waits
from tests.e2e.support.manifests import make_pod, shell, volume
from tests.e2e.support.scenario import Manifest, Scenario
from tests.e2e.support.stage import Stage
from tests.support.waiting import wait_for

Report = dict[str, Any]

REPORTS = {"FailureReport": "/apis/coroner.dev/v1alpha1/failurereports"}
AT_ONCE = 24
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
    healed: Report | None = None
    """The same, after somebody mended the workload."""
    healed_line: str = ""
    """What `kubectl get failurereports` prints of it then."""
    at_the_end: Report | None = None
    """The report after all scenarios had come about and failures that began later had been reported."""


def new_stage(server: Server) -> Stage:
    """A stage that also watches reports: the CRD must be there."""
    return Stage(server, also=REPORTS)


def needs_own_cluster(scenario: Scenario) -> bool:
    """Its images, registries or node are those of tests/cluster/up."""
    text = json.dumps(scenario.manifests)
    return scenario.alone or any(word in text for word in ("localhost", "127.0.0.1", "coroner.dev/late"))


def report_of(stage: Stage, scenario: Scenario) -> Report | None:
    """The report of the scenario's workload, once it has a status."""
    for report in stage.objects("FailureReport", stage.namespace(scenario)):
        workload = report["spec"]["workload"]
        if (workload["kind"], workload["name"]) == (scenario.kind, scenario.name) and "status" in report:
            return report
    return None


def accuses(report: Report | None) -> bool:
    return report is not None and report["status"]["state"] == "Failing"


def says_it(scenario: Scenario, report: Report | None) -> bool:
    """The report is what the scenario says about category, subcategory and message."""
    status = report["status"] if report else {}
    named = (status.get("category"), status.get("subcategory")) == (scenario.category, scenario.subcategory)
    return named and accuses(report) and scenario.message in status["message"]


def is_recovered(report: Report | None) -> bool:
    """State and labels: these follow seconds later."""
    if report is None or report["status"]["state"] != "Recovered":
        return False
    labels: dict[str, str] = report["metadata"]["labels"]
    return labels["coroner.dev/state"] == "Recovered" and "coroner.dev/category" not in labels


@contextmanager
def namespaces(server: Server, scenarios: Sequence[Scenario]) -> Iterator[None]:
    """Make the namespaces that they are played in; they go at the end, with all that belongs to no namespace."""
    names = sorted({scenario.namespace for scenario in (*scenarios, *WITNESSES)})
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


def play_together(stage: Stage, scenarios: Sequence[Scenario]) -> list[Outcome]:
    """All at the same time; afterwards nothing of them is deleted."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(lambda s: _outcome(stage, s), scenarios))
        for fault in pool.map(lambda s: _bear_witness(stage, s), WITNESSES):
            if fault:
                raise AssertionError(fault)
    silent = [o.scenario for o in outcomes if o.scenario.verdict is None]
    stage.wait_until(lambda: not any(accuses(report_of(stage, s)) for s in silent), RECOVERY_SECONDS)
    for outcome in outcomes:
        outcome.at_the_end = report_of(stage, outcome.scenario)
    return outcomes


def play_alone(stage: Stage, scenarios: Sequence[Scenario]) -> list[Outcome]:
    """One after the other: they touch the node."""
    outcomes = []
    for scenario in scenarios:
        outcome = _outcome(stage, scenario)
        outcome.at_the_end = report_of(stage, scenario)
        outcomes.append(outcome)
    return outcomes


def _outcome(stage: Stage, scenario: Scenario) -> Outcome:
    outcome = Outcome(scenario)
    try:
        play(stage, scenario)
        if scenario.verdict is not None:
            outcome.reported = _await(stage, scenario, lambda report: says_it(scenario, report), REPORT_SECONDS)
        if scenario.heals and scenario.healed:
            scenario.heals(stage)
            stage.wait_for(scenario, scenario.healed, scenario.patience)
            outcome.healed = _await(stage, scenario, is_recovered, RECOVERY_SECONDS)
            outcome.healed_line = _line_of(stage, outcome.healed)
    except (TimeoutError, KubectlError) as fault:
        outcome.fault = f"{fault}: {json.dumps(summary(stage.seen(scenario)))[:2000]}"
    finally:
        if scenario.after:
            scenario.after(stage)
    return outcome


def _await(
    stage: Stage, scenario: Scenario, is_right: Callable[[Report | None], bool], seconds: float
) -> Report | None:
    stage.wait_until(lambda: is_right(report_of(stage, scenario)), seconds)
    return report_of(stage, scenario)


def _line_of(stage: Stage, report: Report | None) -> str:
    if report is None:
        return ""
    metadata = report["metadata"]
    return stage.kubectl("get", "failurereport", metadata["name"], "-n", metadata["namespace"], "--no-headers")


def _bear_witness(stage: Stage, scenario: Scenario) -> str:
    outcome = _outcome(stage, scenario)
    return "" if says_it(scenario, outcome.reported) else f"no report of {scenario.name}: {outcome}"


def _witnesses() -> tuple[Scenario, ...]:
    """One for an end, and one for each thing that a pod may wait for: what began before has been told before."""
    source, mount = volume("secret", secretName="witness-of-mounts")
    mounts = make_pod("witness-of-mounts", shell("true", volumeMounts=[mount]), volumes=[source])
    node = make_pod("witness-of-nodes", shell("true"), nodeSelector={"witness": "yes"})
    image = make_pod("witness-of-images", shell("true", envFrom=[{"secretRef": {"name": "witness"}}]))
    return (
        Scenario("witness-of-mounts", (mounts,), "user-config/missing-config", says("FailedMount")),
        Scenario("witness-of-nodes", (node,), "user-config/node-selector", unschedulable),
        Scenario("witness-of-images", (image,), "user-config/missing-config", waits("CreateContainerConfigError")),
        ends("witness-of-ends", "exit 1", "user-code/error-exit"),
    )


def _list_of(items: Sequence[Manifest]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)})


WITNESSES = _witnesses()
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
