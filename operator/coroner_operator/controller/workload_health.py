"""How a workload itself says it is: read where the kind may be read, from the built-in kinds' status counts."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import msgspec

from coroner_categorizer.objects.workload import WorkloadCondition
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import Forbidden, NotFound
from coroner_operator.kube.owner_resolver import workload_path
from coroner_operator.model.workload_ref import WorkloadRef


class WorkloadHealth(Enum):
    COMPLETED = "it has completed"
    HEALTHY = "all wanted pods exist and are ready"
    UNHEALTHY = "something is missing or not ready yet"
    TERMINAL = "it has failed permanently, or is deleted: it will not recover"
    UNKNOWN = "its kind cannot be read: only its pods show it"


class _Meta(msgspec.Struct, frozen=True):
    uid: str = ""
    generation: int = 0


class _Spec(msgspec.Struct, frozen=True):
    replicas: int | None = None


class _Status(msgspec.Struct, frozen=True):
    conditions: list[WorkloadCondition] = []
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


async def read_health(client: Client, ref: WorkloadRef, failed_at: datetime | None) -> WorkloadHealth:
    """``failed_at``: time of the newest failure; a CronJob is healthy after a later success. Raises ApiError."""
    path = workload_path(ref)
    if path is None:
        return WorkloadHealth.UNKNOWN
    try:
        obj = _OBJECT.decode(await client.get(path))
    except NotFound:
        return WorkloadHealth.TERMINAL
    except Forbidden:
        return WorkloadHealth.UNKNOWN
    return WorkloadHealth.TERMINAL if obj.metadata.uid != ref.uid else _health(ref.kind, obj, failed_at)


def _health(kind: str, obj: _Object, failed_at: datetime | None) -> WorkloadHealth:
    status = obj.status
    match kind:
        case "Job":
            conditions = {c.type for c in status.conditions if c.status == "True"}
            if conditions & {"Failed", "FailureTarget"}:
                return WorkloadHealth.TERMINAL
            return (
                WorkloadHealth.COMPLETED
                if conditions & {"Complete", "SuccessCriteriaMet"}
                else WorkloadHealth.UNHEALTHY
            )
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
