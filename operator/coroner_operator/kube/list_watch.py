"""One kind of object: LIST in pages, each handled as it arrives, then WATCH with bookmarks.

No object is kept once the consumer has it. The consumer gets every change in order, and after each LIST all UIDs that
exist, so that a deletion during a gap of the watch is noticed. An object that is too large to be read exists for the
consumer, but its changes are left out.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from cachetools import LRUCache

from coroner_categorizer.objects.lenient_decode import lenient_decode
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.bodies import Head, ObjectId
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import (
    ApiError,
    Forbidden,
    Gone,
    NotFound,
    Status,
    TooManyRequests,
    Transient,
    WatchIdle,
    error_from_status,
)
from coroner_operator.kube.paging import list_pages
from coroner_operator.kube.paths import ResourcePath

log = logging.getLogger("coroner.list_watch")

PAGE_SIZE = 250  # 2 MB of pods a page; with 500 the peak is 8 MB higher and nothing is faster
ITEMS_PER_TURN = 50  # objects handled before other tasks get a turn: 3 ms
WATCH_TIMEOUT = (240, 480)  # s; spread, so that all watches of all clients do not end together (client-go: 5 to 10 min)
TOO_LARGE_REMEMBERED = 1_000  # UIDs of objects that are too large, so that each is logged once
IDLE_TIMEOUT = 150.0  # s; bookmarks come about once a minute, so two have been missed

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Consumer(Protocol[T_contra]):
    """Receives the objects. The calls are synchronous: a consumer that has to wait schedules that itself."""

    def on_update(self, obj: T_contra, /) -> None:
        """The object was listed, created or changed; ``obj`` is its state."""

    def on_delete(self, obj: T_contra, /) -> None:
        """The object was deleted; ``obj`` is its last state."""

    def on_list(self, namespace: str | None, uids: set[str], /) -> None:
        """A LIST of ``namespace`` (None: the cluster) is complete; ``uids`` are all that exist."""


class WatchMetrics(Protocol):
    """Counters of a watch; the operator passes its ``Metrics``."""

    def event_received(self, kind: str, /) -> None: ...

    def restarted(self, kind: str, reason: str, /) -> None: ...

    def too_large(self, kind: str, /) -> None:
        """A state of an object was left out."""


class _WatchEvent(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Meta(msgspec.Struct, frozen=True):
    resourceVersion: str = ""
    uid: str = ""


class _HasMeta(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()


_WATCH_EVENT = msgspec.json.Decoder(_WatchEvent)
_META = msgspec.json.Decoder(_HasMeta)
_STATUS = msgspec.json.Decoder(Status)


class ListWatch(Generic[T]):
    """The objects under ``path``; ``run()`` ends only by cancellation."""

    def __init__(
        self,
        client: Client,
        kind: str,
        path: ResourcePath,
        object_type: type[T],
        *,
        consumer: Consumer[T],
        metrics: WatchMetrics,
        namespace: str | None = None,
        selector: dict[str, str] | None = None,
        idle_timeout: float = IDLE_TIMEOUT,
        back_off: BackOff | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self.synced = asyncio.Event()
        """Set when the first LIST is complete."""
        self._client = client
        self._kind = kind
        self._path = path
        self._type = object_type
        self._decoder = msgspec.json.Decoder(object_type)
        self._consumer = consumer
        self._metrics = metrics
        self._namespace = namespace
        self._selector = selector or {}
        self._idle_timeout = idle_timeout
        self._back_off = back_off or BackOff()
        self._sleep = sleep
        self._too_large: LRUCache[ObjectId, None] = LRUCache(TOO_LARGE_REMEMBERED)
        """Those that are logged already; without their versions."""
        self._version: str | None = None
        """The resource version at which the next WATCH starts; None = a LIST is needed."""

    def __str__(self) -> str:
        return f"{self._kind} in {self._namespace}" if self._namespace else self._kind

    async def run(self) -> None:
        """LIST, then WATCH; errors are counted and logged, and followed by a retry."""
        while True:
            try:
                if self._version is None:
                    self._version = await self._list()
                    self._back_off.reset()
                    self.synced.set()
                await self._watch(self._version)
                continue  # the server's own time-out: watch again at once, from the same version
            except Gone as error:
                # The server discards old resource versions after some minutes; only a LIST helps.
                self._version = None
                await self._wait_after("expired", error)
            except TooManyRequests as error:
                await self._wait_after("throttled", error)
            except Forbidden as error:
                await self._wait_after("forbidden", error, logging.WARNING)
            except WatchIdle as error:
                await self._wait_after("idle", error)
            except Transient as error:
                await self._wait_after("dropped", error)
            except NotFound as error:
                self._version = None  # the kind is not served: once it is again, only a LIST says what there is
                await self._wait_after("failed", error, logging.WARNING)
            except ApiError as error:
                await self._wait_after("failed", error, logging.WARNING)
            except msgspec.DecodeError as error:
                # A line that is not JSON, e.g. cut off by a proxy: what follows cannot be trusted either.
                await self._wait_after("malformed", error, logging.WARNING)

    async def _wait_after(self, reason: str, error: Exception, level: int = logging.INFO) -> None:
        wait = self._back_off.next(getattr(error, "retry_after", None))
        self._metrics.restarted(self._kind, reason)
        log.log(level, "%s: %s; retrying in %.1f s", self, error, wait)
        await self._sleep(wait)

    async def _list(self) -> str:
        uids: set[str] = set()
        version = ""
        async with aclosing(list_pages(self._client, self._path, self._selector, limit=PAGE_SIZE)) as pages:
            async for page in pages:
                if page.too_large is not None:
                    self._leave_out(page.too_large)
                    uids.add(page.too_large.uid)
                for number, raw in enumerate(page.items or ()):
                    if number % ITEMS_PER_TURN == 0:
                        await asyncio.sleep(0)  # lets other tasks run, the request of the next page among them
                    if uid := self._dispatch(raw, self._consumer.on_update):
                        uids.add(uid)
                version = page.metadata.resource_version
        self._metrics.event_received(self._kind)
        self._consumer.on_list(self._namespace, uids)
        log.info("%s: %d listed, watching", self, len(uids))
        return version

    async def _watch(self, version: str) -> None:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": random.randint(*WATCH_TIMEOUT),
            "resourceVersion": version,
            **self._selector,
        }
        async with self._client.stream_lines(self._path, query, self._idle_timeout) as lines:
            async for line in lines:
                if isinstance(line, Head):
                    self._process_head(line)
                else:
                    self._process(_WATCH_EVENT.decode(line))
                self._back_off.reset()

    def _process(self, change: _WatchEvent) -> None:
        if change.type == "ERROR":
            status = _STATUS.decode(change.object)
            raise error_from_status(f"WATCH {self._path}", status.code or 500, status)
        self._metrics.event_received(self._kind)
        if change.type == "DELETED":
            self._dispatch(change.object, self._consumer.on_delete)
        elif change.type != "BOOKMARK":  # the object of a bookmark has only a resource version
            self._dispatch(change.object, self._consumer.on_update)
        # Only now: what the consumer did not get must be sent again.
        self._version = _META.decode(change.object).metadata.resourceVersion or self._version

    def _process_head(self, line: Head) -> None:
        """A change of an object that is too large: that it was deleted is known all the same."""
        self._metrics.event_received(self._kind)
        obj = line.object_id
        self._leave_out(obj)
        if line.change_type == "DELETED":
            metadata = {"namespace": obj.namespace, "name": obj.name, "uid": obj.uid}
            self._dispatch(msgspec.Raw(msgspec.json.encode({"metadata": metadata})), self._consumer.on_delete)
        self._version = obj.version or self._version

    def _leave_out(self, obj: ObjectId) -> None:
        self._metrics.too_large(self._kind)
        known = msgspec.structs.replace(obj, version="")
        if known not in self._too_large:
            self._too_large[known] = None
            log.warning("%s: %s is too large, and its changes are left out", self, obj)

    def _dispatch(self, raw: msgspec.Raw, handle: Callable[[T], None]) -> str:
        """The object's UID. An exception in the consumer is logged, and stops neither this list-watch nor others."""
        uid = _META.decode(raw).metadata.uid
        try:
            handle(lenient_decode(raw, self._decoder, self._type))
        except Exception:
            log.exception("%s: object %s could not be handled", self, uid or bytes(raw)[:200])
        return uid
