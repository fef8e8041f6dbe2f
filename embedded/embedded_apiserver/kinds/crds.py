"""CustomResourceDefinitions: validation, status, and the kinds that they define."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from embedded_apiserver.errors import Cause, Object
from embedded_apiserver.kinds.resource import Column, Resource

COLLECTION = "customresourcedefinitions.apiextensions.k8s.io"

_AGE = Column("Age", "date", ".metadata.creationTimestamp")


def validate(crd: Object) -> Iterator[Cause]:
    """The likely mistakes of a hand-written CRD; a real API server checks more."""
    spec = crd.get("spec") or {}
    names = spec.get("names") or {}
    for path, value in (
        ("spec.group", spec.get("group")),
        ("spec.scope", spec.get("scope")),
        ("spec.names.plural", names.get("plural")),
        ("spec.names.kind", names.get("kind")),
        ("spec.versions", spec.get("versions")),
    ):
        if not value:
            yield Cause(path, "FieldValueRequired", "Required value")
    expected = f"{names.get('plural')}.{spec.get('group')}"
    name = crd["metadata"].get("name", "")
    if name != expected:
        message = f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group'
        yield Cause("metadata.name", "FieldValueInvalid", message)
    for i, version in enumerate(spec.get("versions") or []):
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        where = f"spec.versions[{i}].schema.openAPIV3Schema"
        if schema is None:
            yield Cause(where, "FieldValueRequired", "Required value: schemas are required")
        elif schema.get("type") != "object":
            yield Cause(f"{where}.type", "FieldValueRequired", "Required value: must not be empty at the root")


def with_defaults(crd: Object) -> Object:
    spec = crd["spec"]
    names = spec["names"]
    filled = {"singular": names["kind"].lower(), "listKind": f"{names['kind']}List", **names}
    return {**crd, "spec": {"conversion": {"strategy": "None"}, **spec, "names": filled}}


def with_status(crd: Object, now: str) -> Object:
    """``crd`` with the status that kube-apiserver's controllers write; here it is set immediately."""
    conditions = [
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]
    status = {
        "conditions": [
            {"type": name, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message}
            for name, reason, message in conditions
        ],
        "acceptedNames": crd["spec"]["names"],
        "storedVersions": [v["name"] for v in crd["spec"]["versions"] if v.get("storage")],
    }
    return {**crd, "status": status}


def served_resources(crd: Object) -> list[Resource]:
    return [_resource(crd["spec"], version) for version in crd["spec"]["versions"] if version.get("served")]


def _resource(spec: Object, version: Object) -> Resource:
    names = spec["names"]
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        singular=names["singular"],
        list_kind=names["listKind"],
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        has_status="status" in (version.get("subresources") or {}),
        custom=True,
        schema=version["schema"]["openAPIV3Schema"],
        columns=tuple(_column(c) for c in version.get("additionalPrinterColumns") or ()) or (_AGE,),
        fields=dict(_selectable(f["jsonPath"]) for f in version.get("selectableFields") or ()),
        unconditional_update=False,
    )


def _column(column: dict[str, Any]) -> Column:
    description = column.get("description", "")
    return Column(column["name"], column["type"], column["jsonPath"], column.get("priority", 0), description)


def _selectable(json_path: str) -> tuple[str, str]:
    """The field selector of ``.status.state`` is ``status.state``."""
    path = json_path.removeprefix(".")
    return path, path
