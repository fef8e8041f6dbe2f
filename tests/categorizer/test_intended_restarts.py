"""Restarts that the pod's author intended are no failures; what merely looks like one is. Fixtures: t18–t21, s24."""

from __future__ import annotations

from typing import Any

import pytest

import coroner_categorizer as cc
from tests.categorizer.test_fixtures import recorded
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import (
    ENDED,
    LATER,
    completed,
    condition,
    crash_looping,
    disrupted,
    event,
    failed,
    killing,
    pod,
    running,
    status,
    terminated,
    waiting,
)

Json = dict[str, Any]

REMOVAL = "The container is removed because RestartAllContainers in place"
REMOVED: Json = {
    "exitCode": 137,
    "reason": "RestartingAllContainers",
    "message": REMOVAL,
    "startedAt": None,
    "finishedAt": None,
}
RESIZE = killing("Container main resize requires restart")
EARLIER = "2026-11-21T21:15:41Z"
NEXT = {"started": "2026-11-21T21:15:55Z", "at": LATER}


def with_rules(
    subject: Json, *codes: int, action: str = "Restart", operator: str = "In", policy: str = "Never", name: str = "main"
) -> Json:
    """With a rule for these exit codes on one container."""
    for spec in (*subject["spec"]["containers"], *subject["spec"]["initContainers"]):
        if spec["name"] == name:
            spec["restartPolicy"] = policy
            spec["restartPolicyRules"] = [
                {"action": action, "exitCodes": {"operator": operator, "values": list(codes)}}
            ]
    return subject


def resizable(subject: Json) -> Json:
    for spec in subject["spec"]["containers"]:
        spec["resizePolicy"] = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    return subject


def restarting_all(status_: str = "True", at: str = ENDED) -> Json:
    return condition("AllContainersRestarting", status_, "RestartAllContainersStarted", at=at)


def about_to_restart(exit_code: int, reason: str = "", last: Json | None = None, restarts: int = 0) -> Json:
    ended = {"terminated": terminated(exit_code, reason)}
    return status("main", ended, {"terminated": last} if last else None, restarts)


def back_off(at: str) -> Json:
    return event("BackOff", "Back-off restarting failed container main in pod p_default(uid-1)", "main", at=at)


