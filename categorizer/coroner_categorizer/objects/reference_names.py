"""Whether an object can exist that a reference names.

The API server checks the names of objects, but not those in owner references and in events: tenants write them.
Source: ``ValidatePathSegmentName`` and ``IsDNS1123Subdomain`` of apimachinery; a kind in lower case is a DNS label.
"""

from __future__ import annotations

import re

_API_VERSION_LENGTH = 317  # a group of 253, a slash, a version of 63
_KIND_LENGTH = 63
_NAME_LENGTH = 253
_UID_LENGTH = 128

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_API_VERSION = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*/)?{_LABEL}")
_KIND = re.compile(r"[A-Za-z](?:[-A-Za-z0-9]*[A-Za-z0-9])?")
_NAME = re.compile(r"(?!\.{1,2}\Z)[!-$&-.0-~]+")  # printable ASCII without "/" and "%"
_UID = re.compile(r"[!-~]+")


def can_exist(api_version: str, kind: str, name: str, uid: str) -> bool:
    """Whether each part is "" or what the API server accepts."""
    return (
        _fits(kind, _KIND, _KIND_LENGTH)
        and _fits(name, _NAME, _NAME_LENGTH)
        and _fits(uid, _UID, _UID_LENGTH)
        and _fits(api_version, _API_VERSION, _API_VERSION_LENGTH)
    )


def _fits(text: str, form: re.Pattern[str], length: int) -> bool:
    return not text or (len(text) <= length and form.fullmatch(text) is not None)
