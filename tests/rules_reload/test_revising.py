"""What newer rules do to a report: each failure keeps its place and its count, and changes its verdict."""

from collections import defaultdict
from collections.abc import Callable
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coroner_categorizer.verdict import FailureKey
from coroner_operator.model.fold import fold
from coroner_operator.model.observation import Observation
from coroner_operator.model.report import Report, recover, without_observation_times
from coroner_operator.model.report_codec import from_object, to_object, to_status
from tests.report_model.observations import (
    CATEGORIES,
    EMPTY,
    at,
    ended,
    few_observations,
    in_batches,
    interleaved,
    waits,
)


def by(rules: str, observation: Observation, *, reclassified: bool = False) -> Observation:
    return msgspec.structs.replace(observation, rules=rules, reclassified=reclassified)


def counts(report: Report) -> dict[str, int]:
    return {"/".join(name): tally.total for name, tally in report.ledger.counts().items() if tally.total}


def said(report: Report) -> tuple[str, str]:
    assert report.current is not None
    return f"{report.current.verdict.category}/{report.current.verdict.subcategory}", report.rules


@pytest.mark.parametrize("make", [ended, waits])
@pytest.mark.parametrize("name", ["accelerator/cuda", "zzz/last"])
def test_newer_rules_replace_the_verdict_its_count_and_its_history_whichever_sorts_first(
    make: Callable[..., Observation], name: str
) -> None:
    before = fold(EMPTY, [by("old", make(name="platform/sandbox"))])
    after = fold(before, [by("new", make(name=name, confidence="Likely"), reclassified=True)])
    assert said(before) == ("platform/sandbox", "old")
    assert said(after) == (name, "new")
    assert counts(after) == {name: 1}
    assert [f"{r.verdict.category}/{r.verdict.subcategory}" for r in after.history] == [name]
    assert (after.first_seen, after.failing_since) == (before.first_seen, before.failing_since)


def test_the_same_verdict_by_newer_rules_names_the_newer_rules() -> None:
    before = fold(EMPTY, [by("old", ended())])
    after = fold(before, [by("new", ended(), reclassified=True)])
    assert said(after) == ("resources/oom-killed", "new")
    assert without_observation_times(after) != without_observation_times(before)


def test_an_answer_only_gives_way_to_an_answer() -> None:
    """The event about a probe has expired; the new rules know only the exit code."""
    before = fold(EMPTY, [by("old", ended(name="user-code/liveness-probe", confidence="Likely"))])
    vague = ended(name="unknown/sigkill", confidence="Unknown")
    assert said(fold(before, [by("new", vague, reclassified=True)])) == ("user-code/liveness-probe", "old")


def test_without_new_rules_a_look_never_changes_a_surer_one() -> None:
    before = fold(EMPTY, [by("same", ended())])
    assert fold(before, [by("same", ended(name="accelerator/cuda", confidence="Likely"))]) == before


def test_a_look_under_old_rules_that_comes_too_late_does_not_bring_the_old_rules_name_back() -> None:
    report = fold(EMPTY, [by("old", ended()), by("new", ended(), reclassified=True)])
    assert said(fold(report, [by("old", ended())])) == ("resources/oom-killed", "new")


def test_the_rules_are_those_that_decided_the_current_failure() -> None:
    """After a crash in between, what is still to be judged again is known by that."""
    two = fold(EMPTY, [by("old", ended("p1", when=1)), by("old", ended("p2", when=2))])
    one_revised = fold(two, [by("new", ended("p2", when=2, name="accelerator/cuda"), reclassified=True)])
    assert said(one_revised) == ("resources/oom-killed", "old")
    assert counts(one_revised) == {"resources/oom-killed": 1, "accelerator/cuda": 1}


def test_what_has_recovered_stays_recovered() -> None:
    well = recover(fold(EMPTY, [by("old", ended())]), at(100))
    again = fold(well, [by("new", ended(name="accelerator/cuda", seen=200), reclassified=True)])
    assert again.current is None
    assert counts(again) == {"accelerator/cuda": 1}


def revised(seen: list[Observation], names: list[str]) -> list[Observation]:
    """One look at each failure by newer rules, each with a verdict of its own; each pod fails by what it failed by."""
    last = {failure_of(s): s for s in seen}
    current_failures = {s.pod_uid: failure_of(s) for s in seen if s.failure.current}
    looks = []
    for place, one in enumerate(last.values()):
        category, _, subcategory = names[place % len(names)].partition("/")
        verdict = msgspec.structs.replace(
            one.failure.verdict, category=category, subcategory=subcategory, confidence="Confirmed"
        )
        failure = msgspec.structs.replace(
            one.failure, verdict=verdict, current=failure_of(one) == current_failures.get(one.pod_uid)
        )
        looks.append(by("new", msgspec.structs.replace(one, failure=failure), reclassified=True))
    return looks


def by_pod(seen: list[Observation]) -> list[list[Observation]]:
    pods: defaultdict[str, list[Observation]] = defaultdict(list)
    for one in seen:
        pods[one.pod_uid].append(one)
    return list(pods.values())


def failure_of(one: Observation) -> tuple[FailureKey, int | None]:
    return one.failure.key, one.failure.ended_instances


ANSWERS = [name for name in CATEGORIES if not name.startswith(("unknown", "/"))] + ["accelerator/cuda"]


@given(
    few_observations,
    st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
    st.lists(st.integers(0, 60), max_size=4),
)
@settings(max_examples=200)
def test_in_any_order_and_batches_the_newer_rules_have_decided_everything(
    seen: list[Observation], names: list[str], random: Random, cuts: list[int]
) -> None:
    seen = [by("old", one) for one in seen]
    before = fold(EMPTY, seen)
    looks = revised(seen, names)
    at_once = fold(before, looks)
    assert at_once.failures == before.failures
    assert at_once.ledger.unobserved == before.ledger.unobserved
    assert (at_once.current is None) == (before.current is None)
    if before.current is not None and at_once.current is not None:
        assert (at_once.current.id, at_once.current.at) == (before.current.id, before.current.at)
        assert at_once.rules == "new"
    assert [record.id for record in at_once.history] == [record.id for record in before.history]
    decided = {f"{s.failure.verdict.category}/{s.failure.verdict.subcategory}" for s in looks}
    assert counts(at_once).keys() <= decided | ({"unknown/uncategorized"} if before.ledger.unobserved else set())

    report = before
    for batch in in_batches(interleaved(by_pod(looks), random), cuts):
        report = from_object({**to_object(report), "status": to_status(report)}) if report.failures else report
        report = fold(report, batch)
    assert to_status(report) == to_status(at_once)
    # … and looks by the same rules afterwards change nothing
    assert to_status(fold(report, [by("new", one) for one in looks])) == to_status(at_once)
