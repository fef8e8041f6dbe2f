"""The metadata that the server sets (name, uid, times, generation), and checks of what a client sent."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from embedded_apiserver.errors import ApiError, Cause, Object, bad_request, conflict, invalid, stale
from embedded_apiserver.kinds.resource import Resource

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, so that a name never spells a word
SYSTEM = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "generation",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
)


def now(ahead: int = 0) -> str:
    """RFC 3339 with seconds, as metav1.Time; ``ahead`` in seconds."""
    return (datetime.now(UTC) + timedelta(seconds=ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_uid() -> str:
    return str(uuid.uuid4())


def get(obj: Object) -> Object:
    metadata: Any = obj.get("metadata")
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise bad_request("metadata: Invalid value: must be an object")
    return metadata


def for_create(obj: Object, resource: Resource, namespace: str) -> Object:
    """``obj`` with the metadata of a new object. Raises ApiError 422 without a name."""
    metadata = {key: value for key, value in get(obj).items() if key not in SYSTEM and value not in (None, {}, [])}
    name = get(obj).get("name") or generated_name(get(obj).get("generateName"))
    if not name:
        required = Cause("metadata.name", "FieldValueRequired", "Required value: name or generateName is required")
        raise invalid(resource.kind_subject(""), [required])
    system: Object = {"name": name, "uid": new_uid(), "creationTimestamp": now()}
    if resource.namespaced:
        system["namespace"] = namespace
    if resource.has_generation:
        system["generation"] = 1
    return {**obj, "metadata": {**system, **metadata}}


def generated_name(prefix: str | None) -> str:
    if not prefix:
        return ""
    return prefix[:58] + "".join(random.choices(_SUFFIX_LETTERS, k=5))


def for_update(live: Object, new: Object) -> Object:
    """``new`` with the system metadata of ``live``; empty labels and the like are dropped, as in Go's JSON."""
    system = {key: value for key, value in live["metadata"].items() if key in SYSTEM}
    own = {k: v for k, v in get(new).items() if k not in SYSTEM and v not in (None, {}, [])}
    return {**new, "metadata": {**system, **own}}


def check_identity(obj: Object, resource: Resource) -> None:
    """apiVersion and kind must match the URL; built-in kinds may omit them. Raises ApiError 400."""
    version, kind = obj.get("apiVersion"), obj.get("kind")
    if not resource.custom and not version and not kind:
        return
    if not kind:
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): Object 'Kind' is missing in body"
        )
    if kind != resource.kind:
        # Not the wording of kube-apiserver: that differs from kind to kind.
        raise bad_request(f"{kind} in the data does not match the expected kind {resource.kind}")
    if version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )


def check_namespace(obj: Object, namespace: str) -> None:
    if get(obj).get("namespace") not in (None, "", namespace):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def check_name(obj: Object, name: str) -> None:
    given = get(obj).get("name")
    if not given:
        raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if given != name:
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")


def check_version(live: Object, sent: Object, resource: Resource) -> None:
    """A resourceVersion in the body is a precondition. Raises ApiError 409."""
    version = get(sent).get("resourceVersion")
    if version and version != live["metadata"]["resourceVersion"]:
        raise stale(resource.subject(live["metadata"]["name"]))


def check_uid(live: Object, sent: Object, resource: Resource) -> None:
    uid = get(sent).get("uid")
    if uid and uid != live["metadata"]["uid"]:
        raise immutable_uid(resource, live["metadata"]["name"], uid)


def immutable_uid(resource: Resource, name: str, uid: str) -> ApiError:
    fault = Cause("metadata.uid", "FieldValueInvalid", f'Invalid value: "{uid}": field is immutable')
    return invalid(resource.kind_subject(name), [fault])


def check_preconditions(live: Object, preconditions: Object, resource: Resource) -> None:
    """The preconditions of a DELETE: uid and resourceVersion. Raises ApiError 409."""
    metadata = live["metadata"]
    subject = resource.kind_subject(metadata["name"])
    uid, version = preconditions.get("uid"), preconditions.get("resourceVersion")
    if uid is not None and uid != metadata["uid"]:
        raise conflict(
            subject,
            f"the UID in the precondition ({uid}) does not match the UID in record ({metadata['uid']}). "
            "The object might have been deleted and then recreated",
        )
    if version is not None and version != metadata["resourceVersion"]:
        raise conflict(
            subject,
            f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
            f"({metadata['resourceVersion']}). The object might have been modified",
        )
