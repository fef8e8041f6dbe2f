"""The part of a value that a structural schema keeps and accepts.

The API server silently drops fields that the schema does not declare, and refuses the whole write for one string that
is too long. So a value for an object of another owner is pruned to that object's schema first. CEL rules, ``oneOf``
and the like are not evaluated: the API server refuses what they forbid.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import re2

Schema = Mapping[str, Any]

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


class _Omitted:
    """The schema accepts nothing of the value."""


OMITTED = _Omitted()


def prune(schema: Schema, value: Any) -> Any:
    """``value``, JSON-shaped, without what ``schema`` drops or refuses; ``NOTHING`` where nothing is left."""
    if schema.get("enum") is not None and value not in schema["enum"]:
        return OMITTED
    if schema.get("x-kubernetes-embedded-resource"):  # must be a complete object with kind and name
        return OMITTED
    match value:
        case dict():
            return _prune_object(schema, value)
        case list():
            return _prune_list(schema, value)
        case str():
            return _prune_text(schema, value)
        case bool():
            return value if schema.get("type", "boolean") == "boolean" else OMITTED
        case int():
            return _prune_number(schema, value)
        case _:
            return OMITTED


def preserves_unknown(schema: Schema) -> bool:
    """Whether fields that the schema does not name are kept below it."""
    return bool(schema.get(_PRESERVE))


def property_of(schema: Schema, name: str) -> Schema | None:
    """The schema of a field that is declared by its name."""
    part = (schema.get("properties") or {}).get(name)
    return part if isinstance(part, Mapping) else None


def _prune_object(schema: Schema, value: Mapping[str, Any]) -> Any:
    if schema.get("type", "object") != "object":
        return OMITTED
    fields = {
        name: prune(part, field) for name, field in value.items() if (part := _field_schema(schema, name)) is not None
    }
    kept = {name: field for name, field in fields.items() if field is not OMITTED}
    defaulted = {name for name, part in (schema.get("properties") or {}).items() if "default" in part}
    if not kept or not set(schema.get("required") or ()) <= kept.keys() | defaulted:
        return OMITTED
    return kept if len(kept) <= schema.get("maxProperties", len(kept)) else OMITTED


def _field_schema(schema: Schema, name: str) -> Schema | None:
    """The schema of a field; an empty one if everything is kept, None if the field is dropped."""
    part = property_of(schema, name)
    if part is not None:
        return part
    additional = schema.get("additionalProperties")
    if isinstance(additional, Mapping):
        return additional
    return {_PRESERVE: True} if additional is True or preserves_unknown(schema) else None


def _prune_list(schema: Schema, value: list[Any]) -> Any:
    if schema.get("type", "array") != "array":
        return OMITTED
    items = schema.get("items")
    if items is None:
        return value if preserves_unknown(schema) else OMITTED
    kept = [item for each in value if (item := prune(items, each)) is not OMITTED]
    match schema.get("x-kubernetes-list-type"):
        case "set":
            kept = _deduplicated(kept, lambda item: item)
        case "map":  # two items of one key are refused by the API server with 500
            keys = schema.get("x-kubernetes-list-map-keys") or ()
            kept = _deduplicated(kept, lambda item: [item.get(key) for key in keys])
    kept = kept[: schema.get("maxItems", len(kept))]
    return kept if kept and len(kept) >= schema.get("minItems", 0) else OMITTED


def _deduplicated(items: list[Any], key: Any) -> list[Any]:
    by_key: dict[str, Any] = {}
    for item in items:
        by_key.setdefault(json.dumps(key(item), sort_keys=True), item)
    return list(by_key.values())


def _prune_text(schema: Schema, value: str) -> Any:
    if schema.get("type", "string") != "string" and not schema.get("x-kubernetes-int-or-string"):
        return OMITTED
    limit = schema.get("maxLength", len(value))
    if len(value) > limit:
        if not limit or " " not in value:  # a shortened sentence is still one, a shortened word is another word
            return OMITTED
        value = value[: limit - 1] + "…"
    if len(value) < schema.get("minLength", 0):
        return OMITTED
    pattern = schema.get("pattern")
    return value if pattern is None or _matches(pattern, value) else OMITTED


def _matches(pattern: str, value: str) -> bool:
    try:
        return re2.search(pattern, value, _OPTIONS) is not None
    except re2.error:
        return False


def _prune_number(schema: Schema, value: int) -> Any:
    if schema.get("type", "integer") not in ("integer", "number") and not schema.get("x-kubernetes-int-or-string"):
        return OMITTED
    low, high = schema.get("minimum", value), schema.get("maximum", value)
    is_excluded_minimum = schema.get("exclusiveMinimum") and value == low
    is_excluded_maximum = schema.get("exclusiveMaximum") and value == high
    multiple = schema.get("multipleOf")
    if not low <= value <= high or is_excluded_minimum or is_excluded_maximum or (multiple and value % multiple):
        return OMITTED
    if schema.get("format") == "int32" and not -(2**31) <= value < 2**31:
        return OMITTED
    return value
