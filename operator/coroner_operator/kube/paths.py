"""Where the API server serves a resource: the only module that builds the path of a request.

Owner references and events name objects as their authors please. Every part of a path is therefore checked against the
rules by which the API server names things; a part that breaks them names nothing that exists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, TypeAlias
from urllib.parse import quote

import msgspec

from coroner_operator.kube.errors import InvalidName

# apimachinery/pkg/util/validation: IsDNS1123Label, IsDNS1123Subdomain, IsDNS1035Label
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_DNS_LABEL = re.compile(_LABEL)
_DNS_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_DNS_1035_LABEL = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?")
_LABEL_LENGTH = 63
_SUBDOMAIN_LENGTH = 253
_QUOTED_LENGTH = 80  # characters of an invalid name that a message repeats


class ResourcePath(msgspec.Struct, frozen=True):
    """A resource of the API server, or a list of them; ``str()`` is the path of a request.

    Raises InvalidName where a part cannot be a name, so that a path that exists can be requested as it is.
    """

    group: str
    """"" = the core group."""
    version: str
    resource: str
    """The plural: ``pods``."""
    namespace: str = ""
    """"" = of all namespaces, or of a kind that has none."""
    name: str = ""
    """"" = the list."""
    subresource: str = ""
    """``status``; only with a name."""

    def __post_init__(self) -> None:
        _check("API group", self.group, _DNS_SUBDOMAIN, _SUBDOMAIN_LENGTH, optional=True)
        _check("API version", self.version, _DNS_1035_LABEL, _LABEL_LENGTH)
        _check("resource", self.resource, _DNS_1035_LABEL, _LABEL_LENGTH)
        _check("namespace", self.namespace, _DNS_LABEL, _LABEL_LENGTH, optional=True)
        _check("name", self.name, _DNS_SUBDOMAIN, _SUBDOMAIN_LENGTH, optional=not self.subresource)
        _check("subresource", self.subresource, _DNS_LABEL, _LABEL_LENGTH, optional=True)

    def __str__(self) -> str:
        root = ("apis", self.group) if self.group else ("api",)
        scope = ("namespaces", self.namespace) if self.namespace else ()
        parts = (*root, self.version, *scope, self.resource, self.name, self.subresource)
        return "".join(f"/{quote(part, safe='')}" for part in parts if part)


class DiscoveryPath(msgspec.Struct, frozen=True):
    """The list of all API groups with their kinds."""

    namespace: ClassVar[str] = ""

    def __str__(self) -> str:
        return "/apis"


ApiPath: TypeAlias = ResourcePath | DiscoveryPath


def is_object_name(text: str) -> bool:
    """Whether an object can have this name: a DNS-1123 subdomain."""
    return len(text) <= _SUBDOMAIN_LENGTH and _DNS_SUBDOMAIN.fullmatch(text) is not None


def field_selector(fields: Mapping[str, str]) -> str:
    """``fieldSelector`` for objects with these values; a value cannot add a condition of its own."""
    return ",".join(f"{field}={_escaped(value)}" for field, value in fields.items())


def _escaped(value: str) -> str:
    """As ``fields.EscapeValue`` of apimachinery."""
    return re.sub(r"([\\,=])", r"\\\1", value)


def _check(what: str, text: str, form: re.Pattern[str], length: int, *, optional: bool = False) -> None:
    if optional and not text:
        return
    if len(text) > length or form.fullmatch(text) is None:
        raise InvalidName(f"{text[:_QUOTED_LENGTH]!r} cannot be the {what} of anything that the API server holds")
