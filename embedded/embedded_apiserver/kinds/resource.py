"""One served kind: how the API describes it, and which of its rules differ between kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from embedded_apiserver.errors import Object, Subject

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
# Only what matters for field ownership: lists with keys. All other fields are accepted as they are.
_POD_SPEC = {"properties": {"containers": _CONTAINERS, "initContainers": _CONTAINERS, "volumes": _CONTAINERS}, **_OPEN}
CONDITIONS = {"properties": {"conditions": {**_BY_TYPE, "items": _OPEN}}, **_OPEN}
POD_SCHEMA: Schema = {"properties": {"spec": _POD_SPEC, "status": CONDITIONS}, **_OPEN}
CONDITIONED_SCHEMA: Schema = {"properties": {"status": CONDITIONS}, **_OPEN}
EVENT_SCHEMA: Schema = {"properties": {"involvedObject": _ATOMIC, "regarding": _ATOMIC}, **_OPEN}
# Without conditions: those of a Job are list-type atomic.
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
    """0 = always shown, greater = only with ``-o wide``."""
    description: str = ""


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
    """/status is a subresource: a write to the object ignores status, a write to /status ignores the rest."""
    has_generation: bool = True
    custom: bool = False
    """Declared by a CRD."""
    schema: Schema = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    """Field selector label -> dotted path, in addition to metadata.name and metadata.namespace."""
    unconditional_update: bool = True
    """PUT without a resourceVersion is accepted."""
    create_on_update: bool = False
    """PUT of an absent object creates it."""
    storage: str = ""
    """Name of the collection in the store; both event APIs share one collection."""

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
