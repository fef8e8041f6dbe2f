"""Pods that failed, wait or start: what is needed to process one again after an event or a grace period."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from coroner_categorizer.objects.lenient_decode import lenient_decode
from coroner_categorizer.objects.pod import Pod
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import NotFound, TooLarge
from coroner_operator.kube.resources import POD
from coroner_operator.model.workload_ref import PodKey, pod_key

CACHE_SIZE = 1_000  # pods kept whole, ~6 KB each; of the others the name, to read them again

_POD = msgspec.json.Decoder(Pod)


class _Known(NamedTuple):
    name: str
    digest: bytes
    """Of what can change the verdict on the pod."""


class FailingPodCache:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[PodKey, _Known] = {}
        self._cached: OrderedDict[PodKey, Pod] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, key: PodKey) -> bool:
        return key in self._known

    def __iter__(self) -> Iterator[PodKey]:
        """All there are now."""
        return iter(tuple(self._known))

    def put(self, pod: Pod) -> bool:
        """This is the pod's last state. False: it differs from the one before in nothing that a verdict rests on."""
        key = pod_key(pod)
        before = self._known.get(key)
        known = self._known[key] = _Known(pod.metadata.name, _digest(pod))
        self._keep(key, pod)
        return known != before

    def mark_unprocessed(self, key: PodKey) -> None:
        """The pod's last state could not be processed: the next one is news, even if it is the same."""
        known = self._known.get(key)
        if known is not None:
            self._known[key] = known._replace(digest=b"")

    def remove(self, key: PodKey) -> None:
        """The pod is healthy, or deleted."""
        self._known.pop(key, None)
        self._cached.pop(key, None)

    def in_namespace(self, namespace: str) -> tuple[PodKey, ...]:
        """All there are in a namespace now."""
        return tuple(key for key in self._known if key.namespace == namespace)

    def missing(self, namespace: str | None, uids: set[str]) -> tuple[PodKey, ...]:
        """The pods of a namespace (None: of all) whose UIDs are not among ``uids``."""
        return tuple(key for key in self._known if key.uid not in uids and namespace in (None, key.namespace))

    async def get(self, key: PodKey) -> Pod | None:
        """The pod, from memory or read again; None if it is deleted, or has become too large. Raises ApiError."""
        cached = self._cached.get(key)
        if cached is not None or key not in self._known:
            return cached
        try:
            raw = await self._client.get(POD.object_path(key.namespace, self._known[key].name))
        except (NotFound, TooLarge):
            return None
        pod = lenient_decode(raw, _POD, Pod)
        if pod_key(pod) != key:
            return None
        if key in self._known and key not in self._cached:  # nothing was observed meanwhile
            self._keep(key, pod)
        return pod

    def _keep(self, key: PodKey, pod: Pod) -> None:
        self._cached[key] = pod
        self._cached.move_to_end(key)
        while len(self._cached) > CACHE_SIZE:
            self._cached.popitem(last=False)


def _digest(pod: Pod) -> bytes:
    """Of all fields that are decoded (annotations and managed fields are not), without those that no verdict reads."""
    metadata = msgspec.structs.replace(pod.metadata, resourceVersion="", labels={})
    return blake2b(msgspec.json.encode(msgspec.structs.replace(pod, metadata=metadata)), digest_size=16).digest()
