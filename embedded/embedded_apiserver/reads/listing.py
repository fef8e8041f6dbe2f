"""GET and LIST: selection, pages with continue tokens, and the three representations of an object."""

from __future__ import annotations

import base64
import bisect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from embedded_apiserver.errors import Object, bad_request, expired, too_large_version
from embedded_apiserver.kinds import event_versions
from embedded_apiserver.kinds.resource import Resource
from embedded_apiserver.reads import tables
from embedded_apiserver.reads.selectors import Predicate, field_selector, label_selector
from embedded_apiserver.store import Key, Store

Shape = Literal["object", "metadata", "table"]

Query = Mapping[str, str]


def shape_of(accept: str) -> Shape:
    """The first representation that the client accepts and this server supports."""
    for media_type in accept.split(","):
        if "as=Table" in media_type:
            return "table"
        if "as=PartialObjectMetadata" in media_type:
            return "metadata"
        if media_type.strip().startswith(("application/json", "*/*")):
            return "object"
    return "object"


@dataclass(frozen=True)
class Selection:
    """The objects of a resource that a LIST or WATCH selects."""

    resource: Resource
    namespace: str | None
    """None: all."""
    fields: Predicate
    labels: Predicate
    has_selector: bool
    """Whether the query has a field or label selector."""

    @classmethod
    def parse(cls, resource: Resource, namespace: str | None, query: Query) -> Selection:
        """Raises ApiError 400 for an invalid selector."""
        by_field, by_label = query.get("fieldSelector", ""), query.get("labelSelector", "")
        fields, labels = field_selector(by_field, resource.selectable), label_selector(by_label)
        return cls(resource, namespace, fields, labels, bool(by_field or by_label))

    def __call__(self, stored: Object) -> bool:
        if self.namespace is not None and stored["metadata"].get("namespace") != self.namespace:
            return False
        return not self.has_selector or (self.fields(stored) and self.labels(stored))


def version_of(query: Query) -> int | None:
    """The requested resourceVersion; None: not given. Raises ApiError 400."""
    text = query.get("resourceVersion", "")
    if not text:
        return None
    if not text.isdigit():
        why = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(f"invalid resource version: resourceVersion: {why}")
    return int(text)


def list_objects(store: Store, selection: Selection, query: Query) -> tuple[list[Object], Object]:
    """The items of one page, as ``selection.resource`` serves them, and the list's metadata."""
    limit = _limit(query)
    version = version_of(query)
    if token := query.get("continue"):
        version, start = _decode_token(token)
        items = store.snapshot(selection.resource.collection, version)
        first = bisect.bisect_right(items, start, key=lambda item: item[0])
    else:
        version, items, first = _check_version(store, selection.resource, query, version), [], 0
        items = store.sorted(selection.resource.collection, None if limit else selection.namespace)
        if query.get("resourceVersion") == "0":
            limit = 0  # served from the watch cache, which ignores limit
    page: list[Object] = []
    last: Key | None = None
    metadata: Object = {"resourceVersion": str(version)}
    if selection.resource.custom:
        metadata["continue"] = ""
    for at in range(first, len(items)):
        key, stored = items[at]
        if not selection(stored):
            continue
        if limit and len(page) == limit and last is not None:
            if not token:
                store.save_snapshot(selection.resource.collection, items)
            metadata["continue"] = _encode_token(version, last)
            if not selection.has_selector:
                metadata["remainingItemCount"] = sum(selection(obj) for _, obj in items[at:])
            break
        page.append(event_versions.served_form(stored, selection.resource))
        last = key
    return page, metadata


def _check_version(store: Store, resource: Resource, query: Query, asked: int | None) -> int:
    """Checks the requested resourceVersion of a new list; returns the version of the list."""
    if asked and asked > store.version:
        raise too_large_version(asked, store.version)
    if query.get("resourceVersionMatch") == "Exact" and asked:
        collection = store.collection(resource.collection)
        if collection.compacted_version > asked or collection.position_after(asked) < collection.dropped + len(
            collection.history
        ):
            raise expired(f"The resourceVersion for the provided list is too old: {asked}")
    return store.version


def _limit(query: Query) -> int:
    text = query.get("limit", "")
    if text and not text.isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text or 0)


def _encode_token(version: int, last: Key) -> str:
    token = {"v": "meta.k8s.io/v1", "rv": version, "start": "/".join(last) + "\0"}
    return base64.urlsafe_b64encode(json.dumps(token).encode()).decode().rstrip("=")


def _decode_token(token: str) -> tuple[int, Key]:
    try:
        content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = content["start"].rstrip("\0").partition("/")
        return int(content["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError) as fault:
        raise bad_request(f"invalid continue token: continue key is not valid: {fault}") from None


def list_body(items: Sequence[Object], metadata: Object, resource: Resource, shape: Shape, include: str) -> Object:
    if shape == "table":
        return tables.table(items, resource, metadata, include)
    if shape == "metadata":
        return {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "items": [tables.metadata_only(item) for item in items],
        }
    kind = resource.list_kind or f"{resource.kind}List"
    if not resource.custom:
        # Items of built-in lists have no kind and apiVersion.
        items = [{k: v for k, v in item.items() if k not in ("kind", "apiVersion")} for item in items]
    return {"kind": kind, "apiVersion": resource.api_version, "metadata": metadata, "items": items}


def object_body(obj: Object, resource: Resource, shape: Shape, include: str = "Metadata") -> Object:
    if shape == "table":
        return tables.table([obj], resource, {"resourceVersion": obj["metadata"]["resourceVersion"]}, include)
    return tables.metadata_only(obj) if shape == "metadata" else obj
