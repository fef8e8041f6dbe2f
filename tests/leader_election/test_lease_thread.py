"""The Lease while the event loop is busy: in this process with a Lease in memory, and for whole processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import pytest

from coroner_operator.kube.lease import Lease, LeaseRecord, MemoryLease
from coroner_operator.runtime.leader_election import LeadershipLost
from coroner_operator.runtime.lease_thread import LeaseThread
from tests.leader_election.blockable_operator import block

DURATION = 6.0  # s; a busy machine must not make the renewals late


class CountingLease(MemoryLease):
    def __init__(self) -> None:
        super().__init__()
        self.renewals = 0
        self.is_open = False

    async def write(self, base: LeaseRecord | None, holder: str, duration: float) -> LeaseRecord:
        self.renewals += 1
        return await super().write(base, holder, duration)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Lease]:
        self.is_open = True
        yield self
        self.is_open = False


def thread(lease: CountingLease, changes: list[bool], stall_limit: float | None = None) -> LeaseThread:
    return LeaseThread(
        lease.connect,
        "a",
        duration=DURATION,
        renew_deadline=DURATION - 1,
        retry=0.2,
        stall_limit=stall_limit,
        on_changed=changes.append,
    )


def holder(lease: MemoryLease) -> str:
    assert lease.record is not None
    return lease.record.holder


async def test_a_blocked_event_loop_keeps_the_lease_which_is_renewed_meanwhile_and_released_at_the_end() -> None:
    lease, changes = CountingLease(), list[bool]()
    leadership = thread(lease, changes)
    running = asyncio.create_task(leadership.run())
    async with asyncio.timeout(30):
        await leadership.leading.wait()
    assert leadership.observed.is_set()
    before = lease.renewals
    block(DURATION + 2)
    assert lease.renewals >= before + 5
    assert leadership.remaining > 0
    await asyncio.sleep(0.5)
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])
    assert holder(lease) == "a", "what is written at the end is written while the Lease is held"
    await leadership.release()
    assert (holder(lease), lease.is_open, changes) == ("", False, [True, False])
    assert leadership.remaining <= 0


async def test_an_event_loop_that_does_not_run_for_too_long_loses_the_lease() -> None:
    lease, changes = CountingLease(), list[bool]()
    leadership = thread(lease, changes, stall_limit=2.0)
    running = asyncio.create_task(leadership.run())
    async with asyncio.timeout(30):
        await leadership.leading.wait()
    block(5.0)
    assert leadership.remaining <= 0, "known to the first write, before anybody says so"
    renewals = lease.renewals
    with pytest.raises(LeadershipLost, match="the event loop has not run for"):
        await running
    assert lease.renewals == renewals
    await leadership.release()
    assert changes == [True, False]


async def test_the_lease_is_released_by_a_replica_that_has_not_led() -> None:
    lease = CountingLease()
    await lease.write(None, "other", DURATION)
    leadership = thread(lease, [])
    await leadership.release()  # never started
    running = asyncio.create_task(leadership.run())
    async with asyncio.timeout(30):
        await leadership.observed.wait()
    running.cancel()
    await asyncio.wait([running])
    await leadership.release()
    assert (holder(lease), leadership.leading.is_set(), lease.renewals) == ("other", False, 1)


async def test_an_error_of_the_connection_ends_the_election() -> None:
    class Broken(nullcontext[Lease]):
        async def __aenter__(self) -> Lease:
            raise OSError("no certificate")

    leadership = LeaseThread(lambda: Broken(MemoryLease()), "a", duration=3, renew_deadline=2, retry=0.5)
    with pytest.raises(OSError, match="no certificate"):
        await leadership.run()
    await leadership.release()
