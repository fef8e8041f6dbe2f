"""The ledger: bounded, and never counting twice."""

import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coroner_operator.model import ledger, ledger_builder, ledger_codec
from coroner_operator.model.current_failure import FailingPods
from coroner_operator.model.fold import fold
from coroner_operator.model.observation import Observation
from coroner_operator.model.report import PRUNE_AFTER, Report, RuleRestarts, count_restarts, prune_deleted_pods
from tests.report_model.observations import EMPTY, at, ended, plausible_observations, pod_failed, waits

LONG = PRUNE_AFTER.total_seconds() + 1


def text(report: Report) -> str:
    return " ".join(ledger_codec.to_text(report.ledger))


def restarted(pod: str = "p1", count: int = 1, seen: float = 1) -> RuleRestarts:
    return RuleRestarts(pod, count, at(seen))


def test_it_reads_as_its_grammar_says() -> None:
    report = fold(EMPTY, [ended(number=3, when=60), waits("p2")])
    p1, p2 = (ledger.short_hash(pod, 8) for pod in ("p1", "p2"))
    main = ledger.short_hash("main", 5)
    image = ledger.short_hash("main\0image", 5)
    base = ledger_codec.base36
    epoch = int(at(0).timestamp())
    pods = {
        p1: f"{p1}:{main}3.0C0@{base(epoch + 60)}",
        p2: f"{p2}={image}C1@{base(epoch)}~{base(epoch + 1)}",
    }
    words = f"v1 #resources/oom-killed*0 #user-config/image-auth*0 {pods[min(p1, p2)]} {pods[max(p1, p2)]}"
    assert text(report) == words


@given(plausible_observations)
@settings(max_examples=100)
def test_it_is_read_back_exactly(seen: list[Observation]) -> None:
    report = fold(EMPTY, seen)
    assert ledger_codec.from_text(ledger_codec.to_text(report.ledger)) == report.ledger


@given(st.lists(st.text(max_size=40)))
def test_damaged_text_is_read_or_refused_with_a_value_error(strings: list[str]) -> None:
    for words in (strings, ["v1", *strings]):
        with suppress(ValueError):
            ledger_codec.from_text(words)


@given(plausible_observations, st.data())
@settings(max_examples=100)
def test_a_word_that_was_damaged_costs_no_more_than_itself(seen: list[Observation], data: st.DataObject) -> None:
    words = text(fold(EMPTY, seen)).split()
    place = data.draw(st.integers(1, len(words)))
    assert ledger_codec.from_text([*words[:place], "?", *words[place:]]) == ledger_codec.from_text(words)


def test_a_pod_that_is_gone_is_kept_for_a_grace_and_then_dropped_without_changing_a_count() -> None:
    before = fold(EMPTY, [ended(number=3), waits("p2"), pod_failed("p3")])
    noted = prune_deleted_pods(before, ["p2"], at(100))
    assert set(noted.ledger.pods) == set(before.ledger.pods)
    assert prune_deleted_pods(noted, ["p2"], at(100 + LONG - 2)) == noted
    after = prune_deleted_pods(noted, ["p2"], at(100 + LONG))
    assert len(after.ledger.pods) == 1
    assert after.ledger.counts() == before.ledger.counts()
    assert after.ledger.unobserved == before.ledger.unobserved == 2


def test_a_pod_that_a_stale_list_had_missed_is_kept() -> None:
    report = prune_deleted_pods(fold(EMPTY, [ended()]), [], at(100))
    back = prune_deleted_pods(report, ["p1"], at(200))
    assert prune_deleted_pods(back, ["p1"], at(200 + LONG)) == back
    assert prune_deleted_pods(back, [], at(200 + LONG)).ledger.pods


def test_a_failure_of_a_pod_that_was_never_created_is_kept_with_its_workload() -> None:
    report = fold(EMPTY, [pod_failed(EMPTY.workload.uid)])
    assert prune_deleted_pods(prune_deleted_pods(report, [], at(100)), [], at(100 + LONG)) == report


def test_a_look_from_before_a_pod_was_forgotten_is_not_counted_again() -> None:
    """A replica that was stopped for hours still holds it in its queue."""
    report = prune_deleted_pods(prune_deleted_pods(fold(EMPTY, [ended()]), [], at(100)), [], at(100 + LONG))
    late = fold(report, [ended(seen=50)])
    assert late.failures == 1
    assert late.ledger.incomplete, "it is unknown whether it was counted, so the number is a lower bound"
    assert fold(report, [ended("p9", when=200)]).failures == 2


