"""From a pod to its workload: through its owners, as far up as their kinds may be read.

Whoever creates an object writes its owner references and labels, and nobody checks them. So both are claims within the
namespace of the object that was read: everything is remembered under namespace, group, kind, name and UID, and the walk
goes on from an owner only if the object that was read is that owner. Read are the kinds that the operator's role can
always read (batch, apps, pods) and those that a site has listed, and only their metadata; any other kind ends the walk
at the reference, which contains kind, name and UID. One GET per owner, cached. docs/adr/0017-owner-chains.md
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import NamedTuple, Protocol, TypeAlias

import msgspec
from cachetools import LRUCache, TTLCache

from coroner_categorizer.objects.lenient_decode import lenient_decode
from coroner_categorizer.objects.pod import Metadata, OwnerReference, Pod
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import MAX_CONCURRENT_READS, READS_PER_NAMESPACE, Client
from coroner_operator.kube.errors import ApiError, InvalidName, NotFound, TooManyRequests, Transient
from coroner_operator.kube.paths import ResourcePath, is_object_name
from coroner_operator.kube.resources import NODE, POD, READABLE_OWNER_KINDS, Resource, is_namespaced
from coroner_operator.kube.workqueue import WorkQueue
from coroner_operator.model.ledger import POD_DIGITS, short_hash
from coroner_operator.model.report import Report
from coroner_operator.model.workload_ref import PodKey, WorkloadKey, WorkloadRef, pod_key

log = logging.getLogger("coroner.owner_resolver")

METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
CACHE_SIZE = 10_000  # owners; ~500 bytes each
CACHE_SECONDS = 300.0  # after this long it is noticed that an owner was adopted, or released
PODS_REMEMBERED = 20_000  # pods that have a workload; ~250 bytes each
MAX_OWNER_DEPTH = 8  # the deepest chain of a known controller has 6 owners; a ring of references must end somewhere


_VERSION = re.compile(r"v[0-9]+[a-z0-9]*")


class _PartialObject(msgspec.Struct, frozen=True):
    metadata: Metadata = Metadata()


_PARTIAL = msgspec.json.Decoder(_PartialObject)


class Owners(NamedTuple):
    """What was found above a pod."""

    workload: WorkloadRef
    """The topmost owner of a kind that is listed as a workload, else the topmost; a pod without owners is its own."""
    listed: tuple[WorkloadRef, ...] = ()
    """The other owners of listed kinds, from the pod upwards."""


class OwnerKinds(Protocol):
    """The custom kinds that may be read, and those that may own."""

    @property
    def is_empty(self) -> bool:
        """Whether no kind is listed."""
        ...

    def may_own(self, group: str, kind: str, /) -> bool:
        """Whether a reference to such an object is followed."""
        ...

    def resource_of(self, group: str, kind: str, /) -> Resource | None:
        """Where objects of a listed kind are read; None: it is not listed, or not served."""
        ...

    def is_workload(self, group: str, kind: str, /) -> bool:
        """Whether the kind is listed as a workload."""
        ...

    def labelled_owner(
        self, group: str, kind: str, labels: Mapping[str, str], /, *, owner_deleted: bool
    ) -> OwnerReference | None:
        """The owner that the labels of an object of this kind name; its UID may be "". None: they name none.

        ``owner_deleted``: the object has an owner reference, to what does not exist.
        """
        ...


class NoCustomKinds:
    """No kind is listed."""

    is_empty = True

    def may_own(self, group: str, kind: str, /) -> bool:
        return is_namespaced(group, kind)

    def resource_of(self, group: str, kind: str, /) -> Resource | None:
        return None

    def is_workload(self, group: str, kind: str, /) -> bool:
        return False

    def labelled_owner(
        self, group: str, kind: str, labels: Mapping[str, str], /, *, owner_deleted: bool
    ) -> OwnerReference | None:
        return None


class _Claim(NamedTuple):
    """What an object says of its owner."""

    reference: OwnerReference
    by_label: bool = False


class _Link(NamedTuple):
    """An object that was read, and where the walk goes on from it."""

    ref: WorkloadRef
    created: datetime | None
    owner: _Claim | None
    """None: nothing is above it."""
    fallback: OwnerReference | None = None
    """What its labels say, should the owner not exist."""


class _Absent(Enum):
    DELETED = "no such object; its name may be in use by another"
    UNREADABLE = "its kind is never read, or the request was refused"


_Found: TypeAlias = _Link | _Absent


def workload_path(ref: WorkloadRef) -> ResourcePath | None:
    """Where a built-in workload is read; None for other kinds, and for names that nothing can have."""
    return _object_path(_builtin(ref.group, ref.kind), ref)


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
    """Caches what is above what. ``close()`` it at the end."""

    def __init__(
        self,
        client: Client,
        back_off: Callable[[], BackOff] = BackOff,
        kinds: OwnerKinds | None = None,
        on_read: Callable[[WorkloadRef, Metadata], None] = lambda ref, metadata: None,  # noqa: ARG005
    ) -> None:
        """``on_read`` is called with each object that was read and is what a reference names."""
        self._on_read = on_read
        self._client = client
        self._kinds: OwnerKinds = kinds or NoCustomKinds()
        self._read_owners: TTLCache[WorkloadKey, _Found] = TTLCache(CACHE_SIZE, CACHE_SECONDS)
        """What was read: the owner, or that it does not exist."""
        self._workloads: LRUCache[PodKey, WorkloadRef] = LRUCache(PODS_REMEMBERED)
        """The first workload of pods, by a hash of the UID: a pod keeps it, whatever its owners become."""
        self._owners: LRUCache[PodKey, Owners] = LRUCache(PODS_REMEMBERED)
        """What was found for pods of which more than the workload is known."""
        self._waiting: dict[WorkloadRef, asyncio.Future[_Found]] = {}
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
        self._owners.pop(_known_as(pod), None)

    def known_workload(self, pod: PodKey) -> WorkloadRef | None:
        """What ``owners_of`` has found for the pod; None where it was not asked for."""
        return self._workloads.get(_known_as(pod))

    async def owners_of(self, pod: Pod) -> Owners:
        """The workload of a pod, and its other owners of listed kinds. Waits until the API server answers.

        The same workload as when it was first asked for: a pod that its controller releases, or that another one
        adopts, would else be counted twice.
        """
        key = _known_as(pod_key(pod))
        workload = self._workloads.get(key)
        if workload is not None and self._kinds.is_empty:
            return Owners(workload)
        known = self._owners.get(key)
        if known is not None:
            return known
        found = self._owners_in([_pod_ref(pod.metadata), *(await self._chain_of(pod))])
        workload = self._workloads.setdefault(key, found.workload)
        return self._owners.setdefault(key, found if workload.key == found.workload.key else Owners(workload))

    async def owners_above(self, ref: WorkloadRef) -> Owners:
        """The workload that ``ref`` belongs to, which may be itself. Waits until the API server answers."""
        return self._owners_in(await self._chain(ref))

    async def chain_of(self, metadata: Metadata) -> list[WorkloadRef]:
        """All owners of a pod, from the pod upwards. Waits until the API server answers."""
        return await self._chain_above(self._link(_pod_ref(metadata), metadata))

    def path_of(self, ref: WorkloadRef) -> ResourcePath | None:
        """Where a workload is read; None for kinds that are never read, and for names that nothing can have."""
        return _object_path(self._resource_of(ref.group, ref.kind), ref)

    def reread(self, workload: WorkloadRef) -> None:
        """What is known of the workload may have changed: it is read again when it is asked for."""
        self._read_owners.pop(workload.key, None)

    async def close(self) -> None:
        """Cancels what is being read, and whoever waits for it."""
        await self._queue.close()
        for waiting in self._waiting.values():
            waiting.cancel()
        self._waiting.clear()

    def _owners_in(self, chain: list[WorkloadRef]) -> Owners:
        """``chain``: from the pod or from the lowest owner upwards."""
        workloads = [ref for ref in chain if self._kinds.is_workload(ref.group, ref.kind)]
        workload = workloads[-1] if workloads else chain[-1]
        listed = (ref for ref in chain if self._kinds.resource_of(ref.group, ref.kind) is not None)
        return Owners(workload, tuple(ref for ref in listed if ref is not workload))

    async def _chain_of(self, pod: Pod) -> list[WorkloadRef]:
        controller = controller_of(pod.metadata)
        if controller is None or owner_type(controller) != NODE:
            return await self.chain_of(pod.metadata)
        # A node owns only its mirror pods.
        is_its_own = pod.metadata.annotations.is_mirror_pod and controller.name == pod.spec.nodeName
        return [owner_ref(controller, pod.metadata.namespace)] if is_its_own else []

    async def _chain(self, ref: WorkloadRef) -> list[WorkloadRef]:
        found = await self._look_up(ref)
        if not isinstance(found, _Link):
            return [ref]
        return [ref, *(await self._chain_above(found, MAX_OWNER_DEPTH - 1))]

    async def _chain_above(self, link: _Link, limit: int = MAX_OWNER_DEPTH) -> list[WorkloadRef]:
        """The owners above an object that was read, ``limit`` at most."""
        chain: list[WorkloadRef] = []
        met = {link.ref.key}
        while link.owner is not None and len(chain) < limit:
            reference, by_label = link.owner
            ref = owner_ref(reference, link.ref.namespace)
            found = await self._look_up(ref)
            above = _labelled(ref, found, link) if by_label else self._referenced(ref, found)
            if above is None or above.key in met:
                break
            chain.append(above)
            met.add(above.key)
            if isinstance(found, _Link):
                link = found
            elif found is _Absent.DELETED and not by_label and _names_another(link.fallback, reference):
                assert link.fallback is not None
                link = link._replace(owner=_Claim(link.fallback, by_label=True))
            else:
                break
        return chain

    def _referenced(self, ref: WorkloadRef, found: _Found) -> WorkloadRef | None:
        """The owner that a reference names; None: it is cluster-scoped, and was not read."""
        resource = self._resource_of(ref.group, ref.kind)
        return ref if isinstance(found, _Link) or resource is None or resource.namespaced else None

    def _link(self, ref: WorkloadRef, metadata: Metadata, *, namespaced: bool = True) -> _Link:
        owner = self._owner(metadata, namespaced=namespaced)
        if owner is not None:
            labelled = self._kinds.labelled_owner(ref.group, ref.kind, metadata.labels, owner_deleted=True)
            return _Link(ref, metadata.creationTimestamp, _Claim(owner), labelled)
        labelled = self._kinds.labelled_owner(ref.group, ref.kind, metadata.labels, owner_deleted=False)
        claim = None if labelled is None else _Claim(labelled, by_label=True)
        return _Link(ref, metadata.creationTimestamp, claim)

    def _owner(self, metadata: Metadata, *, namespaced: bool) -> OwnerReference | None:
        """The owner reference to follow: the controller's, else the only one, if its kind is listed."""
        owner = controller_of(metadata)
        if owner is None and len(metadata.ownerReferences) == 1 and is_object_name(metadata.ownerReferences[0].name):
            (owner,) = metadata.ownerReferences
            if self._kinds.resource_of(*owner_type(owner)) is None:
                # Kubernetes' own controllers always say so: `kubectl create job --from=cronjob/…` does not, on purpose.
                return None
        if owner is None or not self._kinds.may_own(*owner_type(owner)):
            return None
        resource = self._kinds.resource_of(*owner_type(owner))
        # What has no namespace cannot be owned by what has one.
        return owner if namespaced or (resource is not None and not resource.namespaced) else None

    def _resource_of(self, group: str, kind: str) -> Resource | None:
        if (group, kind) == (POD.group, POD.kind):
            return POD
        return _builtin(group, kind) or self._kinds.resource_of(group, kind)

    async def _look_up(self, ref: WorkloadRef) -> _Found:
        """The object; without a UID, whichever has the name."""
        if self.path_of(ref) is None:
            return _Absent.UNREADABLE
        known = self._read_owners.get(ref.key)
        if known is not None:
            return known
        waiting = self._waiting.get(ref)
        if waiting is None:
            waiting = self._waiting[ref] = asyncio.get_running_loop().create_future()
            self._queue.add(ref)
        return await asyncio.shield(waiting)

    async def _reconcile(self, ref: WorkloadRef) -> None:
        """Read ``ref``. Raises ApiError rather than guess: a report on the wrong workload would stay."""
        try:
            found = await self._read(ref)
        except (Transient, TooManyRequests):
            raise
        except ApiError as error:  # the same request would fail again: the reference is all that can be known
            log.debug("%s/%s: treated as the topmost owner: %s", ref.namespace, ref, error)
            found = _Absent.UNREADABLE
        else:
            if ref.uid:
                self._read_owners[ref.key] = found
        self._waiting.pop(ref).set_result(found)

    def _on_error(self, ref: WorkloadRef, error: Exception, wait: float) -> None:
        log.warning("%s/%s: cannot read its owner: %s; retrying in %.1f s", ref.namespace, ref, error, wait)

    async def _read(self, ref: WorkloadRef) -> _Found:
        """Raises ApiError."""
        resource = self._resource_of(ref.group, ref.kind)
        path = _object_path(resource, ref)
        if resource is None or path is None:  # it is no longer served
            return _Absent.UNREADABLE
        try:
            raw = await self._client.get(path, accept=METADATA_ONLY)
        except NotFound:
            return _Absent.DELETED
        metadata = lenient_decode(raw, _PARTIAL, _PartialObject).metadata
        wanted = (ref.namespace if resource.namespaced else "", ref.name, ref.uid or metadata.uid)
        if (metadata.namespace, metadata.name, metadata.uid) != wanted:  # another UID: a later object of the same name
            return _Absent.DELETED
        if not ref.uid:
            ref = msgspec.structs.replace(ref, uid=metadata.uid)
        self._on_read(ref, metadata)
        return self._link(ref, metadata, namespaced=resource.namespaced)


