"""URL paths: parsed into group, version, resource, and namespace, name and subresource where given."""

from __future__ import annotations

from dataclasses import dataclass

from embedded_apiserver.kinds.registry import Registry
from embedded_apiserver.kinds.resource import Resource

_OF_A_NAMESPACE = ("status", "finalize")  # /api/v1/namespaces/NAME/status is about the namespace itself


@dataclass(frozen=True)
class RequestInfo:
    """A path below /api/v1 or /apis/GROUP/VERSION."""

    resource: Resource
    namespace: str | None
    """None: cluster-scoped, or all namespaces."""
    name: str
    """"": the collection."""
    subresource: str


def group_version(path: str) -> tuple[str, str, list[str]] | None:
    """(group, version, the remaining parts); None for any other path."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) >= 2:
        return "", parts[1], parts[2:]
    if parts[:1] == ["apis"] and len(parts) >= 3:
        return parts[1], parts[2], parts[3:]
    return None


def parse_path(registry: Registry, path: str) -> RequestInfo | None:
    """None: the path names nothing that is served."""
    found = group_version(path)
    if found is None:
        return None
    group, version, parts = found
    namespace = None
    if parts[:1] == ["namespaces"] and len(parts) >= 3 and parts[2] not in _OF_A_NAMESPACE:
        namespace, parts = parts[1], parts[2:]
    if not 1 <= len(parts) <= 3:
        return None
    resource = registry.find(group, version, parts[0])
    name, subresource = [*parts[1:], "", ""][:2]
    if resource is None or (resource.namespaced and namespace is None and name):
        return None
    if (namespace is not None and not resource.namespaced) or subresource not in ("", "status"):
        return None
    if subresource and not resource.has_status:
        return None
    return RequestInfo(resource, namespace, name, subresource)
