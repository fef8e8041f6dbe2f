# ruff: noqa: N818 - these are answers, called what HTTP and Kubernetes call them
"""What the API server, or the way to it, can answer instead of the thing asked for; each has a name to catch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class ApiError(Exception):
    """Any answer but success. ``status``: HTTP status; 0 = there was no answer."""

    def __init__(self, message: str, status: int = 0, retry_after: float | None = None, missing: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        """Seconds that the server asks to wait; None = it did not say."""
        self.missing = missing
        """For 404: kind of what is not there, in plural ("namespaces"); "" = not said, e.g. an unknown path."""


class NotFound(ApiError):
    """404."""


class Conflict(ApiError):
    """409: another writer was first, or the object exists."""


class Gone(ApiError):
    """410: the resource version or the continue token is too old."""


class Forbidden(ApiError):
    """403."""


class NamespaceTerminating(Forbidden):
    """403 because the namespace is being deleted: nothing can be created in it any more."""


class InvalidRequest(ApiError):
    """400, 415, 422 and the like: sending the same again does not help."""


class TooManyRequests(ApiError):
    """429."""


class Transient(ApiError):
    """5xx, a timeout, a connection that failed: may work the next time. A write may have happened."""


class NotLeader(Transient):
    """A write that was not sent: this replica does not lead, or not any more."""


class WatchIdle(Transient):
    """An answer that should go on said nothing for too long: the connection may be half open."""


class _Cause(msgspec.Struct, frozen=True):
    reason: str = ""


class _Details(msgspec.Struct, frozen=True):
    kind: str = ""
    retryAfterSeconds: int = 0
    causes: list[_Cause] = []


class Status(msgspec.Struct, frozen=True):
    """metav1.Status, as far as it is needed."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


def parse_status(body: bytes) -> Status:
    """The Status in an answer's body; an empty one where there is none (proxies answer in HTML)."""
    try:
        return msgspec.json.decode(body, type=Status)
    except msgspec.DecodeError:
        return Status()


def error_from_status(request: str, code: int, status: Status, headers: Mapping[str, Any] | None = None) -> ApiError:
    """The error that an answer means. ``request``: ``GET /api/v1/pods``, for the message."""
    details = status.details or _Details()
    message = f"{request}: {code} {status.message or status.reason}".rstrip()
    retry_after = _retry_after((headers or {}).get("Retry-After"), details.retryAfterSeconds)
    match code:
        case 404:
            return NotFound(message, code, missing=details.kind)
        case 409:
            return Conflict(message, code)
        case 410:
            return Gone(message, code)
        case 401:  # a token that has just run out is renewed before the next request
            return Transient(message, code)
        case 403:
            ending = any(cause.reason == "NamespaceTerminating" for cause in details.causes)
            return (NamespaceTerminating if ending else Forbidden)(message, code)
        case 429:
            return TooManyRequests(message, code, retry_after if retry_after is not None else 1.0)
        case _ if code >= 500:
            return Transient(message, code, retry_after)
        case _:
            return InvalidRequest(message, code)


def _retry_after(header: str | None, in_details: int) -> float | None:
    if header and header.strip().isdecimal():  # the API server only sends seconds, never a date
        return float(header)
    return float(in_details) if in_details else None
