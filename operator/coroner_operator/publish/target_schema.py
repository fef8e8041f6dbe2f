"""Where in the status of a kind's objects a verdict can be written, decided from its CustomResourceDefinition alone.

The first of these that applies (docs/adr/0010-verdict-on-the-workload.md):

1. the schema declares ``status.failure`` and accepts a verdict there: the block;
2. ``status.conditions`` is a list-map with ``type`` as its only key: one condition;
3. otherwise nothing: it would be dropped, or would replace the conditions of the kind's own controller. That the status
   preserves undeclared fields is not enough: a controller with typed objects removes them with its next update.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from coroner_operator.config.presets import Scope
from coroner_operator.kube.paths import ResourcePath
from coroner_operator.kube.resources import Resource
from coroner_operator.model import sample_reports
from coroner_operator.model.report import Report
from coroner_operator.publish.schema_pruning import OMITTED, Schema, property_of, prune
from coroner_operator.publish.status_block import BLOCK, CONDITIONS, VERDICT_FIELDS, block, conditions


class StatusBlock(msgspec.Struct, frozen=True):
    """``status.failure`` accepts the block."""

    schema: Schema
    """Of the field itself."""

    def status(self, report: Report) -> dict[str, Any]:
        """The status to apply; empty: our field is removed."""
        pruned = prune(self.schema, block(report))
        return {} if pruned is OMITTED else {BLOCK: pruned}


class StatusCondition(msgspec.Struct, frozen=True):
    """``status.conditions`` accepts our conditions."""

    schema: Schema
    """Of one item of the list."""

    def status(self, report: Report) -> dict[str, Any]:
        pruned = [prune(self.schema, each) for each in conditions(report)]
        kept = [each for each in pruned if each is not OMITTED]
        return {"conditions": kept} if kept else {}


class Unsupported(msgspec.Struct, frozen=True):
    reason: str
    """Logged: "its conditions are an atomic list"."""


Placement: TypeAlias = StatusBlock | StatusCondition | Unsupported


class TargetKind(msgspec.Struct, frozen=True):
    """A custom kind as it is served."""

    group: str
    version: str
    """The stored one: a write in another version has removed field ownership (kubernetes #133704)."""
    plural: str
    kind: str
    namespaced: bool
    placement: Placement
    read_version: str
    """The stored one if it is served, else any that is; "" = none."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"

    @property
    def resource(self) -> Resource:
        return Resource(self.kind, self.api_version, self.plural, namespaced=self.namespaced)

    @property
    def readable(self) -> Resource | None:
        """Where its objects are read; None: nowhere."""
        if not self.read_version:
            return None
        return Resource(self.kind, f"{self.group}/{self.read_version}", self.plural, namespaced=self.namespaced)

    def path(self, namespace: str, name: str, subresource: str = "") -> ResourcePath:
        """Of one object. Raises InvalidName."""
        return self.resource.object_path(namespace, name, subresource)


def kind_of(crd: Mapping[str, Any], version: str = "*", scope: Scope = "Namespaced") -> TargetKind:
    """The kind that a CRD declares. ``version``: a version that must be served for anything to be written; "*" = any.
    ``scope``: the one that it must have for that.

    Writes always use the stored version. Raises KeyError or TypeError for anything but a CRD.
    """
    spec = crd["spec"]
    versions = spec["versions"]
    stored = next(v for v in versions if v["storage"])
    if spec["scope"] != scope:
        placement: Placement = Unsupported(f"its scope is {spec['scope']}, and it is listed with scope {scope}")
    elif not any(v["served"] and version in ("*", v["name"]) for v in versions):
        placement = Unsupported("it is not served" if version == "*" else f"version {version} is not served")
    elif not stored["served"]:
        placement = Unsupported(f"its stored version {stored['name']} is not served")
    elif "status" not in (stored.get("subresources") or {}):
        placement = Unsupported("it has no status subresource")
    else:
        placement = placement_for((stored.get("schema") or {}).get("openAPIV3Schema") or {})
    names = spec["names"]
    served = [v["name"] for v in versions if v["served"]]
    return TargetKind(
        spec["group"],
        stored["name"],
        names["plural"],
        names["kind"],
        spec["scope"] == "Namespaced",
        placement,
        # Stored objects need no conversion, whose webhook may be down.
        stored["name"] if stored["served"] else next(iter(served), ""),
    )


def placement_for(schema: Schema) -> Placement:
    """``schema``: the structural schema of the whole object."""
    status = property_of(schema, "status")
    if status is None:
        return Unsupported("its schema has no status")
    declared = property_of(status, BLOCK)
    if declared is not None and _accepts_verdict(declared):
        return StatusBlock(declared)
    conditions = property_of(status, "conditions")
    if conditions is not None and _is_map_by_type(conditions):
        items = conditions.get("items") or {}
        if _accepts_condition(items):
            return StatusCondition(items)
        return Unsupported("its conditions do not accept our type")
    if declared is not None:
        return Unsupported("its status.failure accepts no field of a verdict")
    if conditions is not None:
        return Unsupported("its conditions are no list-map keyed by type: a write would replace the whole list")
    return Unsupported("its schema declares neither status.failure nor status.conditions")


def _is_map_by_type(conditions: Schema) -> bool:
    keys = conditions.get("x-kubernetes-list-map-keys")
    return conditions.get("x-kubernetes-list-type") == "map" and list(keys or ()) == ["type"]


def _accepts_verdict(schema: Schema) -> bool:
    kept = prune(schema, block(sample_reports.failing()))
    return kept is not OMITTED and bool(VERDICT_FIELDS & kept.keys())


def _accepts_condition(items: Schema) -> bool:
    kept = prune(items, conditions(sample_reports.failing())[0])
    return kept is not OMITTED and kept.get("type") == CONDITIONS[0] and "status" in kept
