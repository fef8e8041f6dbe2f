"""Which replica leads: a Lease, renewed while we work, and a fence that falls before another can take it.

Times are our own, from a clock that is never set: a candidate waits until it has *seen* no renewal for the Lease's
duration, whatever the times in the Lease say. The leader counts from before it asked for its last renewal, and for
less long. So between the end of the one and the start of the next there is always a gap (docs/adr/0008).
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import uuid4

from coroner_operator.kube.errors import ApiError, Conflict, NotFound
from coroner_operator.kube.lease import Lease, LeaseRecord

log = logging.getLogger("coroner.leader_election")

CALL_SHARE = 0.5  # of the renew deadline, as client-go has it: an API server that answers in 4 s costs no leadership
MIN_CALL_SECONDS = 0.05  # s; no call is worth beginning with less time left
RELEASED_LEASE_SECONDS = 1.0  # s; a Lease that nobody holds is free at once, but the API server wants a duration


class LeadershipLost(Exception):  # noqa: N818 - an outcome
    """Another leads, or may soon. Nothing may be written any more."""


class Leadership(Protocol):
    leading: asyncio.Event
    """Set once we lead. It is never cleared: after a loss the process ends."""
    observed: asyncio.Event
    """Set once it is known who leads."""

    @property
    def remaining(self) -> float:
        """Seconds for which writing is allowed from now on; 0 or less = it is not."""
        ...

    async def run(self) -> None:
        """Become the leader and stay it. Raises LeadershipLost."""
        ...

    async def release(self) -> None:
        """All is written: the next may lead at once. Raises nothing."""
        ...


class SingleReplica:
    """One replica, without a Lease: it leads."""

    def __init__(self) -> None:
        self.leading = asyncio.Event()
        self.leading.set()
        self.observed = self.leading

    @property
    def remaining(self) -> float:
        return math.inf

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def release(self) -> None: ...


def boottime() -> float:
    """Seconds of a clock that nobody sets and that goes on while the machine is suspended."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def new_identity(name: str = "") -> str:
    """``name`` (default: the host's, which is the pod's) with a random part: a process that was started again does
    not lead because its predecessor did."""
    return f"{name or socket.gethostname()}_{uuid4().hex[:8]}"


class Election:
    def __init__(
        self,
        lease: Lease,
        identity: str,
        *,
        duration: float = 15.0,
        renew_deadline: float = 10.0,
        retry: float = 2.0,
        clock: Callable[[], float] = boottime,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        stalled: Callable[[], str] = lambda: "",
        on_changed: Callable[[bool], None] = lambda leads: None,  # noqa: ARG005 - nobody listens
    ) -> None:
        """Seconds; ``retry`` < ``renew_deadline`` < ``duration``. ``stalled()``: why the work that we lead for does not
        go on, "" where it does; a Lease of stalled work is neither taken nor renewed. ``on_changed`` is called when
        leadership changes.
        """
        self.leading = asyncio.Event()
        self.observed = asyncio.Event()
        self.identity = identity
        self._lease = lease
        self._duration = duration
        self._renew_deadline = renew_deadline
        self._retry = retry
        self._call_limit = renew_deadline * CALL_SHARE
        self._clock = clock
        self._sleep = sleep
        self._stalled = stalled
        self._on_changed = on_changed
        self._leads_until = -math.inf
        self._write_attempted = False
        """A write was begun: perhaps the Lease is ours, even if no answer came."""
        self._seen: tuple[str, str, int] | None = None
        self._seen_at = -math.inf

    @property
    def remaining(self) -> float:
        return self._leads_until - self._clock()

    async def run(self) -> None:
        held = await self._acquire()
        log.info("%s leads (%s)", self.identity, self._lease)
        self._on_changed(True)
        self.leading.set()
        try:
            await self._hold(held)
        finally:
            self._on_changed(False)

    async def release(self) -> None:
        self._leads_until = -math.inf
        if not self._write_attempted:
            return
        try:
            async with asyncio.timeout(self._retry):
                held = await self._lease.read()  # a renewal that was interrupted may have come through
                if held is not None and held.holder == self.identity:
                    await self._lease.write(held, "", RELEASED_LEASE_SECONDS)
                    log.info("%s leads no more (%s)", self.identity, self._lease)
        except (ApiError, TimeoutError) as error:
            log.warning("%s: not released, it runs out by itself: %s", self._lease, _describe(error))

    async def _acquire(self) -> LeaseRecord:
        while True:
            try:
                if not self._stalled() and (held := await self._try()):
                    return held
            except Conflict:
                log.debug("%s: another candidate was first", self._lease)
            except (ApiError, TimeoutError) as error:
                log.warning("%s: %s", self._lease, _describe(error))
            # Twice as often as the leader renews: a hand-over is noticed within half a retry period.
            await self._sleep(self._retry / 2)

    async def _try(self) -> LeaseRecord | None:
        """The Lease, if it is ours now. Raises ApiError, TimeoutError."""
        async with asyncio.timeout(self._call_limit):
            held = await self._lease.read()
            self.observed.set()
            if held is not None and not self._is_free(held):
                return None
            return await self._write(held)

    def _is_free(self, held: LeaseRecord) -> bool:
        if held.holder in ("", self.identity):
            return True
        now = self._clock()
        seen = (held.holder, held.renewed_at, held.transitions)
        if seen != self._seen:
            if self._seen is None or self._seen[0] != held.holder:
                log.info("%s leads (%s)", held.holder, self._lease)
            self._seen, self._seen_at = seen, now
        # The holder may have been given a longer duration than we were.
        return now - self._seen_at >= max(self._duration, held.duration)

    async def _hold(self, held: LeaseRecord) -> None:
        pause = self._retry
        while True:
            await self._sleep(max(0.0, min(pause, self.remaining)))
            if self.remaining <= MIN_CALL_SECONDS:
                raise self._lost(f"not renewed for {self._renew_deadline:g} s")
            if reason := self._stalled():
                raise self._lost(reason)
            began = self._clock()
            try:
                async with asyncio.timeout(min(self._call_limit, self.remaining)):
                    held = await self._renew(held)
                pause = self._retry - (self._clock() - began)
            except (ApiError, TimeoutError) as error:
                pause = self._retry / 2
                log.warning("%s: not renewed: %s", self._lease, _describe(error))

    async def _renew(self, held: LeaseRecord) -> LeaseRecord:
        try:
            return await self._write(held)
        except (Conflict, NotFound):
            # Somebody touched the object, it was deleted, or an answer of ours was lost.
            now_held = await self._lease.read()
            if now_held is not None and now_held.holder != self.identity:
                raise self._lost(f"{now_held.holder or 'nobody'} holds it now") from None
            return await self._write(now_held)

    async def _write(self, over: LeaseRecord | None) -> LeaseRecord:
        asked_at = self._clock()
        self._write_attempted = True
        held = await self._lease.write(over, self.identity, self._duration)
        self._leads_until = asked_at + self._renew_deadline
        return held

    def _lost(self, why: str) -> LeadershipLost:
        self._leads_until = -math.inf
        return LeadershipLost(f"{self._lease}: leadership lost: {why}")


def _describe(error: BaseException) -> str:
    return str(error) or "no answer in time"
