"""The cheap look at every pod never misses one that the categorizer has something to say about."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import coroner_categorizer as cc
from coroner_operator.controller.pod_filters import is_healthy, is_starting, may_have_failed, needs_normal_events
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import pod as pod_with
from tests.support.pods import running, terminated

FIXTURES = Path(__file__).parents[1] / "fixtures" / "pods"


def _case(file: Path) -> tuple[dict[str, Any], list[cc.Event]]:
    obj, *events = json.loads(file.read_text())["items"]
    return obj, [cc.parse_event(event) for event in events]


PODS = [file for file in sorted(FIXTURES.glob("*.json")) if _case(file)[0]["kind"] == "Pod"]


@pytest.mark.parametrize("file", PODS, ids=lambda file: file.stem)
def test_a_pod_with_a_failure_is_interesting_or_starting(file: Path) -> None:
    obj, events = _case(file)
    pod = cc.parse_pod(obj)
    if CATEGORIZER.classify_pod(pod, events).failures:
        assert may_have_failed(pod) or is_starting(pod)


@pytest.mark.parametrize("file", PODS, ids=lambda file: file.stem)
def test_where_events_that_are_no_warnings_make_the_verdict_they_are_asked_for(file: Path) -> None:
    obj, events = _case(file)
    pod = cc.parse_pod(obj)
    warnings = [event for event in events if event.type == "Warning"]
    without = CATEGORIZER.classify_pod(pod, warnings)
    if without.verdict == CATEGORIZER.classify_pod(pod, events).verdict:
        return
    ends = [
        state.terminated.finishedAt
        for container in pod.status.containerStatuses + pod.status.initContainerStatuses
        for state in (container.state, container.lastState)
        if state.terminated and state.terminated.finishedAt
    ]
    assert is_starting(pod) or needs_normal_events(pod, warnings, max(ends) + timedelta(minutes=1))


def test_a_healthy_pod_is_neither() -> None:
    pod = cc.parse_pod(
        {
            "spec": {"nodeName": "n"},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "main", "ready": True, "state": {"running": {}}}],
            },
        }
    )
    assert not may_have_failed(pod)
    assert not is_starting(pod)
    assert is_healthy(pod)


def test_a_gated_pod_is_neither() -> None:
    gated = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
    pod = cc.parse_pod({"status": {"phase": "Pending", "conditions": [gated]}})
    assert not may_have_failed(pod)
    assert not is_starting(pod)


def test_the_events_of_an_oom_kill_are_asked_for_only_where_a_probe_failed_as_well() -> None:
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-21T21:15:50Z"}
    pod = cc.parse_pod({"status": {"containerStatuses": [{"name": "main", "state": {"terminated": ended}}]}})
    at = pod.status.containerStatuses[0].state.terminated
    assert at is not None
    assert at.finishedAt is not None
    unhealthy = cc.parse_event({"reason": "Unhealthy", "message": "Liveness probe failed: ", "type": "Warning"})
    assert [needs_normal_events(pod, warnings, at.finishedAt) for warnings in ([], [unhealthy])] == [False, True]


@pytest.mark.parametrize("type_", ["DisruptionTarget", "TerminationTarget"])
def test_a_pod_that_is_about_to_be_stopped_is_interesting_while_it_runs(type_: str) -> None:
    status = {"phase": "Running", "conditions": [{"type": type_, "status": "True", "reason": "PreemptionByScheduler"}]}
    assert may_have_failed(cc.parse_pod({"status": status}))


@pytest.mark.parametrize(("policy", "expected"), [("RestartContainer", True), ("NotRequired", False)])
def test_the_events_of_a_program_that_answered_a_resize_are_asked_for(policy: str, expected: bool) -> None:
    ended = terminated(1)
    subject = pod_with(running(last=ended, restarts=1))
    subject["spec"]["containers"][0]["resizePolicy"] = [{"resourceName": "memory", "restartPolicy": policy}]
    now = datetime.fromisoformat(ended["finishedAt"]) + timedelta(minutes=1)
    assert needs_normal_events(cc.parse_pod(subject), [], now) == expected
