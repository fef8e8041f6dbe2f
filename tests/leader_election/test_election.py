"""Who leads, on a clock that jumps: never two at a time, and somebody again soon, whatever is slow, lost or dead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coroner_operator.kube.errors import ApiError, Transient
from coroner_operator.kube.lease import Lease, LeaseRecord, MemoryLease, lease_body
from coroner_operator.runtime.leader_election import Election, LeadershipLost
from tests.leader_election.virtual_time import run

T = TypeVar("T")

TICK = 0.1


def loop_time() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class CallFault:
    """What happens to one call, in seconds."""

    before: float = 0.0
    after: float = 0.0
    error: str = ""
    """"before": it does not arrive; "after": it is done and the answer is lost."""


@dataclass
class UnreliableLease:
    """A Lease behind a bad connection; calls that are cancelled on the way may still arrive."""

    lease: MemoryLease
    fault: Callable[[], CallFault] = CallFault
    away: bool = False

    async def read(self) -> LeaseRecord | None:
        return await self._call(self.lease.read)

    async def write(self, over: LeaseRecord | None, holder: str, duration: float) -> LeaseRecord:
        return await self._call(lambda: self.lease.write(over, holder, duration))

    async def _call(self, call: Callable[[], Awaitable[T]]) -> T:
        fault = self.fault()
        if self.away or fault.error == "before":
            await asyncio.sleep(fault.before)
            raise Transient("no connection")

        async def arrive() -> T:
            await asyncio.sleep(fault.before)
            return await call()

        answer = await asyncio.shield(asyncio.ensure_future(_quietly(arrive())))
        await asyncio.sleep(fault.after)
        if fault.error == "after":
            raise Transient("the answer was lost")
        if isinstance(answer, ApiError):
            raise answer
        return answer


async def _quietly(work: Awaitable[T]) -> T | ApiError:
    try:
        return await work
    except ApiError as error:
        return error


@dataclass
class Replica:
    election: Election
    task: asyncio.Task[None]
    changes: list[bool] = field(default_factory=list)

    def kill(self) -> None:
        self.task.cancel()

    @property
    def may_write(self) -> bool:
        return not self.task.done() and self.election.remaining > 0


def replica(
    lease: Lease,
    name: str,
    *,
    rate: float = 1.0,
    offset: float = 0.0,
    stalled: Callable[[], str] = lambda: "",
    **terms: float,
) -> Replica:
    """``rate``: how fast its clock runs; ``offset``: what it shows at the start."""
    changes: list[bool] = []
    election = Election(
        lease,
        name,
        clock=lambda: offset + loop_time() * rate,
        sleep=lambda seconds: asyncio.sleep(seconds / rate),
        stalled=stalled,
        on_changed=changes.append,
        **terms,
    )
    return Replica(election, asyncio.create_task(election.run()), changes)


def test_one_replica_leads_and_the_other_waits() -> None:
    async def story() -> None:
        lease = MemoryLease()
        a, b = replica(lease, "a"), replica(lease, "b")
        await asyncio.sleep(3600)
        assert (a.may_write, b.may_write) == (True, False)
        assert b.election.observed.is_set()
        assert lease.record is not None
        assert (lease.record.holder, lease.record.transitions, lease.record.duration) == ("a", 0, 15)
        assert (a.changes, b.changes) == ([True], [])

    run(story())


def test_after_a_kill_the_other_replica_leads_within_20_seconds() -> None:
    async def story() -> None:
        lease = MemoryLease()
        a, b = replica(lease, "a"), replica(lease, "b")
        await asyncio.sleep(101.9)  # just after a renewal
        a.kill()
        killed = loop_time()
        await b.election.leading.wait()
        assert 13 < loop_time() - killed < 20
        assert lease.record is not None
        assert lease.record.transitions == 1

    run(story())


def test_a_clean_handover_takes_less_than_2_seconds() -> None:
    async def story() -> None:
        lease = MemoryLease()
        a, b = replica(lease, "a"), replica(lease, "b")
        await asyncio.sleep(100.3)
        a.kill()
        await a.election.release()
        released = loop_time()
        assert a.election.remaining < 0
        await b.election.leading.wait()
        assert loop_time() - released < 2
        assert lease.record is not None
        assert (lease.record.holder, lease.record.transitions) == ("b", 1)

    run(story())


def test_without_the_api_server_a_leader_stops_writing_before_another_may_start() -> None:
    async def story() -> None:
        lease = MemoryLease()
        cut_off = UnreliableLease(lease)
        a = replica(cut_off, "a")
        await a.election.leading.wait()
        b = replica(lease, "b")
        await asyncio.sleep(101)
        cut_off.away = True
        with pytest.raises(LeadershipLost, match="not renewed for 10 s"):
            await a.task
        stopped = loop_time()
        assert 101 < stopped <= 112
        assert (a.may_write, b.may_write) == (False, False)
        await b.election.leading.wait()
        assert loop_time() - stopped >= 4
        assert a.changes == [True, False]

    run(story())


def test_an_api_server_that_takes_4_seconds_to_answer_costs_no_leadership() -> None:
    """As it does under load. With calls that end before the next is due no renewal ever succeeded."""

    async def story() -> None:
        lease = UnreliableLease(MemoryLease())
        a = replica(lease, "a")
        await a.election.leading.wait()
        lease.fault = lambda: CallFault(before=2.0, after=2.0)
        for _ in range(600):
            await asyncio.sleep(1)
            assert a.may_write

    run(story())


def test_a_short_outage_is_survived() -> None:
    async def story() -> None:
        lease = UnreliableLease(MemoryLease())
        a = replica(lease, "a")
        await asyncio.sleep(100)
        assert a.may_write
        lease.away = True
        await asyncio.sleep(7)
        assert a.may_write
        lease.away = False
        await asyncio.sleep(100)
        assert a.may_write

    run(story())


def test_a_leader_suspended_for_a_minute_does_not_write_on_wake_up() -> None:
    """A suspended process: its clock has gone on, its timers have not."""

    async def story() -> None:
        stood_still = 0.0
        election = Election(MemoryLease(), "a", clock=lambda: loop_time() + stood_still)
        task = asyncio.create_task(election.run())
        await asyncio.sleep(100)
        assert election.remaining > 0
        stood_still = 60
        assert election.remaining < 0
        with pytest.raises(LeadershipLost):
            await task

    run(story())


def test_a_leader_whose_work_does_not_go_on_stops_renewing_and_another_leads() -> None:
    async def story() -> None:
        lease = MemoryLease()
        stall = ""
        a = replica(lease, "a", stalled=lambda: stall)
        await a.election.leading.wait()
        b = replica(lease, "b")
        await asyncio.sleep(100)
        assert a.may_write
        stall = "the event loop has not run for 61 s"
        with pytest.raises(LeadershipLost, match="the event loop has not run for 61 s"):
            await a.task
        assert loop_time() <= 103
        assert a.election.remaining < 0
        await b.election.leading.wait()
        assert loop_time() < 123

    run(story())


def test_a_candidate_whose_work_does_not_go_on_takes_no_lease() -> None:
    async def story() -> None:
        stall = "the event loop has not run for 61 s"
        lease = MemoryLease()
        a = replica(lease, "a", stalled=lambda: stall)
        await asyncio.sleep(100)
        assert lease.record is None
        stall = ""
        async with asyncio.timeout(3):
            await a.election.leading.wait()

    run(story())


@pytest.mark.parametrize("renewed_at", ["1971-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z", "soon", ""])
def test_times_of_other_clocks_are_ignored(renewed_at: str) -> None:
    async def story() -> None:
        lease = MemoryLease()
        await lease.write(None, "gone", 15)
        assert lease.record is not None
        lease.record.body["spec"]["renewTime"] = renewed_at
        a = replica(lease, "a")
        await a.election.leading.wait()
        assert 15 <= loop_time() < 17

    run(story())


def test_a_longer_lease_duration_of_the_holder_is_respected() -> None:
    async def story() -> None:
        lease = MemoryLease()
        await lease.write(None, "gone", 60)
        await replica(lease, "a").election.leading.wait()
        assert loop_time() >= 60

    run(story())


def test_an_edited_or_deleted_lease_stays_with_its_leader() -> None:
    async def story() -> None:
        lease = MemoryLease()
        a = replica(lease, "a")
        await asyncio.sleep(10)
        await lease.write(lease.record, "a", 15)  # another resource version
        await asyncio.sleep(10)
        lease.record = None
        await asyncio.sleep(10)
        assert a.may_write
        kept = await lease.read()
        assert kept is not None
        assert kept.holder == "a"

    run(story())


def test_a_lease_taken_by_another_is_lost_at_the_next_read() -> None:
    async def story() -> None:
        lease = MemoryLease()
        a = replica(lease, "a")
        await asyncio.sleep(10)
        await lease.write(lease.record, "thief", 15)
        with pytest.raises(LeadershipLost, match="thief holds it now"):
            await a.task
        assert loop_time() <= 12
        assert a.election.remaining < 0
        await a.election.release()
        assert lease.record is not None
        assert lease.record.holder == "thief"

    run(story())


def test_fields_of_other_writers_on_the_lease_are_kept() -> None:
    async def story() -> None:
        lease = MemoryLease()
        held = await lease.write(None, "a", 15)
        held.body["metadata"]["labels"] = {"team": "infra"}
        held.body["spec"]["strategy"] = "OldestEmulationVersion"
        from datetime import UTC, datetime

        again = lease_body(held, "b", 0.3, datetime(2026, 1, 2, 3, 4, 5, 6, UTC))
        assert again["metadata"]["labels"] == {"team": "infra"}
        assert again["spec"] == {
            "strategy": "OldestEmulationVersion",
            "holderIdentity": "b",
            "leaseDurationSeconds": 1,
            "acquireTime": "2026-01-02T03:04:05.000006Z",
            "renewTime": "2026-01-02T03:04:05.000006Z",
            "leaseTransitions": 1,
        }

    run(story())


troubles = st.builds(
    CallFault,
    before=st.sampled_from([0.0, 0.0, 0.01, 0.5, 1.4, 3.0, 9.0]),
    after=st.sampled_from([0.0, 0.0, 0.01, 0.5, 1.4, 20.0]),
    error=st.sampled_from(["", "", "", "before", "after"]),
)


@given(
    rates=st.lists(st.sampled_from([0.9, 1.0, 1.1]), min_size=2, max_size=3),
    offsets=st.lists(st.floats(0, 1e6), min_size=3, max_size=3),
    troubled=st.lists(troubles, max_size=120),
    deaths=st.lists(st.tuples(st.floats(1, 60), st.integers(0, 2), st.booleans()), max_size=5),
)
@settings(max_examples=150)
def test_never_two_leaders_and_always_one_in_the_end(
    rates: list[float], offsets: list[float], troubled: list[CallFault], deaths: list[tuple[float, int, bool]]
) -> None:
    """Clocks that differ and drift, calls that are late, lost or arrive after they were given up, deaths and ends."""

    async def story() -> None:
        lease = MemoryLease()
        todo = iter(troubled)
        rough = UnreliableLease(lease, lambda: next(todo, CallFault()))
        replicas = [replica(rough, f"r{i}", rate=rate, offset=offsets[i]) for i, rate in enumerate(rates)]
        born = len(replicas)

        def look() -> None:
            writers = [r.election.identity for r in replicas if r.may_write]
            assert len(writers) <= 1, writers

        async def wait(seconds: float) -> None:
            for _ in range(int(seconds / TICK)):
                await asyncio.sleep(TICK)
                look()

        async def end(place: int, cleanly: bool) -> None:
            nonlocal born
            victim = replicas[place]
            victim.kill()
            await asyncio.wait([victim.task])
            if cleanly:
                await victim.election.release()
            born += 1
            replicas[place] = replica(rough, f"r{born}", rate=rates[place], offset=offsets[place])

        for seconds, place, cleanly in deaths:
            await wait(seconds)
            await end(place % len(replicas), cleanly)
        await wait(60)
        # From here on there are no more faults; a replica that has lost is restarted, as by the kubelet.
        rough.fault = CallFault
        for place, each in enumerate(replicas):
            if each.task.done():
                assert isinstance(each.task.exception(), LeadershipLost)
                await end(place, False)
        await wait(30)
        assert sum(r.may_write for r in replicas) == 1
        for each in replicas:
            each.kill()

    run(story())
