"""The permissions that requests need, and those that roles grant."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from embedded_apiserver import Call
from tests.support.paths import parse_path

ROOT = Path(__file__).parents[2]


class Permission(NamedTuple):
    group: str
    resource: str
    """With its subresource: ``failurereports/status``."""
    verb: str


def needed(calls: Iterable[Call]) -> set[Permission]:
    """What the API server's authorizer asks for before it serves these requests. Discovery is open to everybody."""
    return {permission for call in calls for permission in _needed(call)}


def _needed(call: Call) -> Iterable[Permission]:
    depth = len(call.path.strip("/").split("/"))
    if depth <= (2 if call.path.startswith("/api/") else 3):
        return  # /api/v1, /apis/batch/v1
    path = parse_path(call.path)
    resource = f"{path.resource}/{path.subresource}" if path.subresource else path.resource
    yield Permission(path.group, resource, _verb(call, path.name))
    if "apply-patch" in call.content_type and not path.subresource:
        yield Permission(path.group, resource, "create")  # an apply creates what is not there


def _verb(call: Call, name: str) -> str:
    match call.method:
        case "GET":
            return "watch" if call.is_watch else "get" if name else "list"
        case "DELETE":
            return "delete" if name else "deletecollection"
        case method:
            return {"POST": "create", "PUT": "update", "PATCH": "patch"}[method]


def granted(roles: Iterable[dict[str, Any]]) -> set[Permission]:
    """What roles grant anywhere, whatever names they are limited to."""
    return {
        Permission(group, resource, verb)
        for role in roles
        for rule in role.get("rules", [])
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def shipped_roles() -> list[dict[str, Any]]:
    """The documents of deploy/rbac.yaml."""
    return list(yaml.safe_load_all((ROOT / "deploy" / "rbac.yaml").read_text()))


def of_a_listed_kind(group: str, resource: str) -> set[Permission]:
    """What a custom kind under ``workloads`` needs beside its CustomResourceDefinition."""
    return {Permission(group, resource, "get"), Permission(group, f"{resource}/status", "patch")}
