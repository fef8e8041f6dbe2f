"""Real failures of every group, made to happen on a real kubelet, and what the running operator reports of them.

All are played once, most of them at the same time, under an operator with the rights of deploy/rbac.yaml; each test
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
from tests.e2e.live_play import (
    Outcome,
    Report,
    accuses,
    is_recovered,
    namespaces,
    needs_own_cluster,
    new_stage,
    play_alone,
    play_together,
    says_it,
)
from tests.e2e.operator_process import OperatorProcess
from tests.e2e.scenarios.creating import denied_by_webhook
from tests.e2e.scenarios.own_images import add_images
from tests.e2e.scenarios.registry import registries
from tests.e2e.scenarios.table import SCENARIOS
from tests.e2e.scenarios.webhook import admission_webhook

# The play itself takes three minutes, which the first test bears.
pytestmark = pytest.mark.timeout(900)

SHORT_PATIENCE = (
    *("--patience-image-pull", "5s"),
    *("--patience-container-creating", "5s"),
    *("--patience-unschedulable", "5s"),
    *("--recovery-after", "4s"),
)

# What takes longest stands first in each group, and the groups that take longest stand first.
FAILING = {
    "owners whose pods are never created": (
        "p21-cronjob-over-quota p18-deployment-over-quota p19-statefulset-over-quota p20-daemonset-over-quota "
        "p22-deployment-partly-over-quota p24-statefulset-claims-over-quota"
    ),
    "jobs, and pods that vanish": (
        "m5-fail-index t16-onfailure-backoff-limit m2-backoff-limit t15-deadline-image-missing m3-job-deadline "
        "m1-fail-job-policy m4-out-of-memory m13-time-to-live-0 m16-one-crashes-one-image-missing s20-job-deleted"
    ),
    "crash loops of other owners": (
        "h6-crash-loop-message n1-deployment-crashes n3-statefulset-bad-command n4-daemonset-missing-config "
        "n2-deployment-no-progress"
    ),
    "probes, hooks, sidecars, init containers": (
        "s1-post-start-hook-always q2-liveness-term-handled q7-liveness-exec-text q8-liveness-http q5-startup-probe "
        "q12-ends-by-itself-under-failing-probe g4-init-command-missing g5-init-missing-secret s4-one-of-two-ended "
        "m10-code-before-kill t10-container-never-fails"
    ),
    "ending": (
        "k2-emptydir-over-limit s2-deleted-term-ignored s15-deleted-own-code s12-deleted-after-its-end "
        "k1-evicted-by-api i3-deadline"
    ),
    "exits": (
        "t14-two-containers-one-oom c4-child-sigkill c5-child-sigterm c6-exit-255 c11-child-sigint c2-child-sigsegv "
        "c15-child-sigabrt o8-python-missing t2-exec-format-error x1-read-only-root x2-read-only-survived "
        "x3-shared-memory-full y1-python-chained y2-python-survived z1-java-heap z4-java-survived z5-go-panic "
        "y19-secret-in-text y20-control-characters y21-no-letters"
    ),
    "starting": (
        "o9-command-not-in-path t1-no-command f7-non-root-named-user f8-missing-secret-env f3-missing-secret-volume "
        "t6-missing-key-volume t4-hostpath-missing v1-csi-driver-missing s5-unknown-runtime-handler "
        "u1-subpath-through-file"
    ),
    "images": (
        "e4-registry-404 e5-registry-401 e8-registry-429 e15-registry-503 e10-platform-mismatch e11-registry-x509 "
        "e13-blob-missing"
    ),
    "scheduling": (
        "j2-node-selector j11-insufficient-memory j14-insufficient-gpu j3-host-port j9-topology-spread "
        "t8-missing-claim t9-unbound-claim j6-node-affinity j18-out-of-memory j20-other-os"
    ),
    "jobs whose pods are never created": (
        "p3-missing-service-account p4-missing-priority-class p5-missing-runtime-class p6-limit-range-max "
        "p10-quota-requires-limits p11-policy-denies p12-webhook-unreachable p13-webhook-denies "
        "p2-pod-security-baseline"
    ),
    "healing": "heal1-crash-mended heal2-image-mended heal3-quota-raised heal4-secret-made f5-configmap-comes-late",
    "the node": "j22-untolerated-taint j23-cordoned",
}
# Name → how many failures their report counts; they were over before the end, and nothing fails any more.
WELL_AGAIN = {
    "h4-crash-loop-healed": 2,
    "m17-index-succeeds-at-second-try": 1,
    "h3-onfailure-second-run-ok": 1,
    "t7-restart-policy-rules": 1,
    "h7-recovered-with-probe": 1,
    "g8-init-second-try": 1,
    "p17-created-in-the-end": 1,
}
# Whether they are reported meanwhile depends on the moment.
PERHAPS_REPORTED = [
    "f11-secret-volume-came-late",
    "j26-node-label-came-late",
    "r2-sidecar-crashes-main-ends-well",
]
NEVER_REPORTED = [
    "n5-rolled-out",
    "s13-scaled-down",
    "f9-optional-configmap",
    "j16-no-such-scheduler",
    "j17-any-node-will-do",
    "q13-liveness-fails-below-threshold",
    "r8-sidecar-not-ready",
    "s11-healthy-after-warnings",
    "s3-deleted-ends-well",
    "s16-deleted-at-once",
    "k8-evicted-ends-well",
    "m7-completes",
    "m8-suspended",
    "m14-success-policy-kills-others",
    "g7-init-still-runs",
    "s18-debug-container-failed",
    "t11-container-never-ends-well",
    "h9-completed-once-then-runs",
]

ACCUSED = [name for names in FAILING.values() for name in names.split()]
HEALING = [*FAILING["healing"].split(), "j22-untolerated-taint", "j23-cordoned"]
WORDS = {"category", "subcategory", "reason", "message", "hint", "retry", "confidence", "container", "exitCode"}


@dataclass
class Played:
    outcomes: dict[str, Outcome]
    reports: list[Report]
    """All that there were."""
    operator: OperatorProcess
    exit_status: int


@pytest.fixture(scope="module")
def played(installed_cluster: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    server, folder = installed_cluster, tmp_path_factory.mktemp("live")
    stage = new_stage(server)
    wanted = {*ACCUSED, *WELL_AGAIN, *PERHAPS_REPORTED, *NEVER_REPORTED}
    own_cluster = (stage.state / "conf").is_dir()
    with ExitStack() as stack:
        table = [*SCENARIOS, *denied_by_webhook(*stack.enter_context(admission_webhook()))]
        scenarios = [s for s in table if s.name in wanted and (own_cluster or not needs_own_cluster(s))]
        order = {name: number for number, name in enumerate((*WELL_AGAIN, *ACCUSED))}
        scenarios.sort(key=lambda s: order.get(s.name, len(order)))
        if own_cluster:
            stack.enter_context(registries(stage.state / "conf" / "certs.d"))
            add_images(stage)
        stack.enter_context(namespaces(server, scenarios))
        stack.enter_context(stage.watching())
        rights = account_kubeconfig(server, "coroner", "coroner", folder / "own-rights")
        operator = OperatorProcess(rights, folder / "operator.log", *SHORT_PATIENCE)
        stack.callback(operator.end)
        operator.wait_until_ready()
        try:
            outcomes = play_together(stage, [s for s in scenarios if not s.alone])
            outcomes += play_alone(stage, [s for s in scenarios if s.alone])
        except AssertionError as error:
            error.add_note(f"the operator's log ends:\n{operator.tail()}")
            raise
        reports = [r for n in sorted({s.namespace for s in scenarios}) for r in stage.objects("FailureReport", n)]
        yield Played({o.scenario.name: o for o in outcomes}, reports, operator, operator.stop())


def outcome_of(played: Played, name: str) -> Outcome:
    if name not in played.outcomes:
        assert name in {s.name for s in SCENARIOS} or name.startswith("p13"), f"there is no scenario {name}"
        pytest.skip("needs a cluster of tests/cluster/up")
    outcome = played.outcomes[name]
    assert not outcome.fault, f"the cluster did not show what {name} is about: {outcome.fault}"
    return outcome


def status_of(report: Report | None) -> dict[str, Any]:
    status: dict[str, Any] = report["status"] if report else {}
    return status


def test_there_are_enough_of_them() -> None:
    assert len(ACCUSED) >= 60
    assert len({*ACCUSED, *WELL_AGAIN, *PERHAPS_REPORTED, *NEVER_REPORTED}) == len(
        [*ACCUSED, *WELL_AGAIN, *PERHAPS_REPORTED, *NEVER_REPORTED]
    )


@pytest.mark.parametrize("name", ACCUSED)
def test_the_report_says_what_failed(played: Played, name: str) -> None:
    outcome = outcome_of(played, name)
    scenario, status = outcome.scenario, status_of(outcome.reported)
    assert status, f"no report of {scenario.kind}/{name}; the operator's log ends:\n{played.operator.tail(30)}"
    assert f"{status.get('category')}/{status.get('subcategory')}" == scenario.verdict, json.dumps(status, indent=1)
    assert scenario.message in status["message"]
    assert says_it(scenario, outcome.reported)
    assert status.get("container", "") == scenario.container
    assert outcome.reported is not None
    labels = outcome.reported["metadata"]["labels"]
    assert labels["coroner.dev/workload-kind"] == scenario.kind
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"], condition["message"]) == ("Failing", "True", status["message"])
    counts = {f"{c['category']}/{c['subcategory']}": c["count"] for c in status["counts"]}
    assert scenario.verdict in counts
    assert sum(counts.values()) == status["failures"]


@pytest.mark.parametrize("name", ACCUSED)
def test_every_failure_counts_once(played: Played, name: str) -> None:
    """At the end, when whatever could count twice has had its time."""
    outcome = outcome_of(played, name)
    status = status_of(outcome.at_the_end)
    if outcome.scenario.failures is None:
        assert status["failures"] >= 1
    else:
        assert status["failures"] == outcome.scenario.failures, json.dumps(status, indent=1)


@pytest.mark.parametrize("name", HEALING)
def test_what_is_mended_is_recovered(played: Played, name: str) -> None:
    outcome = outcome_of(played, name)
    assert outcome.healed is not None
    assert is_recovered(outcome.healed), json.dumps(outcome.healed["status"], indent=1)
    status = outcome.healed["status"]
    assert WORDS & set(status) == set(), "what failed is in the history only"
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Failing", "False", "Recovered")
    assert status["recoveredAt"] == condition["lastTransitionTime"]
    assert status["failures"] >= 1
    assert outcome.scenario.verdict in {f"{h['category']}/{h['subcategory']}" for h in status["history"]}
    assert " Recovered " in outcome.healed_line
    assert str(outcome.scenario.subcategory) not in outcome.healed_line


@pytest.mark.parametrize("name", WELL_AGAIN)
def test_what_healed_by_itself_is_recovered(played: Played, name: str) -> None:
    outcome = outcome_of(played, name)
    assert outcome.at_the_end is not None
    assert is_recovered(outcome.at_the_end), json.dumps(outcome.at_the_end["status"], indent=1)
    assert outcome.at_the_end["status"]["failures"] == WELL_AGAIN[name]


@pytest.mark.parametrize("name", PERHAPS_REPORTED)
def test_what_was_over_soon_accuses_nobody(played: Played, name: str) -> None:
    report = outcome_of(played, name).at_the_end
    assert not accuses(report), json.dumps(status_of(report), indent=1)


@pytest.mark.parametrize("name", NEVER_REPORTED)
def test_what_only_looks_like_a_failure_has_no_report(played: Played, name: str) -> None:
    report = outcome_of(played, name).at_the_end
    assert report is None, json.dumps(report, indent=1)


def test_the_topmost_workload_has_the_only_report(played: Played) -> None:
    workloads = [report["spec"]["workload"] for report in played.reports]
    assert len({workload["uid"] for workload in workloads}) == len(workloads)
    owned = {o.scenario.name for o in played.outcomes.values() if o.scenario.kind != "Pod"}
    below = [
        w["display"] for w in workloads if w["kind"] in ("Pod", "ReplicaSet") and w["name"].startswith(tuple(owned))
    ]
    assert below == []


def test_no_secret_is_in_a_report(played: Played) -> None:
    outcome = outcome_of(played, "y19-secret-in-text")
    assert "[redacted" in status_of(outcome.reported)["terminationMessage"]
    assert "hunter2" not in json.dumps(played.reports)
    assert "hunter2" not in played.operator.log.read_text()


def test_the_operator_met_no_fault_of_its_own(played: Played) -> None:
    log = played.operator.log.read_text()
    assert played.exit_status == 0
    assert "Traceback" not in log
    assert "forbidden" not in log.lower()
