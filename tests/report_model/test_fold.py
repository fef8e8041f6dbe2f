"""What a report says after what was seen."""

import time
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coroner_operator.model.current_failure import FailingPods
from coroner_operator.model.failure_record import truncated
from coroner_operator.model.fold import HISTORY_LIMIT, fold
from coroner_operator.model.observation import Observation
from coroner_operator.model.report import Report, recover, without_observation_times
from coroner_operator.model.report_codec import to_status
from tests.report_model.observations import (
    EMPTY,
    T0,
    at,
    ended,
    in_batches,
    interleaved,
    plausible_histories,
    plausible_observations,
    pod_failed,
    waits,
)

BATCH, LONG_RUNNING = FailingPods(), FailingPods(long_running=True)


def in_order_of_time(history: list[Observation]) -> list[Observation]:
    """Without late observations of what a pod had failed by earlier: they make it an earlier one than it was taken for."""
    kept: list[Observation] = []
    for one in history:
        if not kept or (one.failure.at or T0) >= (kept[-1].failure.at or T0):
            kept.append(one)
    return kept


def counts(report: Report) -> dict[str, int]:
    return {"/".join(name): tally.total for name, tally in report.ledger.counts().items()}


def category(report: Report) -> str | None:
    if report.current is None:
        return None
    return f"{report.current.verdict.category}/{report.current.verdict.subcategory}"


@pytest.mark.parametrize("kind", [BATCH, LONG_RUNNING], ids=["batch", "long running"])
@given(
    pods=plausible_histories(), random=st.randoms(use_true_random=False), cuts=st.lists(st.integers(0, 60), max_size=5)
)
@settings(max_examples=400)
def test_any_interleaving_any_repetition_and_any_batches_give_the_same_report(
    kind: FailingPods, pods: list[list[Observation]], random: Random, cuts: list[int]
) -> None:
    if kind is BATCH:
        pods = [in_order_of_time(history) for history in pods]
    at_once = fold(EMPTY, [observation for history in pods for observation in history], kind)
    report = EMPTY
    for batch in in_batches(interleaved(pods, random), cuts):
        report = fold(report, batch, kind)
    assert to_status(report) == to_status(at_once)
    assert report == at_once


@given(plausible_observations, st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_counts_and_history_do_not_even_depend_on_the_order_of_the_looks_at_one_pod(
    seen: list[Observation], random: Random
) -> None:
    shuffled = [*seen, *random.sample(seen, k=random.randint(0, len(seen)))]
    random.shuffle(shuffled)
    report, in_order = fold(EMPTY, shuffled), fold(EMPTY, seen)
    assert (report.ledger, report.history, report.last_seen) == (in_order.ledger, in_order.history, in_order.last_seen)


@given(plausible_observations)
@settings(max_examples=200)
def test_the_counts_agree_with_a_slow_and_obvious_count(seen: list[Observation]) -> None:
    """The twin: a set of all that was seen, and the highest number of every container."""
    report = fold(EMPTY, seen)
    singles = {s.failure.key for s in seen if s.failure.ended_instances is None}
    numbers: dict[tuple[str, str], set[int]] = {}
    for s in seen:
        if s.failure.ended_instances is not None:
            numbers.setdefault(s.failure.key[:2], set()).add(s.failure.ended_instances)
    assert report.failures == len(singles) + sum(max(found) for found in numbers.values())
    assert report.ledger.unobserved == sum(max(found) - len(found) for found in numbers.values())
    assert sum(counts(report).values()) == report.failures


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 500)), max_size=60), st.data())
@settings(max_examples=200)
def test_the_total_is_exact_in_any_order_however_far_the_numbers_lie_apart(
    instances: list[tuple[str, int]], data: st.DataObject
) -> None:
    """Beyond the open window a late observation may not find its category any more; the number never suffers."""
    report = EMPTY
    for pod, number in data.draw(st.permutations(instances)):
        report = fold(report, [ended(pod, number, number)])
    highest = {pod: max(n for p, n in instances if p == pod) for pod, _ in instances}
    assert report.failures == sum(highest.values())


def test_a_failure_counts_once_however_often_it_is_seen() -> None:
    report = fold(EMPTY, [ended(), ended(seen=500), ended()])
    assert (report.failures, counts(report)) == (1, {"resources/oom-killed": 1})
    assert fold(report, [ended()]) == report
    assert len(report.history) == 1


