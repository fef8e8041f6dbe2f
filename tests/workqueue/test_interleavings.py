"""Random interleavings on a clock that jumps: nothing lost, never twice at once, in order, on time, by turns, drained."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.errors import Transient
from coroner_operator.kube.workqueue import WorkQueue
from tests.leader_election.virtual_time import run

KEYS = "abc"
CROWD = ("a1", "a2", "a3", "a4", "b1", "b2", "c1")
"""Keys of three groups, of different sizes."""
WITHIN = 1_000.0

workers = st.sampled_from([1, 2, len(KEYS), len(KEYS)])
"""With a worker for each key the times of all runs are known exactly."""
seconds = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0])


@dataclass(frozen=True)
class Step:
    """Something that is done to the queue, ``pause`` seconds after the step before."""

    pause: float
    key: str
    delay: float | None
    """None: the key is removed; else it is added after that many seconds."""


@dataclass(frozen=True)
class Outcome:
    """How one run of a key goes."""

    lasts: float
    fails: bool
    again: float | None


steps = st.lists(
    st.builds(Step, seconds, st.sampled_from(KEYS), st.one_of(seconds, seconds, seconds, st.none())), max_size=40
)
outcomes = st.lists(st.builds(Outcome, seconds, st.booleans(), st.one_of(st.none(), st.none(), seconds)), max_size=30)


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Model:
    """What the queue promises, written down in the slowest and plainest way."""

    workers: int
    outcomes: list[Outcome]
    due: dict[str, float] = field(default_factory=dict)
    """The time of each key's next run: the earliest that was asked for."""
    free_at: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """When each key's last run ended."""
    failures: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    running: dict[str, bool] = field(default_factory=dict)
    """Key → whether it has not been removed since its run began."""
    added: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """What waits for each key's next run, numbered."""
    handled: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    number: int = 0
    broken: list[Exception] = field(default_factory=list)
    """Promises that were not kept."""
    draining: bool = False
    group_workers: int | None = None
    """None: the keys have no group."""
    keys: int = len(KEYS)
    begun: dict[str, float] = field(default_factory=dict)
    """When each group last began a key."""
    slot_at: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """When each group last ended one: it had all of its share before, perhaps."""

    def add(self, key: str, delay: float) -> None:
        self.number += 1
        self.added[key].append(self.number)
        self.ask(key, 0.0 if self.draining else delay)

    def ask(self, key: str, delay: float) -> None:
        self.due[key] = min(self.due.get(key, float("inf")), now() + delay)

    def remove(self, key: str) -> None:
        self.due.pop(key, None)
        self.added[key].clear()
        self.failures[key] = 0
        if key in self.running:
            self.running[key] = False

    def drain(self) -> None:
        self.draining = True
        self.due = {key: min(due, now()) for key, due in self.due.items()}

    def on_error(self, key: str, error: Exception, wait: float) -> None:
        if not isinstance(error, Transient):
            self.broken.append(error)

    async def reconcile(self, key: str) -> float | None:
        self.begin(key)
        outcome = self.outcomes.pop() if self.outcomes else Outcome(0.0, False, None)
        await asyncio.sleep(outcome.lasts)
        is_kept = self.running.pop(key)
        self.free_at[key] = self.slot_at[key[0]] = now()
        if outcome.fails:
            wait = min(2.0 ** self.failures[key], 30.0)
            self.failures[key] = self.failures[key] + 1 if is_kept else 0
            if is_kept:
                self.ask(key, min(wait, 0.5) if self.draining else wait)
            raise Transient("503")
        self.failures[key] = 0
        if outcome.again is not None and is_kept and not self.draining:
            self.ask(key, outcome.again)
        return outcome.again

    def begin(self, key: str) -> None:
        assert key not in self.running, "a key runs twice at once"
        assert key in self.due, "a run that nobody has asked for"
        wanted = max(self.due.pop(key), self.free_at[key])
        assert now() >= wanted, "too early"
        assert now() == wanted or self.workers < self.keys, "late, though a worker was free"
        if self.group_workers is not None:
            self.take_turn(key[0], self.group_workers)
        self.running[key] = True
        assert len(self.running) <= self.workers, "more workers than allowed"
        assert self.added[key] == sorted(self.added[key]), "out of order"
        self.handled[key] += self.added[key]
        self.added[key].clear()

    def take_turn(self, group: str, limit: int) -> None:
        """No other group that may run waits since before this one's turn before."""
        busy = Counter(key[0] for key in self.running)
        assert busy[group] < limit, "more workers than its share"
        last_turn = self.begun.get(group, float("-inf"))
        for key, due in self.due.items():
            if key in self.running or busy[key[0]] >= limit or key[0] == group:
                continue
            waits_since = max(due, self.free_at[key], self.slot_at[key[0]])
            assert waits_since >= last_turn, f"{group} had two turns while {key} waited"
        self.begun[group] = now()


