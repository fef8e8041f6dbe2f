"""How a workload itself says it is, by its status: read where its kind may be read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum

import msgspec

from coroner_categorizer.objects.lenient_decode import lenient_decode
from coroner_operator.config.end_states import Lifetimes, lifetime
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import Forbidden, NotFound
from coroner_operator.kube.owner_resolver import workload_path
from coroner_operator.kube.paths import ResourcePath
from coroner_operator.kube.resources import READABLE_OWNER_KINDS
from coroner_operator.model.workload_ref import WorkloadRef


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
