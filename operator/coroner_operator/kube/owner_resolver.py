"""From a pod to its workload: the topmost controller that can be reached through ``ownerReferences``.

Whoever creates an object writes its owner references, and nobody checks them. So a reference is a claim within the
namespace of the object that was read: everything is remembered under namespace, group, kind, name and UID, and a
reference is followed only as far as the object that was read is that object. Only kinds that the operator's role can
always read (batch, apps) are read, and only their metadata; any other kind ends the walk at the reference, which
contains kind, name and UID. One GET per controller, cached.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Literal

import msgspec
from cachetools import LRUCache, TTLCache

from coroner_categorizer.objects.lenient_decode import lenient_decode
from coroner_categorizer.objects.pod import Metadata, OwnerReference, Pod
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import MAX_CONCURRENT_READS, READS_PER_NAMESPACE, Client
from coroner_operator.kube.errors import ApiError, InvalidName, NotFound, TooManyRequests, Transient
from coroner_operator.kube.paths import ResourcePath, is_object_name
from coroner_operator.kube.resources import NODE, READABLE_OWNER_KINDS, is_namespaced
from coroner_operator.kube.workqueue import WorkQueue
from coroner_operator.model.ledger import POD_DIGITS, short_hash
from coroner_operator.model.report import Report
from coroner_operator.model.workload_ref import PodKey, WorkloadKey, WorkloadRef

log = logging.getLogger("coroner.owner_resolver")

METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
CACHE_SIZE = 10_000  # controllers; ~300 bytes each
CACHE_SECONDS = 300.0  # after this long it is noticed that a controller was adopted, or released
PODS_REMEMBERED = 20_000  # pods that have a workload; ~250 bytes each
MAX_OWNER_DEPTH = 8  # CronJob → Job → pod is two; a ring of references must end somewhere


class _PartialObject(msgspec.Struct, frozen=True):
    metadata: Metadata = Metadata()


_PARTIAL = msgspec.json.Decoder(_PartialObject)


def workload_path(ref: WorkloadRef) -> ResourcePath | None:
    """Where a workload is read; None for kinds that are never read, and for names that nothing can have."""
    resource = next((r for r in READABLE_OWNER_KINDS if (r.group_version, r.kind) == (ref.api_version, ref.kind)), None)
    try:
        return resource.object_path(ref.namespace, ref.name) if resource else None
    except InvalidName:
        return None


def controller_of(metadata: Metadata) -> OwnerReference | None:
    """The one owner that controls the object; None where there is none, or where nothing can have its name."""
    return next((owner for owner in metadata.ownerReferences if owner.controller and is_object_name(owner.name)), None)


def controller_key(metadata: Metadata) -> WorkloadKey | None:
    """The identity of what controls the object, as far as its own reference says."""
    controller = controller_of(metadata)
    return None if controller is None else owner_ref(controller, metadata.namespace).key


def owner_ref(owner: OwnerReference, namespace: str) -> WorkloadRef:
    """The workload that an owner reference names, in the namespace of the object that was read.

    An owner is in the namespace of what it owns, or in none (garbage collection knows no other).
    """
    return WorkloadRef(owner.apiVersion, owner.kind, namespace, owner.name, owner.uid)


class OwnerResolver:
    """Caches what controls what. ``close()`` it at the end."""

    def __init__(
        self,
        client: Client,
        back_off: Callable[[], BackOff] = BackOff,
        may_own: Callable[[str, str], bool] = is_namespaced,
        on_read: Callable[[WorkloadRef, Metadata], None] = lambda ref, metadata: None,  # noqa: ARG005
    ) -> None:
        """``may_own(group, kind)``: whether a reference to such an object is followed. ``on_read`` is called with each
        object that was read and is what a reference names.
        """
        self._on_read = on_read
        self._client = client
        self._may_own = may_own
        self._controllers: TTLCache[WorkloadKey, WorkloadRef | None] = TTLCache(CACHE_SIZE, CACHE_SECONDS)
        """What was read: the next controller up; None = there is none, or the object does not exist."""
        self._workloads: LRUCache[PodKey, WorkloadRef] = LRUCache(PODS_REMEMBERED)
        """The first workload of pods, by a hash of the UID: a pod keeps it, whatever its owners become."""
        self._waiting: dict[WorkloadRef, asyncio.Future[WorkloadRef | None]] = {}
        """Who waits for what is being read: 40 pods of one Job fail together, and share one request."""
        self._queue = WorkQueue(
            self._reconcile,
            name="owners",
            workers=MAX_CONCURRENT_READS,
            group=lambda ref: ref.namespace,
            group_workers=READS_PER_NAMESPACE,
            back_off=back_off,
            on_error=self._on_error,
        )
        self._queue.start()

    def remember(self, report: Report) -> None:
        """Pods whose failures this report has counted belong to its workload."""
        for pod in report.ledger.pods:
            self._workloads.setdefault(PodKey(report.workload.namespace, pod), report.workload)

    def forget(self, pod: PodKey) -> None:
        """The pod is deleted: who makes and deletes many does not push out those that exist."""
        self._workloads.pop(_known_as(pod), None)

    def known_workload(self, pod: PodKey) -> WorkloadRef | None:
        """What ``workload_of`` has found for the pod; None where it was not asked for."""
        return self._workloads.get(_known_as(pod))

    async def workload_of(self, pod: Pod) -> WorkloadRef:
        """The workload of a pod; a pod without a controller is its own. Waits until the API server answers.

        The same as when it was first asked for: a pod that its controller releases, or that another one adopts, would
        else be counted twice.
        """
        meta = pod.metadata
        key = _known_as(PodKey(meta.namespace, meta.uid))
        known = self._workloads.get(key)
        if known is not None:
            return known
        controller = self._controller(pod)
        if controller is None:
            found = WorkloadRef("v1", "Pod", meta.namespace, meta.name, meta.uid)
        else:
            found = await self.top_controller(controller)
        return self._workloads.setdefault(key, found)

    async def top_controller(self, ref: WorkloadRef) -> WorkloadRef:
        """The topmost controller above ``ref``, or ``ref`` itself. Waits until the API server answers."""
        for _ in range(MAX_OWNER_DEPTH):
            above = await self._controller_above(ref)
            if above is None:
                return ref
            ref = above
        return ref

    def reread(self, workload: WorkloadRef) -> None:
        """What is known of the workload may have changed: it is read again when it is asked for."""
        self._controllers.pop(workload.key, None)

    async def close(self) -> None:
        """Cancels what is being read, and whoever waits for it."""
        await self._queue.close()
        for waiting in self._waiting.values():
            waiting.cancel()
        self._waiting.clear()

    def _controller(self, pod: Pod) -> WorkloadRef | None:
        """What controls the pod, if that may own pods; a node owns only its mirror pods."""
        controller = controller_of(pod.metadata)
        if controller is None:
            return None
        ref = owner_ref(controller, pod.metadata.namespace)
        if (ref.group, ref.kind) == NODE:
            return ref if pod.metadata.annotations.is_mirror_pod and ref.name == pod.spec.nodeName else None
        return ref if self._may_own(ref.group, ref.kind) else None

    async def _controller_above(self, ref: WorkloadRef) -> WorkloadRef | None:
        if workload_path(ref) is None:
            return None
        known: WorkloadRef | Literal["unknown"] | None = self._controllers.get(ref.key, "unknown")
        if known != "unknown":
            return known
        waiting = self._waiting.get(ref)
        if waiting is None:
            waiting = self._waiting[ref] = asyncio.get_running_loop().create_future()
            self._queue.add(ref)
        return await asyncio.shield(waiting)

    async def _reconcile(self, ref: WorkloadRef) -> None:
        """Read what controls ``ref``. Raises ApiError rather than guess: a report on the wrong workload would stay."""
        try:
            above = self._controllers[ref.key] = await self._read(ref)
        except (Transient, TooManyRequests):
            raise
        except ApiError as error:  # the same request would fail again: the reference is all that can be known
            log.debug("%s/%s: treated as the top controller: %s", ref.namespace, ref, error)
            above = None
        self._waiting.pop(ref).set_result(above)

    def _on_error(self, ref: WorkloadRef, error: Exception, wait: float) -> None:
        log.warning("%s/%s: cannot read its owner: %s; retrying in %.1f s", ref.namespace, ref, error, wait)

    async def _read(self, ref: WorkloadRef) -> WorkloadRef | None:
        """None where it has no controller that may own pods, or does not exist. Raises ApiError."""
        path = workload_path(ref)
        assert path is not None, ref
        try:
            raw = await self._client.get(path, accept=METADATA_ONLY)
        except NotFound:
            return None
        metadata = lenient_decode(raw, _PARTIAL, _PartialObject).metadata
        if ref.identifies(metadata):
            self._on_read(ref, metadata)
        controller = controller_of(metadata)
        if not ref.identifies(metadata) or controller is None:  # another UID: a later object of the same name
            return None
        above = owner_ref(controller, metadata.namespace)
        return above if self._may_own(above.group, above.kind) else None


def _known_as(pod: PodKey) -> PodKey:
    """With the hash of the UID: that is what ledgers have."""
    return pod._replace(uid=short_hash(pod.uid, POD_DIGITS))
