"""A pod that is stopped before one of its containers could start: what had prevented that is named."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.default_pack import CATEGORIZER
from tests.support.pods import completed, event, failed, pod, running, status, waiting

Json = dict[str, Any]

DEADLINE: Json = {
    "phase": "Failed",
    "reason": "DeadlineExceeded",
    "message": "Pod was active on the node longer than the specified deadline",
}
PULL = 'Failed to pull image "app:1": not found'
LOST = status(
    "main", {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": None, "finishedAt": None}}
)
PULL_FAILED = event("Failed", PULL, "main")


def normal(reason: str, at: str = "2026-11-21T21:15:49Z") -> Json:
    return event(reason, 'Successfully pulled image "app:1"', "main", "Normal", at)


# (rule, pod, events, message)
CASES: list[tuple[str, Json, list[Json], str]] = [
    ("an init container that succeeded", pod(LOST, init=(completed("prepare"),), **DEADLINE), [PULL_FAILED], 'before container "main" could start: ' + PULL),
    ("a container that ran until the deadline", pod(LOST, failed(137, name="helper"), **DEADLINE), [PULL_FAILED], 'before container "main" could start: ' + PULL),
    ("a native sidecar", pod(LOST, sidecars=(failed(137, name="proxy"),), **DEADLINE), [PULL_FAILED], 'before container "main" could start: ' + PULL),
    ("a sidecar that still runs", pod(waiting("ErrImagePull", "not found"), sidecars=(running("proxy"),), **DEADLINE), [], 'before container "main" could start: not found'),
    ("nothing ran", pod(LOST, **DEADLINE), [PULL_FAILED], "before it could start: " + PULL),
    ("an init container whose image is missing", pod(waiting("PodInitializing"), init=(completed("first"), waiting("ErrImagePull", "not found", "second")), **DEADLINE), [], 'before container "second" could start: not found'),
    # What looks like it.
    ("all containers ran", pod(failed(137), **DEADLINE), [PULL_FAILED], "and was stopped"),
    ("the image was pulled in the end, and its init container took too long", pod(LOST, init=(failed(137, name="slow"),), **DEADLINE), [PULL_FAILED, normal("Pulled", "2026-11-21T21:15:55Z")], "and was stopped"),
    ("another container's image", pod(LOST, init=(failed(137, name="slow"),), **DEADLINE), [event("Failed", PULL, "other")], "and was stopped"),
    ("no pull failed", pod(LOST, init=(failed(137, name="slow"),), **DEADLINE), [], "and was stopped"),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "events", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_prevented_a_container_from_starting(subject: Json, events: list[Json], expected: str) -> None:
    subject["spec"]["activeDeadlineSeconds"] = 20
    verdict = CATEGORIZER.classify(subject, events)
    assert verdict is not None
    assert (verdict.category, verdict.subcategory) == ("resources", "deadline-exceeded")
    assert verdict.message.endswith(expected)
    assert ("Raise" in verdict.hint) == (expected == "and was stopped")
