"""Discovery: versions, groups, kinds, and just enough OpenAPI for kubectl to write."""

from __future__ import annotations

from embedded_apiserver.errors import Object
from embedded_apiserver.kinds.registry import Registry
from embedded_apiserver.kinds.resource import Resource

VERSION: Object = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+embedded",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "",
}

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def api_versions(address: str) -> Object:
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(registry: Registry) -> Object:
    groups = [api_group(name, versions) for name, versions in registry.groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(name: str, versions: list[str]) -> Object:
    served = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": served, "preferredVersion": served[0]}


def resource_list(registry: Registry, group: str, version: str) -> Object | None:
    """None: this group version is not served."""
    resources = [r for r in registry if (r.group, r.version) == (group, version)]
    if not resources:
        return None
    entries = [entry for resource in resources for entry in _entries(resource)]
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": entries}


def _entries(resource: Resource) -> list[Object]:
    main: Object = {
        "name": resource.plural,
        "singularName": resource.singular or resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        # Namespaces cannot be deleted as a collection.
        "verbs": [v for v in _VERBS if v != "deletecollection" or resource.plural != "namespaces"],
    }
    if resource.short_names:
        main["shortNames"] = list(resource.short_names)
    if resource.categories:
        main["categories"] = list(resource.categories)
    if not resource.has_status:
        return [main]
    status = {
        "name": f"{resource.plural}/status",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": ["get", "patch", "update"],
    }
    return [main, status]


def openapi_v2() -> Object:
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": {},
        "definitions": {},
    }


def openapi_v3(registry: Registry) -> Object:
    """The index: one document per group version."""
    places = [
        f"apis/{group}/{version}" if group else f"api/{version}"
        for group, versions in registry.groups().items()
        for version in versions
    ]
    return {"paths": {place: {"serverRelativeURL": f"/openapi/v3/{place}"} for place in places}}


def openapi_v3_document(registry: Registry, group: str, version: str) -> Object:
    """Declares only that PATCH supports ``fieldValidation``: kubectl then leaves validation to the server."""
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    paths = {}
    for resource in registry:
        if (resource.group, resource.version) == (group, version):
            scope = "/namespaces/{namespace}" if resource.namespaced else ""
            paths[f"{root}{scope}/{resource.plural}/{{name}}"] = {"patch": _patch_operation(resource)}
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]}, "paths": paths}


def _patch_operation(resource: Resource) -> Object:
    return {
        "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}],
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        },
        "responses": {"200": {"description": "OK"}},
    }
