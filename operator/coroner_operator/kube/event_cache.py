"""Events that may explain a failure: warnings as they arrive, and all events of one pod on request.

An Event counts for an object only in the object's own namespace, or every tenant could explain the failures of all
others: UIDs are public. So the cache is keyed by the namespace of the Event itself, which the API server vouches for.

Bounded in bytes. A namespace whose events take more than its even part evicts its own, the oldest first; by then the
report contains what they said. Events about pods that have not been observed are evicted before all others, and are
kept for a minute only: an event may come before the pod that it is about, and anybody can write events about none.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.lenient_decode import lenient_decode
from coroner_categorizer.objects.pod import Metadata
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import ApiError
from coroner_operator.kube.paging import list_items
from coroner_operator.kube.paths import field_selector
from coroner_operator.kube.resources import EVENT

log = logging.getLogger("coroner.event_cache")

BYTES_LIMIT = 32 * 2**20  # of all events: 15,000 with texts of 1 KB, of which nobody has seen more than 2,000
EVENTS_PER_OBJECT = 12
EVENT_BYTES = 1_500  # of an event without its text, measured
WAITING_SECONDS = 60.0  # s; a watch of pods that is interrupted is back after 30 s at most
WAITING_BYTES = 2**20  # of one namespace, about pods that have not been observed
LIST_LIMIT = 100  # events about one object
LIST_BYTES = 8 * 2**20
LIST_TIMEOUT = 5.0  # s; a verdict without events is better than none

_EVENT = msgspec.json.Decoder(Event)


class EventTarget(NamedTuple):
    """The object that an event counts for."""

    kind: str
    namespace: str
    uid: str
    """Of a node the name: the kubelet uses that as its UID, others the UID."""

    @classmethod
    def pod(cls, metadata: Metadata) -> EventTarget:
        return cls("Pod", metadata.namespace, metadata.uid)

    @classmethod
    def node(cls, name: str) -> EventTarget:
        return cls("Node", "", name)


def target_of(event: Event) -> EventTarget | None:
    """What the event counts for; None for nothing, where it is written about an object of another namespace."""
    involved = event.involved
    if event.is_about_node:
        return EventTarget.node(involved.name)
    if involved.kind == "Node" or not involved.uid or involved.namespace != event.metadata.namespace:
        return None
    return EventTarget(involved.kind, event.metadata.namespace, involved.uid)


class _ObjectEvents:
    """The newest events about one object."""

    def __init__(self, since: float) -> None:
        self.since = since
        """When the first one came."""
        self.bytes = 0
        self._events: OrderedDict[str, Event] = OrderedDict()

    def put(self, event: Event) -> None:
        key = event.metadata.uid or event.metadata.name
        self._remove(key)
        self._events[key] = event
        self.bytes += _size(event)
        if len(self._events) > EVENTS_PER_OBJECT:
            self._remove(next(iter(self._events)))

    def all(self) -> tuple[Event, ...]:
        return tuple(self._events.values())

    def _remove(self, key: str) -> None:
        event = self._events.pop(key, None)
        if event is not None:
            self.bytes -= _size(event)


class _NamespaceShare:
    """The events of one namespace: its share of the cache."""

    def __init__(self) -> None:
        self.known: OrderedDict[EventTarget, _ObjectEvents] = OrderedDict()
        """The least recently used one first."""
        self.waiting: OrderedDict[EventTarget, _ObjectEvents] = OrderedDict()
        """About pods that have not been observed, the oldest first."""
        self.bytes = 0
        self.waiting_bytes = 0

    def get(self, target: EventTarget) -> _ObjectEvents | None:
        return self.known.get(target) or self.waiting.get(target)

    def put(self, target: EventTarget, events: _ObjectEvents, event: Event) -> int:
        """Add the event to ``events``, which are those about ``target`` here. How many bytes it takes more."""
        before = events.bytes
        events.put(event)
        grown = events.bytes - before
        self.bytes += grown
        if target in self.waiting:
            self.waiting_bytes += grown
        return grown

    def promote(self, target: EventTarget) -> None:
        """The pod has been observed."""
        events = self.known[target] = self.waiting.pop(target)
        self.waiting_bytes -= events.bytes

    def remove(self, target: EventTarget) -> int:
        """Bytes that are free now; nothing where there are no events about ``target``."""
        events = self.get(target)
        if events is None:
            return 0
        if self.waiting.pop(target, None):
            self.waiting_bytes -= events.bytes
        self.known.pop(target, None)
        self.bytes -= events.bytes
        return events.bytes


class EventCache:
    def __init__(
        self,
        client: Client,
        pod_exists: Callable[[str], bool | None] = lambda _: True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``pod_exists``: whether there is a pod of this UID; None: nobody knows yet."""
        self._client = client
        self._pod_exists = pod_exists
        self._now = now
        self._shares: dict[str, _NamespaceShare] = {}
        """"" = about nodes."""
        self.bytes = 0
        """About what the events take in memory."""

    def __len__(self) -> int:
        """Objects of which there are events."""
        return sum(len(share.known) + len(share.waiting) for share in self._shares.values())

    def add(self, event: Event) -> None:
        """Cache the event; a newer state of the same event replaces the older one."""
        target = target_of(event)
        if target is None or event.is_from_coroner:
            return
        share = self._shares.setdefault(target.namespace, _NamespaceShare())
        events = share.get(target)
        if events is None:
            events = _ObjectEvents(self._now())
            observed = target.kind != "Pod" or self._pod_exists(target.uid)
            (share.known if observed else share.waiting)[target] = events
        self.bytes += share.put(target, events, event)
        self._check_waiting(share)
        while self.bytes > BYTES_LIMIT:
            self._evict()

    def cached(self, target: EventTarget) -> tuple[Event, ...]:
        """What is cached, in the order of its last change."""
        share = self._shares.get(target.namespace)
        events = share.get(target) if share else None
        if share is None or events is None:
            return ()
        if target in share.known:
            share.known.move_to_end(target)
        return events.all()

    def forget(self, target: EventTarget) -> None:
        share = self._shares.get(target.namespace)
        if share is not None:
            self._remove(target.namespace, share, target)

    async def warnings(self, namespace: str) -> AsyncGenerator[Event]:
        """All warnings in the namespace, in pages. Raises ApiError."""
        query = {"fieldSelector": field_selector({"type": "Warning"})}
        async with aclosing(list_items(self._client, EVENT.path(namespace), query, limit=LIST_LIMIT)) as items:
            async for raw in items:
                yield lenient_decode(raw, _EVENT, Event)

    async def read_all(self, metadata: Metadata, reason: str = "") -> tuple[Event, ...]:
        """Events about the object that still exist, listed by its UID, and those about a pod that are only cached.

        ``reason``: only those of this reason.

        Lists at most ``LIST_LIMIT``, and no further page after ``LIST_BYTES``; if that fails, what is cached is all.
        """
        cached = self.cached(EventTarget.pod(metadata))
        events: list[Event] = []
        try:
            async with asyncio.timeout(LIST_TIMEOUT):
                await self._read(metadata, reason, events)
        except (ApiError, TimeoutError, msgspec.DecodeError) as error:
            log.warning("%s/%s: classified without its events: %r", metadata.namespace, metadata.name, error)
        named = {event.metadata.uid for event in events}
        return *events, *(event for event in cached if event.metadata.uid not in named)

    async def _read(self, metadata: Metadata, reason: str, events: list[Event]) -> None:
        """Add to ``events`` what is listed. Raises ApiError, msgspec.DecodeError."""
        selected = {"involvedObject.uid": metadata.uid} | ({"reason": reason} if reason else {})
        query = {"fieldSelector": field_selector(selected)}
        path = EVENT.path(metadata.namespace)
        count = size = 0
        async with aclosing(list_items(self._client, path, query, limit=LIST_LIMIT)) as items:
            async for raw in items:
                count += 1
                size += len(raw)
                event = lenient_decode(raw, _EVENT, Event)
                if not event.is_from_coroner:
                    events.append(event)
                if count >= LIST_LIMIT or size >= LIST_BYTES:
                    return

    def _check_waiting(self, share: _NamespaceShare) -> None:
        """Events about pods that exist by now wait no longer; what has waited too long, or is too much, is dropped."""
        while share.waiting:
            target, events = next(iter(share.waiting.items()))
            exists = self._pod_exists(target.uid)
            if exists:
                share.promote(target)
                continue
            in_time = self._now() - events.since < WAITING_SECONDS and share.waiting_bytes <= WAITING_BYTES
            if exists is None or in_time:
                return
            self._remove(target.namespace, share, target)

    def _evict(self) -> None:
        """One object's events, of the namespace that has the most."""
        namespace, share = max(self._shares.items(), key=lambda item: item[1].bytes)
        while share.waiting:
            target = next(iter(share.waiting))
            if not self._pod_exists(target.uid):
                break
            share.promote(target)
        self._remove(namespace, share, next(iter(share.waiting or share.known)))

    def _remove(self, namespace: str, share: _NamespaceShare, target: EventTarget) -> None:
        self.bytes -= share.remove(target)
        if not share.known and not share.waiting:
            del self._shares[namespace]


def _size(event: Event) -> int:
    """Bytes in memory; all other texts are short."""
    return EVENT_BYTES + sys.getsizeof(event.message) + sys.getsizeof(event.note)
