"""A CRD's structural schema: prunes undeclared fields and fills in defaults.

CEL rules (``x-kubernetes-validations``) are not evaluated: they are tested on a real API server.
"""

from __future__ import annotations

import copy
from typing import Any

from embedded_apiserver.errors import Object
from embedded_apiserver.kinds.resource import Schema

_ROOT = ("apiVersion", "kind", "metadata")


def property_schema(schema: Schema, key: str) -> Schema | None:
    """The schema of an object's field; None: not declared; {}: any value is valid."""
    declared: Schema | None = schema.get("properties", {}).get(key)
    if declared is not None:
        return declared
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        return additional
    if additional or schema.get("x-kubernetes-preserve-unknown-fields"):
        return {"x-kubernetes-preserve-unknown-fields": True}
    return None


def prune(obj: Object, schema: Schema) -> tuple[Object, list[str]]:
    """``obj`` without the fields that ``schema`` does not declare, and the dotted paths of the removed fields."""
    unknown: list[str] = []
    body = {key: value for key, value in obj.items() if key not in _ROOT}
    kept = _prune(body, schema, "", unknown)
    return {**{key: obj[key] for key in _ROOT if key in obj}, **kept}, unknown


def _prune(value: Any, schema: Schema, path: str, unknown: list[str]) -> Any:
    if isinstance(value, list):
        items = schema.get("items", {})
        return [_prune(item, items, f"{path}[{i}]", unknown) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    # {"type": "object"} alone declares no field, so all are pruned; an empty schema accepts anything.
    if not schema:
        return value
    kept = {}
    for key, child in value.items():
        where = f"{path}.{key}" if path else key
        declared = property_schema(schema, key)
        if declared is None:
            unknown.append(where)
        else:
            kept[key] = _prune(child, declared, where, unknown)
    return kept


def apply_defaults(value: Any, schema: Schema) -> Any:
    """``value`` with the schema's defaults for fields that are absent (or null where null is not allowed)."""
    if isinstance(value, list):
        return [apply_defaults(item, schema.get("items", {})) for item in value]
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
            filled[key] = apply_defaults(child_value, declared)
    return filled


def drop_nulls(value: Any, schema: Schema) -> Any:
    """``value`` without nulls in fields that are not nullable; the API drops these before validation."""
    if isinstance(value, list):
        return [drop_nulls(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, child in value.items():
        declared = property_schema(schema, key) or {}
        if child is None and declared.get("type") and not declared.get("nullable"):
            if "default" in declared:
                kept[key] = copy.deepcopy(declared["default"])
            continue
        kept[key] = drop_nulls(child, declared)
    return kept
