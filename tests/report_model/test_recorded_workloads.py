"""Whole workloads, as their controllers left them: which pod failed first, and how many ended because of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from coroner_categorizer.objects.event import parse_event
from coroner_categorizer.objects.pod import parse_pod
from coroner_categorizer.objects.workload import parse_workload
from coroner_operator.model.fold import fold
from coroner_operator.model.observation import Observation, member_of
from coroner_operator.model.report_codec import to_status
from tests.report_model.observations import EMPTY
from tests.support.default_pack import CATEGORIZER

FOLDER = Path(__file__).parents[1] / "fixtures" / "workloads"
NOW = datetime(2027, 1, 1, tzinfo=UTC)


def observed(name: str, prefix: str = "") -> list[list[Observation]]:
    """What the pods of a file show whose names begin so, each pod's failures for themselves."""
    items: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["items"]
    events = [parse_event(item) for item in items if item["kind"] == "Event"]
    owners = {item["metadata"]["uid"]: parse_workload(item) for item in items if item["kind"] not in ("Pod", "Event")}
    histories = []
    for item in items:
        if item["kind"] != "Pod" or not item["metadata"]["name"].startswith(prefix):
            continue
        pod = parse_pod(item)
        owner = next((owners[ref.uid] for ref in pod.metadata.ownerReferences if ref.uid in owners), None)
        meta = pod.metadata
        histories.append(
            [
                Observation(
                    meta.name,
                    meta.uid,
                    pod.spec.nodeName,
                    failure,
                    NOW,
                    pod_created=meta.creationTimestamp,
                    member=member_of(pod),
                )
                for failure in CATEGORIZER.classify_pod(pod, events, owner).failures
            ]
        )
    return histories


@pytest.mark.parametrize(
    ("name", "prefix", "initiator", "shown", "followers"),
    [
        ("gang-jobset-cuda", "", {"pod": "sim-workers-0-0-k8d2s", "index": 0}, "accelerator/device-error", 1),
        ("gang-pytorchjob-oom", "", {"pod": "llm-worker-0", "index": 0}, "resources/oom-killed", 2),
        # two attempts; the pods that JobSet deletes ignore SIGTERM and end with 137
        ("recorded-jobset", "oom-", {"pod": "oom-workers-0-1-lqqlh", "index": 1}, "resources/oom-killed", 2),
        ("recorded-jobset", "exit3-", {"pod": "exit3-driver-0-0-4924f", "index": 0}, "user-code/error-exit", 2),
        ("recorded-jobset", "flaky-", {"pod": "flaky-workers-0-1-9tzqc", "index": 1}, "user-code/error-exit", 0),
    ],
)
def test_the_pod_that_failed_first_is_named(
    name: str, prefix: str, initiator: dict[str, Any], shown: str, followers: int
) -> None:
    pods = [history for history in observed(name, prefix) if history]
    for order in list(permutations(pods))[:120]:
        report = EMPTY
        for history in order:
            report = fold(report, history)
        status = to_status(report)
        assert f"{status['category']}/{status['subcategory']}" == shown
        assert {key: status["initiator"][key] for key in initiator} == initiator
        assert status.get("followers", {}).get("pods", 0) == followers


def test_a_program_that_is_stopped_after_its_owner_succeeded_has_not_failed() -> None:
    assert not any(observed("pytorchjob-succeeded-cleanup"))
