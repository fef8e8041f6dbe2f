"""Which pod of a workload failed first, and how many ended because of it: one row for each course of events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import permutations
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coroner_categorizer.objects.pod import Metadata, Pod, parse_pod
from coroner_operator.model.current_failure import FailingPods
from coroner_operator.model.fold import fold
from coroner_operator.model.ledger import POD_DIGITS, short_hash
from coroner_operator.model.observation import Member, Observation, member_of
from coroner_operator.model.report import PRUNE_AFTER, Report, prune_deleted_pods, recover
from coroner_operator.model.report_codec import from_object, to_object, to_status
from tests.report_model.observations import EMPTY, at, deleted, ended, in_batches, interleaved, waits

ERROR = "user-code/error-exit"


def oom(uid: str, when: float, created: float | None = 0, **more: object) -> Observation:
    return ended(uid, when=when, created=created, **more)  # type: ignore[arg-type]


def error(uid: str, when: float, created: float | None = 0, **more: object) -> Observation:
    return ended(uid, when=when, created=created, name=ERROR, **more)  # type: ignore[arg-type]


def nccl(uid: str, when: float, created: float | None = 0) -> Observation:
    return ended(uid, when=when, created=created, name="accelerator/nccl-error", consequence=True)


class Row(NamedTuple):
    course: str
    pods: Sequence[Sequence[Observation]]
    """Of each pod, in its order."""
    initiator: str | None
    """None: no pod was seen to fail by itself."""
    shown: str
    followers: int = 0


ROWS = [
    Row("one pod fails", [[oom("a", 10)]], "a", "oom-killed"),
    Row(
        "a Job deletes the others four seconds later",
        [[oom("a", 10)], [deleted("b", 14, created=0)], [deleted("c", 14, created=0)]],
        "a",
        "oom-killed",
        2,
    ),
    Row(
        "the others lose their peer half an hour later",
        [[oom("a", 10)], [nccl("b", 12)], [nccl("c", 1810)]],
        "a",
        "oom-killed",
        2,
    ),
    Row(
        "in the same second the one that failed by itself is the cause",
        [[nccl("a", 10)], [oom("b", 10)]],
        "b",
        "oom-killed",
        1,
    ),
    Row(
        "what ended before is no consequence of it, and is not shown either",
        [[nccl("a", 8)], [oom("b", 10)]],
        "b",
        "oom-killed",
        0,
    ),
    Row(
        "the first of several that failed by themselves",
        [[error("a", 12)], [oom("b", 10)], [error("c", 11)]],
        "b",
        "oom-killed",
        0,
    ),
    Row(
        "the initiator is deleted too",
        [[oom("a", 10), deleted("a", 12, created=0)], [deleted("b", 12, created=0)]],
        "a",
        "oom-killed",
        1,
    ),
    Row(
        "a container of the initiator ends again and again",
        [[oom("a", 10), oom("a", 40, number=2)], [error("b", 20)], [nccl("c", 11)]],
        "a",
        "oom-killed",
        1,
    ),
    Row("only deletions are seen", [[deleted("a", 14, created=0)], [deleted("b", 15, created=0)]], None, "deleted", 1),
    Row("one pod is deleted", [[deleted("a", 14, created=0)]], None, "deleted", 0),
    Row(
        "a new attempt fails by itself",
        [[oom("a", 10)], [deleted("b", 14, created=0)], [error("a2", 40, 20)], [deleted("b2", 44, created=20)]],
        "a2",
        "error-exit",
        1,
    ),
    Row(
        "of a new attempt only deletions are seen",
        [[oom("a", 10)], [deleted("b", 14, created=0)], [deleted("a2", 44, created=20)]],
        "a",
        "oom-killed",
        1,
    ),
    Row(
        "a pod of the attempt before needs long to end",
        [[oom("a", 10)], [deleted("b", 35, created=0)], [error("a2", 30, 20)]],
        "a2",
        "error-exit",
        1,
    ),
    Row(
        "a replacement of one index fails by itself",
        [[error("a", 10)], [oom("a2", 40, 20)], [error("b", 50)]],
        "a2",
        "oom-killed",
        0,
    ),
    Row(
        "a replacement that is created in the second of the failure",
        [[error("a", 10)], [oom("a2", 40, 10)]],
        "a2",
        "oom-killed",
        0,
    ),
    Row(
        "a label counts the attempts, whatever the clocks say",
        [[error("a", 10, 0)], [oom("a2", 12, 9, attempt=1)]],
        "a2",
        "oom-killed",
        0,
    ),
    Row(
        "a pod cannot start, and the others wait for it in vain",
        [[waits("a", 5, seen=300, created=0)], [nccl("b", 600)]],
        "a",
        "image-auth",
        1,
    ),
    Row(
        "a new attempt cannot start",
        [[oom("a", 10)], [waits("a2", 25, seen=300, created=20)]],
        "a2",
        "image-auth",
        0,
    ),
    Row(
        "Spark: the driver gives up after its executors",
        [[error("driver", 100)], [oom("exec-1", 30, 5)], [oom("exec-2", 60, 31)]],
        "exec-2",
        "oom-killed",
        0,
    ),
    Row(
        "pods whose creation is unknown belong together",
        [[oom("a", 10, None)], [nccl("b", 20, None)], [error("c", 15, None)]],
        "a",
        "oom-killed",
        1,
    ),
]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.course) for row in ROWS])
def test_who_began_it(row: Row) -> None:
    """In any order in which the pods are seen, each in a write of its own or together; with a restart at each write."""
    for order in permutations(row.pods):
        together = fold(EMPTY, [one for history in order for one in history])
        report = EMPTY
        for history in order:
            report = restarted(fold(report, history))
        assert report == together
        status = to_status(report)
        assert status["subcategory"] == row.shown
        assert status.get("initiator", {}).get("pod") == (row.initiator and f"train-{row.initiator}")
        assert status.get("followers", {}).get("pods", 0) == row.followers
        assert status["failures"] == len(
            {(one.failure.key, one.failure.ended_instances) for h in row.pods for one in h}
        )


def restarted(report: Report) -> Report:
    return from_object(json.loads(json.dumps({**to_object(report), "status": to_status(report)})))


class TestMessages:
    def test_the_pod_that_failed_first_and_how_many_followed(self) -> None:
        status = to_status(fold(EMPTY, [oom("a", 10), deleted("b", 14, created=0), nccl("c", 15)]))
        assert status["message"] == "pod train-a failed first (killed); 2 other pods ended because of it"
        assert status["podMessage"] == "killed"
        assert status["conditions"][0]["message"] == status["message"]
        assert status["initiator"] == {"pod": "train-a", "node": "node-1", "at": "2026-03-01T12:00:10Z"}
        assert status["followers"] == {
            "pods": 2,
            "counts": [
                {"category": "accelerator", "subcategory": "nccl-error", "count": 1},
                {"category": "cancelled", "subcategory": "deleted", "count": 1},
            ],
        }

    def test_one_pod_alone_is_not_described_as_the_first(self) -> None:
        status = to_status(fold(EMPTY, [oom("a", 10)]))
        assert status["message"] == "killed"
        assert "podMessage" not in status
        assert "followers" not in status

    def test_where_no_pod_failed_by_itself_that_is_said(self) -> None:
        status = to_status(fold(EMPTY, [deleted("a", 14, created=0), deleted("b", 14, created=0)]))
        assert status["message"] == (
            "the pod was deleted while it was running; 1 other pod ended like this, and none was seen to fail first"
        )
        assert status["consequence"] is True
        assert "initiator" not in status

    def test_a_long_message_is_shortened_between_its_start_and_its_end(self) -> None:
        status = to_status(fold(EMPTY, [oom("a", 10, message="x" * 2000), nccl("b", 15)]))
        assert len(status["message"]) == 1024
        assert status["message"].endswith("x…); 1 other pod ended because of it")

    def test_index_rank_and_attempt_are_read_from_the_pod(self) -> None:
        labels = {"batch.kubernetes.io/job-completion-index": "3", "jobset.sigs.k8s.io/restart-attempt": "2"}
        assert member_of(Pod(metadata=Metadata(labels=labels))) == Member(index=3, attempt=2)
        ranked = {"env": [{"name": "TOKEN", "value": "s3cret"}, {"name": "RANK", "value": "7"}]}
        read = parse_pod({"spec": {"containers": [ranked]}})
        assert member_of(read) == Member(rank=7)
        assert "s3cret" not in repr(read), "no other variable is kept"
        volcano = {"annotations": {"volcano.sh/job-version": "4"}, "labels": {"volcano.sh/task-index": "1"}}
        assert member_of(parse_pod({"metadata": volcano})) == Member(index=1, attempt=4)

    @pytest.mark.parametrize("text", ["", "-1", "1e9", "9" * 400, "٣", "0x3", " 3", "3\n"])
    def test_what_is_no_number_is_no_index(self, text: str) -> None:
        labels = {"batch.kubernetes.io/job-completion-index": text}
        assert member_of(Pod(metadata=Metadata(labels=labels))) == Member()


def test_later_looks_at_followers_count_nothing_twice() -> None:
    seen = [oom("a", 10), deleted("b", 14, created=0), nccl("c", 15)]
    report = fold(EMPTY, seen)
    assert fold(fold(report, seen[1:]), seen) == report


def test_followers_that_are_gone_for_long_are_still_counted() -> None:
    report = fold(EMPTY, [oom("a", 10), deleted("b", 14, created=0), nccl("c", 15)])
    for seconds in (100, 101 + PRUNE_AFTER.total_seconds()):
        report = restarted(prune_deleted_pods(report, [], at(seconds)))
    assert set(report.ledger.pods) == {short_hash(uid, POD_DIGITS) for uid in "bc"}
    late = ended("d", when=16, created=0, seen=9000, name="accelerator/nccl-error", consequence=True)
    assert to_status(fold(report, [late]))["followers"]["pods"] == 3


def test_more_pods_than_the_ledger_keeps_apart_are_a_lower_bound() -> None:
    report = fold(EMPTY, [oom("a", 10), *(deleted(f"p{i}", 14, created=0) for i in range(4_000))])
    assert to_status(report)["followers"]["pods"] == 4_000
    more = restarted(fold(report, [deleted(f"q{i}", 15, created=0) for i in range(500)]))
    status = to_status(more)
    assert status["followers"]["pods"] >= 4_000
    assert status["followers"]["lowerBound"] is True
    assert "; at least 4" in status["message"]
    assert status["failures"] == 4_501


def test_what_comes_after_a_recovery_has_an_initiator_of_its_own() -> None:
    before = recover(fold(EMPTY, [oom("a", 10), deleted("b", 14, created=0)]), at(100))
    report = fold(before, [error("c", 200, 150), deleted("d", 210, created=150)])
    status = to_status(report)
    assert (status["initiator"]["pod"], status["followers"]["pods"]) == ("train-c", 1)


class TestPodsThatStop:
    def test_the_initiator_stays_although_its_controller_deletes_it(self) -> None:
        report = fold(EMPTY, [oom("a", 10)])
        rest = error("b", 20, 0)
        pods = FailingPods((rest,), lambda uid: uid == "a", lambda uid: uid == "a")
        assert to_status(fold(report, [rest], pods))["initiator"]["pod"] == "train-a"

    def test_one_that_is_healthy_again_gives_way_to_one_that_fails_by_itself(self) -> None:
        report = fold(EMPTY, [oom("a", 10)])
        rest = error("b", 20, 0)
        assert (
            to_status(fold(report, [rest], FailingPods((rest,), lambda uid: uid == "a")))["initiator"]["pod"]
            == "train-b"
        )

    def test_one_that_is_healthy_again_does_not_give_way_to_a_consequence(self) -> None:
        report = fold(EMPTY, [oom("a", 10)])
        rest = nccl("b", 20)
        assert (
            to_status(fold(report, [rest], FailingPods((rest,), lambda uid: uid == "a")))["initiator"]["pod"]
            == "train-a"
        )

    def test_a_wait_that_is_over_gives_way(self) -> None:
        report = fold(EMPTY, [waits("a", 5, seen=300, created=0)])
        rest = waits("b", 20, seen=320, created=15)
        pods = FailingPods((rest,), lambda uid: uid == "a", lambda uid: uid == "a")
        assert to_status(fold(report, [rest], pods))["initiator"]["pod"] == "train-b"

    def test_a_workload_that_keeps_its_pods_running_shows_the_newest_failure_of_its_own(self) -> None:
        seen = [oom("a", 10), error("b", 20, 0), nccl("c", 30)]
        status = to_status(fold(EMPTY, seen, FailingPods(long_running=True)))
        assert (status["initiator"]["pod"], status["followers"]["pods"]) == ("train-b", 1)


@st.composite
def attempts(draw: st.DrawFn) -> list[list[Observation]]:
    """Attempts that follow each other; of each the pods fail by themselves before the next begins, or are deleted."""
    histories = []
    for attempt in range(draw(st.integers(1, 3))):
        start = attempt * 100
        for number in range(draw(st.integers(1, 4))):
            uid, created = f"a{attempt}-{number}", start + draw(st.integers(0, 2))
            kind = draw(st.sampled_from(["own", "lost", "deleted", "both"]))
            when = start + draw(st.integers(3, 60))
            seen = []
            if kind in ("own", "both"):
                confidence = draw(st.sampled_from(["Confirmed", "Likely", "Unknown"]))
                seen.append(error(uid, when, created, confidence=confidence))
            if kind == "lost":
                seen.append(nccl(uid, start + draw(st.integers(3, 400)), created))
            if kind in ("deleted", "both"):
                seen.append(deleted(uid, when + draw(st.integers(0, 30)), created=created))
            histories.append(seen)
    return histories


@given(attempts(), st.randoms(use_true_random=False), st.lists(st.integers(0, 60), max_size=5))
@settings(max_examples=200)
def test_any_order_of_pods_and_any_batches_give_the_same_initiator_and_followers(
    pods: list[list[Observation]], random: Random, cuts: list[int]
) -> None:
    at_once = fold(EMPTY, [one for history in pods for one in history])
    report = EMPTY
    for batch in in_batches(interleaved(pods, random), cuts):
        report = restarted(fold(report, batch))
    assert to_status(report) == to_status(at_once)


@given(attempts())
@settings(max_examples=200)
def test_the_answer_agrees_with_a_slow_and_obvious_one(pods: list[list[Observation]]) -> None:
    """The twin: of the newest attempt in which a pod failed by itself, the earliest; its deleted and lost siblings."""
    status = to_status(fold(EMPTY, [one for history in pods for one in history]))
    own = [(h[0].pod_uid[:2], h[0].failure.at, h[0].pod_uid) for h in pods if not h[0].failure.consequence]
    if not own:
        assert "initiator" not in status
        return
    attempt = max(name for name, *_ in own)
    first = min(when for name, when, _ in own if name == attempt and when)
    began = {uid for name, when, uid in own if name == attempt and when == first}
    initiator = status["initiator"]["pod"].removeprefix("train-")
    assert initiator in began
    followers = {
        one.pod_uid
        for history in pods
        for one in history
        if one.failure.consequence and one.pod_uid != initiator and one.failure.at and one.failure.at >= first
        if one.pod_created and one.pod_created <= first
    }
    assert status.get("followers", {}).get("pods", 0) == len(followers)


def test_the_ledger_tells_consequences_apart_however_many_names_there_are() -> None:
    seen = [
        ended(f"p{i}", when=i, created=0, name=f"site/cause-{i % 100}", consequence=i % 2 == 1, seen=1000)
        for i in range(200)
    ]
    report = fold(EMPTY, seen)
    assert restarted(report) == report