# (rule, pod, events, category/subcategory of each failure, the current one first)
CASES: list[tuple[str, Json, list[Json], list[str]]] = [
    # --- RestartAllContainers
    ("a container that was removed to restart all is a bystander", pod(running("bystander", REMOVED, 1)), [], []),
    ("it waits for the restart", pod(waiting("RestartingAllContainers", REMOVAL, last=REMOVED, restarts=1)), [], []),
    ("it may be seen after its end and before its removal", pod(failed(137, name="bystander"), running(), conditions=(restarting_all(),), phase="Running"), [], []),
    ("its own answer to SIGTERM is no failure either", pod(failed(1, name="bystander"), running(), conditions=(restarting_all(),), phase="Running"), [], []),
    ("what failed before all were restarted has failed", pod(failed(3, name="other"), running(), conditions=(restarting_all(at=LATER),), phase="Running"), [], ["user-code/error-exit"]),
    ("a condition that is over explains no later kill", pod(failed(137), conditions=(restarting_all("False", EARLIER),)), [], ["unknown/sigkill"]),
    ("an OOM kill after a restart of all is an OOM kill", pod(status("main", {"terminated": terminated(137, "OOMKilled")}, {"terminated": REMOVED}, 1)), [], ["resources/oom-killed"]),
    ("an OOM kill during a restart of all is an OOM kill", pod(failed(137, "OOMKilled"), conditions=(restarting_all(),), phase="Running"), [], ["resources/oom-killed"]),
    ("a kill without times is not always that removal", pod(status("main", {"terminated": REMOVED | {"reason": "Error"}})), [], ["unknown/sigkill"]),
    ("a lost status is not that removal", pod(status("main", {"terminated": REMOVED | {"reason": "ContainerStatusUnknown"}})), [], ["platform/status-lost"]),
    ("a program's own text does not make it a bystander", pod(failed(137, message=REMOVAL)), [], ["unknown/sigkill"]),
    ("the exit that restarts all is declared", with_rules(pod(failed(88), running("bystander"), phase="Running"), 88, action="RestartAllContainers"), [], []),
    # --- restartPolicyRules
    ("an exit code with a rule is about to be restarted", with_rules(pod(about_to_restart(42), phase="Running"), 42), [], []),
    ("an exit code with a rule was restarted", with_rules(pod(running(last=terminated(42), restarts=1)), 42), [], []),
    ("not ready yet after such a restart", with_rules(pod(running(last=terminated(42), restarts=1, ready=False), conditions=(condition("Ready", "False"),)), 42), [], []),
    ("NotIn is a rule too", with_rules(pod(running(last=terminated(3), restarts=1)), 0, 1, operator="NotIn"), [], []),
    ("an exit code without a rule is a failure", with_rules(pod(failed(7)), 42), [], ["user-code/error-exit"]),
    ("an exit code without a rule after one with a rule is one failure", with_rules(pod(status("main", {"terminated": terminated(7, **NEXT)}, {"terminated": terminated(42)}, 1)), 42), [], ["user-code/error-exit"]),
    ("an unknown action is no rule", with_rules(pod(failed(42)), 42, action="Ignore"), [], ["user-code/error-exit"]),
    ("an unknown operator matches nothing", with_rules(pod(failed(42)), 42, operator="Exists"), [], ["user-code/error-exit"]),
    ("another container's rule does not apply", with_rules(pod(failed(42, name="other"), running()), 42), [], ["user-code/error-exit"]),
    ("a rule that its node does not know leaves a failed pod", with_rules(pod(failed(42)), 42), [], ["user-code/error-exit"]),
    ("a declared exit before a deletion is not its failure", with_rules(pod(failed(42, at=EARLIER), phase="Failed", deleted="2026-11-21T21:16:15Z"), 42), [], []),
    ("a declared exit while the pod is evicted is the eviction", with_rules(pod(failed(42), phase="Failed", conditions=(disrupted("EvictionByEvictionAPI"),)), 42), [], ["disruption/api-eviction"]),
    ("restarted again and again, it crash-loops", with_rules(pod(crash_looping(42)), 42), [], ["user-code/error-exit"]),
    ("a back-off after the newest end shows the loop", with_rules(pod(about_to_restart(42, restarts=2), phase="Running"), 42), [back_off(LATER)], ["user-code/error-exit"]),
    ("a back-off before the newest end is over", with_rules(pod(about_to_restart(42, restarts=2), phase="Running"), 42), [back_off(EARLIER)], []),
    ("an OOM kill is a failure whatever a rule says", with_rules(pod(running(last=terminated(137, "OOMKilled"), restarts=1)), 137), [], ["resources/oom-killed"]),
    ("a kill with a rule is declared", with_rules(pod(running(last=terminated(137), restarts=1)), 137), [], []),
    ("a start that failed is a failure whatever a rule says", with_rules(pod(waiting("RunContainerError", "x", last=terminated(128, "StartError", 'exec: "no": executable file not found in $PATH'), restarts=1)), 128), [], ["user-config/bad-command"]),
    ("an image that is missing after a declared restart is reported", with_rules(pod(waiting("ErrImageNeverPull", last=terminated(42), restarts=1)), 42), [], ["user-config/image-never-pull"]),
    ("rules of an init container", with_rules(pod(waiting("PodInitializing"), init=(status("init", {"running": {"startedAt": LATER}}, {"terminated": terminated(42)}, 1),)), 42, name="init"), [], []),
    # --- resize
    ("a resize that restarts is no failure", resizable(pod(running(last=terminated(137), restarts=1), restart_policy="Always")), [RESIZE], []),
    ("a program's own answer to a resize is none either", resizable(pod(running(last=terminated(1), restarts=1), restart_policy="Always")), [RESIZE], []),
    ("the kubelet may delay that restart", resizable(pod(crash_looping(137, restarts=1), restart_policy="Always")), [RESIZE], []),
    ("without its event a kill is a kill", resizable(pod(running(last=terminated(137), restarts=1), restart_policy="Always")), [], ["unknown/sigkill"]),
    ("the resize of another container explains nothing", resizable(pod(running(last=terminated(137), restarts=1), running("b"), restart_policy="Always")), [killing("Container b resize requires restart", "b")], ["unknown/sigkill"]),
    ("nothing restarts for a resize that needs none", pod(running(last=terminated(137), restarts=1), restart_policy="Always"), [RESIZE], ["unknown/sigkill"]),
    ("a crash loop during a resize is a crash loop", resizable(pod(crash_looping(3), restart_policy="Always", conditions=(condition("PodResizeInProgress", "True"),))), [killing("Container main resize requires restart", at="2026-11-21T21:15:30Z")], ["user-code/error-exit"]),
    ("a kill between two resizes is a kill", resizable(pod(running(last=terminated(137), restarts=2), restart_policy="Always")), [RESIZE | {"count": 2, "firstTimestamp": "2026-11-21T21:10:00Z", "lastTimestamp": "2026-11-21T21:20:00Z"}], ["unknown/sigkill"]),
    ("an OOM kill is one, resize or not", resizable(pod(running(last=terminated(137, "OOMKilled"), restarts=1), restart_policy="Always")), [RESIZE], ["resources/oom-killed"]),
    ("a deferred resize is no failure", pod(running(), conditions=(condition("PodResizePending", "True", "Deferred", "Node didn't have enough resource: memory"),)), [], []),
    ("an infeasible resize is no failure", pod(running(), conditions=(condition("PodResizePending", "True", "Infeasible", "Node didn't have enough capacity: memory"),)), [], []),
    ("a resize in progress, or its error, is no failure", pod(running(), conditions=(condition("PodResizeInProgress", "True", "Error", "memory limit below usage"),)), [], []),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "events", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_intended_restart(subject: Json, events: list[Json], expected: list[str]) -> None:
    classification = classified(subject, events)
    found = [f"{f.verdict.category}/{f.verdict.subcategory}" for f in classification.failures]
    assert found == expected


def classified(subject: Json, events: list[Json] | None = None) -> cc.Classification:
    return CATEGORIZER.classify_pod(cc.parse_pod(subject), [cc.parse_event(e) for e in events or []])


RESTARTS: list[tuple[str, Json, int]] = [
    ("every restart of a container that only its rules restart", with_rules(pod(running(last=terminated(42), restarts=5)), 42), 5),
    ("the newest one if its policy restarts it too", with_rules(pod(running(last=terminated(42), restarts=5)), 42, policy="OnFailure"), 1),
    ("none if the policy caused the newest one", with_rules(pod(running(last=terminated(3), restarts=5)), 42, policy="OnFailure"), 0),
    ("none without rules", pod(running(last=terminated(42), restarts=5)), 0),
    ("a restart of all counts for the container whose rule it is", with_rules(pod(running(last=REMOVED, restarts=2), running("bystander", REMOVED, 2)), 88, action="RestartAllContainers"), 2),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "expected"), [r[1:] for r in RESTARTS], ids=[r[0] for r in RESTARTS])
