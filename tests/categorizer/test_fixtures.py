"""Every recorded failure gets the verdict that tests/fixtures/expected.yaml gives it (decided by people, not copied from output)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import coroner_categorizer as cc
from tests.support.default_pack import CATEGORIZER

FIXTURES = Path(__file__).parents[1] / "fixtures"
EXPECTED: dict[str, dict[str, Any] | None] = yaml.safe_load((FIXTURES / "expected.yaml").read_text())
SILENT_WORKLOADS = sorted(
    path.stem
    for path in (FIXTURES / "pods").glob("*.json")
    if path.stem not in EXPECTED and json.loads(path.read_text())["items"][0]["kind"] != "Pod"
)


@pytest.fixture(scope="module")
def categorizer() -> cc.Categorizer:
    return CATEGORIZER


def recorded(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The object of a fixture, and its events."""
    first, *events = json.loads((FIXTURES / "pods" / f"{name}.json").read_text())["items"]
    return first, events


def verdict_on(categorizer: cc.Categorizer, name: str) -> cc.Verdict | None:
    obj, events = recorded(name)
    if obj["kind"] == "Pod":
        return categorizer.classify(obj, events)
    return categorizer.classify_workload(cc.parse_workload(obj), [cc.parse_event(e) for e in events]).verdict


def test_every_expected_case_has_its_recording() -> None:
    missing = [name for name in EXPECTED if not (FIXTURES / "pods" / f"{name}.json").exists()]
    assert missing == []
    assert len(EXPECTED) >= 65


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_recorded_failure_gets_its_verdict(name: str, categorizer: cc.Categorizer) -> None:
    verdict, expected = verdict_on(categorizer, name), EXPECTED[name]
    if expected is None:
        assert verdict is None
        return
    assert verdict is not None
    if "verdicts" in expected:
        assert f"{verdict.category}/{verdict.subcategory}" in expected["verdicts"]
        return
    assert {key: getattr(verdict, key) for key in expected} == expected


@pytest.mark.parametrize("name", SILENT_WORKLOADS)
def test_a_workload_whose_pods_exist_has_no_verdict_itself(name: str, categorizer: cc.Categorizer) -> None:
    assert verdict_on(categorizer, name) is None


def test_a_pod_killed_for_its_jobs_deadline_is_not_a_cancellation_if_the_job_is_known(
    categorizer: cc.Categorizer,
) -> None:
    pod, events = recorded("m3-job-active-deadline-b6nvs")
    job, _ = recorded("job-m3-job-active-deadline")
    verdict = categorizer.classify(pod, events, owner=job)
    assert verdict is not None
    assert (verdict.category, verdict.subcategory) == ("resources", "deadline-exceeded")
    assert any("DeadlineExceeded" in e.text for e in verdict.evidence)


@pytest.mark.parametrize(
    ("finished", "verdict"),
    [
        (
            "2026-11-22T03:35:19Z",
            "resources/deadline-exceeded",
        ),  # as recorded: the Job's FailureTarget is of that second
        ("2026-11-22T03:35:15Z", "user-code/error-exit"),  # before it
    ],
)
def test_what_is_stopped_at_its_jobs_deadline_may_end_with_a_code_of_its_own(
    categorizer: cc.Categorizer, finished: str, verdict: str
) -> None:
    """Exit code 2 was seen of a container that was stopped in the moment of its start."""
    pod, events = recorded("m3-job-deadline")
    job, _ = recorded("job-m3-job-deadline")
    (status,) = pod["status"]["containerStatuses"]
    status["state"]["terminated"] |= {"exitCode": 2, "finishedAt": finished}
    found = categorizer.classify_pod(
        cc.parse_pod(pod), [cc.parse_event(event) for event in events], cc.parse_workload(job)
    )
    assert [f"{f.verdict.category}/{f.verdict.subcategory}" for f in found.failures][:1] == [verdict]
    assert len(found.failures) == 1


@pytest.mark.parametrize("name", sorted(n for n, expected in EXPECTED.items() if expected and not n.startswith("job-")))
def test_the_order_in_which_the_api_lists_things_does_not_matter(name: str, categorizer: cc.Categorizer) -> None:
    obj, events = recorded(name)
    before = categorizer.classify(obj, events)
    for key in ("containerStatuses", "initContainerStatuses", "conditions"):
        if key in obj["status"]:
            obj["status"][key].reverse()
    assert categorizer.classify(obj, events[::-1]) == before


def test_no_recorded_failure_is_confirmed_and_wrong(categorizer: cc.Categorizer) -> None:
    """A Confirmed verdict is always one of the correct answers, and exit code 137 alone is never Confirmed."""
    for name, expected in EXPECTED.items():
        verdict = verdict_on(categorizer, name)
        if verdict is None or verdict.confidence != "Confirmed":
            continue
        assert expected is not None, name
        right = (
            expected["verdicts"] if "verdicts" in expected else [f"{expected['category']}/{expected['subcategory']}"]
        )
        assert f"{verdict.category}/{verdict.subcategory}" in right, name
        assert verdict.category != "unknown", name
