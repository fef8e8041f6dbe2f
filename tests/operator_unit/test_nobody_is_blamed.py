"""What is healthy, on its way, recovered, stopped or scaled down has no verdict: not by `coroner explain`, nor a report.

``tests/fixtures/healthy`` has public objects, pods of JobSet, Argo, Tekton, Kueue, LeaderWorkerSet and Argo Rollouts
as recorded beside failing ones, and what programs and Kubernetes print where nothing fails. The recordings in
``tests/fixtures/pods`` of which nothing is failing count too.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

import coroner_categorizer as cc
from coroner_operator.cli.explanations import explain_objects
from coroner_operator.cli.inputs.input_objects import InputObjects
from coroner_operator.config.lifetimes import lifetime
from coroner_operator.config.settings import GracePeriods
from coroner_operator.controller.pending_timers import PendingTimers
from coroner_operator.controller.pod_filters import is_deletion, is_retired, may_have_failed
from tests.categorizer.test_fixtures import EXPECTED, recorded
from tests.categorizer.test_message_cases import MESSAGES, PUBLIC
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import completed, condition, event, failed, pod, running, terminated

Json = dict[str, Any]
HEALTHY = Path(__file__).parents[1] / "fixtures" / "healthy"
STATES = ("healthy", "waiting", "recovered", "succeeded", "stopped", "scaled-down")
PUBLIC_OBJECTS: dict[str, Json] = yaml.safe_load((HEALTHY / "objects.yaml").read_text())
ALARMING: dict[str, list[Json]] = yaml.safe_load((HEALTHY / "alarming.yaml").read_text())

# Workloads that succeeded, were suspended, deleted or scaled down, or have their pods (again).
RECORDED_WORKLOADS = [
    "daemonset-heal4-secret-made",
    "deployment-n5-rolled-out",
    "deployment-p17-created-in-the-end",
    "deployment-s13-scaled-down",
    "job-kueue2-low",
    "job-l3-job-low",
    "job-m12-retries-then-completes",
    "job-m14-success-policy-kills-others",
    "job-m15-suspended-meanwhile",
    "job-m7-completes",
    "job-m7-job-complete",
    "job-m8-job-suspended",
    "job-s20-job-deleted",
    "leaderworkerset-lws1-oom",
]

# Recorded waits for what may still come: a verdict says so to whoever asks, and nothing is reported within patience.
WITHIN_PATIENCE = [
    "e1-imagepull-connection-refused",
    "e12-registry-unknown-host",
    "e15-registry-503",
    "e9-registry-500",
    "f1-missing-configmap",
    "f3-missing-secret-volume",
    "f6-missing-configmap-volume",
    "f8-missing-secret-env",
    "g5-init-missing-secret",
    "j1-unschedulable-cpu",
    "j2-node-selector",
    "j11-insufficient-memory",
    "j22-untolerated-taint",
    "j23-cordoned",
    "j24-too-many-pods",
    "built-gpus-taken",
    "built-volume-multi-attach",
    "built-volume-mount-timeout",
]


class Case(NamedTuple):
    source: str
    object: Json
    events: list[Json]


def _of_list(file: Path) -> list[Case]:
    items = json.loads(file.read_text())["items"]
    return [
        Case(
            f"{file.stem}: recorded",
            subject,
            [e for e in items if e["kind"] == "Event" and e["involvedObject"]["uid"] == subject["metadata"]["uid"]],
        )
        for subject in items
        if subject["kind"] != "Event"
    ]


@lru_cache(maxsize=1)
def cases() -> dict[str, Case]:
    found = {name: Case(case["source"], case["object"], []) for name, case in PUBLIC_OBJECTS.items()}
    for file in sorted(HEALTHY.glob("*.json")):
        found |= {f"{file.stem}/{case.object['metadata']['name']}": case for case in _of_list(file)}
    without_verdict = [name for name, expected in EXPECTED.items() if expected is None]
    for name in (*without_verdict, *RECORDED_WORKLOADS, "s13-scaled-down"):
        found[name] = Case("tests/fixtures/pods", *recorded(name))
    return found


def test_the_corpus_is_large_and_every_public_object_has_its_source_and_state() -> None:
    assert len(cases()) >= 100
    assert [name for name, case in PUBLIC_OBJECTS.items() if not case["source"]] == []
    assert set(Counter(case["state"] for case in PUBLIC_OBJECTS.values())) == set(STATES)
    assert len(PUBLIC_OBJECTS) >= 25
    assert [entry for entries in ALARMING.values() for entry in entries if not entry["source"]] == []


def explained(subject: Json, events: list[Json]) -> list[str]:
    """What `coroner explain` says is failing."""
    objects = InputObjects()
    if subject["kind"] == "Pod":
        objects.add_pod(cc.parse_pod(subject))
    else:
        objects.add_workload(cc.parse_workload(subject))
    for e in events:
        objects.add_event(cc.parse_event(e))
    return [f"{e.name}: {e.verdict}" for e in explain_objects(objects, CATEGORIZER) if e.is_failing]


def reportable(subject: Json, events: list[Json]) -> list[str]:
    """What the operator would report as failing at the first sight of a pod."""
    parsed = cc.parse_pod(subject)
    failures = CATEGORIZER.classify_pod(parsed, [cc.parse_event(e) for e in events]).failures
    current = [f for f in PendingTimers(GracePeriods()).reportable(parsed, failures) if f.current]
    removed = is_retired(parsed, lifetime)
    return [f.verdict.message for f in current if not (removed and is_deletion(f.verdict))]


@pytest.mark.parametrize("name", sorted(cases()))
async def test_nothing_is_said_of_what_does_not_fail(name: str) -> None:
    _, subject, events = cases()[name]
    assert explained(subject, events) == []
    if subject["kind"] == "Pod":
        assert reportable(subject, events) == []
    else:
        assert CATEGORIZER.classify_job(cc.parse_workload(subject)).verdict is None


@pytest.mark.parametrize("name", WITHIN_PATIENCE)
async def test_nothing_is_reported_of_a_wait_that_has_just_begun(name: str) -> None:
    subject, events = recorded(name)
    assert EXPECTED[name] is not None
    assert explained(subject, events) != []
    assert reportable(subject, events) == []


def test_a_pod_that_never_failed_is_not_even_classified() -> None:
    """Only what is, or was, not well costs the operator more than a few comparisons."""
    healthy = [case["object"] for case in PUBLIC_OBJECTS.values() if case["state"] == "healthy"]
    pods = [cc.parse_pod(subject) for subject in healthy if subject["kind"] == "Pod"]
    assert len(pods) >= 5
    assert not any(map(may_have_failed, pods))


READY = (condition("PodScheduled", "True"), condition("Ready", "True", at="2026-11-21T21:16:05Z"))
TEXTS = [case["text"] for case in ALARMING["logs"]] + [
    case["message"]
    for case in (*MESSAGES["ended"], *(c for kind in PUBLIC.values() for c in kind if c["where"] == "ended"))
]


@pytest.mark.parametrize("number", range(len(TEXTS)))
async def test_what_a_program_prints_is_no_failure_where_it_ends_well_or_runs_again(number: int) -> None:
    """Not even the texts that name the cause where a program fails."""
    text = TEXTS[number]
    ended = terminated(0, message=text)
    done = completed() | {"state": {"terminated": ended}}
    subjects = [
        pod(done),
        pod(done, running("sidecar"), conditions=READY, phase="Running"),
        pod(running(), conditions=READY, init=(done | {"name": "setup"},)),
        pod(running(last=ended, restarts=1), conditions=READY, restart_policy="Always"),
        pod(running(last=terminated(1, message=text), restarts=1), conditions=READY, restart_policy="Always"),
        pod(done, deleted="2026-11-21T21:20:00Z"),
    ]
    assert [explained(subject, []) for subject in subjects] == [[]] * len(subjects)
    assert [reportable(subject, []) for subject in subjects] == [[]] * len(subjects)


STUCK = [c for kind in PUBLIC.values() for c in kind if c["where"] == "stuck"] + MESSAGES["stuck"]
EVENTS = ALARMING["events"] + STUCK


@pytest.mark.parametrize("number", range(len(EVENTS)))
async def test_an_event_is_no_failure_of_a_pod_that_runs_or_ended_well(number: int) -> None:
    """Whether it is older than the start of the container or newer: the status is what counts."""
    about = EVENTS[number]
    events = [
        event(about["reason"], about["message"], type_=about.get("type", "Warning"), at=at)
        for at in ("2026-11-21T20:15:49Z", "2026-11-21T21:15:49Z", "2026-11-21T22:15:49Z")
    ]
    subjects = [
        pod(running(), conditions=READY),
        pod(running(ready=False), conditions=(READY[0], condition("Ready", "False"))),
        pod(completed()),
        pod(running(last=terminated(1), restarts=1), conditions=READY, restart_policy="Always"),
    ]
    for subject in subjects:
        assert [explained(subject, [e]) for e in events] == [[]] * len(events)
        assert [reportable(subject, [e]) for e in events] == [[]] * len(events)


def test_the_same_text_is_a_failure_where_the_program_fails() -> None:
    """Else the tests above would pass for a categorizer that says nothing."""
    assert [text for text in TEXTS if not explained(pod(failed(1, message=text)), [])] == []
