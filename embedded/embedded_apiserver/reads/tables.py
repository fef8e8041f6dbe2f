"""Tables, as kubectl prints them: printer columns of CRDs, a few columns for some built-in kinds, else name and age."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from embedded_apiserver.errors import Object
from embedded_apiserver.kinds.resource import Column, Resource
from embedded_apiserver.reads import jsonpath

_AGE = Column("Age", "date", ".metadata.creationTimestamp")
_BUILT_IN: dict[str, tuple[Column, ...]] = {
    "Pod": (
        Column("Ready", "string", ""),
        Column("Status", "string", ""),
        Column("Restarts", "string", ""),
        _AGE,
        Column("IP", "string", ".status.podIP", 1),
        Column("Node", "string", ".spec.nodeName", 1),
    ),
    "Job": (Column("Status", "string", ""), Column("Completions", "string", ""), _AGE),
    "Event": (
        Column("Last Seen", "date", ".lastTimestamp"),
        Column("Type", "string", ".type"),
        Column("Reason", "string", ".reason"),
        Column("Object", "string", ""),
        Column("Message", "string", ".message"),
    ),
    "Namespace": (Column("Status", "string", ".status.phase"), _AGE),
}


def columns(resource: Resource) -> tuple[Column, ...]:
    return resource.columns or _BUILT_IN.get(resource.kind, (_AGE,))


def table(objects: Sequence[Object], resource: Resource, metadata: Object, include: str = "Metadata") -> Object:
    """``include``: the query's includeObject: which part of each object the rows contain (Metadata, Object or None)."""
    definitions = [{"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0}]
    for column in columns(resource):
        path = f"Custom resource definition column (in JSONPath format): {column.path}"
        definitions.append(
            {
                "name": column.name,
                # The server formats the age of built-in kinds as text; only columns of CRDs have the type "date".
                "type": column.type if resource.custom or column.type != "date" else "string",
                "format": "",
                "description": (column.description or path) if resource.custom else "",
                "priority": column.priority,
            }
        )
    now = datetime.now(UTC)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": [_row(obj, resource, include, now) for obj in objects],
    }


def metadata_only(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _row(obj: Object, resource: Resource, include: str, now: datetime) -> Object:
    computed = _computed(obj, resource.kind)
    cells = [obj["metadata"]["name"]]
    for column in columns(resource):
        cells.append(_cell(obj, column, now) if column.path else computed[column.name])
    row: Object = {"cells": cells}
    if include == "Metadata":
        row["object"] = metadata_only(obj)
    elif include == "Object":
        row["object"] = obj
    return row


def _cell(obj: Object, column: Column, now: datetime) -> Any:
    values = jsonpath.find(obj, column.path)
    if not values:
        return None
    value = values[0]
    if column.type == "date":
        return age(value, now)
    if column.type == "string" and not isinstance(value, str):
        return " ".join(str(v) for v in values)
    return value


def _computed(obj: Object, kind: str) -> dict[str, str]:
    if kind == "Pod":
        return _pod_cells(obj)
    if kind == "Job":
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        conditions = {c["type"] for c in status.get("conditions") or [] if c.get("status") == "True"}
        state = next((name for name in ("Complete", "Failed", "Suspended") if name in conditions), "Running")
        return {"Status": state, "Completions": f"{status.get('succeeded', 0)}/{spec.get('completions', 1)}"}
    if kind == "Event":
        target = obj.get("involvedObject") or obj.get("regarding") or {}
        return {"Object": f"{target.get('kind', '').lower()}/{target.get('name', '')}"}
    return {}


def _pod_cells(pod: Object) -> dict[str, str]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    containers = status.get("containerStatuses") or []
    reason = status.get("reason") or status.get("phase", "")
    for container in reversed(containers):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        reason = waiting.get("reason") or ended.get("reason") or reason
    if pod["metadata"].get("deletionTimestamp"):
        reason = "Terminating"
    ready = sum(bool(container.get("ready")) for container in containers)
    return {
        "Ready": f"{ready}/{len(spec.get('containers') or [])}",
        "Status": reason,
        "Restarts": str(sum(container.get("restartCount", 0) for container in containers)),
    }


_MINUTE, _HOUR, _DAY = 60, 3600, 86400
# Upper limit, unit and its seconds, smaller unit and its seconds (0: none). As apimachinery's HumanDuration.
_AGES = (
    (2 * _MINUTE, "s", 1, "", 0),
    (10 * _MINUTE, "m", _MINUTE, "s", 1),
    (3 * _HOUR, "m", _MINUTE, "", 0),
    (8 * _HOUR, "h", _HOUR, "m", _MINUTE),
    (2 * _DAY, "h", _HOUR, "", 0),
    (8 * _DAY, "d", _DAY, "h", _HOUR),
    (2 * 365 * _DAY, "d", _DAY, "", 0),
)


def age(timestamp: Any, now: datetime) -> str:
    """``5s``, ``3m20s``, ``7h``, ``12d``: as kubectl prints a duration."""
    try:
        then = datetime.fromisoformat(str(timestamp))
    except ValueError:
        return "<unknown>"
    seconds = int((now - then).total_seconds())
    if seconds < 0:
        return "<invalid>" if seconds < -1 else "0s"
    for limit, unit, size, small_unit, small_size in _AGES:
        if seconds < limit:
            small = seconds % size // small_size if small_size else 0
            return f"{seconds // size}{unit}" + (f"{small}{small_unit}" if small else "")
    return f"{seconds // (365 * _DAY)}y"
