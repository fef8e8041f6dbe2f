"""Validates values against a structural schema: returns all errors at once, as the causes of a 422."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from embedded_apiserver.errors import Cause
from embedded_apiserver.kinds.resource import Schema

_DNS_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NAME_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    f"and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_DNS_NAME}')"
)
_LABEL_VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_DATE_TIME = r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})"

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


def validate_name(name: str) -> Iterator[Cause]:
    if len(name) > 253:
        yield _invalid("metadata.name", name, "must be no more than 253 bytes")
    if not re.fullmatch(_DNS_NAME, name):
        yield _invalid("metadata.name", name, _NAME_RULE)


def validate_labels(labels: dict[str, Any]) -> Iterator[Cause]:
    for value in labels.values():
        if len(str(value)) > 63:
            yield _invalid("metadata.labels", value, "must be no more than 63 bytes")
        elif not re.fullmatch(_LABEL_VALUE, str(value)):
            yield _invalid(
                "metadata.labels",
                value,
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
                "must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
                f"regex used for validation is '{_LABEL_VALUE}')",
            )


def validate(value: Any, schema: Schema, path: str = "") -> Iterator[Cause]:
    """Everything in ``value`` that ``schema`` forbids."""
    if value is None and schema.get("nullable"):
        return
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, int | str):
            yield _invalid_type(path, value, "integer,string")
        return
    wanted = schema.get("type")
    if wanted and not _has_type(value, wanted):
        yield _invalid_type(path, value, wanted)
        return
    if "enum" in schema and value not in schema["enum"]:
        supported = ", ".join(json.dumps(v) for v in schema["enum"])
        message = f"Unsupported value: {json.dumps(value)}: supported values: {supported}"
        yield Cause(path, "FieldValueNotSupported", message)
    if isinstance(value, str):
        yield from _validate_string(value, schema, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _validate_number(value, schema, path)
    elif isinstance(value, list):
        yield from _validate_list(value, schema, path)
    elif isinstance(value, dict):
        yield from _validate_object(value, schema, path)


def _has_type(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[wanted])


def _validate_string(value: str, schema: Schema, path: str) -> Iterator[Cause]:
    size = len(value)
    if size > schema.get("maxLength", size):
        yield Cause(path, "FieldValueTooLong", f"Too long: may not be more than {schema['maxLength']} bytes")
    if size < schema.get("minLength", 0):
        yield _in_body(path, value, f"should be at least {schema['minLength']} chars long")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield _in_body(path, value, f"should match '{schema['pattern']}'")
    if schema.get("format") == "date-time" and not re.fullmatch(_DATE_TIME, value):
        yield _invalid_type(path, value, "date-time", shown=value)


def _validate_number(value: float, schema: Schema, path: str) -> Iterator[Cause]:
    if value < schema.get("minimum", value):
        yield _in_body(path, value, f"should be greater than or equal to {schema['minimum']}")
    if value > schema.get("maximum", value):
        yield _in_body(path, value, f"should be less than or equal to {schema['maximum']}")


def _validate_list(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    if len(value) > schema.get("maxItems", len(value)):
        message = f"Too many: {len(value)}: must have at most {schema['maxItems']} items"
        yield Cause(path, "FieldValueTooMany", message)
    if len(value) < schema.get("minItems", 0):
        yield _in_body(path, len(value), f"should have at least {schema['minItems']} items")
    for i, item in enumerate(value):
        yield from validate(item, schema.get("items", {}), f"{path}[{i}]")
    yield from _validate_unique(value, schema, path)


def _validate_unique(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    kind = schema.get("x-kubernetes-list-type")
    if kind not in ("map", "set"):
        return
    keys = schema.get("x-kubernetes-list-map-keys", [])
    seen = set()
    for i, item in enumerate(value):
        identity = {key: item.get(key) for key in keys if key in item} if kind == "map" else item
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        if text in seen:
            yield Cause(f"{path}[{i}]", "FieldValueDuplicate", f"Duplicate value: {text}")
        seen.add(text)


def _validate_object(value: dict[str, Any], schema: Schema, path: str) -> Iterator[Cause]:
    for key in schema.get("required", []):
        if key not in value:
            yield Cause(_join(path, key), "FieldValueRequired", "Required value")
    if len(value) > schema.get("maxProperties", len(value)):
        message = f"Too many: {len(value)}: must have at most {schema['maxProperties']} items"
        yield Cause(path, "FieldValueTooMany", message)
    properties = schema.get("properties", {})
    additional = schema.get("additionalProperties")
    for key, child in value.items():
        if key in properties:
            yield from validate(child, properties[key], _join(path, key))
        elif isinstance(additional, dict):
            yield from validate(child, additional, _join(path, key))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _invalid(path: str, value: Any, why: str) -> Cause:
    shown = json.dumps(value, ensure_ascii=False)
    return Cause(path, "FieldValueInvalid", f"Invalid value: {shown}: {why}")


def _in_body(path: str, value: Any, why: str) -> Cause:
    return _invalid(path, value, f"{path} in body {why}")


def _invalid_type(path: str, value: Any, wanted: str, shown: str | None = None) -> Cause:
    # The API prints the type it found instead of the value, except for a badly formatted string.
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    text = json.dumps(shown if shown is not None else names.get(type(value), "null"))
    return Cause(
        path, "FieldValueTypeInvalid", f"Invalid value: {text}: {path} in body must be of type {wanted}: {text}"
    )
