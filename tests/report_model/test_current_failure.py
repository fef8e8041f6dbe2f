"""Which failure a report shows: one row for each situation in which one of several failures must be chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coroner_categorizer.verdict import Confidence
from coroner_operator.model.current_failure import FailingPods, PodFailure, current_failure
from coroner_operator.model.failure_record import FailureRecord, PodRef
from coroner_operator.model.fold import fold
from coroner_operator.model.ledger import POD_DIGITS
from coroner_operator.model.observation import Observation
from coroner_operator.model.report import recover
from coroner_operator.model.report_codec import from_object, to_object, to_status
from tests.report_model.observations import EMPTY, at, ended, interleaved, verdict, waits


def fails(
    pod: str,
    when: int,
    what: str = "end-1",
    *,
    seen: int | None = None,
    confidence: Confidence = "Confirmed",
    reclassified: bool = False,
) -> PodFailure:
    """``what``: which failure of the pod; ``seen``: when it was observed, 1 s after it happened if nothing is said."""
    name = "unknown/sigkill" if confidence == "Unknown" else f"user-code/{what}"
    record = FailureRecord(
        id=pod.ljust(POD_DIGITS, "-") + ":" + what,
        at=at(when),
        seen_at=None,
        pod=PodRef(pod, pod, "node-1") if pod else None,
        verdict=verdict(name, confidence=confidence),
    )
    return PodFailure(record, at(when + 1 if seen is None else seen), "rules", reclassified)


class Row(NamedTuple):
    """``expected``: the pod, and which failure of it."""

    situation: str
    expected: tuple[str, str] | None
    stored: PodFailure | None = None
    observed: Sequence[PodFailure] = ()
    failing: Sequence[PodFailure] = ()
    stopped: Sequence[str] = ()


ROWS = [
    Row("nothing has failed", None),
    Row("one pod fails", ("a", "end-1"), observed=[fails("a", 10)]),
    Row("the newest of several", ("b", "end-1"), observed=[fails("a", 10), fails("b", 20), fails("c", 15)]),
    Row("an older one comes later", ("a", "end-1"), stored=fails("a", 20), observed=[fails("b", 10)]),
    Row("a newer one comes", ("b", "end-1"), stored=fails("a", 20), observed=[fails("b", 30)]),
    Row("two in the same second: always the same one", ("b", "end-1"), observed=[fails("b", 10), fails("a", 10)]),
    # one pod
    Row("a pod ends again", ("a", "end-2"), stored=fails("a", 10), observed=[fails("a", 20, "end-2")]),
    Row(
        "what a pod fails by now, although what it failed by before is dated later",
        ("a", "missing-secret"),
        stored=fails("a", 15, "mount", seen=22),
        observed=[fails("a", 14, "missing-secret", seen=32)],
    ),
    Row(
        "an earlier observation of a pod that is delivered late changes nothing",
        ("a", "missing-secret"),
        stored=fails("a", 15, "missing-secret", seen=32),
        observed=[fails("a", 15, "mount", seen=22)],
    ),
    Row(
        "what a pod fails by now is not dated before what it failed by earlier",
        ("a", "missing-secret"),
        observed=[fails("a", 15, "mount", seen=22), fails("b", 14), fails("a", 13, "missing-secret", seen=32)],
    ),
    Row(
        "a look that knows less does not replace what is known",
        ("a", "end-1"),
        stored=fails("a", 10),
        observed=[fails("a", 10, seen=50, confidence="Unknown")],
    ),
    # pods that have stopped failing
    Row("the only one that failed is gone", ("a", "end-1"), stored=fails("a", 10), stopped=["a"]),
    Row(
        "the newest is gone, another still fails",
        ("b", "end-1"),
        stored=fails("a", 20),
        failing=[fails("b", 10)],
        stopped=["a"],
    ),
    Row(
        "the newest is gone: the newest of those that still fail",
        ("c", "end-1"),
        stored=fails("a", 20),
        failing=[fails("b", 10), fails("c", 12), fails("d", 11)],
        stopped=["a"],
    ),
    Row(
        "it was gone before it was written",
        ("b", "end-1"),
        stored=fails("b", 10),
        observed=[fails("a", 20)],
        failing=[fails("b", 10)],
        stopped=["a"],
    ),
    Row(
        "a pod that begins to fail after the newest was gone",
        ("b", "end-1"),
        stored=fails("a", 20),
        observed=[fails("b", 10, seen=30)],
        failing=[fails("b", 10, seen=30)],
        stopped=["a"],
    ),
    Row(
        "another pod has ended for good: it does not take the place of the newest, which is gone",
        ("a", "end-1"),
        stored=fails("a", 20),
        observed=[fails("b", 10)],
        stopped=["a"],
    ),
    Row(
        "an older one has stopped failing",
        ("b", "end-1"),
        stored=fails("b", 20),
        failing=[fails("b", 20), fails("c", 5)],
        stopped=["a"],
    ),
    Row(
        "the newest fails again after it was healthy",
        ("a", "end-2"),
        stored=fails("b", 10),
        observed=[fails("a", 30, "end-2")],
        failing=[fails("b", 10), fails("a", 30, "end-2")],
    ),
    Row(
        "of a pod that still fails, what is known best",
        ("b", "end-1"),
        stored=fails("a", 20),
        observed=[fails("b", 10), fails("b", 10, seen=40, confidence="Unknown")],
        failing=[fails("b", 10, seen=40, confidence="Unknown")],
        stopped=["a"],
    ),
    Row(
        "pods can be created again, another pod still fails",
        ("b", "end-1"),
        stored=fails("", 20, "quota"),
        failing=[fails("b", 10)],
        stopped=[""],
    ),
    Row("pods cannot be created", ("", "quota"), stored=fails("b", 10), observed=[fails("", 20, "quota")]),
]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.situation) for row in ROWS])
def test_which_failure_is_current(row: Row) -> None:
    pods = FailingPods(has_stopped=row.stopped.__contains__, long_running=True)
    chosen = current_failure(row.stored, row.observed, row.failing, pods)
    assert _named(chosen) == row.expected
    assert chosen is None or chosen.record.verdict.confidence == "Confirmed"
    # what is stored now is the answer to the same question, asked by an operator that has just started
    assert _named(current_failure(chosen, row.failing, row.failing, pods)) == row.expected


def test_newer_rules_change_the_verdict_on_the_same_failure() -> None:
    before, after = fails("a", 10), fails("a", 10, reclassified=True)
    after = after._replace(record=_with_category(after.record, "resources"), rules="newer")
    chosen = current_failure(before, [after])
    assert chosen == after
    assert current_failure(before, [after._replace(reclassified=False)]) == before


def test_pods_that_still_fail_are_read_only_where_they_decide() -> None:
    """At each write of a burst they would cost more than all else."""

    read: list[PodFailure] = []

    def failing() -> Iterator[PodFailure]:
        read.append(fails("c", 5))
        yield read[0]

    pods = FailingPods(has_stopped=lambda pod: pod == "b", long_running=True)
    chosen = current_failure(fails("a", 20), [fails("b", 10)], failing(), pods)
    assert _named(chosen) == ("a", "end-1")
    assert not read


_PODS = st.sampled_from("abcd")
_FAILURES = st.lists(
    st.builds(fails, _PODS, st.integers(0, 30), st.sampled_from(["end-1", "end-2", "mount"]), seen=st.integers(30, 60))
)


@given(_FAILURES, st.randoms(use_true_random=False), st.integers(0, 20))
@settings(max_examples=300)
def test_neither_batches_nor_the_order_of_different_pods_change_the_choice(
    failures: list[PodFailure], random: Random, cut: int
) -> None:
    by_pod = {pod: sorted((f for f in failures if _pod(f) == pod), key=lambda f: f.observed_at) for pod in "abcd"}
    failures = [failure for pod in by_pod for failure in by_pod[pod]]
    at_once = current_failure(None, failures)
    order = [pod for pod in by_pod for _ in by_pod[pod]]
    random.shuffle(order)
    rest = {pod: iter(by_pod[pod]) for pod in by_pod}
    mixed = [next(rest[pod]) for pod in order]
    in_two = current_failure(current_failure(None, mixed[:cut]), mixed[cut:])
    assert _named(in_two) == _named(at_once)


@given(_FAILURES, _FAILURES, st.sets(_PODS))
@settings(max_examples=300)
def test_a_pod_that_has_stopped_is_never_chosen_over_one_that_fails(
    observed: list[PodFailure], failing: list[PodFailure], stopped: set[str]
) -> None:
    failing = [failure for failure in failing if _pod(failure) not in stopped]
    chosen = current_failure(None, observed, failing, FailingPods(has_stopped=stopped.__contains__, long_running=True))
    if not observed:
        assert chosen is None
    elif chosen is not None and _pod(chosen) in stopped:
        assert not failing
    assert _named(chosen) in {None, *map(_named, observed), *map(_named, failing)}


class TestInAReport:
    """The choice as a part of ``fold``."""

    def test_the_failure_of_a_pod_that_is_gone_stays_in_the_history_and_in_the_counts(self) -> None:
        seen = [ended("p1", when=5, name="user-code/error-exit"), ended("p2", when=9)]
        report = fold(EMPTY, seen, FailingPods((seen[0],), lambda pod: pod == "p2"))
        assert report.current is not None
        assert (report.current.verdict.subcategory, report.failures, len(report.history)) == ("error-exit", 2, 2)
        assert report.last_seen == at(9)

    def test_a_change_of_pods_alone_changes_the_report(self) -> None:
        seen = [ended("p1", when=5, name="user-code/error-exit"), ended("p2", when=9)]
        before = fold(EMPTY, seen)
        assert fold(before, [], FailingPods((seen[0],))) is before
        after = fold(before, [], FailingPods((seen[0],), lambda pod: pod == "p2"))
        assert after.current is not None
        assert after.current.pod is not None
        assert after.current.pod.uid == "p1"
        assert (after.ledger, after.history, after.failing_since) == (
            before.ledger,
            before.history,
            before.failing_since,
        )

    def test_what_the_workload_has_recovered_from_is_not_chosen_again(self) -> None:
        old, new = ended("p1", when=5), ended("p2", when=200)
        report = fold(recover(fold(EMPTY, [old]), at(100)), [new])
        again = fold(report, [], FailingPods((old,), lambda pod: pod == "p2"))
        assert again.current == report.current

    def test_a_wait_that_came_back_after_the_recovery_is(self) -> None:
        wait = waits("p1", when=5, seen=150)
        report = fold(recover(fold(EMPTY, [waits("p1", when=5, seen=20)]), at(100)), [ended("p2", when=200)])
        again = fold(report, [], FailingPods((wait,), lambda pod: pod == "p2"))
        assert again.current is not None
        assert again.current.pod is not None
        assert again.current.pod.uid == "p1"

    @given(st.integers(0, 3), st.randoms(use_true_random=False))
    def test_a_restarted_operator_that_lists_the_pods_again_shows_the_same(self, gone: int, random: Random) -> None:
        seen = {pod: ended(pod, when=index * 5) for index, pod in enumerate(("p0", "p1", "p2", "p3"))}
        left = [observation for pod, observation in seen.items() if pod != f"p{gone}"]
        pods = FailingPods(tuple(left), lambda pod: pod == f"p{gone}")
        before = fold(fold(EMPTY, seen.values()), [], pods)
        stored = from_object({**to_object(before), "status": to_status(before)})
        again: list[Observation] = interleaved([[observation] for observation in left], random)
        cut = random.randint(0, len(again))
        assert to_status(fold(fold(stored, again[:cut], pods), again[cut:], pods)) == to_status(before)


def _named(failure: PodFailure | None) -> tuple[str, str] | None:
    if failure is None:
        return None
    pod, what = failure.record.id[:POD_DIGITS], failure.record.id[POD_DIGITS + 1 :]
    return pod.rstrip("-"), what


def _pod(failure: PodFailure) -> str:
    return failure.record.pod.uid if failure.record.pod else ""


def _with_category(record: FailureRecord, category: str) -> FailureRecord:
    return FailureRecord(record.id, record.at, record.seen_at, record.pod, verdict(f"{category}/oom-killed"))
