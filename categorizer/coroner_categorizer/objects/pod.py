"""A pod as the API serves it, reduced to the fields that a verdict can rest on.

Field names are the API's own (camelCase), so that a path in the evidence is a path that ``kubectl`` understands.
Sources: ``k8s.io/api/core/v1`` types.go. Everything is optional: real objects lack what one would expect
(a pod refused at admission has no container statuses and no conditions).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from coroner_categorizer.objects.lenient_decode import lenient_convert
from coroner_categorizer.objects.reference_names import can_exist

RESTARTING_ALL_CONTAINERS = "RestartingAllContainers"
"""The kubelet's reason, while a container waits and for the instance before, after a rule of any container of the pod
has restarted all of them. That instance has exit code 137 and neither times nor a container ID (kubelet_pods.go)."""

NORMAL_WAITING_REASONS = frozenset({"", "ContainerCreating", "PodInitializing", RESTARTING_ALL_CONTAINERS})
"""For a while these are normal; only events can show that something is wrong."""


class OwnerReference(msgspec.Struct, frozen=True):
    apiVersion: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None

    def __post_init__(self) -> None:
        """A reference to what cannot exist is read as absent: tenants write these names, and nobody checks them."""
        if not can_exist(self.apiVersion, self.kind, self.name, self.uid):
            for part in ("apiVersion", "kind", "name", "uid"):
                msgspec.structs.force_setattr(self, part, "")


class Annotations(msgspec.Struct, frozen=True):
    mirror: str = msgspec.field(default="", name="kubernetes.io/config.mirror")
    ignore: str = msgspec.field(default="", name="coroner.dev/ignore")

    volcano_job_version: str = msgspec.field(default="", name="volcano.sh/job-version")
    """How often Volcano had restarted the Job when it made the pod."""

    @property
    def is_mirror_pod(self) -> bool:
        """Whether the object says that it is the kubelet's image of a static pod."""
        return bool(self.mirror)

    @property
    def is_ignored(self) -> bool:
        """Whether Coroner is asked to leave the object out."""
        return self.ignore == "true"