def _builtin(group: str, kind: str) -> Resource | None:
    """In the version that is read, whichever a reference names: an object has one UID in all of them."""
    return next((r for r in READABLE_OWNER_KINDS if (r.group, r.kind) == (group, kind)), None)


def _object_path(resource: Resource | None, ref: WorkloadRef) -> ResourcePath | None:
    version = ref.api_version.rpartition("/")[2]
    try:
        return resource.object_path(ref.namespace, ref.name) if resource and _VERSION.fullmatch(version) else None
    except InvalidName:
        return None


def _pod_ref(metadata: Metadata) -> WorkloadRef:
    return WorkloadRef(POD.group_version, POD.kind, metadata.namespace, metadata.name, metadata.uid)


def owner_type(owner: OwnerReference) -> tuple[str, str]:
    """Group and kind."""
    return owner.apiVersion.rpartition("/")[0], owner.kind


def _labelled(ref: WorkloadRef, found: _Found, link: _Link) -> WorkloadRef | None:
    """The owner that labels of ``link`` name by ``ref``; None: it is not, or nobody can know.

    Without a UID the name must be in use by an object that is not younger: a later one may have the same name.
    """
    if not isinstance(found, _Link):
        return ref if ref.uid and found is _Absent.DELETED else None
    if ref.uid:
        return found.ref
    is_older = found.created is not None and link.created is not None and found.created <= link.created
    return found.ref if is_older else None


def _names_another(labelled: OwnerReference | None, owner: OwnerReference) -> bool:
    """Whether labels name another object than the owner that does not exist: its UID is what counts of that one."""
    return labelled is not None and (owner_type(labelled), labelled.name) != (owner_type(owner), owner.name)


def _known_as(pod: PodKey) -> PodKey:
    """With the hash of the UID: that is what ledgers have."""
    return pod._replace(uid=short_hash(pod.uid, POD_DIGITS))
