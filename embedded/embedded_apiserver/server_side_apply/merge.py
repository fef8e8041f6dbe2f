"""Merges an applied configuration into a value, and removes fields by path."""

from __future__ import annotations

from typing import Any

from embedded_apiserver.kinds.resource import Schema
from embedded_apiserver.schema.structural_schema import property_schema
from embedded_apiserver.server_side_apply.field_set import (
    FieldSet,
    Path,
    SchemaMismatchError,
    children,
    describe_path,
    is_atomic,
    item_step,
)

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}


def check_applied(value: Any, schema: Schema, path: str = "") -> None:
    """An applied configuration must match the schema exactly. Raises SchemaMismatchError."""
    wanted = schema.get("type")
    if value is None:
        return
    if wanted in _TYPES and not isinstance(value, _TYPES[wanted]):
        raise SchemaMismatchError(
            f"{path}: expected {_type_name(wanted)}, got &value.valueUnstructured{{Value:{value!r}}}"
        )
    if isinstance(value, dict):
        for key, child in value.items():
            below = property_schema(schema, key)
            if below is None and schema:
                raise SchemaMismatchError(f"{path}.{key}: field not declared in schema")
            check_applied(child, below or {}, f"{path}.{key}")
    elif isinstance(value, list) and not is_atomic(value, schema):
        seen = set()
        for step, item, item_schema in children(value, schema):
            if step in seen:
                raise SchemaMismatchError(f"{path}: duplicate entries for key {describe_path((step,))}")
            seen.add(step)
            check_applied(item, item_schema, path)


def _type_name(wanted: str) -> str:
    return {"object": "map", "array": "list", "integer": "numeric", "number": "numeric"}.get(wanted, wanted)


def merge(live: Any, config: Any, schema: Schema) -> Any:
    """``live`` with the fields of ``config``; fields that ``config`` does not contain stay."""
    if type(live) is not type(config) or is_atomic(config, schema):
        return config
    if isinstance(config, dict):
        result = dict(live)
        for key, value in config.items():
            below = property_schema(schema, key) or {}
            result[key] = merge(live[key], value, below) if key in live else value
        return result
    return _merge_lists(live, config, schema)


def _merge_lists(live: list[Any], config: list[Any], schema: Schema) -> list[Any]:
    """Merges items by key. Items of the configuration are in its order; an item that only ``live`` has stays after
    the shared item that precedes it."""
    old = {item_step(item, schema): item for item in live}
    new = {item_step(item, schema): item for item in config}
    waiting = list(old)
    result: dict[str, Any] = {}
    shared = [step for step in new if step in old]
    for step, item in new.items():
        while waiting and waiting[0] != shared[0] if shared else waiting:
            passed = waiting.pop(0)
            if passed not in new:
                result[passed] = old[passed]
        result[step] = merge(old[step], item, schema.get("items", {})) if step in old else item
        if shared and step == shared[0]:
            shared.pop(0)
            if waiting and waiting[0] == step:
                waiting.pop(0)
    result.update((step, old[step]) for step in waiting if step not in new)
    return list(result.values())


def remove_fields(value: Any, paths: FieldSet, schema: Schema) -> Any:
    """``value`` without the fields at ``paths``; maps and lists that become empty stay, unless their path is given."""
    tree: dict[str, Any] = {}
    for path in paths:
        _add_path(tree, path)
    return _remove_fields(value, tree, schema)


def _add_path(tree: dict[str, Any], path: Path) -> None:
    for step in path:
        tree = tree.setdefault(step, {})
    tree["."] = {}


def _remove_fields(value: Any, tree: dict[str, Any], schema: Schema) -> Any:
    if is_atomic(value, schema) or not value:
        return value
    kept = []
    for step, part, part_schema in children(value, schema):
        below = tree.get(step)
        if below is None:
            kept.append((step, part))
        elif "." not in below:
            kept.append((step, _remove_fields(part, below, part_schema)))
    if isinstance(value, dict):
        return {step[2:]: part for step, part in kept}
    return [part for _, part in kept]
