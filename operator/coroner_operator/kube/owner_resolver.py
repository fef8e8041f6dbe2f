"""From a pod to its workload: the topmost controller that can be reached by ``ownerReferences``.

Only kinds that a site's operator may surely read (batch, apps) are looked at, and only their metadata; every other
kind ends the walk at the reference, which names kind, name and UID itself. One GET a controller, remembered.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from coroner_categorizer.objects.pod import Metadata, OwnerReference, Pod
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import ApiError, Forbidden, InvalidName, NotFound
from coroner_operator.kube.paths import ResourcePath, is_object_name
from coroner_operator.kube.resources import OPERATOR_WORKLOADS
from coroner_operator.model.workload_ref import WorkloadRef

log = logging.getLogger("coroner.owners")

METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
CACHE_SIZE = 10_000  # controllers; ~300 bytes each
MAX_OWNER_DEPTH = 8  # CronJob → Job → pod is two; a ring of references must end somewhere


class _PartialObject(msgspec.Struct, frozen=True):
    metadata: Metadata = Metadata()


_PARTIAL = msgspec.json.Decoder(_PartialObject)


def workload_path(ref: WorkloadRef) -> ResourcePath | None:
    """Where a workload is read; None for kinds that are never read, and for names that nothing can have."""
    group = ref.api_version.rpartition("/")[0]
    resource = next((r for r in OPERATOR_WORKLOADS if (r.group, r.kind) == (group, ref.kind)), None)
    try:
        return resource._replace(group_version=ref.api_version).path(ref.namespace, ref.name) if resource else None
    except InvalidName:
        return None


def controller_of(metadata: Metadata) -> OwnerReference | None:
    """The one owner that controls the object; None where there is none, or where nothing can have its name."""
    return next((owner for owner in metadata.ownerReferences if owner.controller and is_object_name(owner.name)), None)


class OwnerResolver:
    """Remembers what controls what."""

    def __init__(
        self,
        client: Client,
        back_off: Callable[[], BackOff] = BackOff,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._back_off = back_off
        self._sleep = sleep
        self._controllers: OrderedDict[str, WorkloadRef | None] = OrderedDict()
        """UID → the next controller up; None = there is none, or it cannot be known."""
        self._reading: dict[str, asyncio.Task[WorkloadRef | None]] = {}

    async def workload_of(self, pod: Pod) -> WorkloadRef:
        """The workload of a pod; a pod without a controller is its own. Waits until the API server answers."""
        meta = pod.metadata
        controller = controller_of(meta)
        if controller is None:
            return WorkloadRef("v1", "Pod", meta.namespace, meta.name, meta.uid)
        return await self.top_controller(owner_ref(controller, meta.namespace))

    async def top_controller(self, ref: WorkloadRef) -> WorkloadRef:
        """The topmost controller above ``ref``, or ``ref`` itself."""
        for _ in range(MAX_OWNER_DEPTH):
            above = await self._next(ref)
            if above is None:
                return ref
            ref = above
        return ref

    async def close(self) -> None:
        """Ask no more."""
        tasks = tuple(self._reading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _next(self, ref: WorkloadRef) -> WorkloadRef | None:
        if workload_path(ref) is None:
            return None
        if ref.uid in self._controllers:
            self._controllers.move_to_end(ref.uid)
            return self._controllers[ref.uid]
        # 40 pods of one Job fail together: they share one question.
        asking = self._reading.get(ref.uid)
        if asking is None:
            asking = self._reading[ref.uid] = asyncio.create_task(self._read_until_answered(ref), name=f"owner of {ref}")
            asking.add_done_callback(lambda _: self._reading.pop(ref.uid, None))
        return await asyncio.shield(asking)

    async def _read_until_answered(self, ref: WorkloadRef) -> WorkloadRef | None:
        back_off = self._back_off()
        while True:
            try:
                above = await self._read(ref)
            except (NotFound, Forbidden) as error:
                # Not there any more or not ours to read: the reference is all that can be known.
                log.debug("%s/%s: taken as topmost: %s", ref.namespace, ref, error)
                above = None
            except ApiError as error:
                # Never guess: a report on the wrong workload would stay.
                wait = back_off.next(error.retry_after)
                log.warning("%s/%s: its owner cannot be read: %s; again in %.1f s", ref.namespace, ref, error, wait)
                await self._sleep(wait)
                continue
            self._controllers[ref.uid] = above
            while len(self._controllers) > CACHE_SIZE:
                self._controllers.popitem(last=False)
            return above

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
