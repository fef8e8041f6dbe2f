"""Pods that failed, wait or start: what is needed to process one again after an event or a grace period."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from coroner_categorizer.objects.lenient_decode import lenient_decode
from coroner_categorizer.objects.pod import Pod
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import NotFound, TooLarge
from coroner_operator.kube.resources import POD
from coroner_operator.model.workload_ref import PodKey, pod_key

CACHE_SIZE = 1_000  # pods kept whole, ~6 KB each; of the others the name, to read them again

_POD = msgspec.json.Decoder(Pod)


class FailingPodCache:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._names: dict[PodKey, str] = {}
        self._cached: OrderedDict[PodKey, Pod] = OrderedDict()

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, key: PodKey) -> bool:
        return key in self._names

    def __iter__(self) -> Iterator[PodKey]:
        """All there are now."""
        return iter(tuple(self._names))

    def put(self, pod: Pod) -> None:
        """This is the pod's last state."""
        key = pod_key(pod)
        self._names[key] = pod.metadata.name
        self._cached[key] = pod
        self._cached.move_to_end(key)
        while len(self._cached) > CACHE_SIZE:
            self._cached.popitem(last=False)

    def remove(self, key: PodKey) -> None:
        """The pod is healthy, or deleted."""
        self._names.pop(key, None)
        self._cached.pop(key, None)

    def in_namespace(self, namespace: str) -> tuple[PodKey, ...]:
        """All there are in a namespace now."""
        return tuple(key for key in self._names if key.namespace == namespace)

    def missing(self, namespace: str | None, uids: set[str]) -> tuple[PodKey, ...]:
        """The pods of a namespace (None: of all) whose UIDs are not among ``uids``."""
        return tuple(key for key in self._names if key.uid not in uids and namespace in (None, key.namespace))

    async def get(self, key: PodKey) -> Pod | None:
        """The pod, from memory or read again; None if it is deleted, or has become too large. Raises ApiError."""
        known = self._cached.get(key)
        name = self._names.get(key)
        if known is not None or name is None:
            return known
        try:
            raw = await self._client.get(POD.object_path(key.namespace, name))
        except (NotFound, TooLarge):
            return None
        pod = lenient_decode(raw, _POD, Pod)
        return pod if pod_key(pod) == key else None
