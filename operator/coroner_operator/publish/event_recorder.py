"""Kubernetes Events of our own: what happens again is counted in a series, and no caller ever waits for a request.

An Event is for people who look now (the API server deletes it after an hour); the report is the record. So an Event
that cannot be sent is dropped and counted, and never a reason to stop.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, Protocol

import msgspec
from cachetools import LRUCache

from coroner_categorizer.redaction.redactor import DEFAULT_REDACTOR, Redactor
from coroner_categorizer.redaction.sanitize import one_line
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import ApiError, Conflict, Forbidden, NotFound, TooManyRequests, Transient
from coroner_operator.kube.resources import NEW_EVENT
from coroner_operator.kube.workqueue import WorkQueue
from coroner_operator.publish.event_series import WORD_LIMIT, EventType, Key, Regarding, Series, fit_note
from coroner_operator.publish.token_bucket import TokenBucket

log = logging.getLogger("coroner.event_recorder")

RESEND_INTERVAL = 60.0  # s between two PATCHes of one series
CACHE_SIZE = 2_000  # series, and objects with a rate limit, that are remembered; about 2 KB each
QUEUE_LIMIT = 1_000  # Events that wait to be sent; more are dropped
MAX_TRIES = 5
PER_OBJECT = (10, 1 / 60)  # burst, then Events per second: a workload whose failures keep changing
PER_NAMESPACE = (100, 5.0)  # a namespace whose workloads all fail
GLOBAL_LIMIT = (200, 10.0)
NOTE_CHARACTERS = 4_096  # the whole note is redacted, and only then shortened
MERGE_PATCH = "application/merge-patch+json"

Outcome = Literal["created", "counted", "dropped"]


class EventMetrics(Protocol):
    def count_event(self, outcome: Outcome, /) -> None: ...


class _Series(msgspec.Struct, frozen=True):
    count: int = 0


class _Event(msgspec.Struct, frozen=True):
    series: _Series | None = None


_EVENT = msgspec.json.Decoder(_Event)


def _send_back_off() -> BackOff:
    return BackOff(base=4.0)


class Recorder:
    """``start()``, ``record()`` and ``warn()`` at any time, ``close()`` at the end."""

    def __init__(
        self,
        client: Client,
        metrics: EventMetrics,
        *,
        own: Regarding | None = None,
        enabled: bool = True,
        redactor: Redactor = DEFAULT_REDACTOR,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] | None = None,
        resend_interval: float = RESEND_INTERVAL,
    ) -> None:
        """``own``: the operator's own pod, which ``warn`` is about. ``enabled``: False = nothing is ever sent.
        ``clock``: monotonic seconds.
        """
        self.redactor = redactor
        """May be replaced at any time."""
        self._client = client
        self._metrics = metrics
        self._own = own
        self._enabled = enabled
        self._now = now
        self._clock = clock or asyncio.get_running_loop().time
        self._resend_interval = resend_interval
        self._instance = f"coroner-{socket.gethostname()}"
        self._series: LRUCache[Key, Series] = LRUCache(CACHE_SIZE)
        self._per_object: LRUCache[Regarding, TokenBucket] = LRUCache(CACHE_SIZE)
        self._per_namespace: LRUCache[str, TokenBucket] = LRUCache(CACHE_SIZE)
        self._global_limit = TokenBucket(*GLOBAL_LIMIT)
        self._queue = WorkQueue(
            self._reconcile,
            name="events",
            group=lambda series: series.namespace,
            back_off=_send_back_off,
            on_error=self._on_error,
        )
        self._logged_forbidden = False

    def start(self) -> None:
        """Nothing is sent before this."""
        self._queue.start()

    def record(
        self,
        regarding: Regarding,
        reason: str,
        note: str,
        *,
        action: str,
        hint: str = "",
        event_type: EventType = "Warning",
    ) -> None:
        """This happened to the object, now. Texts are redacted and shortened here.

        ``hint`` follows the note of the first of a series, and is no part of the series' identity: it may name one of
        many pods.
        """
        if not self._enabled:
            return
        key = self._key(regarding, reason, note, action, event_type)
        series = self._series.get(key)
        if series is not None:
            series.count += 1
            series.last_at = self._now()
            self._schedule(series)
        elif not self._is_allowed(regarding) or self._queue.ready >= QUEUE_LIMIT:
            self._metrics.count_event("dropped")
        else:
            self._add_series(key, note, hint)

    def renew(
        self,
        regarding: Regarding,
        reason: str,
        note: str,
        *,
        action: str,
        hint: str = "",
        event_type: EventType = "Warning",
    ) -> None:
        """What was recorded with these texts, here or by an earlier process, still holds: its Event is kept.

        The API server deletes an Event an hour after its last write. One that is gone is created again.
        """
        if not self._enabled:
            return
        key = self._key(regarding, reason, note, action, event_type)
        series = self._series.get(key)
        if series is None:
            if self._queue.ready >= QUEUE_LIMIT:
                self._metrics.count_event("dropped")
                return
            series = self._add_series(key, note, hint, count=0)
        series.renew = True
        series.last_at = self._now()
        self._schedule(series)

    def warn(self, regarding: Regarding | None, reason: str, note: str) -> None:
        """A problem of the operator's own, with an object or (None) with itself; without a pod it is only logged."""
        about = regarding or self._own
        if about is not None:
            self.record(about, reason, note, action="Operating")

    async def close(self, within: float) -> None:
        """Send what is not sent yet, counts too, within that many seconds."""
        if not await self._queue.drain(within):
            log.info("%d events not sent before the end", len(self._queue))
        await self._queue.close()

    def _key(self, regarding: Regarding, reason: str, note: str, action: str, event_type: EventType) -> Key:
        return Key(
            regarding,
            event_type,
            one_line(reason, WORD_LIMIT, self.redactor) or "Unknown",
            one_line(action, WORD_LIMIT, self.redactor) or "Unknown",
            fit_note(one_line(note, NOTE_CHARACTERS, self.redactor)),
        )

    def _add_series(self, key: Key, note: str, hint: str, count: int = 1) -> Series:
        now = self._now()
        whole_note = fit_note(one_line(f"{note} {hint}".rstrip(), NOTE_CHARACTERS, self.redactor))
        series = Series(key, whole_note, now, now, count)
        self._remember(series)
        self._queue.add(series)
        return series

    def _is_allowed(self, regarding: Regarding) -> bool:
        now = self._clock()
        limits = (
            self._per_object.setdefault(regarding, TokenBucket(*PER_OBJECT)),
            self._per_namespace.setdefault(regarding.namespace, TokenBucket(*PER_NAMESPACE)),
            self._global_limit,
        )
        return all(limit.take(now) for limit in limits)

    def _remember(self, series: Series) -> None:
        if len(self._series) >= CACHE_SIZE:
            _, oldest = self._series.popitem()
            if oldest in self._queue:  # what it has counted is sent now: nothing can be added to it any more
                self._queue.add(oldest)
        self._series[series.key] = series

    def _schedule(self, series: Series) -> None:
        """Send the new count as soon as the series may be sent again."""
        self._queue.add_after(series, series.last_sent + self._resend_interval - self._clock())

    async def _reconcile(self, series: Series) -> None:
        try:
            await self._send(series)
        except (Transient, TooManyRequests) as error:
            series.tries += 1
            if series.tries < MAX_TRIES:
                raise
            self._give_up(series, error)
        except ApiError as error:
            self._give_up(series, error)
        except Exception:  # a bug that one Event triggers is not retried
            log.exception("event about %s cannot be made", series.key.regarding)
            self._forget(series)
        else:
            series.tries = 0

    def _on_error(self, series: Series, error: Exception, wait: float) -> None:
        log.debug("event about %s: %s; retrying in %.1f s", series.key.regarding, error, wait)

    async def _send(self, series: Series) -> None:
        if series.sent >= series.count and not series.renew:  # added to the queue while it was being sent
            return
        renewed, series.renew = series.renew, False  # it may be asked for again while this is sent
        try:
            await self._write(series)
        except ApiError:
            series.renew = series.renew or renewed
            raise

    async def _write(self, series: Series) -> None:
        series.last_sent = self._clock()
        if not series.sent and await self._create(series):
            return
        count = series.count
        try:
            await self._client.request(
                "PATCH", NEW_EVENT.path(series.namespace, series.name), body=series.patch(), content_type=MERGE_PATCH
            )
        except NotFound:  # the API server deletes Events after an hour
            series.count, series.sent = series.count - series.sent, 0
            series.first_at, series.renew = series.last_at, True
            self._queue.add(series)
            return
        series.sent = count
        self._metrics.count_event("counted")

    async def _create(self, series: Series) -> bool:
        """False: there is one, and what it has counted is added. Raises ApiError."""
        before = 0 if series.count else await self._counted(series)
        if not before:
            series.count = max(series.count, 1)
            try:
                await self._client.request("POST", NEW_EVENT.path(series.namespace), body=series.body(self._instance))
            except Conflict:  # created by an earlier run of the operator, or by a request whose response was lost
                before = await self._counted(series)
            else:
                series.sent = 1
                self._metrics.count_event("created")
                if series.count > 1:
                    self._schedule(series)
                return True
        series.count += before
        series.sent = before
        return False

    async def _counted(self, series: Series) -> int:
        """What the Event has counted; 0: there is none. Raises ApiError."""
        try:
            known = _EVENT.decode(await self._client.get(NEW_EVENT.path(series.namespace, series.name)))
        except NotFound:
            return 0
        return known.series.count if known.series else 1

    def _give_up(self, series: Series, error: ApiError) -> None:
        self._metrics.count_event("dropped")
        is_first_forbidden = isinstance(error, Forbidden) and not self._logged_forbidden
        self._logged_forbidden = self._logged_forbidden or is_first_forbidden
        level = logging.WARNING if is_first_forbidden else logging.INFO
        log.log(level, "event about %s dropped: %s", series.key.regarding, error)
        self._forget(series)

    def _forget(self, series: Series) -> None:
        self._queue.remove(series)
        if self._series.get(series.key) is series:
            del self._series[series.key]
