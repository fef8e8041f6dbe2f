"""Pods that failed, wait or start: what is needed to process one again after an event or a grace period."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from coroner_categorizer.objects.lenient_decode import lenient_decode
from coroner_categorizer.objects.pod import Pod
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import NotFound
from coroner_operator.kube.resources import POD

CACHE_SIZE = 1_000  # pods kept whole, ~6 KB each; of the others the name, to read them again


class PodName(NamedTuple):
    namespace: str
    name: str


_POD = msgspec.json.Decoder(Pod)


class FailingPodCache:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._names: dict[str, PodName] = {}
        self._cached: OrderedDict[str, Pod] = OrderedDict()

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, pod_uid: str) -> bool:
        return pod_uid in self._names

    def __iter__(self) -> Iterator[str]:
        """The UIDs of all there are now."""
        return iter(tuple(self._names))

    def put(self, pod: Pod) -> None:
        """This is the pod's last state."""
        uid = pod.metadata.uid
        self._names[uid] = PodName(pod.metadata.namespace, pod.metadata.name)
        self._cached[uid] = pod
        self._cached.move_to_end(uid)
        while len(self._cached) > CACHE_SIZE:
            self._cached.popitem(last=False)

    def remove(self, pod_uid: str) -> None:
        """The pod is healthy, or deleted."""
        self._names.pop(pod_uid, None)
        self._cached.pop(pod_uid, None)

    def in_namespace(self, namespace: str) -> tuple[str, ...]:
        """The UIDs of all there are in a namespace now."""
        return tuple(uid for uid, place in self._names.items() if place.namespace == namespace)

    def missing(self, namespace: str | None, uids: set[str]) -> tuple[str, ...]:
        """UIDs of the pods of a namespace (None: of all) that are not among ``uids``."""
        return tuple(
            uid
            for uid, place in self._names.items()
            if uid not in uids and (namespace is None or place.namespace == namespace)
        )

    async def get(self, pod_uid: str) -> Pod | None:
        """The pod, from memory or read again; None if it is deleted. Raises ApiError."""
        known = self._cached.get(pod_uid)
        place = self._names.get(pod_uid)
        if known is not None or place is None:
            return known
        try:
            raw = await self._client.get(POD.path(place.namespace, place.name))
        except NotFound:
            return None
        pod = lenient_decode(raw, _POD, Pod)
        return pod if pod.metadata.uid == pod_uid else None
