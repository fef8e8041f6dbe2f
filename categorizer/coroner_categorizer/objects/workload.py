"""A workload (Job, Deployment, …), reduced to what shows whether its pods are healthy."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from coroner_categorizer.objects.lenient_decode import lenient_convert
from coroner_categorizer.objects.pod import Metadata


class WorkloadCondition(msgspec.Struct, frozen=True):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    lastTransitionTime: datetime | None = None


class WorkloadStatus(msgspec.Struct, frozen=True):
    phase: str = ""
    """Of custom kinds, e.g. Argo's Workflow: Running, Succeeded, Failed, Error."""
    conditions: list[WorkloadCondition] = []
    replicas: int = 0
    readyReplicas: int = 0
    updatedReplicas: int = 0
    availableReplicas: int = 0
    observedGeneration: int | None = None
    desiredNumberScheduled: int = 0
    currentNumberScheduled: int = 0
    active: Any = None
    """A number on a Job, a list of references on a CronJob."""
    succeeded: int = 0
    failed: int = 0
    lastScheduleTime: datetime | None = None
    """When a CronJob last created a Job."""


class PodTemplate(msgspec.Struct, frozen=True):
    metadata: Metadata = Metadata()


class WorkloadSpec(msgspec.Struct, frozen=True):
    replicas: int | None = None
    parallelism: int | None = None
    completions: int | None = None
    activeDeadlineSeconds: int | None = None
    suspend: bool | None = None
    paused: bool | None = None
    """Of a Deployment: nothing is rolled out, and no progress is expected."""
    progressDeadlineSeconds: int | None = None
    startingDeadlineSeconds: int | None = None
    template: PodTemplate = PodTemplate()


class Workload(msgspec.Struct, frozen=True):
    apiVersion: str = ""
    kind: str = ""
    metadata: Metadata = Metadata()
    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()

    def condition(self, type_: str) -> WorkloadCondition | None:
        """The condition of this type, or None."""
        return next((c for c in self.status.conditions if c.type == type_), None)

    @property
    def title(self) -> str:
        """``Job train``."""
        return f"{self.kind} {self.metadata.name}"

    def as_succeeded(self) -> Workload:
        """The same with a condition that says so, for kinds that say it in another field."""
        conditions = [*self.status.conditions, WorkloadCondition("Succeeded", "True")]
        return msgspec.structs.replace(self, status=msgspec.structs.replace(self.status, conditions=conditions))


def parse_workload(obj: Any) -> Workload:
    """Any JSON-shaped value as a Workload: what has the wrong shape is read as absent. Never raises."""
    return lenient_convert(obj, Workload)
