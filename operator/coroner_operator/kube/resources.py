"""The kinds that Coroner knows, how people call them, and where the API server serves them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from coroner_operator.kube.errors import InvalidName
from coroner_operator.kube.paths import DiscoveryPath, ResourcePath
from coroner_operator.model import report_codec

DISCOVERY = DiscoveryPath()
DISCOVERY_ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""Accept header: every group's kinds in one answer (Kubernetes 1.30 and later; KEP-3352)."""


class Resource(NamedTuple):
    kind: str
    group_version: str
    """``v1``, ``batch/v1``."""
    plural: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True

    @property
    def group(self) -> str:
        """ "" for the core group."""
        return self.group_version.rpartition("/")[0]

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> ResourcePath:
        """Of an object; of the list in a namespace for "" as its name, of all namespaces for "" as namespace.

        ``namespace`` is ignored for kinds that have none. Raises InvalidName.
        """
        if self.namespaced and name and not namespace:
            raise InvalidName(f"{self.kind} {name[:80]!r} without a namespace")
        group, _, version = self.group_version.rpartition("/")
        return ResourcePath(group, version, self.plural, namespace if self.namespaced else "", name, subresource)

    def object_path(self, namespace: str, name: str, subresource: str = "") -> ResourcePath:
        """Of one object: never of a list, whatever the name. Raises InvalidName."""
        if not name:
            raise InvalidName(f"{self.kind} without a name")
        return self.path(namespace, name, subresource)

    def matches_name(self, word: str) -> bool:
        """``job``, ``jobs``, ``Job``, a short name, each also with the group: ``jobs.batch``."""
        word = word.lower()
        if self.group and word.endswith(f".{self.group}"):
            word = word.removesuffix(f".{self.group}")
        return word in (self.kind.lower(), self.plural, *self.short_names)


POD = Resource("Pod", "v1", "pods", ("po",))
EVENT = Resource("Event", "v1", "events", ("ev",))
"""As they are read: the core API repeats what ``events.k8s.io`` holds, with fewer names for the same fields."""
NEW_EVENT = Resource("Event", "events.k8s.io/v1", "events")
"""As they are written."""
REPORT = Resource(report_codec.KIND, report_codec.API_VERSION, report_codec.PLURAL, ("fr",))
NAMESPACE = Resource("Namespace", "v1", "namespaces", ("ns",), namespaced=False)
LEASE = Resource("Lease", "coordination.k8s.io/v1", "leases")
CUSTOM_RESOURCE_DEFINITION = Resource(
    "CustomResourceDefinition", "apiextensions.k8s.io/v1", "customresourcedefinitions", ("crd",), namespaced=False
)

JOB = Resource("Job", "batch/v1", "jobs")
CRON_JOB = Resource("CronJob", "batch/v1", "cronjobs", ("cj",))
DEPLOYMENT = Resource("Deployment", "apps/v1", "deployments", ("deploy",))
REPLICA_SET = Resource("ReplicaSet", "apps/v1", "replicasets", ("rs",))
STATEFUL_SET = Resource("StatefulSet", "apps/v1", "statefulsets", ("sts",))
DAEMON_SET = Resource("DaemonSet", "apps/v1", "daemonsets", ("ds",))
REPLICATION_CONTROLLER = Resource("ReplicationController", "v1", "replicationcontrollers", ("rc",))

READABLE_OWNER_KINDS = (JOB, CRON_JOB, DEPLOYMENT, REPLICA_SET, STATEFUL_SET, DAEMON_SET)
"""The built-in workloads that the operator's role allows it to read."""

BUILTIN_KINDS = (POD, REPORT, *READABLE_OWNER_KINDS, REPLICATION_CONTROLLER)
"""What a person can ask about by name without discovery."""

NODE = ("", "Node")
"""Group and kind; nodes are never read."""

CLUSTER_SCOPED_KINDS = frozenset(
    {
        NODE,
        ("", "ComponentStatus"),
        ("", "Namespace"),
        ("", "PersistentVolume"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        ("certificates.k8s.io", "CertificateSigningRequest"),
        ("certificates.k8s.io", "ClusterTrustBundle"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
        ("internal.apiserver.k8s.io", "StorageVersion"),
        ("networking.k8s.io", "IPAddress"),
        ("networking.k8s.io", "IngressClass"),
        ("networking.k8s.io", "ServiceCIDR"),
        ("node.k8s.io", "RuntimeClass"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("resource.k8s.io", "DeviceClass"),
        ("resource.k8s.io", "DeviceTaintRule"),
        ("resource.k8s.io", "ResourceSlice"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"),
        ("storage.k8s.io", "StorageClass"),
        ("storage.k8s.io", "VolumeAttachment"),
        ("storage.k8s.io", "VolumeAttributesClass"),
        ("storagemigration.k8s.io", "StorageVersionMigration"),
    }
)
"""Group and kind of Kubernetes' own objects that have no namespace."""

POD_OWNERS = (JOB, REPLICA_SET, STATEFUL_SET, DAEMON_SET, REPLICATION_CONTROLLER)
"""Their pods name them as owner, without an object in between."""

INTERMEDIATE_KINDS = {DEPLOYMENT: (REPLICA_SET,), CRON_JOB: (JOB,)}
"""The kinds between a workload and its pods."""

CUSTOM_INTERMEDIATE_KINDS = (JOB, REPLICA_SET, STATEFUL_SET, DEPLOYMENT, DAEMON_SET)
"""Between a custom workload and its pods any of these may stand, and custom kinds too."""


def find_by_name(word: str) -> Resource | None:
    """The built-in kind of this name; None for any other."""
    return next((resource for resource in BUILTIN_KINDS if resource.matches_name(word)), None)


def find_by_kind(group_version: str, kind: str) -> Resource | None:
    """The built-in kind that an owner reference names; None for any other."""
    return next((r for r in BUILTIN_KINDS if r.kind == kind and r.group_version == group_version), None)


def is_namespaced(group: str, kind: str) -> bool:
    """Whether objects of a kind have a namespace; presumed of all kinds but Kubernetes' own."""
    return (group, kind) not in CLUSTER_SCOPED_KINDS


class _ResponseKind(msgspec.Struct):
    kind: str = ""


class _DiscoveredResource(msgspec.Struct, rename="camel"):
    resource: str = ""
    scope: str = ""
    response_kind: _ResponseKind | None = None
    short_names: list[str] = []


class _DiscoveredVersion(msgspec.Struct):
    version: str = ""
    resources: list[_DiscoveredResource] = []


class _GroupMetadata(msgspec.Struct):
    name: str = ""


class _DiscoveredGroup(msgspec.Struct):
    metadata: _GroupMetadata = msgspec.field(default_factory=_GroupMetadata)
    versions: list[_DiscoveredVersion] = []


class _Discovered(msgspec.Struct):
    items: list[_DiscoveredGroup] = []


def parse_discovery(answer: bytes) -> Iterator[Resource]:
    """Namespaced kinds of an aggregated discovery answer, the preferred version of each group first."""
    for group in msgspec.json.decode(answer, type=_Discovered).items:
        for version in group.versions:
            for resource in version.resources:
                if resource.scope == "Namespaced" and resource.response_kind is not None:
                    group_version = f"{group.metadata.name}/{version.version}"
                    short = tuple(name.lower() for name in resource.short_names)
                    yield Resource(resource.response_kind.kind, group_version, resource.resource, short)
