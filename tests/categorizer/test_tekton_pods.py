"""Tekton's pods: one failure where one happened. Fixtures: tekton1 to tekton5."""

from __future__ import annotations

import json
from typing import Any

import pytest

import coroner_categorizer as cc
from tests.categorizer.test_fixtures import recorded
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import ENDED, LATER, completed, failed, killing, pod, running, status, terminated

Json = dict[str, Any]

EARLIER = "2026-11-21T21:15:41Z"
DELETED = "2026-11-21T21:16:15Z"  # 30 s after the request
NOP = 'exec: "sh": executable file not found in $PATH'


def message(reason: str = "", **results: str) -> str:
    """What the entrypoint writes."""
    entries = [{"key": "StartedAt", "value": "2026-11-21T21:15:40.000Z", "type": 3}]
    entries += [{"key": key, "value": value, "type": 1} for key, value in results.items()]
    entries += [{"key": "Reason", "value": reason, "type": 3}] if reason else []
    return json.dumps(entries)


def task(*containers: Json, **more: Any) -> Json:
    """A pod whose steps run below the entrypoint."""
    subject = pod(*containers, **more)
    for spec in subject["spec"]["containers"]:
        if spec["name"].startswith("step-"):
            spec["command"] = ["/tekton/bin/entrypoint"]
    return subject


def swapped(at: str = LATER) -> Json:
    """A sidecar whose image was replaced by one that lacks its command."""
    start = terminated(128, "StartError", NOP, at=at, started="1970-01-01T00:00:00Z")
    return status("sidecar-helper", {"terminated": start}, {"terminated": terminated(137, at=at)}, 1)


SKIPPED = failed(1, message=message("Skipped"), name="step-b", at=LATER)