class Metadata(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""
    creationTimestamp: datetime | None = None
    deletionTimestamp: datetime | None = None
    """When the grace period ends, not when deletion was requested: see ``deletion_requested``."""
    deletionGracePeriodSeconds: int | None = None
    finalizers: list[str] = []
    """What has to be done before the object is removed, by whoever put it here."""
    ownerReferences: list[OwnerReference] = []
    labels: dict[str, str] = {}
    annotations: Annotations = Annotations()


class Resources(msgspec.Struct, frozen=True):
    limits: dict[str, Any] = {}
    """Quantities as written in the spec, e.g. ``{"memory": "256Mi"}``; a number when the author wrote one."""
    requests: dict[str, Any] = {}


class SecurityContext(msgspec.Struct, frozen=True):
    readOnlyRootFilesystem: bool | None = None


class ExitCodes(msgspec.Struct, frozen=True):
    operator: str = ""
    """In or NotIn."""
    values: list[int] = []


class RestartRule(msgspec.Struct, frozen=True):
    """A rule that restarts a container, or all of the pod, after some exit codes (1.34+)."""

    action: str = ""
    """Restart or RestartAllContainers."""
    exitCodes: ExitCodes = ExitCodes()

    def matches(self, exit_code: int) -> bool:
        listed = exit_code in self.exitCodes.values
        return {"In": listed, "NotIn": not listed}.get(self.exitCodes.operator, False)


class ResizePolicy(msgspec.Struct, frozen=True):
    """Of one resource."""

    restartPolicy: str = ""
    """NotRequired or RestartContainer: whether a resize of the resource restarts the container."""


class EnvironmentVariable(msgspec.Struct, frozen=True):
    name: str = ""
    value: str = ""


class Container(msgspec.Struct, frozen=True):
    """From spec.containers or spec.initContainers."""

    name: str = ""
    image: str = ""
    restartPolicy: str | None = None
    """``Always`` on an init container makes it a native sidecar. None: the pod's applies."""
    restartPolicyRules: list[RestartRule] = []
    """They come before restartPolicy; the first that matches decides."""
    resizePolicy: list[ResizePolicy] = []
    resources: Resources = Resources()
    command: list[str] = []
    env: list[EnvironmentVariable] = []
    """Only RANK, which training-operator sets: the others may be secrets, and no verdict rests on them."""
    securityContext: SecurityContext = SecurityContext()
    livenessProbe: Any = None
    readinessProbe: Any = None
    startupProbe: Any = None

    def __post_init__(self) -> None:
        if self.env:
            msgspec.structs.force_setattr(self, "env", [variable for variable in self.env if variable.name == "RANK"])


class ImageVolumeSource(msgspec.Struct, frozen=True):
    reference: str = ""


class Volume(msgspec.Struct, frozen=True):
    name: str = ""
    image: ImageVolumeSource | None = None


class PodSpec(msgspec.Struct, frozen=True):
    nodeName: str = ""
    restartPolicy: str = ""
    serviceAccountName: str = ""
    runtimeClassName: str = ""
    activeDeadlineSeconds: int | None = None
    terminationGracePeriodSeconds: int | None = None
    nodeSelector: dict[str, str] = {}
    resources: Resources = Resources()
    """Pod-level resources (1.32+); usually empty."""
    containers: list[Container] = []
    initContainers: list[Container] = []
    volumes: list[Volume] = []


class Waiting(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""


class Running(msgspec.Struct, frozen=True):
    startedAt: datetime | None = None


class Terminated(msgspec.Struct, frozen=True):
    exitCode: int = 0
    signal: int | None = None
    """Never set by containerd in any case seen here; CRI-O and dockershim set it sometimes."""
    reason: str = ""
    message: str = ""
    startedAt: datetime | None = None
    """1970-01-01 where the container never started (StartError, o1)."""
    finishedAt: datetime | None = None
    containerID: str = ""


class ContainerState(msgspec.Struct, frozen=True):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ResourceHealth(msgspec.Struct, frozen=True):
    """One device."""

    resourceID: str = ""
    health: str = ""
    """Healthy, Unhealthy or Unknown."""
    message: str = ""


class ResourceStatus(msgspec.Struct, frozen=True):
    name: str = ""
    """``nvidia.com/gpu``, or ``claim:NAME/REQUEST``."""
    resources: list[ResourceHealth] = []


class ContainerStatus(msgspec.Struct, frozen=True):
    """From status.containerStatuses or status.initContainerStatuses; sorted by name, not in spec order (t14)."""

    name: str = ""
    image: str = ""
    containerID: str = ""
    """Of the newest instance."""
    ready: bool = False
    restartCount: int = 0
    resources: Resources = Resources()
    """In force, which differs from the spec's while a resize is under way."""
    allocatedResourcesStatus: list[ResourceStatus] = []
    """Health of the devices that the container holds (feature ResourceHealthStatus)."""
    state: ContainerState = ContainerState()
    lastState: ContainerState = ContainerState()


class PodCondition(msgspec.Struct, frozen=True):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    lastTransitionTime: datetime | None = None


class PodStatus(msgspec.Struct, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    startTime: datetime | None = None
    conditions: list[PodCondition] = []
    containerStatuses: list[ContainerStatus] = []
    initContainerStatuses: list[ContainerStatus] = []


class Pod(msgspec.Struct, frozen=True):
    apiVersion: str = ""
    kind: str = ""
    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    def condition(self, type_: str) -> PodCondition | None:
        """The condition of this type, or None."""
        return next((c for c in self.status.conditions if c.type == type_), None)

    @property
    def disruption(self) -> PodCondition | None:
        """The condition that whoever disrupts the pod sets on it; TerminationTarget is Kueue's."""
        conditions = (self.condition(type_) for type_ in ("DisruptionTarget", "TerminationTarget"))
        return next((c for c in conditions if c and c.status == "True"), None)


def parse_pod(obj: Any) -> Pod:
    """Any JSON-shaped value as a Pod: what has the wrong shape is read as absent. Never raises."""
    return lenient_convert(obj, Pod)
