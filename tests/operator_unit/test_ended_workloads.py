"""How many workloads end well, and how many do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from coroner_categorizer.objects.pod import Pod
from coroner_operator.telemetry import ended_workloads
from coroner_operator.telemetry.ended_workloads import EndedWorkloads

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = START + timedelta(hours=1)
REMEMBERED = 500  # in these tests


def pod(
    number: int,
    phase: str,
    *,
    job: int | None = None,
    policy: str = "Never",
    at: datetime = LATER,
    status: dict[str, Any] | None = None,
    **metadata: Any,
) -> Pod:
    """``at``: the end of its container; ``status``: of a pod without one."""
    ended = {"name": "main", "state": {"terminated": {"exitCode": 1, "finishedAt": at.isoformat()}}}
    owners = [{"apiVersion": "batch/v1", "kind": "Job", "name": "job", "uid": f"job-{job}", "controller": True}]
    return msgspec.convert(
        {
            "metadata": {
                "name": f"pod-{number}",
                "namespace": "default",
                "uid": f"pod-{number}",
                "creationTimestamp": (START - timedelta(days=1)).isoformat(),
                "ownerReferences": owners if job is not None else [],
                **metadata,
            },
            "spec": {"restartPolicy": policy},
            "status": {"phase": phase} | ({"containerStatuses": [ended]} if status is None else status),
        },
        Pod,
    )


def counts(ended: EndedWorkloads) -> dict[str, int]:
    registry = CollectorRegistry()
    registry.register(ended)
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {line.split('"')[1]: int(float(line.rpartition(" ")[2])) for line in lines}


@pytest.fixture(autouse=True)
def _few_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended_workloads, "REMEMBERED", REMEMBERED)


def ended_at_start() -> EndedWorkloads:
    """Of a process that began at ``START``; it is two days later now."""
    times = iter([START])
    return EndedWorkloads(lambda: next(times, START + timedelta(days=2)))


@pytest.fixture
def ended() -> EndedWorkloads:
    ended = ended_at_start()
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
    ended = ended_at_start()
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


def test_a_list_counts_nothing_again_however_much_has_ended_since() -> None:
    """As after a week without a LIST: what ended first is forgotten, and is still there."""
    ended = ended_at_start()
    old = [pod(number, "Failed", at=START - timedelta(minutes=1 + number)) for number in range(500)]
    for listed in old:
        ended.on_update(listed)
    ended.on_list(None, set())
    new = [pod(1000 + number, "Succeeded", at=LATER + timedelta(seconds=number)) for number in range(REMEMBERED + 500)]
    for change in new:
        ended.on_update(change)
    assert counts(ended) == {"succeeded": REMEMBERED + 500, "failed": 0}
    for listed in (*reversed(new), *old):
        ended.on_update(listed)
    ended.on_list(None, set())
    assert counts(ended) == {"succeeded": REMEMBERED + 500, "failed": 0}
    assert len(ended._known) == REMEMBERED


def test_what_ended_while_the_watch_was_interrupted_counts_when_it_is_listed(ended: EndedWorkloads) -> None:
    for number in range(REMEMBERED + 1):
        ended.on_update(pod(number, "Succeeded", at=LATER + timedelta(seconds=number)))
    ended.on_update(pod(-1, "Failed", at=LATER + timedelta(seconds=10)))
    ended.on_list(None, set())
    assert counts(ended) == {"succeeded": REMEMBERED + 1, "failed": 1}


def test_what_ended_before_the_process_began_does_not_count(ended: EndedWorkloads) -> None:
    """It was not listed: somebody has just removed the annotation coroner.dev/ignore."""
    ended.on_update(pod(1, "Failed", at=START - timedelta(minutes=1)))
    assert counts(ended) == {"succeeded": 0, "failed": 0}


def test_a_job_whose_pods_go_on_failing_stays_known(ended: EndedWorkloads) -> None:
    for number in range(0, 3 * REMEMBERED, 100):
        ended.on_update(pod(number, "Failed", job=1, at=LATER + timedelta(seconds=number)))
        for other in range(100):
            ended.on_update(pod(number + other, "Succeeded", at=LATER + timedelta(seconds=number + other)))
    assert counts(ended) == {"succeeded": 3 * REMEMBERED, "failed": 1}
    assert len(ended._by_end) <= 2 * REMEMBERED


DELETED = {"conditions": [{"type": "DisruptionTarget", "status": "True", "lastTransitionTime": LATER.isoformat()}]}


@pytest.mark.parametrize(
    ("status", "failed"),
    [
        (DELETED, 1),
        ({"startTime": LATER.isoformat(), "reason": "UnexpectedAdmissionError"}, 1),
        ({"startTime": (START - timedelta(hours=1)).isoformat(), "reason": "UnexpectedAdmissionError"}, 0),
    ],
    ids=["deleted-with-its-node", "rejected", "rejected-before"],
)
def test_a_pod_without_the_end_of_a_container_has_other_times(
    ended: EndedWorkloads, status: dict[str, Any], failed: int
) -> None:
    ended.on_update(pod(1, "Failed", status=status))
    assert counts(ended)["failed"] == failed
