"""How a workload itself says it is, by its status: read where its kind may be read."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from enum import Enum

import msgspec
from cachetools import LRUCache, TTLCache

from coroner_categorizer.objects.lenient_decode import lenient_decode
from coroner_categorizer.objects.pod import Metadata, Pod
from coroner_categorizer.objects.workload import Workload, WorkloadSpec
from coroner_operator.config.lifetimes import KindLifetime, Lifetimes, lifetime, with_success
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import ApiError, Forbidden, NotFound
from coroner_operator.kube.fair_queue import FairSlots
from coroner_operator.kube.owner_resolver import workload_path
from coroner_operator.kube.paths import ResourcePath
from coroner_operator.kube.resources import READABLE_OWNER_KINDS
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef

log = logging.getLogger("coroner.workload_health")

OWNERS_REMEMBERED = 1_000  # of pods that are being deleted; ~2 KB each
NOT_SUCCEEDED_SECONDS = 1.0  # a controller writes its success before it deletes the pods; they end later still
READS = 8  # at one time, of those that the client allows

_WORKLOAD = msgspec.json.Decoder(Workload)
_NO_SPEC = WorkloadSpec()


class WorkloadHealth(Enum):
    COMPLETED = "it has completed"
    HEALTHY = "all wanted pods exist and are ready"
    UNHEALTHY = "something is missing or not ready yet"
    FAILED = "it has ended in failure: it will not recover"
    DELETED = "it does not exist any more"
    RUNNING = "it has not ended: only its pods show whether it fails, and its status that it ends"
    UNKNOWN = "its status says nothing, or cannot be read: only its pods show it"


class _Meta(msgspec.Struct, frozen=True):
    uid: str = ""
    generation: int = 0


class _Spec(msgspec.Struct, frozen=True):
    replicas: int | None = None


class _Status(msgspec.Struct, frozen=True):
    observedGeneration: int = 0
    replicas: int = 0
    readyReplicas: int = 0
    updatedReplicas: int = 0
    availableReplicas: int = 0
    desiredNumberScheduled: int = 0
    numberAvailable: int = 0
    updatedNumberScheduled: int = 0
    lastSuccessfulTime: datetime | None = None


class _Object(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()
    spec: _Spec = _Spec()
    status: _Status = _Status()


_OBJECT = msgspec.json.Decoder(_Object)


class HealthReader:
    def __init__(
        self,
        client: Client,
        path_of: Callable[[WorkloadRef], ResourcePath | None] = workload_path,
        lifetime_of: Lifetimes = lifetime,
    ) -> None:
        """``path_of``: where a workload is read; None: its kind may not be read."""
        self._client = client
        self._path_of = path_of
        self._lifetime_of = lifetime_of

    async def read(self, ref: WorkloadRef, failed_at: datetime | None) -> WorkloadHealth:
        """``failed_at``: time of the newest failure; a CronJob is healthy after a later success. Raises ApiError."""
        path = self._path_of(ref)
        if path is None:
            return WorkloadHealth.UNKNOWN
        try:
            raw = await self._client.get(path)
        except NotFound as error:
            # Without a kind in the answer the path itself is unknown: the kind is not served, which says nothing.
            return WorkloadHealth.DELETED if error.missing_kind else WorkloadHealth.UNKNOWN
        except Forbidden:
            return WorkloadHealth.UNKNOWN
        obj = lenient_decode(raw, _OBJECT, _Object)
        if obj.metadata.uid != ref.uid:
            return WorkloadHealth.DELETED
        known = self._lifetime_of(ref.group, ref.kind)
        outcome = known.outcome(msgspec.json.decode(raw)) if known is not None and known.ends else None
        if outcome is not None:
            return WorkloadHealth.COMPLETED if outcome == "succeeded" else WorkloadHealth.FAILED
        if (ref.group, ref.kind) in _BUILTIN_KINDS:
            return _health(ref.kind, obj, failed_at)
        return WorkloadHealth.RUNNING if known is not None and known.ends else WorkloadHealth.UNKNOWN


class SuccessReader:
    """Which owners of a pod have succeeded: what they stop after that has not failed, whatever code it ends with."""

    def __init__(
        self,
        client: Client,
        owners_of: Callable[[Metadata], Awaitable[Sequence[WorkloadRef]]],
        path_of: Callable[[WorkloadRef], ResourcePath | None] = workload_path,
        lifetime_of: Lifetimes = lifetime,
    ) -> None:
        """``owners_of``: all of a pod, from the lowest upwards. ``path_of``: where one is read; None: it may not be."""
        self._client = client
        self._owners_of = owners_of
        self._path_of = path_of
        self._lifetime_of = lifetime_of
        self._succeeded: LRUCache[WorkloadKey, Workload] = LRUCache(OWNERS_REMEMBERED)
        """It does not change any more."""
        self._not_succeeded: TTLCache[WorkloadKey, None] = TTLCache(OWNERS_REMEMBERED, NOT_SUCCEEDED_SECONDS)
        self._reads = FairSlots(READS, 1)
        """One at a time in a namespace: the pods of a workload are stopped together, and share the answer."""

    async def succeeded_owner(self, pod: Pod) -> Workload | None:
        """The lowest owner that has succeeded, if the pod may have been stopped for that; None: nothing shows it.

        Read are owners of kinds whose end is known. A read that fails tells nothing.
        """
        if not _may_have_been_stopped(pod):
            return None
        for ref in await self._owners_of(pod.metadata):
            known = self._lifetime_of(ref.group, ref.kind)
            if known is not None and known.ends and (owner := await self._succeeded_or_none(ref, known)) is not None:
                return owner
        return None

    async def _succeeded_or_none(self, ref: WorkloadRef, known: KindLifetime) -> Workload | None:
        async with self._reads.slot(ref.namespace):
            if ref.key in self._succeeded or ref.key in self._not_succeeded:
                return self._succeeded.get(ref.key)
            try:
                owner = await self._read(ref, known)
            except (ApiError, msgspec.DecodeError) as error:
                log.debug("%s/%s: whether it has succeeded cannot be known: %s", ref.namespace, ref, error)
                owner = None
            if owner is None:
                self._not_succeeded[ref.key] = None
            else:
                self._succeeded[ref.key] = owner
            return owner

    async def _read(self, ref: WorkloadRef, known: KindLifetime) -> Workload | None:
        """Raises ApiError."""
        path = self._path_of(ref)
        if path is None:
            return None
        raw = await self._client.get(path)
        workload = lenient_decode(raw, _WORKLOAD, Workload)
        obj = msgspec.json.decode(raw)
        if not ref.identifies(workload.metadata) or known.outcome(obj) != "succeeded":
            return None
        return with_success(msgspec.structs.replace(workload, kind=ref.kind, apiVersion=ref.api_version, spec=_NO_SPEC))


def _may_have_been_stopped(pod: Pod) -> bool:
    """Whether the pod is being deleted, and one of its programs did not end well."""
    if pod.metadata.deletionTimestamp is None or pod.status.phase == "Succeeded":
        return False
    ends = (s.state.terminated for s in (*pod.status.containerStatuses, *pod.status.initContainerStatuses))
    return any(end is not None and end.exitCode != 0 for end in ends)


_BUILTIN_KINDS = frozenset((resource.group, resource.kind) for resource in READABLE_OWNER_KINDS)


def _health(kind: str, obj: _Object, failed_at: datetime | None) -> WorkloadHealth:
    status = obj.status
    match kind:
        case "Job":
            return WorkloadHealth.UNHEALTHY
        case "CronJob":
            succeeded = status.lastSuccessfulTime
            return (
                WorkloadHealth.COMPLETED
                if succeeded and failed_at and succeeded > failed_at
                else WorkloadHealth.UNHEALTHY
            )
        case "DaemonSet":
            wanted = status.desiredNumberScheduled
            counts = {status.numberAvailable, status.updatedNumberScheduled}
        case "StatefulSet":  # updatedReplicas counts the new revision only while a roll-out is on
            wanted = 1 if obj.spec.replicas is None else obj.spec.replicas
            counts = {status.readyReplicas, status.availableReplicas}
        case "Deployment":
            wanted = 1 if obj.spec.replicas is None else obj.spec.replicas
            counts = {status.readyReplicas, status.availableReplicas, status.updatedReplicas, status.replicas}
        case _:
            wanted = 1 if obj.spec.replicas is None else obj.spec.replicas
            counts = {status.readyReplicas, status.availableReplicas}
    seen = status.observedGeneration >= obj.metadata.generation
    return WorkloadHealth.HEALTHY if seen and counts == {wanted} else WorkloadHealth.UNHEALTHY