def test_many_failing_containers_shorten_what_stays_open_and_the_total_stays_exact() -> None:
    seen = [ended(f"pod-{i}", number=1 + i % 5, when=i) for i in range(6000)]
    random.Random(1).shuffle(seen)
    report = EMPTY
    for i in range(0, len(seen), 700):
        report = fold(report, seen[i : i + 700])
    assert report.failures == sum(1 + i % 5 for i in range(6000))
    assert fold(report, seen).failures == report.failures
    assert len(text(report)) < 120_000


def test_a_look_at_an_instance_that_is_settled_changes_no_number() -> None:
    report = fold(EMPTY, [ended(number=50, when=500)])
    late = fold(report, [ended(number=3, when=30, name="user-code/error-exit")])
    assert late.ledger == report.ledger
    assert (late.failures, late.ledger.unobserved) == (50, 49)


@pytest.mark.parametrize("crashes", [200])
def test_a_crash_loop_costs_a_constant(crashes: int) -> None:
    report = EMPTY
    for number in range(1, crashes + 1):
        report = fold(report, [ended(number=number, when=number)])
    assert (report.failures, report.ledger.unobserved) == (crashes, 0)
    assert len(text(report)) < 200


def test_beyond_the_cap_the_count_is_a_lower_bound_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_builder, "SERIES_LIMIT", 10)
    report = fold(EMPTY, [ended(f"pod-{i}", when=i) for i in range(12)])
    assert (report.failures, report.ledger.incomplete) == (10, True)
    assert fold(report, [ended("pod-0", number=2, when=30)]).failures == 11
    newest = fold(report, [ended("pod-11", when=11)], FailingPods(long_running=True))
    assert newest.failures == 10
    assert newest.current is not None
    assert newest.current.at == at(11), "what cannot be counted is still reported"


def test_more_names_than_a_report_can_list_count_as_uncategorized() -> None:
    report = fold(EMPTY, [ended(f"pod-{i}", when=i, name=f"site/cause-{i}") for i in range(200)])
    assert report.failures == 200
    assert len(report.ledger.counts()) == ledger_builder.NAMES_LIMIT


def test_two_writers_that_saw_different_things_agree_after_one_reads_the_other() -> None:
    """A write carries the resource version; the loser reads the winner's report and folds again."""
    first, second = [ended("p1"), ended("p2")], [ended("p2"), ended("p3", when=9)]
    winner = fold(EMPTY, first)
    assert fold(winner, second) == fold(fold(EMPTY, second), first)


def test_restarts_by_rule_are_counted_once_and_are_no_failures() -> None:
    report = count_restarts(fold(EMPTY, [ended()]), [restarted(count=3), restarted("p2", 1), restarted(count=2)])
    assert (report.ledger.restarts_by_rule, report.failures) == (4, 1)
    assert count_restarts(report, [restarted("p2", 1), restarted(count=3)]) == report
    assert fold(report, [ended(number=2, when=60)]).ledger.restarts_by_rule == 4


def test_a_pod_with_restarts_by_rule_only_reads_as_its_grammar_says() -> None:
    report = count_restarts(EMPTY, [restarted(count=40)])
    assert text(report) == f"v1 {ledger.short_hash('p1', 8)}+14"
    assert ledger_codec.from_text(["v1", text(report)]) == report.ledger


@given(plausible_observations, st.lists(st.tuples(st.sampled_from(["p1", "p2", "p9"]), st.integers(1, 2**40))))
@settings(max_examples=50)
def test_restarts_by_rule_are_read_back_exactly(seen: list[Observation], counts: list[tuple[str, int]]) -> None:
    report = count_restarts(fold(EMPTY, seen), [restarted(pod, count) for pod, count in counts])
    for _ in range(2):
        assert ledger_codec.from_text(ledger_codec.to_text(report.ledger)) == report.ledger
        report = prune_deleted_pods(prune_deleted_pods(report, [], at(10_000)), [], at(10_000 + LONG))


def test_the_restarts_by_rule_of_a_pod_that_is_gone_stay_counted() -> None:
    before = count_restarts(EMPTY, [restarted(count=3)])
    after = prune_deleted_pods(prune_deleted_pods(before, [], at(100)), [], at(100 + LONG))
    assert not after.ledger.pods
    assert after.ledger.restarts_by_rule == 3
    late = count_restarts(after, [restarted(count=3, seen=50)])
    assert late == after, "what a queue still holds of it is counted already"
    assert count_restarts(after, [restarted("p2", 1, seen=200)]).ledger.restarts_by_rule == 4


@pytest.mark.parametrize("words", [["v1", "r" + "z" * 11], ["v1", "AAAAAAAA+zzzzzzz"]])
def test_more_restarts_by_rule_than_there_can_be_are_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"restarts|too large"):
        ledger_codec.from_text(words)