def test_restarts_that_nobody_saw_are_counted_and_said_to_be_unseen() -> None:
    report = fold(fold(EMPTY, [ended(number=1)]), [ended(number=4, when=60)])
    assert (report.failures, report.ledger.unobserved) == (4, 2)
    assert counts(report) == {"resources/oom-killed": 2, "unknown/uncategorized": 2}


def test_an_unseen_instance_that_is_seen_after_all_moves_to_its_category() -> None:
    report = fold(EMPTY, [ended(number=3, when=60), ended(number=2, when=30, name="user-code/error-exit")])
    assert (report.failures, report.ledger.unobserved) == (3, 1)
    assert counts(report) == {"resources/oom-killed": 1, "user-code/error-exit": 1, "unknown/uncategorized": 1}


def test_the_newest_failure_is_shown_whatever_arrives_last() -> None:
    older = ended("p1", when=20, name="user-code/error-exit")
    report = fold(fold(EMPTY, [ended("p2", when=50)], LONG_RUNNING), [older], LONG_RUNNING)
    assert category(report) == "resources/oom-killed"
    assert [record.at for record in report.history] == [at(50), at(20)]


def test_what_the_pod_says_now_holds_although_what_it_said_before_is_dated_later() -> None:
    """A mount that failed after the pod was scheduled, and is over; a missing Secret since: dated by the scheduling."""
    mount = waits(when=15, name="platform/volume-mount", seen=22, reason="FailedMount")
    secret = waits(
        when=14, name="user-config/missing-config", seen=32, reason="CreateContainerConfigError", of="secret"
    )
    report = fold(fold(EMPTY, [mount]), [secret])
    assert category(report) == "user-config/missing-config"
    assert category(fold(report, [mount])) == "user-config/missing-config"  # seen again, as after a lost answer
    crash = ended(when=40)
    assert category(fold(fold(report, [crash]), [waits(when=14, name="user-config/image-auth", seen=50)])) == (
        "user-config/image-auth"
    )


def test_another_pod_that_failed_in_between_is_not_shown_instead() -> None:
    mount = waits("p1", when=15, name="platform/volume-mount", seen=22, reason="FailedMount")
    secret = waits("p1", when=13, name="user-config/missing-config", seen=32, of="secret")
    other = ended("p2", when=14, seen=14)
    for order in ([mount, secret, other], [mount, other, secret], [other, mount, secret]):
        assert category(fold(EMPTY, order)) == "user-config/missing-config"


def test_a_past_failure_counts_and_its_report_has_recovered() -> None:
    report = fold(EMPTY, [ended(current=False)])
    assert (report.current, report.failures, len(report.history)) == (None, 1, 1)
    status = to_status(report)
    assert status["state"] == "Recovered"
    assert "category" not in status
    assert status["conditions"][0]["status"] == "False"


def test_a_wait_whose_cause_changes_changes_the_verdict_and_its_count_follows() -> None:
    report = fold(fold(EMPTY, [waits(seen=10)]), [waits(name="platform/registry-unavailable", seen=20)])
    assert category(report) == "platform/registry-unavailable"
    assert counts(report) == {"platform/registry-unavailable": 1}


def test_a_look_that_knows_less_does_not_hide_the_first_informative_answer() -> None:
    """ErrImagePull names the cause, ImagePullBackOff may not."""
    vague = waits(name="unknown/uncategorized", seen=20, confidence="Unknown")
    assert category(fold(EMPTY, [waits(seen=10), vague])) == "user-config/image-auth"


def test_events_that_explain_an_end_later_move_its_count_and_events_that_expired_do_not_move_it_back() -> None:
    vague = ended(name="unknown/sigkill", confidence="Unknown")
    explained = ended(name="user-code/liveness-probe", confidence="Likely", seen=9)
    report = fold(fold(EMPTY, [vague]), [explained])
    assert category(report) == "user-code/liveness-probe"
    assert counts(report) == {"user-code/liveness-probe": 1}
    assert fold(report, [ended(name="unknown/sigkill", confidence="Unknown", seen=4000)]) == report


@pytest.mark.parametrize("make", [waits, ended])
def test_a_failure_without_a_time_keeps_the_time_of_the_first_look(make: Callable[..., Observation]) -> None:
    report = fold(EMPTY, [make(when=None, seen=10)])
    again = fold(report, [make(when=None, seen=7200)])
    assert report.current is not None
    assert report.current.at == at(10)
    assert without_observation_times(again) == without_observation_times(report)


