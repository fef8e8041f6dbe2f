"""Kubernetes Events of our own: what happened again is counted in a series, and nobody ever waits for one.

An Event is for people who look now (the API server forgets it after an hour); the report is the record. So an Event
that cannot be posted is dropped and counted, never a reason to stop.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, Protocol

import msgspec

from coroner_categorizer.redaction.redactor import DEFAULT_REDACTOR, Redactor
from coroner_categorizer.redaction.sanitize import one_line
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import ApiError, Conflict, Forbidden, NotFound, TooManyRequests, Transient
from coroner_operator.kube.resources import NEW_EVENT
from coroner_operator.publish.event_series import WORD_LIMIT, EventType, Key, Regarding, Series, fit_note
from coroner_operator.publish.token_bucket import TokenBucket

log = logging.getLogger("coroner.recorder")

AGAIN = 60.0  # s between two PATCHes of one series
KEPT = 2_000  # series and objects that are remembered, about 2 KB each
WAITING = 1_000  # Events to be sent; more are dropped
TRIES = 5
PER_OBJECT = (10, 1 / 60)  # Events at once, then a second: a workload that fails in ever new ways
IN_ALL = (200, 10.0)
NOTE_CHARACTERS = 4_096  # redacted is the whole note, shortened only then
MERGE_PATCH = "application/merge-patch+json"

Outcome = Literal["created", "counted", "dropped"]


class Counts(Protocol):
    def count_event(self, outcome: Outcome, /) -> None: ...


class _Series(msgspec.Struct, frozen=True):
    count: int = 0


class _Event(msgspec.Struct, frozen=True):
    series: _Series | None = None


_EVENT = msgspec.json.Decoder(_Event)


class Recorder:
    """``start()``, ``record()`` and ``warn()`` at will, ``close()`` at the end."""

    def __init__(
        self,
        client: Client,
        counts: Counts,
        *,
        own: Regarding | None = None,
        redactor: Redactor = DEFAULT_REDACTOR,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] | None = None,
        again: float = AGAIN,
    ) -> None:
        """``own``: the operator's own pod, which its troubles are about. ``clock``: monotonic seconds."""
        self.redactor = redactor
        """May be exchanged at any time."""
        self._client = client
        self._counts = counts
        self._own = own
        self._now = now
        self._clock = clock or asyncio.get_running_loop().time
        self._again = again
        self._instance = f"coroner-{socket.gethostname()}"
        self._series: OrderedDict[Key, Series] = OrderedDict()
        self._per_object: OrderedDict[Regarding, TokenBucket] = OrderedDict()
        self._in_all = TokenBucket(*IN_ALL)
        self._queue: asyncio.Queue[Series] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._complained = False
        self._closing = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._work(), name="events")

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """They never end by themselves."""
        return (self._task,) if self._task else ()

    def record(
        self,
        regarding: Regarding,
        reason: str,
        note: str,
        *,
        action: str,
        advice: str = "",
        event_type: EventType = "Warning",
    ) -> None:
        """This happened to the object, now. Texts are redacted and cut here.

        ``advice`` follows the note of the first of a series, and does not tell series apart: it may name one of many
        pods.
        """
        key = Key(
            regarding,
            event_type,
            one_line(reason, WORD_LIMIT, self.redactor) or "Unknown",
            one_line(action, WORD_LIMIT, self.redactor) or "Unknown",
            fit_note(one_line(note, NOTE_CHARACTERS, self.redactor)),
        )
        series = self._series.get(key)
        if series is not None:
            self._series.move_to_end(key)
            series.count += 1
            series.last_at = self._now()
            self._later(series)
        elif not self._may(regarding) or self._queue.qsize() >= WAITING:
            self._counts.count_event("dropped")
        else:
            now = self._now()
            told = fit_note(one_line(f"{note} {advice}".rstrip(), NOTE_CHARACTERS, self.redactor))
            series = self._series[key] = Series(key, told, now, now)
            self._send_soon(series)
            self._forget_oldest()

    def warn(self, regarding: Regarding | None, reason: str, note: str) -> None:
        """A trouble of the operator's own, with an object or (None) with itself; without a pod only the log knows."""
        about = regarding or self._own
        if about is not None:
            self.record(about, reason, note, action="Operating")

    async def close(self, within: float) -> None:
        """Send what is not told yet, counts too, within that many seconds."""
        self._closing = True
        for series in self._series.values():
            if series.timer is not None:
                series.timer.cancel()
                series.timer = None
            if series.count > series.told:
                self._send_soon(series)
        try:
            async with asyncio.timeout(within):
                await self._queue.join()
        except TimeoutError:
            log.info("%d events are not sent", self._queue.qsize())
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _may(self, regarding: Regarding) -> bool:
        bucket = self._per_object.setdefault(regarding, TokenBucket(*PER_OBJECT))
        self._per_object.move_to_end(regarding)
        while len(self._per_object) > KEPT:
            self._per_object.popitem(last=False)
        now = self._clock()
        return bucket.take(now) and self._in_all.take(now)

    def _forget_oldest(self) -> None:
        while len(self._series) > KEPT:
            _, series = self._series.popitem(last=False)
            if series.timer is not None:  # what it has counted since is told now, not in a while
                series.timer.cancel()
                series.timer = None
                self._send_soon(series)

    def _later(self, series: Series) -> None:
        """Tell of the new count when the series may be sent again."""
        if self._closing:
            self._send_soon(series)
        elif series.timer is None and not series.queued:
            wait = max(0.0, series.last_sent + self._again - self._clock())
            series.timer = asyncio.get_running_loop().call_later(wait, self._due, series)

    def _due(self, series: Series) -> None:
        series.timer = None
        self._send_soon(series)

    def _send_soon(self, series: Series) -> None:
        if not series.queued:
            series.queued = True
            self._queue.put_nowait(series)

    async def _work(self) -> None:
        while True:
            series = await self._queue.get()
            series.queued = False
            try:
                await self._send(series)
                series.tries = 0
            except (Transient, TooManyRequests) as error:
                self._try_again(series, error)
            except ApiError as error:
                self._give_up(series, error)
            except Exception:  # an Event is never a reason to stop
                log.exception("event of %s cannot be made", series.key.regarding)
                self._forget(series)
            finally:
                self._queue.task_done()

    async def _send(self, series: Series) -> None:
        if series.told >= series.count:  # queued anew while it was on its way
            return
        series.last_sent = self._clock()
        if not series.told:
            try:
                await self._client.request("POST", NEW_EVENT.path(series.namespace), body=series.body(self._instance))
                series.told = 1
                self._counts.count_event("created")
                if series.count > 1:
                    self._later(series)
                return
            except Conflict:  # an earlier run of ours, or an answer that was lost, has made it
                known = _EVENT.decode(await self._client.get(NEW_EVENT.path(series.namespace, series.name)))
                before = known.series.count if known.series else 1
                series.count += before
                series.told = before
        count = series.count
        try:
            await self._client.request(
                "PATCH", NEW_EVENT.path(series.namespace, series.name), body=series.patch(), content_type=MERGE_PATCH
            )
        except NotFound:  # the API server forgets Events after an hour
            series.count, series.told = series.count - series.told, 0
            series.first_at = series.last_at
            self._send_soon(series)
            return
        series.told = count
        self._counts.count_event("counted")

    def _try_again(self, series: Series, error: ApiError) -> None:
        series.tries += 1
        if series.tries >= TRIES:
            self._give_up(series, error)
        elif series.timer is None:
            wait = max(error.retry_after or 0.0, 2.0**series.tries)
            series.timer = asyncio.get_running_loop().call_later(wait, self._due, series)

    def _give_up(self, series: Series, error: ApiError) -> None:
        self._counts.count_event("dropped")
        complain = isinstance(error, Forbidden) and not self._complained
        self._complained = self._complained or complain
        log.log(
            logging.WARNING if complain else logging.INFO, "event of %s is dropped: %s", series.key.regarding, error
        )
        self._forget(series)

    def _forget(self, series: Series) -> None:
        if self._series.get(series.key) is series:
            del self._series[series.key]
