"""Built-in kinds on create, update and delete: the defaults and validation that tests depend on.

Deliberately few: only for fields that the operator reads or a client writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from embedded_apiserver.errors import Cause, Object
from embedded_apiserver.kinds.resource import Resource

_NOTE_LIMIT = 1024  # bytes
_FINISHED = ("Succeeded", "Failed")
# Only the series of an events.k8s.io Event may change (validation/events.go).
_FIXED_EVENT_FIELDS = ("involvedObject", "reason", "message", "type", "action", "eventTime", "reportingComponent")


def prepare_for_create(obj: Object, resource: Resource) -> Object:
    """``obj`` as it is stored when it is created."""
    if resource.kind == "Pod":
        spec = {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "schedulerName": "default-scheduler",
            "enableServiceLinks": True,
            "securityContext": {},
            **(obj.get("spec") or {}),
        }
        return {**obj, "spec": spec, "status": {"phase": "Pending", "qosClass": "BestEffort"}}
    if resource.kind == "Namespace":
        labels = {**(obj["metadata"].get("labels") or {}), "kubernetes.io/metadata.name": obj["metadata"]["name"]}
        metadata = {**obj["metadata"], "labels": labels}
        return {**obj, "metadata": metadata, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    if resource.has_status:
        return {**obj, "status": {}}
    return obj


def validate(obj: Object, live: Object | None, resource: Resource) -> Iterator[Cause]:
    """``obj`` in stored form; ``live`` is None on create."""
    if resource.kind == "Pod" and not (obj.get("spec") or {}).get("containers"):
        yield Cause("spec.containers", "FieldValueRequired", "Required value")
    elif resource.kind == "Job":
        yield from _validate_job(obj)
    elif resource.kind == "Event":
        yield from _validate_event(obj, live, resource)


def _validate_job(job: Object) -> Iterator[Cause]:
    spec = ((job.get("spec") or {}).get("template") or {}).get("spec") or {}
    if not spec.get("containers"):
        yield Cause("spec.template.spec.containers", "FieldValueRequired", "Required value")
    if spec.get("restartPolicy") not in ("OnFailure", "Never"):
        message = 'Required value: valid values: "OnFailure", "Never"'
        yield Cause("spec.template.spec.restartPolicy", "FieldValueRequired", message)


def _validate_event(event: Object, live: Object | None, resource: Resource) -> Iterator[Cause]:
    namespace = event["involvedObject"].get("namespace", "")
    if namespace != event["metadata"]["namespace"] and not (not namespace and _in_default(event)):
        message = f'Invalid value: "{namespace}": does not match event.namespace'
        yield Cause("involvedObject.namespace", "FieldValueInvalid", message)
    if resource.group == "" and not event["eventTime"]:
        return  # the legacy API accepts anything else
    if not event["eventTime"]:
        if live is None:
            yield Cause("eventTime", "FieldValueRequired", "Required value")
    else:
        yield from _validate_events_v1(event)
    if event.get("type") not in ("Normal", "Warning"):
        yield Cause("type", "FieldValueInvalid", f'Invalid value: "": has invalid value: {event.get("type", "")}')
    if live is not None and live["eventTime"]:
        for name in _FIXED_EVENT_FIELDS:
            if event.get(name) != live.get(name):
                message = f"Invalid value: {_quoted(event.get(name))}: field is immutable"
                yield Cause(name, "FieldValueInvalid", message)


def _in_default(event: Object) -> bool:
    return bool(event["metadata"]["namespace"] == "default")


def _validate_events_v1(event: Object) -> Iterator[Cause]:
    for path, field, limit in (
        ("reportingController", "reportingComponent", 0),
        ("reportingInstance", "reportingInstance", 128),
        ("action", "action", 128),
        ("reason", "reason", 128),
    ):
        text = event.get(field) or ""
        if not text:
            yield Cause(path, "FieldValueRequired", "Required value")
        elif limit and len(text) > limit:
            yield Cause(path, "FieldValueInvalid", f'Invalid value: "": can have at most {limit} characters')
    if len((event.get("message") or "").encode()) > _NOTE_LIMIT:
        yield Cause("message", "FieldValueInvalid", 'Invalid value: "": can have at most 1024 characters')
    if not re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?", event.get("reportingComponent") or "x"):
        yield Cause("reportingController", "FieldValueInvalid", "Invalid value: a qualified name")
    series = event.get("series")
    if series and series.get("count", 0) < 2:
        yield Cause("series.count", "FieldValueInvalid", 'Invalid value: "": should be at least 2')


def grace_period(obj: Object, resource: Resource, asked: int | None) -> int:
    """Seconds that the object stays with a deletionTimestamp before the kubelet removes it; 0 = removed immediately."""
    if resource.kind != "Pod":
        return 0
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in _FINISHED:
        return 0
    return int(spec.get("terminationGracePeriodSeconds", 30)) if asked is None else asked


def status_keeps_metadata(resource: Resource) -> bool:
    """Whether a write to /status ignores labels and annotations: true for custom kinds."""
    return resource.custom


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