def test_a_clock_that_runs_ahead_makes_nothing_the_newest_for_ever() -> None:
    wrong = ended("p1", when=10**8, seen=10)
    right = ended("p2", when=50, name="user-code/error-exit", seen=51)
    report = fold(EMPTY, [wrong, right], LONG_RUNNING)
    assert category(report) == "user-code/error-exit"
    assert report.last_seen == at(50)


def test_mere_looks_at_a_wait_are_no_substance() -> None:
    report = fold(EMPTY, [waits(seen=10)])
    assert without_observation_times(fold(report, [waits(seen=400)])) == without_observation_times(report)
    assert without_observation_times(fold(report, [waits("p2", seen=400)])) != without_observation_times(report)


class TestRecovery:
    def test_the_current_failure_goes_and_counts_and_history_stay(self) -> None:
        failing = fold(EMPTY, [ended(), pod_failed("p2", 30)])
        report = recover(failing, at(100))
        assert (report.current, report.failures) == (None, 2)
        assert report.history == failing.history
        status = to_status(report)
        gone = set(to_status(failing)) - set(status)
        assert {"category", "subcategory", "reason", "message", "retry", "confidence", "pod"} <= gone
        assert status["conditions"][0] == {
            "type": "Failing",
            "status": "False",
            "reason": "Recovered",
            "message": "no pod of the workload is failing",
            "lastTransitionTime": "2026-03-01T12:01:40Z",
        }

    def test_what_is_replayed_does_not_fail_it_again(self) -> None:
        """The failed pods of a Job that has completed stay for every LIST to see."""
        report = recover(fold(EMPTY, [ended()]), at(100))
        assert fold(report, [ended(seen=9999)]) == report

    @pytest.mark.parametrize(
        "new_failure",
        [
            pytest.param(ended(number=2, when=120), id="a new end"),
            pytest.param(ended("p2", when=99, seen=101), id="a new end, dated by a clock that is behind"),
            pytest.param(ended("p3", when=100, seen=100), id="a new end in the same second"),
            pytest.param(waits(when=10, seen=130), id="a wait that came back"),
        ],
    )
    def test_a_new_failure_fails_it_again(self, new_failure: Observation) -> None:
        report = recover(fold(EMPTY, [ended(), waits(when=10, seen=20)]), at(100))
        again = fold(report, [new_failure])
        assert again.current is not None
        assert again.failing_since is not None
        assert again.failing_since >= at(100)
        assert again.recovered_at == at(100)

    def test_it_happens_once(self) -> None:
        report = recover(fold(EMPTY, [ended()]), at(100))
        assert recover(report, at(200)) == report

    def test_a_finding_older_than_the_failure_does_not_clear_it(self) -> None:
        report = fold(EMPTY, [ended(when=150)])
        assert recover(report, at(100)) == report

    def test_the_condition_keeps_its_time_while_the_status_stays(self) -> None:
        report = fold(EMPTY, [ended()])
        more = fold(report, [ended(number=2, when=60), ended("p2", when=90)])
        first, second = to_status(report)["conditions"], to_status(more)["conditions"]
        assert first[0]["lastTransitionTime"] == second[0]["lastTransitionTime"] == "2026-03-01T12:00:00Z"


def test_the_history_holds_the_newest_of_all() -> None:
    seen = [ended(f"p{i}", when=i * 7 % 100) for i in range(100)]
    report = fold(EMPTY, seen)
    assert [record.at for record in report.history] == [at(99 - i) for i in range(HISTORY_LIMIT)]


def test_bounding_a_verdict_twice_is_bounding_it_once() -> None:
    once = truncated(ended(message="x" * 5000, reason="r" * 999).failure.verdict)
    assert truncated(once) == once
    assert len(once.message) == 1024


def test_two_thousand_failed_pods_cost_a_fraction_of_a_second() -> None:
    """CPU time with a wide margin: about 0.1 s when written; a fold that is quadratic takes minutes."""
    seen = [ended(f"pod-{i}", when=i) for i in range(2000)]
    begin = time.process_time()
    to_status(fold(EMPTY, seen))
    assert time.process_time() - begin < 2
