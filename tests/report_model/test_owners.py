"""On which owners of a workload's pods a report is shown, and what it says of each."""

import json

import msgspec

from coroner_operator.model.current_failure import FailingPods
from coroner_operator.model.fold import fold
from coroner_operator.model.observation import Observation
from coroner_operator.model.report import OWNERS_LIMIT, Report, recover
from coroner_operator.model.report_codec import from_object, to_object, to_status
from coroner_operator.model.workload_ref import WorkloadRef
from tests.report_model.observations import EMPTY, at, ended

KEEPS_RUNNING = FailingPods(long_running=True)


def cluster(name: str) -> WorkloadRef:
    return WorkloadRef("ray.io/v1", "RayCluster", "team-a", name, f"uid-{name}")


def of(name: str, observation: Observation) -> Observation:
    return msgspec.structs.replace(observation, owners=(cluster(name),))


def shown(report: Report) -> dict[str, bool]:
    """Name of each owner, and whether it fails; as it is after it was stored and read."""
    stored = from_object(json.loads(json.dumps({**to_object(report), "status": to_status(report)})))
    assert stored.owners == report.owners
    return {owner.ref.name: owner.failing for owner in report.owners}


def test_the_owners_of_the_current_failure_fail_and_those_of_earlier_ones_are_known() -> None:
    report = fold(EMPTY, [of("one", ended("p1", when=0))])
    assert shown(report) == {"one": True}
    report = fold(report, [of("two", ended("p2", when=10))], KEEPS_RUNNING)
    assert shown(report) == {"one": False, "two": True}


def test_a_failure_that_does_not_become_current_adds_no_owner() -> None:
    report = fold(EMPTY, [of("two", ended("p2", when=10))])
    later = [of("one", ended("p1", when=0)), of("three", ended("p3", when=20, current=False))]
    report = fold(report, later, KEEPS_RUNNING)
    assert shown(report) == {"two": True}


def test_what_is_seen_again_changes_nothing() -> None:
    seen = [of("one", ended("p1", when=0)), of("two", ended("p2", when=10))]
    report = fold(EMPTY, seen)
    assert fold(report, seen).owners == fold(report, reversed(seen)).owners == report.owners


def test_the_owners_of_a_pod_that_fails_on_are_those_that_fail() -> None:
    one, two = of("one", ended("p1", when=0)), of("two", ended("p2", when=10))
    report = fold(fold(EMPTY, [one]), [two], KEEPS_RUNNING)
    only_one = FailingPods((one,), has_stopped=lambda pod_uid: pod_uid == "p2", long_running=True)
    report = fold(report, [], only_one)
    assert shown(report) == {"one": True, "two": False}


def test_after_the_recovery_all_owners_are_known_and_none_fails() -> None:
    report = fold(EMPTY, [of("one", ended("p1", when=0))])
    report = fold(report, [of("two", ended("p2", when=10))], KEEPS_RUNNING)
    assert shown(recover(report, at(60))) == {"one": False, "two": False}


def test_the_oldest_owners_are_forgotten() -> None:
    report = EMPTY
    for number in range(OWNERS_LIMIT + 2):
        report = fold(report, [of(f"c-{number}", ended(f"p{number}", when=number))], KEEPS_RUNNING)
    assert list(shown(report)) == [f"c-{number}" for number in range(2, OWNERS_LIMIT + 2)]
