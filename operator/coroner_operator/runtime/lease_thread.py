"""The election in a thread of its own, with a connection of its own: a busy event loop does not cost the leadership.

The thread renews the Lease on behalf of an event loop that proves to be alive. Where that has not run for
``stall_limit`` seconds nothing is renewed any more, and another replica may lead (docs/adr/0008). The fence stays where
it is: the event loop reads ``remaining`` before each write, and that ends before the Lease does.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from kubernetes.aio.client.configuration import Configuration

from coroner_operator.config.settings import Settings
from coroner_operator.kube.client import Client, ClientError, service_account_namespace
from coroner_operator.kube.lease import ApiLease, Lease
from coroner_operator.runtime.leader_election import Election, Leadership, SingleReplica, boottime, new_identity
from coroner_operator.runtime.loop_thread import LoopThread

log = logging.getLogger("coroner.lease_thread")

STALL_DURATIONS = 4  # Lease durations: the liveness probe, which the same loop answers, ends the process before that
RELEASE_TIMEOUT = 5.0  # s, at most, for the release: a Lease that is not released runs out by itself


class LeaseThread:
    """A ``Leadership``. Its methods are called in one event loop: the one that works while it leads."""

    def __init__(
        self,
        connect: Callable[[], AbstractAsyncContextManager[Lease]],
        identity: str,
        *,
        duration: float,
        renew_deadline: float,
        retry: float,
        stall_limit: float | None = None,
        on_changed: Callable[[bool], None] = lambda leads: None,  # noqa: ARG005 - nobody listens
    ) -> None:
        """``connect`` is entered in the thread, ``on_changed`` is called in the event loop. ``stall_limit``: seconds;
        default: ``STALL_DURATIONS``. The rest: as for ``Election``.
        """
        self.leading = asyncio.Event()
        self.observed = asyncio.Event()
        self.connect = connect
        self._identity = identity
        self._duration = duration
        self._renew_deadline = renew_deadline
        self._retry = retry
        self._stall_limit = STALL_DURATIONS * duration if stall_limit is None else stall_limit
        self._on_changed = on_changed
        self._heartbeat_at = -math.inf
        self._loop: asyncio.AbstractEventLoop
        self._thread: LoopThread | None = None
        self._election: Election | None = None
        self._in_thread = AsyncExitStack()
        self._task: asyncio.Task[None] | None = None
        """Of the election, in the thread."""

    @property
    def remaining(self) -> float:
        return -math.inf if self._election is None else self._election.remaining

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heartbeat_at = boottime()
        self._thread = LoopThread("lease")
        elected = self._thread.call(self._elect())
        while not elected.done():
            self._heartbeat_at = boottime()
            await asyncio.wait((elected,), timeout=self._retry)
        await elected

    async def release(self) -> None:
        if self._thread is None:
            return
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT):
                await self._thread.call(self._end())
        except TimeoutError:
            log.warning("the Lease is not released, it runs out by itself")
        await self._thread.stop()

    # --- in the thread

    async def _elect(self) -> None:
        self._task = asyncio.current_task()
        lease = await self._in_thread.enter_async_context(self.connect())
        election = self._election = Election(
            lease,
            self._identity,
            duration=self._duration,
            renew_deadline=self._renew_deadline,
            retry=self._retry,
            stalled=self._stalled,
            on_changed=lambda leads: self._in_loop(self._on_changed, leads),
        )
        relays = [
            asyncio.create_task(self._relay(election.observed, self.observed)),
            asyncio.create_task(self._relay(election.leading, self.leading)),
        ]
        try:
            await election.run()
        finally:
            for relay in relays:
                relay.cancel()

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self._election is not None:
            await self._election.release()
        await self._in_thread.aclose()

    async def _relay(self, here: asyncio.Event, there: asyncio.Event) -> None:
        await here.wait()
        self._in_loop(there.set)

    def _in_loop(self, call: Callable[..., None], *args: object) -> None:
        self._loop.call_soon_threadsafe(call, *args)

    def _stalled(self) -> str:
        seconds = boottime() - self._heartbeat_at
        return f"the event loop has not run for {seconds:.0f} s" if seconds > self._stall_limit else ""


@asynccontextmanager
async def api_lease(configuration: Configuration, namespace: str, name: str) -> AsyncIterator[Lease]:
    """The Lease, by a connection that nobody else uses."""
    async with Client(configuration) as client:
        yield ApiLease(client, namespace, name)


def leadership(settings: Settings, configuration: Configuration, on_changed: Callable[[bool], None]) -> Leadership:
    """As the settings want it. Raises ClientError where it is not known in which namespace the Lease is."""
    if not settings.leader_election:
        on_changed(True)
        return SingleReplica()
    namespace = settings.lease_namespace or os.environ.get("POD_NAMESPACE") or _own_namespace()
    return LeaseThread(
        lambda: api_lease(configuration, namespace, settings.lease_name),
        new_identity(settings.identity),
        duration=settings.lease_duration,
        renew_deadline=settings.renew_deadline,
        retry=settings.retry_period,
        on_changed=on_changed,
    )


def _own_namespace() -> str:
    try:
        return service_account_namespace()
    except OSError as error:
        raise ClientError(f"lease_namespace is not set, and {error.filename}: {error.strerror}") from None
