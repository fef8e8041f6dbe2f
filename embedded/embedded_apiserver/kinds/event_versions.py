"""Events in two API versions: stored as core/v1, also served as events.k8s.io/v1.

Source: pkg/apis/events/v1/conversion.go of Kubernetes.
"""

from __future__ import annotations

from embedded_apiserver.errors import Object
from embedded_apiserver.kinds.resource import Resource

_NEW_TO_CORE = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_CORE_TO_NEW = {core: new for new, core in _NEW_TO_CORE.items()}
_OPTIONAL_IN_NEW = ("reportingController", "reportingInstance", "note", "type", "action")


def is_events_v1(resource: Resource) -> bool:
    return resource.group == "events.k8s.io"


def served_form(obj: Object, resource: Resource) -> Object:
    """A stored object as ``resource`` serves it; only events.k8s.io differs from the stored form."""
    if not is_events_v1(resource):
        return obj
    event = {_CORE_TO_NEW.get(key, key): value for key, value in obj.items()}
    for name in _OPTIONAL_IN_NEW:
        if not event.get(name):
            event.pop(name, None)
    return resource.identify(event)


def stored_form(obj: Object, resource: Resource) -> Object:
    """The core/v1 form of an object that was sent to ``resource``, with the fields that a core Event always has."""
    if resource.collection != "events":
        return obj
    event = {_NEW_TO_CORE.get(key, key): value for key, value in obj.items()}
    always: Object = {
        "involvedObject": {},
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": None,
        "reportingComponent": "",
        "reportingInstance": "",
    }
    return {**always, **event, "apiVersion": "v1", "kind": "Event"}
