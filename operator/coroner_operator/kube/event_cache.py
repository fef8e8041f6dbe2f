"""Events that may explain a failure: warnings as they arrive, and all events of one pod on request.

An Event counts for an object only in the object's own namespace, or every tenant could explain the failures of all
others: UIDs are public. So the cache is keyed by the namespace of the Event itself, which the API server vouches for.

Bounded in objects and in events per object, oldest first; by the time they are evicted the report contains what they
said.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import msgspec
from cachetools import FIFOCache, LRUCache

from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.lenient_decode import lenient_decode
from coroner_categorizer.objects.pod import Metadata
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import ApiError
from coroner_operator.kube.paths import field_selector
from coroner_operator.kube.resources import EVENT

log = logging.getLogger("coroner.event_cache")

CACHE_SIZE = 2_000  # with EVENTS_PER_OBJECT events of ~1.5 KB each: 36 MB if each of them is talkative, 3 MB as seen
EVENTS_PER_OBJECT = 12
LIST_LIMIT = 100
LIST_TIMEOUT = 5.0  # s; a verdict without events is better than none


class _Page(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw] | None = None


_PAGE = msgspec.json.Decoder(_Page)
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


class EventCache:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._by_target: LRUCache[EventTarget, FIFOCache[str, Event]] = LRUCache(CACHE_SIZE)

    def __len__(self) -> int:
        return len(self._by_target)

    def add(self, event: Event) -> None:
        """Cache the event; a newer state of the same event replaces the older one."""
        target = target_of(event)
        if target is None or event.is_from_coroner:
            return
        events = self._by_target.setdefault(target, FIFOCache(EVENTS_PER_OBJECT))
        events[event.metadata.uid or event.metadata.name] = event

    def cached(self, target: EventTarget) -> tuple[Event, ...]:
        """What is cached, in the order in which it first arrived."""
        return tuple(self._by_target[target].values()) if target in self._by_target else ()

    def forget(self, target: EventTarget) -> None:
        self._by_target.pop(target, None)

    async def read_all(self, metadata: Metadata) -> tuple[Event, ...]:
        """Every event about the pod that still exists, listed by the pod's UID; only what is cached if that fails."""
        cached = self.cached(EventTarget.pod(metadata))
        query = {"fieldSelector": field_selector({"involvedObject.uid": metadata.uid}), "limit": LIST_LIMIT}
        try:
            path = EVENT.path(metadata.namespace)
            page = _PAGE.decode(await self._client.get(path, query, timeout_seconds=LIST_TIMEOUT))
        except (ApiError, msgspec.DecodeError) as error:
            log.warning("pod %s/%s: classified without its events: %s", metadata.namespace, metadata.name, error)
            return cached
        read = (lenient_decode(bytes(raw), _EVENT, Event) for raw in page.items or ())
        events = tuple(event for event in read if not event.is_from_coroner)
        named = {event.metadata.uid for event in events}
        return events + tuple(event for event in cached if event.metadata.uid not in named)
