"""Events about pods that may explain a failure: warnings as they arrive, and all events of one pod on request.

Bounded in pods and in events per pod, oldest first; by the time they are evicted the report contains what they said.
"""

from __future__ import annotations

import logging

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

CACHE_SIZE = 2_000  # with EVENTS_A_POD events of ~1.5 KB each: 36 MB if every one of them is talkative, 3 MB as seen
EVENTS_PER_POD = 12
LIST_LIMIT = 100
LIST_TIMEOUT = 5.0  # s; a verdict without events is better than none


class _Page(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw] | None = None


_PAGE = msgspec.json.Decoder(_Page)
_EVENT = msgspec.json.Decoder(Event)


class EventCache:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._by_pod: LRUCache[str, FIFOCache[str, Event]] = LRUCache(CACHE_SIZE)

    def __len__(self) -> int:
        return len(self._by_pod)

    def add(self, pod_uid: str, event: Event) -> None:
        """Cache the event; a newer state of the same event replaces the older one."""
        if event.is_from_coroner:
            return
        events = self._by_pod.setdefault(pod_uid, FIFOCache(EVENTS_PER_POD))
        events[event.metadata.uid or event.metadata.name] = event

    def cached(self, pod_uid: str) -> tuple[Event, ...]:
        """What is cached, in the order in which it first arrived."""
        return tuple(self._by_pod[pod_uid].values()) if pod_uid in self._by_pod else ()

    def forget(self, pod_uid: str) -> None:
        self._by_pod.pop(pod_uid, None)

    async def read_all(self, metadata: Metadata) -> tuple[Event, ...]:
        """Every event about the pod that still exists, listed by the pod's UID; only what is cached if that fails."""
        query = {"fieldSelector": field_selector({"involvedObject.uid": metadata.uid}), "limit": LIST_LIMIT}
        try:
            path = EVENT.path(metadata.namespace)
            page = _PAGE.decode(await self._client.get(path, query, timeout_seconds=LIST_TIMEOUT))
        except (ApiError, msgspec.DecodeError) as error:
            log.warning("pod %s/%s: classified without its events: %s", metadata.namespace, metadata.name, error)
            return self.cached(metadata.uid)
        read = (lenient_decode(bytes(raw), _EVENT, Event) for raw in page.items or ())
        events = tuple(event for event in read if not event.is_from_coroner)
        named = {event.metadata.uid for event in events}
        return events + tuple(event for event in self.cached(metadata.uid) if event.metadata.uid not in named)
