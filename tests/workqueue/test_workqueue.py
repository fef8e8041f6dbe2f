"""What each operation of the work queue means, on a clock that jumps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from coroner_operator.kube import workqueue
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.errors import TooManyRequests, Transient
from coroner_operator.kube.workqueue import DRAIN_RETRY, TURN_BUDGET, WorkQueue
from tests.leader_election.virtual_time import run


def now() -> float:
    return asyncio.get_running_loop().time()


def full_wait() -> BackOff:
    """1, 2, 4, … seconds."""
    return BackOff(base=1.0, draw=lambda _, ceiling: ceiling)


class Runs:
    """A reconcile that lasts for ``seconds`` and writes down when which key began."""

    def __init__(self, seconds: float = 0.0, then: Callable[[str], float | None] = lambda _: None) -> None:
        self.began: list[tuple[float, str]] = []
        self.seconds = seconds
        self.then = then

    async def __call__(self, key: str) -> float | None:
        self.began.append((now(), key))
        await asyncio.sleep(self.seconds)
        return self.then(key)


def failing(times: int, error: Exception) -> Callable[[str], None]:
    left = [times]

    def then(_: str) -> None:
        if left[0]:
            left[0] -= 1
            raise error

    return then


def queue(reconcile: Callable[[str], Awaitable[float | None]], workers: int = 1) -> WorkQueue[str]:
    made = WorkQueue(reconcile, name="test", workers=workers, back_off=full_wait)
    made.start()
    return made


def test_the_earliest_of_several_times_wins() -> None:
    async def scenario() -> None:
        runs = Runs()
        work = queue(runs)
        for seconds in (60.0, 10.0, 30.0):
            work.add_after("a", seconds)
        await asyncio.sleep(100)
        assert runs.began == [(10.0, "a")]
        assert len(work) == 0

    run(scenario())


def test_a_key_that_waits_is_not_queued_twice_and_keys_run_in_the_order_in_which_they_became_due() -> None:
    async def scenario() -> None:
        runs = Runs(seconds=1.0)
        work = queue(runs)
        for key in "abacab":
            work.add(key)
        assert len(work) == 3
        await asyncio.sleep(10)
        assert runs.began == [(0.0, "a"), (1.0, "b"), (2.0, "c")]

    run(scenario())


def test_a_key_added_while_it_runs_runs_again_afterwards() -> None:
    async def scenario() -> None:
        runs = Runs(seconds=5.0)
        work = queue(runs, workers=3)
        work.add("a")
        await asyncio.sleep(1)
        work.add("a")
        work.add("a")
        await asyncio.sleep(1)
        work.add_after("b", 1)
        work.add_after("a", 60)
        await asyncio.sleep(100)
        assert runs.began == [(0.0, "a"), (3.0, "b"), (5.0, "a")]

    run(scenario())


def test_a_key_delayed_while_it_runs_keeps_its_time() -> None:
    async def scenario() -> None:
        runs = Runs(seconds=5.0)
        work = queue(runs)
        work.add("a")
        await asyncio.sleep(1)
        work.add_after("a", 60)
        await asyncio.sleep(100)
        assert runs.began == [(0.0, "a"), (61.0, "a")]

    run(scenario())


def test_a_returned_number_runs_the_key_again_unless_it_is_added_for_an_earlier_time() -> None:
    async def scenario() -> None:
        runs = Runs(then=lambda _: 60.0 if now() < 90 else None)
        work = queue(runs)
        work.add("a")
        await asyncio.sleep(70)
        work.add_after("a", 10)
        await asyncio.sleep(1000)
        assert [began for began, _ in runs.began] == [0.0, 60.0, 80.0, 140.0]

    run(scenario())


def test_failures_of_a_key_back_off_and_a_success_resets_them(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        runs = Runs(then=failing(3, Transient("503")))
        work = queue(runs)
        work.add("a")
        await asyncio.sleep(100)
        assert [began for began, _ in runs.began] == [0.0, 1.0, 3.0, 7.0]
        runs.then = failing(1, ValueError("a bug"))
        work.add("a")
        await asyncio.sleep(100)
        assert [began for began, _ in runs.began[4:]] == [100.0, 101.0]
        assert len(work) == 0

    run(scenario())
    logged = [record.levelno for record in caplog.records if record.name.startswith("coroner")]
    assert logged == [logging.WARNING] * 4
    assert "test: a: 503; again in 4.0 s" in caplog.text
    assert "ValueError" in caplog.text, "a bug is logged with its traceback"


def test_the_back_off_comes_on_top_of_what_the_server_asks_for() -> None:
    async def scenario() -> None:
        seen: list[tuple[str, str, float]] = []
        runs = Runs(then=failing(1, TooManyRequests("429", 429, retry_after=7.0)))
        work: WorkQueue[str] = WorkQueue(
            runs,
            name="test",
            back_off=full_wait,
            on_error=lambda key, error, wait: seen.append((key, str(error), wait)),
        )
        work.start()
        work.add("a")
        await asyncio.sleep(100)
        assert [began for began, _ in runs.began] == [0.0, 8.0]
        assert seen == [("a", "429", 8.0)]

    run(scenario())


def test_one_key_that_fails_or_hangs_does_not_keep_the_others_waiting() -> None:
    async def scenario() -> None:
        began: list[str] = []

        async def reconcile(key: str) -> None:
            began.append(key)
            if key == "bad":
                raise ValueError(key)
            if key == "slow":
                await asyncio.sleep(1000)

        work = queue(reconcile, workers=2)
        for key in ("bad", "slow", "a", "b"):
            work.add(key)
        await asyncio.sleep(0.5)
        assert began == ["bad", "slow", "a", "b"]
        await work.close()

    run(scenario())


def test_an_error_while_reporting_an_error_does_not_stop_the_other_keys(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        def on_error(key: str, error: Exception, wait: float) -> None:
            raise ZeroDivisionError(key)

        runs = Runs(then=failing(1, Transient("503")))
        work: WorkQueue[str] = WorkQueue(runs, name="test", back_off=full_wait, on_error=on_error)
        work.start()
        work.add("a")
        work.add("b")
        await asyncio.sleep(10)
        assert runs.began == [(0.0, "a"), (0.0, "b"), (1.0, "a")]

    run(scenario())


def test_an_earlier_time_asked_for_during_a_run_wins_over_the_time_that_the_run_asks_for() -> None:
    async def scenario() -> None:
        runs = Runs(seconds=5.0, then=lambda _: 60.0 if now() < 10 else None)
        work = queue(runs)
        work.add("a")
        await asyncio.sleep(1)
        work.add_after("a", 10)
        await asyncio.sleep(100)
        assert runs.began == [(0.0, "a"), (11.0, "a")]

    run(scenario())


def test_a_cancelled_part_of_a_run_is_a_failure_like_any_other() -> None:
    async def scenario() -> None:
        runs = Runs(then=lambda _: None)
        tries = 0

        async def reconcile(key: str) -> float | None:
            nonlocal tries
            tries += 1
            if tries == 1:
                shared = asyncio.ensure_future(asyncio.sleep(60))
                asyncio.get_running_loop().call_soon(shared.cancel)
                await shared
            return await runs(key)

        work = queue(reconcile)
        work.add("a")
        await asyncio.sleep(10)
        assert runs.began == [(1.0, "a")]

    run(scenario())


def test_a_removed_key_does_not_run_and_a_run_under_way_asks_in_vain() -> None:
    async def scenario() -> None:
        runs = Runs(seconds=5.0, then=lambda _: 1.0)
        work = queue(runs)
        work.add("running")
        work.add("ready")
        work.add_after("delayed", 3)
        await asyncio.sleep(1)
        for key in ("running", "ready", "delayed", "unknown"):
            work.remove(key)
        assert list(work) == ["running"]
        await asyncio.sleep(100)
        assert runs.began == [(0.0, "running")]
        assert len(work) == 0

    run(scenario())


def test_a_key_added_after_it_was_removed_runs() -> None:
    async def scenario() -> None:
        runs = Runs(seconds=5.0)
        work = queue(runs)
        work.add("a")
        await asyncio.sleep(1)
        work.remove("a")
        work.add("a")
        work.add_after("b", 10)
        work.remove("b")
        work.add_after("b", 20)
        await asyncio.sleep(100)
        assert runs.began == [(0.0, "a"), (5.0, "a"), (21.0, "b")]

    run(scenario())


def test_nothing_runs_before_the_start() -> None:
    async def scenario() -> None:
        runs = Runs(seconds=1.0)
        work: WorkQueue[str] = WorkQueue(runs, name="test", workers=2)
        for key in "abc":
            work.add(key)
        await asyncio.sleep(5)
        assert not runs.began
        work.start()
        await asyncio.sleep(5)
        assert runs.began == [(5.0, "a"), (5.0, "b"), (6.0, "c")]

    run(scenario())


def test_the_length_counts_what_waits_and_what_runs_and_is_reported() -> None:
    async def scenario() -> None:
        lengths: list[int] = []
        work: WorkQueue[str] = WorkQueue(Runs(seconds=1.0), name="test", on_length=lengths.append)
        work.start()
        work.add("a")
        work.add("b")
        work.add_after("c", 10)
        work.add("a")
        assert (len(work), "c" in work, "d" in work) == (3, True, False)
        await asyncio.sleep(0.5)
        assert len(work) == 3
        await asyncio.sleep(20)
        assert lengths == [1, 2, 3, 2, 1, 0]

    run(scenario())


def test_draining_runs_now_what_is_delayed_and_repeats_nothing_that_succeeded() -> None:
    async def scenario() -> None:
        runs = Runs(seconds=1.0, then=lambda _: 60.0)
        work = queue(runs)
        work.add("a")
        await asyncio.sleep(0.5)
        work.add_after("a", 500)
        work.add_after("c", 300)
        work.add_after("b", 100)
        assert await work.drain(within=10)
        assert runs.began == [(0.0, "a"), (1.0, "b"), (2.0, "c"), (3.0, "a")]
        assert now() == 4.0
        work.add_after("d", 100)
        assert await work.drain(within=10)
        assert runs.began[-1] == (4.0, "d")

    run(scenario())


def test_draining_tries_what_fails_again_soon() -> None:
    async def scenario() -> None:
        runs = Runs(then=failing(4, Transient("503")))
        work = queue(runs)
        work.add("a")
        await asyncio.sleep(0.5)
        assert await work.drain(within=10)
        assert [began for began, _ in runs.began] == [0.0, *(0.5 + DRAIN_RETRY * n for n in range(4))]

    run(scenario())


def test_draining_ends_in_time_and_says_that_something_is_left() -> None:
    async def scenario() -> None:
        work = queue(Runs(seconds=1000.0))
        work.add("a")
        work.add("b")
        assert not await work.drain(within=10)
        assert now() == 10.0
        assert list(work) == ["a", "b"]
        await work.close()

    run(scenario())


def test_closing_cancels_what_runs_and_drops_what_waits() -> None:
    async def scenario() -> None:
        cancelled: list[str] = []

        async def reconcile(key: str) -> None:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                cancelled.append(key)
                raise

        work = queue(reconcile)
        work.add("a")
        work.add("b")
        work.add_after("c", 10)
        await asyncio.sleep(1)
        await work.close()
        work.add("d")
        await asyncio.sleep(100)
        assert cancelled == ["a"]
        assert len(work) == 0

    run(scenario())


def test_a_group_with_10000_keys_delays_another_by_one_run_and_is_done_nevertheless() -> None:
    async def scenario() -> None:
        runs = Runs(seconds=1.0)
        work: WorkQueue[str] = WorkQueue(runs, name="test", group=lambda key: key.partition("/")[0])
        work.start()
        for number in range(10_000):
            work.add(f"crowd/{number}")
        await asyncio.sleep(10.5)
        for key in ("one/a", "one/b", "two/a"):
            work.add(key)
        await asyncio.sleep(5)
        assert [key for _, key in runs.began[11:15]] == ["one/a", "two/a", "crowd/11", "one/b"]
        assert await work.drain(within=20_000)
        assert [key for _, key in runs.began if key.startswith("crowd/")] == [f"crowd/{n}" for n in range(10_000)]

    run(scenario())


def test_a_group_whose_runs_hang_leaves_workers_to_the_others() -> None:
    async def scenario() -> None:
        runs = Runs(seconds=1_000.0)
        work: WorkQueue[str] = WorkQueue(runs, name="test", workers=4, group=lambda key: key[0], group_workers=3)
        work.start()
        for key in ("a1", "a2", "a3", "a4", "a5"):
            work.add(key)
        await asyncio.sleep(1)
        work.remove("a4")
        work.add("b1")
        work.add("b2")
        assert work.ready == 3
        await asyncio.sleep(2_500)
        assert runs.began == [
            (0.0, "a1"),
            (0.0, "a2"),
            (0.0, "a3"),
            (1.0, "b1"),
            (1000.0, "b2"),
            (1000.0, "a5"),
        ]

    run(scenario())


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("seconds", [TURN_BUDGET / 4, TURN_BUDGET * 4])
def test_a_thousand_runs_leave_the_event_loop_to_others_in_between(
    seconds: float, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs that never wait share the budget of a turn; of runs that wait one begins in each turn."""
    spent = 0.0
    monkeypatch.setattr(workqueue, "perf_counter", lambda: spent)
    in_a_turn = 1 if waits else TURN_BUDGET // seconds + 1

    async def scenario() -> None:
        began = 0

        async def reconcile(_: int) -> None:
            nonlocal began, spent
            began += 1
            spent += seconds
            if waits:
                await asyncio.sleep(0.5)

        work: WorkQueue[int] = WorkQueue(reconcile, name="test", workers=1_000)
        work.start()
        for key in range(1_000):
            work.add(key)
        for turn in range(1_000):
            assert began <= turn * in_a_turn
            await asyncio.sleep(0)
        await asyncio.sleep(1)
        assert began == 1_000

    run(scenario())


def test_a_key_is_asked_for_its_group_once_until_it_is_done() -> None:
    async def scenario() -> None:
        groups = {"a": "one"}
        work: WorkQueue[str] = WorkQueue(Runs(seconds=1.0), name="test", group=groups.pop)
        work.start()
        work.add_after("a", 5)
        work.add("a")
        await asyncio.sleep(0.5)
        work.add("a")
        await asyncio.sleep(5)
        assert len(work) == 0
        with pytest.raises(KeyError):
            work.add("a")

    run(scenario())


def test_a_burst_of_adds_costs_little_and_leaves_no_memory_behind() -> None:
    async def scenario() -> None:
        done = 0

        async def reconcile(_: int) -> None:
            nonlocal done
            done += 1

        work: WorkQueue[int] = WorkQueue(reconcile, name="test", workers=8)
        work.start()
        for _ in range(20):  # 200,000 adds of 10,000 keys, each earlier than the one before
            for key in range(10_000):
                work.add_after(key, 100.0 - _)
        assert len(work._heap) <= 20_000, "outdated entries are cleared"
        await asyncio.sleep(200)
        assert done == 10_000
        assert len(work) == len(work._heap) == 0

    run(scenario())
