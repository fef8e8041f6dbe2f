"""The state of a workload: which transitions apply, what stays readable in it, and its conditions."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coroner_operator.model import sample_reports
from coroner_operator.model.current_failure import FailingPods
from coroner_operator.model.fold import fold
from coroner_operator.model.observation import Observation
from coroner_operator.model.report import (
    Report,
    State,
    Transition,
    change_state,
    restart,
    with_finality,
    without_final,
)
from coroner_operator.model.report_codec import from_object, labels, to_object, to_status
from tests.report_model.observations import EMPTY, at, ended, plausible_observations, waits
from tests.report_model.schemas import faults

STATES: tuple[State, ...] = ("Failing", "Failed", "Recovered", "Deleted")

NOTHING = fold(EMPTY, [ended(current=False)])
FAILING = fold(EMPTY, [ended(when=10)])


def to(report: Report, *states: State) -> Report:
    """The report after these transitions, a minute apart. Failing: a pod fails that has been created since."""
    for minute, state in enumerate(states, start=1):
        report = step(report, state, at(60 * minute))
    return report


def step(report: Report, state: State, time: datetime) -> Report:
    return restart(report, time) if state == "Failing" else change_state(report, Transition(state, time))


@pytest.mark.parametrize(
    ("before", "transitions", "state"),
    [
        (NOTHING, (), "Recovered"),
        (NOTHING, ("Failed",), "Recovered"),
        (NOTHING, ("Failing",), "Recovered"),
        (NOTHING, ("Deleted",), "Deleted"),
        (FAILING, (), "Failing"),
        (FAILING, ("Failing",), "Failing"),
        (FAILING, ("Failed",), "Failed"),
        (FAILING, ("Recovered",), "Recovered"),
        (FAILING, ("Deleted",), "Deleted"),
        (FAILING, ("Failed", "Recovered"), "Recovered"),  # a Workflow that was retried and succeeded
        (FAILING, ("Failed", "Deleted"), "Deleted"),
        (FAILING, ("Failed", "Failing"), "Failing"),
        (FAILING, ("Recovered", "Failed"), "Recovered"),
        (FAILING, ("Recovered", "Deleted"), "Deleted"),
        (FAILING, ("Deleted", "Failed"), "Deleted"),
        (FAILING, ("Deleted", "Recovered"), "Recovered"),  # it was not deleted: what is healthy exists
        (FAILING, ("Deleted", "Failing"), "Failing"),
        (FAILING, ("Recovered", "Deleted", "Failing"), "Deleted"),  # it has no current failure
    ],
)
def test_a_transition_applies_or_changes_nothing(before: Report, transitions: tuple[State, ...], state: State) -> None:
    after = to(before, *transitions)
    assert after.state == to_status(after)["state"] == labels(after)["coroner.dev/state"] == state
    assert from_object({**to_object(after), "status": to_status(after)}) == after
    assert faults(json.loads(json.dumps({**to_object(after), "status": to_status(after)}))) == []


def test_what_has_ended_and_what_is_deleted_keeps_its_cause_and_what_has_recovered_has_none() -> None:
    cause = {"category", "subcategory", "reason", "message", "hint", "evidence", "pod", "failureID"}
    for report in (sample_reports.failing(), sample_reports.failed(), sample_reports.deleted()):
        assert cause <= to_status(report).keys()
        assert labels(report)["coroner.dev/category"] == "resources"
    assert not cause & to_status(sample_reports.recovered()).keys()
    assert not cause & to_status(to(sample_reports.recovered(), "Deleted")).keys()


def test_a_later_failure_of_a_pod_counts_and_does_not_make_what_is_over_fail_again() -> None:
    for over in (to(FAILING, "Failed"), to(FAILING, "Deleted")):
        after = fold(over, [ended("p2", when=300)])
        assert (after.state, after.failures) == (over.state, 2)
        assert restart(after, at(300)).state == "Failing"
        assert restart(after, at(60)).state == over.state


def test_of_the_conditions_the_one_of_the_state_is_true() -> None:
    for report in (NOTHING, FAILING, to(FAILING, "Failed"), to(FAILING, "Recovered"), to(FAILING, "Deleted")):
        conditions = to_status(report)["conditions"]
        assert [c["type"] for c in conditions] == list(STATES)
        assert [c["type"] for c in conditions if c["status"] == "True"] == [report.state]
        assert {c["status"] for c in conditions} == {"True", "False"}


def test_the_cause_is_in_the_condition_of_what_fails_or_has_failed() -> None:
    for report in (sample_reports.failing(), sample_reports.failed()):
        (true,) = (c for c in to_status(report)["conditions"] if c["status"] == "True")
        assert (true["reason"], true["message"]) == ("OOMKilled", to_status(report)["message"])
    (deleted,) = (c for c in to_status(sample_reports.deleted())["conditions"] if c["status"] == "True")
    assert (deleted["reason"], deleted["message"]) == ("Deleted", "the workload does not exist any more")


def test_no_condition_that_kstatus_or_a_deployment_tool_waits_for_is_set() -> None:
    """A report is the answer to a question, not something that is rolled out: it is always Current."""
    assert not {"Ready", "Reconciling", "Stalled", "Available", "Complete"} & set(STATES)


@given(plausible_observations, st.lists(st.sampled_from(STATES), max_size=4), st.data())
@settings(max_examples=60)
def test_the_time_of_a_condition_changes_with_its_status_only(
    seen: list[Observation], transitions: list[State], data: Any
) -> None:
    report, failure = fold(EMPTY, seen), ended("late", when=20_000)
    steps: list[State | Observation] = [*transitions, *data.draw(st.lists(st.just(failure), max_size=1))]
    for number, each in enumerate(steps):
        after = step(report, each, at(10_000 + 100 * number)) if isinstance(each, str) else fold(report, [each])
        for type_ in STATES:
            was, now = _condition(report, type_), _condition(after, type_)
            if was is None or now is None:
                continue
            if was["status"] == now["status"] and after.first_seen == report.first_seen:
                assert was["lastTransitionTime"] == now["lastTransitionTime"] or _was_restarted(each)
        assert from_object({**to_object(after), "status": to_status(after)}) == after
        report = after


def _condition(report: Report, type_: str) -> dict[str, Any] | None:
    return next((c for c in to_status(report).get("conditions", ()) if c["type"] == type_), None)


def _was_restarted(step: State | Observation) -> bool:
    """Then the end that was taken back is forgotten."""
    return step in ("Failing", "Recovered")


def test_the_time_of_a_failure_that_is_observed_again_after_the_end_moves_nothing() -> None:
    failed = to(fold(EMPTY, [waits(seen=10)]), "Failed")
    again = fold(failed, [waits(seen=200)])
    assert to_status(again)["conditions"] == to_status(failed)["conditions"]


def test_a_report_of_an_earlier_version_without_the_new_times_is_read() -> None:
    status = to_status(sample_reports.failing())
    del status["failingSince"]
    assert from_object({**to_object(FAILING), "status": to_status(FAILING)}).state == "Failing"
    read = from_object({**to_object(sample_reports.failing()), "status": status})
    assert (read.state, read.failing_since) == ("Failing", None)
    assert isinstance(read.first_seen, datetime)


class TestFinality:
    def test_nothing_that_is_not_settled_is_final(self) -> None:
        after = fold(EMPTY, [ended()])
        assert not with_finality(EMPTY, after, is_settled=False).final
        status = to_status(with_finality(EMPTY, after, is_settled=True))
        assert (status["final"], status["observedPod"]["uid"]) == (True, status["pod"]["uid"])

    def test_what_shows_no_pod_is_never_final(self) -> None:
        assert not with_finality(FAILING, to(FAILING, "Recovered"), is_settled=True).final

    def test_it_stays_although_the_pod_is_forgotten_and_ends_with_another_pods_failure(self) -> None:
        final = with_finality(EMPTY, FAILING, is_settled=True)
        assert with_finality(final, to(final, "Failed"), is_settled=False).final
        other = fold(final, [ended("p2", when=50)], FailingPods(long_running=True))
        assert not with_finality(final, other, is_settled=False).final

    def test_other_rules_may_change_it_and_the_same_rules_may_not(self) -> None:
        seen = [msgspec.structs.replace(ended(name="unknown/sigkill", confidence="Unknown"), rules="old")]
        final = with_finality(EMPTY, fold(EMPTY, seen), is_settled=True)
        better = ended(name="user-code/liveness-probe", seen=9)
        same_rules = msgspec.structs.replace(better, rules="old")
        assert _next(final, [same_rules]).current == final.current
        new_rules = msgspec.structs.replace(better, rules="new", reclassified=True)
        revised = _next(final, [new_rules])
        assert (to_status(revised)["category"], revised.rules) == ("user-code", "new")

    @given(plausible_observations, st.data())
    @settings(max_examples=60)
    def test_a_pod_that_was_final_once_never_has_another_verdict_by_the_same_rules(
        self, seen: list[Observation], data: Any
    ) -> None:
        """Whatever is observed again of it, after a restart, with more events or fewer; until the rules change."""
        report, settled, final = EMPTY, set[str](), dict[str, Any]()
        observed: list[Observation] = []
        for number in range(2 * len(seen)):
            one = seen[number] if number < len(seen) else data.draw(st.sampled_from(seen))
            if one.pod_uid in settled and one not in observed:
                continue  # what has ended does not fail by something new
            observed.append(one)
            rules = data.draw(st.sampled_from(["r1", "r1", "r2"]))
            if data.draw(st.booleans()):
                verdict = msgspec.structs.replace(one.failure.verdict, subcategory="by-other-events")
                one = msgspec.structs.replace(one, failure=msgspec.structs.replace(one.failure, verdict=verdict))
            after = fold(report, without_final(report, [msgspec.structs.replace(one, rules=rules)]))
            shown = after.current.pod.uid if after.current and after.current.pod else ""
            if shown and data.draw(st.booleans()):
                settled.add(shown)
            before, report = report, with_finality(report, after, is_settled=shown in settled)
            if report.rules != before.rules:
                final.clear()
            if report.final and report.current is not None:
                known = final.setdefault(shown, report.current)
                assert (known.id, known.verdict) == (report.current.id, report.current.verdict)
            assert from_object({**to_object(report), "status": to_status(report)}) == report


def _next(report: Report, observations: list[Observation]) -> Report:
    """The report after a write; its pod is settled."""
    return with_finality(report, fold(report, without_final(report, observations)), is_settled=True)
