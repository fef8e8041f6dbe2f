"""From a pod to its workload: the topmost controller that can be reached through ``ownerReferences``.

Only kinds that the operator's role can always read (batch, apps) are read, and only their metadata; any other kind
ends the walk at the reference, which contains kind, name and UID. One GET per controller, cached.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec
from cachetools import LRUCache

from coroner_categorizer.objects.pod import Metadata, OwnerReference, Pod
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import MAX_CONCURRENT_READS, Client
from coroner_operator.kube.errors import Forbidden, InvalidName, NotFound
from coroner_operator.kube.paths import ResourcePath, is_object_name
from coroner_operator.kube.resources import READABLE_OWNER_KINDS
from coroner_operator.kube.workqueue import WorkQueue
from coroner_operator.model.workload_ref import WorkloadRef

log = logging.getLogger("coroner.owner_resolver")

METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
CACHE_SIZE = 10_000  # controllers; ~300 bytes each
MAX_OWNER_DEPTH = 8  # CronJob → Job → pod is two; a ring of references must end somewhere


class _PartialObject(msgspec.Struct, frozen=True):
    metadata: Metadata = Metadata()


_PARTIAL = msgspec.json.Decoder(_PartialObject)


def workload_path(ref: WorkloadRef) -> ResourcePath | None:
    """Where a workload is read; None for kinds that are never read, and for names that nothing can have."""
    group = ref.api_version.rpartition("/")[0]
    resource = next((r for r in READABLE_OWNER_KINDS if (r.group, r.kind) == (group, ref.kind)), None)
    try:
        return resource._replace(group_version=ref.api_version).path(ref.namespace, ref.name) if resource else None
    except InvalidName:
        return None


def controller_of(metadata: Metadata) -> OwnerReference | None:
    """The one owner that controls the object; None where there is none, or where nothing can have its name."""
    return next((owner for owner in metadata.ownerReferences if owner.controller and is_object_name(owner.name)), None)


class OwnerResolver:
    """Caches what controls what. ``close()`` it at the end."""

    def __init__(self, client: Client, back_off: Callable[[], BackOff] = BackOff) -> None:
        self._client = client
        self._controllers: LRUCache[str, WorkloadRef | None] = LRUCache(CACHE_SIZE)
        """UID → the next controller up; None = there is none, or it cannot be known."""
        self._waiting: dict[WorkloadRef, asyncio.Future[WorkloadRef | None]] = {}
        """Who waits for what is being read: 40 pods of one Job fail together, and share one request."""
        self._queue = WorkQueue(
            self._reconcile, name="owners", workers=MAX_CONCURRENT_READS, back_off=back_off, on_error=self._on_error
        )
        self._queue.start()

    async def workload_of(self, pod: Pod) -> WorkloadRef:
        """The workload of a pod; a pod without a controller is its own. Waits until the API server answers."""
        meta = pod.metadata
        controller = controller_of(meta)
        if controller is None:
            return WorkloadRef("v1", "Pod", meta.namespace, meta.name, meta.uid)
        return await self.top_controller(owner_ref(controller, meta.namespace))

    async def top_controller(self, ref: WorkloadRef) -> WorkloadRef:
        """The topmost controller above ``ref``, or ``ref`` itself. Waits until the API server answers."""
        for _ in range(MAX_OWNER_DEPTH):
            above = await self._controller_above(ref)
            if above is None:
                return ref
            ref = above
        return ref

    async def close(self) -> None:
        """Cancels what is being read, and whoever waits for it."""
        await self._queue.close()
        for waiting in self._waiting.values():
            waiting.cancel()
        self._waiting.clear()

    async def _controller_above(self, ref: WorkloadRef) -> WorkloadRef | None:
        if workload_path(ref) is None:
            return None
        if ref.uid in self._controllers:
            return self._controllers[ref.uid]
        waiting = self._waiting.get(ref)
        if waiting is None:
            waiting = self._waiting[ref] = asyncio.get_running_loop().create_future()
            self._queue.add(ref)
        return await asyncio.shield(waiting)

    async def _reconcile(self, ref: WorkloadRef) -> None:
        """Read what controls ``ref``. Raises ApiError rather than guess: a report on the wrong workload would stay."""
        try:
            above = await self._read(ref)
        except (NotFound, Forbidden) as error:
            # It no longer exists, or may not be read: the reference is all that can be known.
            log.debug("%s/%s: treated as the top controller: %s", ref.namespace, ref, error)
            above = None
        self._controllers[ref.uid] = above
        self._waiting.pop(ref).set_result(above)

    def _on_error(self, ref: WorkloadRef, error: Exception, wait: float) -> None:
        log.warning("%s/%s: cannot read its owner: %s; retrying in %.1f s", ref.namespace, ref, error, wait)

    async def _read(self, ref: WorkloadRef) -> WorkloadRef | None:
        path = workload_path(ref)
        assert path is not None, ref
        metadata = _PARTIAL.decode(await self._client.get(path, accept=METADATA_ONLY)).metadata
        controller = controller_of(metadata)
        if metadata.uid != ref.uid or controller is None:  # another UID: a later object of the same name
            return None
        return owner_ref(controller, ref.namespace)


def owner_ref(owner: OwnerReference, namespace: str) -> WorkloadRef:
    """The workload that an owner reference names; owners live in the namespace of what they own."""
    return WorkloadRef(owner.apiVersion, owner.kind, namespace, owner.name, owner.uid)