def queue_of(model: Model) -> WorkQueue[str]:
    work = WorkQueue(
        model.reconcile,
        name="test",
        workers=model.workers,
        group=lambda key: key[0] if model.group_workers is not None else None,
        group_workers=model.group_workers,
        back_off=lambda: BackOff(base=1.0, draw=lambda _, ceiling: ceiling),
        on_error=model.on_error,
    )
    work.start()
    return work


async def play(work: WorkQueue[str], model: Model, steps: list[Step]) -> None:
    for step in steps:
        await asyncio.sleep(step.pause)
        if step.delay is None:
            model.remove(step.key)
            work.remove(step.key)
        else:
            model.add(step.key, step.delay)
            work.add_after(step.key, step.delay)
        assert set(work) == model.due.keys() | model.running.keys()


async def drain(work: WorkQueue[str], model: Model, within: float) -> bool:
    model.drain()
    return await work.drain(within)


def assert_all_is_done(work: WorkQueue[str], model: Model) -> None:
    assert not model.broken
    assert len(work) == 0
    assert not model.due, "a run was lost"
    assert not any(model.added.values()), "something that was added was never seen by a run"
    for numbers in model.handled.values():
        assert numbers == sorted(set(numbers)), "out of order, or seen twice"


async def play_to_the_end(model: Model, steps: list[Step]) -> None:
    work = queue_of(model)
    await play(work, model, steps)
    await asyncio.sleep(WITHIN)
    assert_all_is_done(work, model)
    await work.close()


@settings(max_examples=200)
@given(steps=steps, outcomes=outcomes, workers=workers)
def test_every_add_is_followed_by_a_run_in_order_on_time_and_never_twice_at_once(
    steps: list[Step], outcomes: list[Outcome], workers: int
) -> None:
    run(play_to_the_end(Model(workers, list(outcomes)), steps))


@settings(max_examples=300)
@given(
    steps=st.lists(
        st.builds(Step, st.sampled_from([0.0, 0.0, 0.5]), st.sampled_from(CROWD), st.one_of(seconds, st.none())),
        max_size=60,
    ),
    outcomes=outcomes,
    workers=st.integers(1, 4),
    share=st.integers(1, 4),
)
def test_groups_take_turns_and_none_has_more_than_its_share(
    steps: list[Step], outcomes: list[Outcome], workers: int, share: int
) -> None:
    run(play_to_the_end(Model(workers, list(outcomes), group_workers=min(share, workers), keys=1_000), steps))


@settings(max_examples=200)
@given(before=steps, during=steps, outcomes=outcomes, workers=workers)
def test_a_drain_runs_all_that_waits_and_what_is_added_meanwhile_and_ends(
    before: list[Step], during: list[Step], outcomes: list[Outcome], workers: int
) -> None:
    async def scenario() -> None:
        model = Model(workers, list(outcomes))
        work = queue_of(model)
        await play(work, model, before)
        draining = asyncio.create_task(drain(work, model, WITHIN))
        await asyncio.sleep(0)
        await play(work, model, during)
        began = now()
        assert await draining
        assert await drain(work, model, WITHIN), "what was added after the first drain had ended"
        assert now() - began < WITHIN
        assert_all_is_done(work, model)
        await work.close()

    run(scenario())


@settings(max_examples=200)
@given(steps=steps, outcomes=outcomes, within=seconds)
def test_a_drain_never_lasts_longer_than_allowed(steps: list[Step], outcomes: list[Outcome], within: float) -> None:
    async def scenario() -> None:
        model = Model(1, list(outcomes))
        work = queue_of(model)
        await play(work, model, steps)
        began = now()
        is_done = await drain(work, model, within)
        assert now() - began <= within
        assert is_done == (len(work) == 0)
        assert not model.broken
        await work.close()

    run(scenario())
