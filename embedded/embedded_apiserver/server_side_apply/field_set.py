"""Sets of field paths: which fields a value has, and how two values differ, according to a structural schema.

A path is a tuple of steps written as in ``managedFields``: ``f:name`` (a field), ``k:{"type":"Ready"}`` (an item of a
list-type map), ``v:"text"`` (an item of a set). The rules and terms (atomic, added, modified, removed) are those of
structured-merge-diff, which kube-apiserver uses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from embedded_apiserver.kinds.resource import Schema
from embedded_apiserver.schema.structural_schema import property_schema

Step = str
Path = tuple[Step, ...]
FieldSet = frozenset[Path]

EMPTY: FieldSet = frozenset()


class SchemaMismatchError(ValueError):
    """A value does not match its schema, so it has no field set. The API returns 500 for such an apply."""


def is_atomic(value: Any, schema: Schema) -> bool:
    """Owned as a whole: scalars, atomic maps, and lists without keys."""
    if isinstance(value, dict):
        return schema.get("x-kubernetes-map-type") == "atomic"
    if isinstance(value, list):
        return schema.get("x-kubernetes-list-type") not in ("map", "set")
    return True


def children(value: Any, schema: Schema) -> Iterator[tuple[Step, Any, Schema]]:
    """The parts of a value that is not atomic: (step, part, its schema)."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield f"f:{key}", part, property_schema(schema, key) or {}
    elif isinstance(value, list):
        for item in value:
            yield item_step(item, schema), item, schema.get("items", {})


def item_step(item: Any, schema: Schema) -> Step:
    """The step to an item of a set or of a list-type map. Raises SchemaMismatchError when a key is missing."""
    if schema.get("x-kubernetes-list-type") == "set":
        return f"v:{_json(item)}"
    if not isinstance(item, dict):
        raise SchemaMismatchError("associative list with non-map element may not have non-map elements")
    keys = {}
    for key in schema["x-kubernetes-list-map-keys"]:
        default = schema.get("items", {}).get("properties", {}).get(key, {}).get("default")
        keys[key] = item.get(key, default)
        if keys[key] is None:
            raise SchemaMismatchError(f'associative list with keys has an element that omits key field "{key}"')
    return f"k:{_json(keys)}"


def fields_of(value: Any, schema: Schema) -> FieldSet:
    """The fields that an apply of ``value`` owns: its leaves and list items, not the structs that contain them."""
    found: set[Path] = set()
    _collect(value, schema, (), found)
    return frozenset(found)


def _collect(value: Any, schema: Schema, path: Path, found: set[Path]) -> None:
    if is_atomic(value, schema):
        if path:
            found.add(path)
        return
    for step, part, part_schema in children(value, schema):
        below = (*path, step)
        _collect(part, part_schema, below, found)
        declared = step.startswith("f:") and step[2:] in schema.get("properties", {})
        if not declared or part == {}:
            found.add(below)


@dataclass
class Difference:
    added: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)


_ABSENT = object()


def compare(old: Any, new: Any, schema: Schema) -> Difference:
    difference = Difference()
    _compare(old, new, schema, (), difference)
    return difference


def _compare(old: Any, new: Any, schema: Schema, path: Path, difference: Difference) -> None:
    if old is not _ABSENT and new is not _ABSENT and (old is new or old == new):
        return
    if path and new is _ABSENT:
        difference.removed.add(path)
    elif path and old is _ABSENT:
        difference.added.add(path)
    elif path and (is_atomic(old, schema) or is_atomic(new, schema)):
        difference.modified.add(path)
    before = _parts(old, schema)
    after = _parts(new, schema)
    for step, (part, part_schema) in before.items():
        other = after.get(step, (_ABSENT, part_schema))[0]
        _compare(part, other, part_schema, (*path, step), difference)
    for step, (part, part_schema) in after.items():
        if step not in before:
            _compare(_ABSENT, part, part_schema, (*path, step), difference)


def _parts(value: Any, schema: Schema) -> dict[Step, tuple[Any, Schema]]:
    if value is _ABSENT or is_atomic(value, schema):
        return {}
    return {step: (part, part_schema) for step, part, part_schema in children(value, schema)}


def with_declared_parents(paths: FieldSet, schema: Schema) -> FieldSet:
    """``paths`` and their parents that the schema declares as fields."""
    widened = set(paths)
    for path in paths:
        here: Schema = schema
        for depth, step in enumerate(path, 1):
            if step.startswith("f:"):
                if step[2:] in here.get("properties", {}):
                    widened.add(path[:depth])
                here = property_schema(here, step[2:]) or {}
            else:
                here = here.get("items", {})
    return frozenset(widened)


def encode(paths: FieldSet) -> dict[str, Any]:
    """The ``fieldsV1`` of a managedFields entry."""
    root: dict[str, Any] = {}
    inner = {path[:depth] for path in paths for depth in range(1, len(path))}
    for path in sorted(paths):
        node = root
        for step in path:
            node = node.setdefault(step, {})
        if path in inner:
            node["."] = {}
    return root


def decode(fields: dict[str, Any]) -> FieldSet:
    found: set[Path] = set()
    _decode(fields, (), found)
    return frozenset(found)


def _decode(node: dict[str, Any], path: Path, found: set[Path]) -> None:
    if path and (not node or "." in node):
        found.add(path)
    for step, below in node.items():
        if step != ".":
            _decode(below, (*path, step), found)


def describe_path(path: Path) -> str:
    """``.status.conditions[type="Ready"].status``, the form in which conflicts name a field."""
    return "".join(_describe_step(step) for step in path)


def _describe_step(step: Step) -> str:
    kind, text = step[0], step[2:]
    if kind == "f":
        return f".{text}"
    if kind == "v":
        return f"[={text}]"
    return "[" + ",".join(f"{key}={_json(value)}" for key, value in json.loads(text).items()) + "]"


def members_first(paths: FieldSet) -> list[Path]:
    """The API's order: at each level first the fields themselves, then the fields below others."""
    return sorted(paths, key=lambda path: [(depth < len(path), step) for depth, step in enumerate(path, 1)])


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
