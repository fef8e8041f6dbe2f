"""A CRD's structural schema at work: prune what it does not declare, fill in defaults.

CEL rules (``x-kubernetes-validations``) are not evaluated: those are tested on a real API server.
"""

from __future__ import annotations

import copy
from typing import Any

from embedded_apiserver.errors import Object
from embedded_apiserver.kinds.resource import Schema

_ROOT = ("apiVersion", "kind", "metadata")


def property_schema(schema: Schema, key: str) -> Schema | None:
    """The schema of an object's field; None: not declared; {}: anything goes."""
    declared: Schema | None = schema.get("properties", {}).get(key)
    if declared is not None:
        return declared
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        return additional
    if additional or schema.get("x-kubernetes-preserve-unknown-fields"):
        return {"x-kubernetes-preserve-unknown-fields": True}
    return None


def pruned(obj: Object, schema: Schema) -> tuple[Object, list[str]]:
    """``obj`` without the fields that ``schema`` does not declare, and the dotted paths of those."""
    unknown: list[str] = []
    body = {key: value for key, value in obj.items() if key not in _ROOT}
    kept = _pruned(body, schema, "", unknown)
    return {**{key: obj[key] for key in _ROOT if key in obj}, **kept}, unknown


def _pruned(value: Any, schema: Schema, path: str, unknown: list[str]) -> Any:
    if isinstance(value, list):
        items = schema.get("items", {})
        return [_pruned(item, items, f"{path}[{i}]", unknown) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    # {"type": "object"} alone declares no field, so it keeps none; a schema without a type takes anything.
    if not schema:
        return value
    kept = {}
    for key, child in value.items():
        where = f"{path}.{key}" if path else key
        declared = property_schema(schema, key)
        if declared is None:
            unknown.append(where)
        else:
            kept[key] = _pruned(child, declared, where, unknown)
    return kept


def defaulted(value: Any, schema: Schema) -> Any:
    """``value`` with the schema's defaults for fields that are absent (or null where null is not allowed)."""
    if isinstance(value, list):
        return [defaulted(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for key, child in schema.get("properties", {}).items():
        absent = key not in filled or (filled[key] is None and not child.get("nullable"))
        if absent and "default" in child:
            filled[key] = copy.deepcopy(child["default"])
    for key, child_value in filled.items():
        declared = property_schema(schema, key)
        if declared is not None and key not in _ROOT:
            filled[key] = defaulted(child_value, declared)
    return filled


def without_nulls(value: Any, schema: Schema) -> Any:
    """Nulls of fields that are not nullable are dropped, as the API does before it validates."""
    if isinstance(value, list):
        return [without_nulls(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, child in value.items():
        declared = property_schema(schema, key) or {}
        if child is None and declared.get("type") and not declared.get("nullable"):
            if "default" in declared:
                kept[key] = copy.deepcopy(declared["default"])
            continue
        kept[key] = without_nulls(child, declared)
    return kept