def test_restarts_by_rule_are_counted_apart(subject: Json, expected: int) -> None:
    assert classified(subject).restarts_by_rule == expected


def test_declared_restarts_before_a_failure_are_not_counted_as_failures() -> None:
    ended = status("main", {"terminated": terminated(7, **NEXT)}, {"terminated": terminated(42)}, 4)
    (failure,) = classified(with_rules(pod(ended), 42)).failures
    assert failure.ended_instances is None  # else the four restarts would count as failures that nobody observed


def test_bystanders_do_not_count_before_an_oom_kill() -> None:
    ended = status("main", {"terminated": terminated(137, "OOMKilled")}, {"terminated": REMOVED}, 3)
    subject = pod(ended, completed("trigger"), phase="Failed")
    (failure,) = classified(with_rules(subject, 88, action="RestartAllContainers", name="trigger")).failures
    assert failure.ended_instances is None


def test_a_rule_that_restarts_again_and_again_is_named() -> None:
    verdict = classified(with_rules(pod(crash_looping(42, message="lease lost")), 42)).verdict
    assert verdict is not None
    assert verdict.message == (
        'container "main" keeps ending with exit code 42, and its restartPolicyRules have restarted it 3 times: lease lost'
    )


@pytest.mark.parametrize(("name", "restarts"), [("t18-rule-restart-sftzd", 1), ("t21-rule-restart-all-czr85", 1)])
def test_a_recorded_restart_by_rule_leaves_no_failure(name: str, restarts: int) -> None:
    classification = classified(*recorded(name))
    assert (classification.failures, classification.failing) == ((), False)
    assert classification.restarts_by_rule == restarts


def test_a_recorded_resize_leaves_no_failure() -> None:
    assert classified(*recorded("s24-resize-restart")).failures == ()
