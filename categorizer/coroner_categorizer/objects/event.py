"""Kubernetes Events about a pod or a workload, of either API (core/v1 and events.k8s.io/v1).

Scheduler events have only ``eventTime``, kubelet events only ``firstTimestamp``/``lastTimestamp``; counts may be
null. Merged events begin with ``(combined from similar events): ``: no pattern may be anchored at the start.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from coroner_categorizer.objects.lenient_decode import lenient_convert
from coroner_categorizer.objects.pod import Metadata
from coroner_categorizer.objects.reference_names import can_exist

REPORTING_CONTROLLER = "coroner.dev/coroner"
"""The reporting controller of Coroner's own events: they repeat what others reported, and are no evidence."""

COMBINED_PREFIX = "(combined from similar events): "

TEXT_LIMIT = 8192
"""Characters of an event's text. The kubelet writes at most 1,024; anyone who may create events can write more."""

NAME_LIMIT = 253
"""Characters of a reason, a component and the like; longer ones are read as absent."""

NODE_EVENTS_NAMESPACE = "default"
"""Where Events about nodes are, as about all objects without a namespace; tenants may not write there."""

NODE_COMPONENTS = frozenset({"kubelet", "kernel-monitor", "node-problem-detector"})
"""What reports what happened on its own node. ``kernel-monitor`` is the part of node-problem-detector that reads the
kernel's log."""

_CONTAINER_FIELDS = ("spec.containers", "spec.initContainers", "spec.ephemeralContainers")


class ObjectReference(msgspec.Struct, frozen=True):
    apiVersion: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    fieldPath: str = ""

    def __post_init__(self) -> None:
        """A reference to what cannot exist is read as absent: tenants write these names, and nobody checks them."""
        if not can_exist(self.apiVersion, self.kind, self.name, self.uid):
            for part in ("apiVersion", "kind", "namespace", "name", "uid", "fieldPath"):
                msgspec.structs.force_setattr(self, part, "")
        _drop_long(self, ("namespace", "fieldPath"))


class EventMetadata(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""
    creationTimestamp: datetime | None = None


class EventSource(msgspec.Struct, frozen=True):
    component: str = ""

    def __post_init__(self) -> None:
        _drop_long(self, ("component",))


class EventSeries(msgspec.Struct, frozen=True):
    count: int = 0
    lastObservedTime: datetime | None = None


class Event(msgspec.Struct, frozen=True):
    apiVersion: str = ""
    kind: str = ""
    metadata: EventMetadata = EventMetadata()
    type: str = ""
    reason: str = ""
    message: str = ""
    """core/v1."""
    note: str = ""
    """events.k8s.io/v1."""
    count: int | None = None
    deprecatedCount: int | None = None
    firstTimestamp: datetime | None = None
    lastTimestamp: datetime | None = None
    deprecatedFirstTimestamp: datetime | None = None
    deprecatedLastTimestamp: datetime | None = None
    eventTime: datetime | None = None
    series: EventSeries | None = None
    involvedObject: ObjectReference | None = None
    regarding: ObjectReference | None = None
    source: EventSource | None = None
    """core/v1."""
    deprecatedSource: EventSource | None = None
    """events.k8s.io/v1."""
    reportingComponent: str = ""
    """core/v1."""
    reportingController: str = ""
    """events.k8s.io/v1."""

    def __post_init__(self) -> None:
        if len(self.message) > TEXT_LIMIT:
            msgspec.structs.force_setattr(self, "message", _shortened(self.message))
        if len(self.note) > TEXT_LIMIT:
            msgspec.structs.force_setattr(self, "note", _shortened(self.note))
        _drop_long(self, ("apiVersion", "kind", "type", "reason", "reportingComponent", "reportingController"))

    @property
    def is_from_coroner(self) -> bool:
        """Whether Coroner itself emitted it."""
        return REPORTING_CONTROLLER in (self.reportingComponent, self.reportingController)

    @property
    def involved(self) -> ObjectReference:
        """The object that the event is about."""
        return self.involvedObject or self.regarding or ObjectReference()

    @property
    def component(self) -> str:
        """What reports it."""
        source = self.source or self.deprecatedSource or EventSource()
        return source.component or self.reportingComponent or self.reportingController

    @property
    def is_about_node(self) -> bool:
        """Whether a node's own component reports something about a node."""
        source = self.source or self.deprecatedSource or EventSource()
        components = {source.component, self.reportingComponent, self.reportingController}
        by_node = bool(components & NODE_COMPONENTS)
        return self.involved.kind == "Node" and self.metadata.namespace == NODE_EVENTS_NAMESPACE and by_node

    def is_about(self, metadata: Metadata) -> bool:
        """Whether the event is about this object: it names its namespace, name and UID, and is in its namespace.

        Names are reused and UIDs can be copied. What the event does not name was already selected by the caller.
        """
        involved = self.involved
        named = (
            (involved.uid, metadata.uid),
            (involved.name, metadata.name),
            (involved.namespace, metadata.namespace),
            (self.metadata.namespace, metadata.namespace),
        )
        return all(said == actual for said, actual in named if said and actual)

    @property
    def text(self) -> str:
        """The message without the prefix of merged events."""
        return (self.message or self.note).removeprefix(COMBINED_PREFIX)

    @property
    def container(self) -> str:
        """Name of the container that the event is about; "" = the pod. Read from a path like spec.containers{main}."""
        field, _, rest = self.involved.fieldPath.partition("{")
        named = field in _CONTAINER_FIELDS and rest.endswith("}") and rest.isprintable()
        return rest[:-1] if named else ""

    @property
    def occurrences(self) -> int:
        """How often it occurred, at least 1."""
        return max(self.count or 0, self.deprecatedCount or 0, self.series.count if self.series else 0, 1)

    @property
    def first_seen(self) -> datetime | None:
        return self.firstTimestamp or self.deprecatedFirstTimestamp or self.eventTime or self.metadata.creationTimestamp

    @property
    def last_seen(self) -> datetime | None:
        series = self.series.lastObservedTime if self.series else None
        return series or self.lastTimestamp or self.deprecatedLastTimestamp or self.first_seen


def _drop_long(obj: msgspec.Struct, names: tuple[str, ...]) -> None:
    for name in names:
        if len(getattr(obj, name)) > NAME_LIMIT:
            msgspec.structs.force_setattr(obj, name, "")


def _shortened(text: str) -> str:
    """The front of the text, without the word that the limit cuts: half a secret would not be recognized as one."""
    front = text[:TEXT_LIMIT]
    return front[: max(front.rfind(" "), front.rfind("\n"), 0)]


def parse_event(obj: Any) -> Event:
    """Any JSON-shaped value as an Event: what has the wrong shape is read as absent. Never raises."""
    return lenient_convert(obj, Event)