# (rule, pod, events, container and category/subcategory of each failure, the current one first)
CASES: list[tuple[str, Json, list[Json], list[str]]] = [
    ("steps after the failed one are skipped", task(failed(3, message=message(), name="step-a"), SKIPPED), [], ["step-a user-code/error-exit"]),
    ("older entrypoints give no reason for it", task(failed(3, name="step-a"), failed(1, message=message(), name="step-b", at=LATER)), [], ["step-a user-code/error-exit"]),
    ("a step after a kill is skipped", task(failed(137, "OOMKilled", name="step-a"), SKIPPED), [], ["step-a resources/oom-killed"]),
    ("a program that prints Skipped has failed", pod(failed(1, message="Skipped")), [], ["main user-code/error-exit"]),
    ("a program that prints what the entrypoint would has failed", pod(failed(3, name="a"), failed(1, message=message("Skipped"), name="b", at=LATER)), [], ["a user-code/error-exit", "b user-code/error-exit"]),
    ("the first step that fails was not skipped", task(completed("step-a"), failed(1, message=message("Skipped"), name="step-b", at=LATER)), [], ["step-b user-code/error-exit"]),
    ("a step that ended before the failed one was not skipped", task(failed(3, name="step-a", at=LATER), failed(1, name="step-b")), [], ["step-b user-code/error-exit", "step-a user-code/error-exit"]),
    ("sidecars are swapped after a step has failed", task(failed(3, name="step-a"), swapped()), [], ["step-a user-code/error-exit"]),
    ("sidecars are swapped after all steps have ended", task(completed("step-a"), swapped(), phase="Failed"), [], []),
    ("a sidecar that cannot start while the steps run has failed", task(running("step-a"), swapped(), phase="Running"), [], ["sidecar-helper user-config/bad-command", "sidecar-helper unknown/sigkill"]),
    ("a sidecar that crashed before the steps ended has failed", task(completed("step-a", at=LATER), failed(6, name="sidecar-helper", at=EARLIER)), [], ["sidecar-helper user-code/error-exit"]),
    ("a container of that name in another pod has failed", pod(completed(), failed(128, "StartError", NOP, name="sidecar-helper", at=LATER)), [], ["sidecar-helper user-config/bad-command"]),
    ("a step that was cancelled, of a pod that is kept", task(failed(9, message=message("Cancelled"), name="step-a"), SKIPPED), [], ["step-a cancelled/task-cancelled"]),
    ("whatever the code", task(failed(1, message=message("Cancelled"), name="step-a"), swapped()), [], ["step-a cancelled/task-cancelled"]),
    ("a step that prints Cancelled has failed", task(failed(1, message="Cancelled", name="step-a")), [], ["step-a user-code/error-exit"]),
    ("a result of that name is not the entrypoint's", task(failed(1, message=message(Reason="Cancelled"), name="step-a")), [], ["step-a user-code/error-exit"]),
    ("a program that prints what the entrypoint would was not cancelled", pod(failed(9, message=message("Cancelled"))), [], ["main user-code/error-exit"]),
    ("a step that was cancelled and deleted then", task(failed(9, message=message("Cancelled"), name="step-a"), deleted="2026-11-21T21:20:00Z"), [], ["step-a cancelled/task-cancelled"]),
    ("skipped steps and swapped sidecars of a deleted pod are no failures", task(failed(255, name="step-a"), SKIPPED, swapped(), deleted=DELETED), [], [" cancelled/deleted"]),
    ("255 after the deletion mark is the deletion", task(failed(255, message=message(), name="step-a"), deleted=DELETED), [], [" cancelled/deleted"]),
    ("with the steps that still waited", task(failed(255, name="step-a"), failed(2, name="step-b"), deleted=DELETED), [], [" cancelled/deleted"]),
    ("255 as the pod is removed is the deletion", task(failed(255, name="step-a"), deleted="2026-11-21T21:15:52Z", grace=0), [], [" cancelled/deleted"]),
    ("255 after the kubelet stopped it is the deletion", task(failed(255, name="step-a"), deleted="2026-11-21T21:16:20Z", grace=0), [killing("Stopping container step-a", "step-a")], [" cancelled/deleted"]),
    ("255 long before the pod is removed is not", task(failed(255, name="step-a"), deleted="2026-11-21T21:16:20Z", grace=0), [], ["step-a unknown/exit-255"]),
    ("255 before the deletion mark is not", task(failed(255, name="step-a", at="2026-11-21T21:15:20Z"), deleted=DELETED), [], ["step-a unknown/exit-255"]),
    ("255 without a deletion is not", task(failed(255, name="step-a")), [], ["step-a unknown/exit-255"]),
    ("255 of another program after the mark keeps its own verdict", pod(failed(255), deleted=DELETED), [], ["main unknown/exit-255"]),
    ("a step that fails by itself after the mark keeps its own verdict", task(failed(3, name="step-a"), deleted=DELETED), [], ["step-a user-code/error-exit"]),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "events", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_tekton_pod(subject: Json, events: list[Json], expected: list[str]) -> None:
    failures = CATEGORIZER.classify_pod(cc.parse_pod(subject), [cc.parse_event(e) for e in events]).failures
    assert [f"{f.key.container} {f.verdict.category}/{f.verdict.subcategory}" for f in failures] == expected


@pytest.mark.parametrize("name", ["tekton1-oom-pod", "tekton2-exit3-pod", "tekton4-timeout-pod"])
def test_one_failure_was_recorded_where_one_happened(name: str) -> None:
    subject, events = recorded(name)
    assert len(CATEGORIZER.classify_pod(cc.parse_pod(subject), [cc.parse_event(e) for e in events]).failures) == 1


# (termination message of a step, what the verdict quotes)
MESSAGES = [
    (message(), "ended with exit code 1 and left no message"),
    (message(digest="sha256:0000", error="none"), "ended with exit code 1 and left no message"),
    (message("TimeoutExceeded"), "ended with exit code 1: TimeoutExceeded"),
    ("[not JSON", "ended with exit code 1: [not JSON"),
    ("disk on fire", "ended with exit code 1: disk on fire"),
]


@pytest.mark.parametrize(("text", "expected"), MESSAGES)
def test_results_in_the_message_of_a_step_are_not_quoted_as_its_error(text: str, expected: str) -> None:
    verdict = CATEGORIZER.classify(task(failed(1, message=text, name="step-a")))
    assert verdict is not None
    assert verdict.message == f'container "step-a" {expected}'


def test_another_program_may_print_json() -> None:
    verdict = CATEGORIZER.classify(pod(failed(1, message=message("no route"))))
    assert verdict is not None
    assert "StartedAt" in verdict.message


def test_a_step_that_ended_at_the_same_second_as_the_failed_one_was_skipped() -> None:
    subject = task(failed(3, name="step-a", at=ENDED), failed(1, message=message("Skipped"), name="step-b", at=ENDED))
    assert len(CATEGORIZER.classify_pod(cc.parse_pod(subject)).failures) == 1
