"""Kinds as a person writes them, and where the API serves them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

import msgspec

DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""Accept header: every group's kinds in one answer (Kubernetes 1.30 and later; KEP-3352)."""


class Resource(NamedTuple):
    kind: str
    group_version: str
    """``v1``, ``batch/v1``."""
    plural: str
    names: tuple[str, ...] = ()
    """Short names."""

    @property
    def group(self) -> str:
        """ "" for the core group."""
        return self.group_version.rpartition("/")[0]

    def path(self, namespace: str, name: str = "") -> str:
        """Of the object, or of the list for "" as its name."""
        root = "/apis" if self.group else "/api"
        tail = f"/{quote(name, safe='')}" if name else ""
        return f"{root}/{self.group_version}/namespaces/{quote(namespace, safe='')}/{self.plural}{tail}"

    def matches_name(self, word: str) -> bool:
        """``job``, ``jobs``, ``Job``, a short name, each also with the group: ``jobs.batch``."""
        word = word.lower()
        if self.group and word.endswith(f".{self.group}"):
            word = word.removesuffix(f".{self.group}")
        return word in (self.kind.lower(), self.plural, *self.names)


POD = Resource("Pod", "v1", "pods", ("po",))
EVENT = Resource("Event", "v1", "events", ("ev",))
REPORT = Resource("FailureReport", "coroner.dev/v1alpha1", "failurereports", ("fr",))
JOB = Resource("Job", "batch/v1", "jobs")
CRON_JOB = Resource("CronJob", "batch/v1", "cronjobs", ("cj",))
DEPLOYMENT = Resource("Deployment", "apps/v1", "deployments", ("deploy",))
REPLICA_SET = Resource("ReplicaSet", "apps/v1", "replicasets", ("rs",))
STATEFUL_SET = Resource("StatefulSet", "apps/v1", "statefulsets", ("sts",))
DAEMON_SET = Resource("DaemonSet", "apps/v1", "daemonsets", ("ds",))
REPLICATION_CONTROLLER = Resource("ReplicationController", "v1", "replicationcontrollers", ("rc",))

BUILTIN_KINDS = (
    POD,
    REPORT,
    JOB,
    CRON_JOB,
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
    DAEMON_SET,
    REPLICATION_CONTROLLER,
)

POD_OWNERS = (JOB, REPLICA_SET, STATEFUL_SET, DAEMON_SET, REPLICATION_CONTROLLER)
"""Their pods name them as owner: nothing stands between."""

INTERMEDIATE_KINDS = {DEPLOYMENT: (REPLICA_SET,), CRON_JOB: (JOB,)}
"""What stands between a workload and its pods."""

CUSTOM_INTERMEDIATE_KINDS = (JOB, REPLICA_SET, STATEFUL_SET, DEPLOYMENT, DAEMON_SET)
"""Between a custom workload and its pods any of these may stand, and custom kinds too."""


def find_by_name(word: str) -> Resource | None:
    """The built-in kind that goes by this name."""
    return next((resource for resource in BUILTIN_KINDS if resource.matches_name(word)), None)


def find_by_kind(group_version: str, kind: str) -> Resource | None:
    """The built-in kind that a reference speaks of."""
    return next((r for r in BUILTIN_KINDS if r.kind == kind and r.group_version == group_version), None)


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
