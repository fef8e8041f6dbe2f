"""Field ownership: ``metadata.managedFields`` after an update, and server-side apply.

The algorithm is that of kube-apiserver (structured-merge-diff, merge/update.go). Not implemented: conversion of field
sets between versions of a kind, and merging of the oldest entries when more than ten managers have updated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from embedded_apiserver.errors import ApiError, Cause, Object, bad_request
from embedded_apiserver.kinds.resource import Resource, Schema
from embedded_apiserver.server_side_apply import field_set
from embedded_apiserver.server_side_apply.field_set import FieldSet, Path, SchemaMismatchError
from embedded_apiserver.server_side_apply.merge import check_applied, merge, remove_fields

BEFORE_FIRST_APPLY = "before-first-apply"
"""Owns the existing fields of an object without managedFields when it is first applied to."""

_SYSTEM_FIELDS = ("name", "namespace", "creationTimestamp", "uid", "generation", "managedFields", "resourceVersion")
_UNOWNED: FieldSet = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",), ("f:metadata", "f:selfLink")}
    | {("f:metadata", f"f:{name}") for name in _SYSTEM_FIELDS}
    | {("f:metadata", "f:deletionTimestamp"), ("f:metadata", "f:deletionGracePeriodSeconds")}
)


@dataclass(frozen=True)
class Manager:
    """One entry of managedFields, without its fields."""

    name: str
    operation: Literal["Apply", "Update"]
    api_version: str
    subresource: str = ""

    def __str__(self) -> str:
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return text if self.operation == "Apply" else f"{text} using {self.api_version}"


Owners = dict[Manager, FieldSet]


def owners_of(obj: Object) -> Owners:
    owners: Owners = {}
    for entry in obj["metadata"].get("managedFields") or []:
        fields = field_set.decode(entry.get("fieldsV1") or {})
        manager = Manager(entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", ""))
        owners[manager] = owners.get(manager, field_set.EMPTY) | fields
    return owners


def after_update(live: Object | None, new: Object, manager: Manager, schema: Schema) -> Owners:
    """The owners after ``manager`` changed ``live`` to ``new``: it owns what it changed, the others no longer do."""
    difference = field_set.compare(_content(live), _content(new), schema)
    changed = frozenset(difference.added | difference.modified) - _UNOWNED
    owners = owners_of(live) if live else {}
    own = (owners.pop(manager, field_set.EMPTY) - difference.removed) | changed
    left = {other: fields - changed - difference.removed for other, fields in owners.items()}
    return _without_empty({**left, manager: own})


@dataclass(frozen=True)
class Applied:
    object: Object
    owners: Owners


def apply(live: Object, config: Object, manager: Manager, resource: Resource, force: bool) -> Applied:
    """``config`` applied to ``live``. For an object to be created, ``live`` is {"metadata": {}}.

    Raises ApiError 409 naming each field that another manager owns with another value, unless ``force``;
    500 when ``config`` does not match the schema.
    """
    schema = resource.field_schema()
    owners = owners_of(live)
    if not owners and live["metadata"].get("uid"):
        first = Manager(BEFORE_FIRST_APPLY, "Update", resource.api_version)
        owners = after_update(None, live, first, schema)
    present = _content(live)
    wanted = _content(config)
    try:
        if resource.custom:
            check_applied(wanted, schema)
        last = owners.get(manager, field_set.EMPTY)
        owners[manager] = field_set.fields_of(wanted, schema) - _UNOWNED
        result = merge(present, wanted, schema)
        if last:
            result = _remove_unowned(result, owners, last, schema)
    except SchemaMismatchError as mismatch:
        kind = f"{resource.api_version}, Kind={resource.kind}"
        name = f"{live['metadata'].get('namespace', '')}/{config['metadata'].get('name', '')}"
        raise ApiError(500, "", f"failed to create typed patch object ({name}; {kind}): {mismatch}") from None
    difference = field_set.compare(present, result, schema)
    owners = _after_apply(difference, owners, manager, force)
    return Applied({**result, "metadata": {**(result.get("metadata") or {}), **_system(live)}}, owners)


def _remove_unowned(result: Object, owners: Owners, last: FieldSet, schema: Schema) -> Object:
    """``result`` without the fields that this manager applied before and that no manager owns now."""

    def widened(paths: FieldSet) -> FieldSet:
        return field_set.with_declared_parents(paths, schema)

    everything = widened(field_set.fields_of(result, schema))
    pruned = remove_fields(result, widened(last), schema)
    owned = widened(frozenset().union(*owners.values()))
    pruned = remove_fields(result, everything - (widened(field_set.fields_of(pruned, schema)) | owned), schema)
    dangling = (everything - widened(field_set.fields_of(pruned, schema))) & widened(last)
    return dict(remove_fields(result, dangling, schema))


def _after_apply(difference: field_set.Difference, owners: Owners, manager: Manager, force: bool) -> Owners:
    changed = frozenset(difference.added | difference.modified)
    conflicts = {other: fields & changed for other, fields in owners.items() if other != manager and fields & changed}
    if conflicts and not force:
        raise conflict_error(conflicts)
    left = {
        other: fields if other == manager else fields - changed - difference.removed for other, fields in owners.items()
    }
    return _without_empty(left)


def conflict_error(conflicts: Mapping[Manager, FieldSet]) -> ApiError:
    ordered = {m: field_set.members_first(conflicts[m]) for m in sorted(conflicts, key=str)}
    pairs: list[tuple[Manager, Path]] = [(m, path) for m, paths in ordered.items() for path in paths]
    causes = [Cause(field_set.describe_path(path), "FieldManagerConflict", f"conflict with {m}") for m, path in pairs]
    if len(causes) == 1:
        listed = f"{causes[0].message}: {causes[0].field}"
    else:
        lines = []
        for m, paths in ordered.items():
            lines += [f"conflicts with {m}:", *(f"- {field_set.describe_path(path)}" for path in paths)]
        listed = "\n".join(lines)
    plural = "" if len(causes) == 1 else "s"
    message = f"Apply failed with {len(causes)} conflict{plural}: {listed}"
    details = {"causes": [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]}
    return ApiError(409, "Conflict", message, details)


def managed_fields(owners: Owners, live: Object | None, now: str) -> list[Object]:
    """The entries to store: an entry whose fields did not change keeps its time."""
    before = {_identity(entry): entry for entry in (live or {"metadata": {}})["metadata"].get("managedFields") or []}
    entries = []
    for manager, fields in owners.items():
        entry: Object = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": manager.api_version,
            "time": now,
            "fieldsType": "FieldsV1",
            "fieldsV1": field_set.encode(fields),
        }
        if manager.subresource:
            entry["subresource"] = manager.subresource
        if manager.name == BEFORE_FIRST_APPLY:
            del entry["time"]  # unknown
        old = before.get(_identity(entry))
        if old is not None and old.get("fieldsV1") == entry["fieldsV1"]:
            entry = old
        entries.append(entry)
    return sorted(entries, key=lambda e: (e["operation"], e.get("time", ""), e["manager"], e.get("subresource", "")))


def check_no_managed_fields(config: Object) -> None:
    if config["metadata"].get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")


def _identity(entry: Object) -> tuple[str, ...]:
    return entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", "")


def _without_empty(owners: Owners) -> Owners:
    return {manager: fields for manager, fields in owners.items() if fields}


def _system(obj: Object) -> Object:
    names = (*_SYSTEM_FIELDS, "deletionTimestamp", "deletionGracePeriodSeconds")
    return {name: obj["metadata"][name] for name in names if name in obj["metadata"]}


def _content(obj: Object | None) -> Object:
    """The object without the fields that no manager owns: identity and system metadata."""
    if obj is None:
        return {}
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _system(obj)}
    rest = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    return {"metadata": metadata, **rest}
