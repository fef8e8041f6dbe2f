"""Whether an object can exist that a reference names.

The API server checks the names of objects, but not those in owner references and in events: tenants write them.
Source: ``ValidatePathSegmentName`` and ``IsDNS1123Subdomain`` of apimachinery; a kind in lower case is a DNS label.
"""

from __future__ import annotations

from functools import lru_cache

from coroner_categorizer.linear_regex import LinearRegex

_API_VERSION_LENGTH = 317  # a group of 253, a slash, a version of 63
_KIND_LENGTH = 63
_NAME_LENGTH = 253
_UID_LENGTH = 128

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_API_VERSION = LinearRegex(rf"^(?:{_LABEL}(?:\.{_LABEL})*/)?{_LABEL}\z")
_KIND = LinearRegex(r"^[A-Za-z](?:[-A-Za-z0-9]*[A-Za-z0-9])?\z")


def can_exist(api_version: str, kind: str, name: str, uid: str) -> bool:
    """Whether each part is "" or what the API server accepts."""
    return (
        (len(kind) <= _KIND_LENGTH and len(api_version) <= _API_VERSION_LENGTH and _is_type(api_version, kind))
        and (not name or _is_name(name))
        and (len(uid) <= _UID_LENGTH and _is_visible_ascii(uid))
    )


@lru_cache(maxsize=256)  # most references are to pods, ReplicaSets and Jobs
def _is_type(api_version: str, kind: str) -> bool:
    return (not kind or _KIND.starts(kind)) and (not api_version or _API_VERSION.starts(api_version))


def _is_name(name: str) -> bool:
    return (
        len(name) <= _NAME_LENGTH
        and _is_visible_ascii(name)
        and not ("/" in name or "%" in name)
        and name not in (".", "..")
    )


def _is_visible_ascii(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
