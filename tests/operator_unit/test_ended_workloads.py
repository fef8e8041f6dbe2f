"""How many workloads end well, and how many do not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from coroner_categorizer.objects.pod import Pod
from coroner_operator.telemetry.ended_workloads import REMEMBERED, EndedWorkloads


def pod(number: int, phase: str, *, job: int | None = None, policy: str = "Never", **metadata: Any) -> Pod:
    owners = [{"apiVersion": "batch/v1", "kind": "Job", "name": "job", "uid": f"job-{job}", "controller": True}]
    return msgspec.convert(
        {
            "metadata": {
                "name": f"pod-{number}",
                "namespace": "default",
                "uid": f"pod-{number}",
                "ownerReferences": owners if job is not None else [],
                **metadata,
            },
            "spec": {"restartPolicy": policy},
            "status": {"phase": phase},
        },
        Pod,
    )


def counts(ended: EndedWorkloads) -> dict[str, int]:
    registry = CollectorRegistry()
    registry.register(ended)
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {line.split('"')[1]: int(float(line.rpartition(" ")[2])) for line in lines}


@pytest.fixture
def ended() -> EndedWorkloads:
    ended = EndedWorkloads()
    ended.on_list(None, set())
    return ended


def test_both_outcomes_exist_from_the_start(ended: EndedWorkloads) -> None:
    assert counts(ended) == {"succeeded": 0, "failed": 0}


def test_a_job_counts_once_for_each_outcome_of_its_pods(ended: EndedWorkloads) -> None:
    for number in range(6):
        ended.on_update(pod(number, "Running", job=1))
        ended.on_update(pod(number, "Failed", job=1))
        ended.on_update(pod(number, "Failed", job=1))
    ended.on_update(pod(7, "Succeeded", job=1))
    ended.on_update(pod(8, "Succeeded"))
    assert counts(ended) == {"succeeded": 2, "failed": 1}


def test_what_had_ended_before_the_operator_came_does_not_count() -> None:
    ended = EndedWorkloads()
    ended.on_update(pod(1, "Failed", job=1))
    ended.on_list("default", {"pod-1"})
    ended.on_update(pod(1, "Failed", job=1))
    ended.on_update(pod(2, "Failed", job=2))
    assert counts(ended) == {"succeeded": 0, "failed": 1}


def test_a_pod_that_is_gone_before_its_end_was_shown_counts(ended: EndedWorkloads) -> None:
    ended.on_delete(pod(1, "Succeeded", job=1))
    assert counts(ended)["succeeded"] == 1


@pytest.mark.parametrize(
    "lookalike",
    [
        pod(1, "Failed", policy="Always"),  # evicted, and replaced by its ReplicaSet
        pod(1, "Failed", job=1, deletionTimestamp="2026-11-22T12:00:00Z"),
        pod(1, "Failed", job=1, annotations={"coroner.dev/ignore": "true"}),
        pod(1, "Pending", job=1),
        pod(1, "Unknown", job=1),
    ],
    ids=["restarts", "deleted", "ignored", "pending", "unknown"],
)
def test_what_does_not_end_does_not_count(ended: EndedWorkloads, lookalike: Pod) -> None:
    ended.on_update(lookalike)
    ended.on_delete(lookalike)
    assert counts(ended) == {"succeeded": 0, "failed": 0}


def test_memory_is_bounded(ended: EndedWorkloads) -> None:
    for number in range(REMEMBERED + 100):
        ended.on_update(pod(number, "Succeeded"))
    assert len(ended._known) == REMEMBERED
