"""The kinds that are served: what the API says of each, and where its rules differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from embedded_apiserver.status import Object, Subject

Schema = Mapping[str, Any]
"""A structural OpenAPI v3 schema, as in a CRD."""

_BY_TYPE = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
_BY_NAME = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
_BY_UID = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"]}
_OPEN = {"x-kubernetes-preserve-unknown-fields": True}
_ATOMIC: Schema = {"x-kubernetes-map-type": "atomic", **_OPEN}

METADATA_SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "finalizers": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "ownerReferences": {"type": "array", **_BY_UID, "items": {"type": "object", **_ATOMIC}},
    },
    **_OPEN,
}

_CONTAINERS = {**_BY_NAME, "items": _OPEN}
# Only what matters to field ownership: lists with keys. Everything else is taken as it comes.
_POD_SPEC = {"properties": {"containers": _CONTAINERS, "initContainers": _CONTAINERS, "volumes": _CONTAINERS}, **_OPEN}
_CONDITIONS = {"properties": {"conditions": {**_BY_TYPE, "items": _OPEN}}, **_OPEN}
POD_SCHEMA: Schema = {"properties": {"spec": _POD_SPEC, "status": _CONDITIONS}, **_OPEN}
CONDITIONED_SCHEMA: Schema = {"properties": {"status": _CONDITIONS}, **_OPEN}
EVENT_SCHEMA: Schema = {"properties": {"involvedObject": _ATOMIC, "regarding": _ATOMIC}, **_OPEN}
# Not the conditions: those of a Job are list-type atomic.
OPEN_SCHEMA: Schema = _OPEN

_NAME_FIELDS = {"metadata.name": "metadata.name", "metadata.namespace": "metadata.namespace"}


@dataclass(frozen=True)
class Column:
    """One column of a Table."""

    name: str
    type: str
    path: str
    """JSONPath, as in additionalPrinterColumns."""
    priority: int = 0
    """0 = always, more = only with ``-o wide``."""


@dataclass(frozen=True)
class Resource:
    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    has_status: bool = True
    """/status is a subresource: each side ignores the other's fields."""
    has_generation: bool = True
    custom: bool = False
    """Declared by a CRD."""
    schema: Schema = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    """Field selector label -> dotted path, beside metadata.name and metadata.namespace."""
    unconditional_update: bool = True
    """PUT without a resourceVersion is accepted."""
    create_on_update: bool = False
    """PUT of an absent object creates it."""
    storage: str = ""
    """Name of the collection in the store; both event APIs share one."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def collection(self) -> str:
        return self.storage or f"{self.plural}.{self.group}"

    @property
    def selectable(self) -> dict[str, str]:
        return {**_NAME_FIELDS, **self.fields}

    def subject(self, name: str) -> Subject:
        return Subject(self.group, self.plural, name)

    def kind_subject(self, name: str) -> Subject:
        """Validation and precondition errors name the kind, not the plural."""
        return Subject(self.group, self.kind, name)

    def field_schema(self) -> Schema:
        """The whole object's schema, metadata included."""
        properties = {**self.schema.get("properties", {}), "metadata": METADATA_SCHEMA}
        return {**self.schema, "type": "object", "properties": properties}

    def identify(self, obj: Object) -> Object:
        """``obj`` with this resource's kind and apiVersion."""
        return {**obj, "kind": self.kind, "apiVersion": self.api_version}


def _same(*paths: str) -> dict[str, str]:
    return {path: path for path in paths}


_EVENT_TARGET = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_EVENT_SELECTORS = {
    "reason": "reason",
    "type": "type",
    "reportingComponent": "reportingComponent",
    "source": "source.component",
}

_APPS = [
    ("deployments", "Deployment", ("deploy",)),
    ("replicasets", "ReplicaSet", ("rs",)),
    ("statefulsets", "StatefulSet", ("sts",)),
    ("daemonsets", "DaemonSet", ("ds",)),
]

BUILT_IN: tuple[Resource, ...] = (
    Resource(
        "",
        "v1",
        "namespaces",
        "Namespace",
        namespaced=False,
        short_names=("ns",),
        has_generation=False,
        fields=_same("status.phase"),
        schema=CONDITIONED_SCHEMA,
    ),
    Resource(
        "",
        "v1",
        "pods",
        "Pod",
        short_names=("po",),
        categories=("all",),
        schema=POD_SCHEMA,
        fields=_same(
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ),
    ),
    Resource(
        "",
        "v1",
        "events",
        "Event",
        short_names=("ev",),
        has_status=False,
        has_generation=False,
        storage="events",
        schema=EVENT_SCHEMA,
        create_on_update=True,
        fields={**_same(*(f"involvedObject.{name}" for name in _EVENT_TARGET)), **_EVENT_SELECTORS},
    ),
    Resource(
        "events.k8s.io",
        "v1",
        "events",
        "Event",
        short_names=("ev",),
        has_status=False,
        has_generation=False,
        storage="events",
        schema=EVENT_SCHEMA,
        create_on_update=True,
        fields={
            **{f"regarding.{name}": f"involvedObject.{name}" for name in _EVENT_TARGET},
            "reason": "reason",
            "type": "type",
            "reportingController": "reportingComponent",
        },
    ),
    Resource(
        "batch",
        "v1",
        "jobs",
        "Job",
        categories=("all",),
        schema=OPEN_SCHEMA,
        fields=_same("status.successful"),
    ),
    Resource("batch", "v1", "cronjobs", "CronJob", short_names=("cj",), categories=("all",), schema=OPEN_SCHEMA),
    *(
        Resource("apps", "v1", plural, kind, short_names=short, categories=("all",), schema=CONDITIONED_SCHEMA)
        for plural, kind, short in _APPS
    ),
    Resource(
        "coordination.k8s.io",
        "v1",
        "leases",
        "Lease",
        has_status=False,
        has_generation=False,
        unconditional_update=False,
        create_on_update=True,
        schema=OPEN_SCHEMA,
    ),
    Resource(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        unconditional_update=False,
        schema={"properties": {"spec": {"properties": {"versions": {}}, **_OPEN}, "status": _CONDITIONS}, **_OPEN},
    ),
)


class Registry:
    """The kinds served now: the built-in ones and those of CRDs."""

    def __init__(self) -> None:
        self._resources = {(r.group, r.version, r.plural): r for r in BUILT_IN}

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._resources.values()))

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._resources.get((group, version, plural))

    def of_object(self, obj: Object) -> Resource | None:
        """The resource of an object that says its own apiVersion and kind."""
        group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
        return next(
            (r for r in self if (r.group, r.version, r.kind) == (group, version, obj.get("kind"))),
            None,
        )

    def serve(self, resources: list[Resource]) -> None:
        for resource in resources:
            self._resources[(resource.group, resource.version, resource.plural)] = resource

    def stop_serving(self, group: str, plural: str) -> None:
        for key in [key for key in self._resources if (key[0], key[2]) == (group, plural)]:
            del self._resources[key]

    def groups(self) -> dict[str, list[str]]:
        """group -> its versions, in the order they were declared; the core group is ""."""
        groups: dict[str, list[str]] = {}
        for group, version, _ in self._resources:
            versions = groups.setdefault(group, [])
            if version not in versions:
                versions.append(version)
        return groups
