# ruff: noqa: N818 - outcomes, named as HTTP and Kubernetes name them
"""Every outcome of a request but success, as one tree of exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from coroner_operator.kube.backoff import TOO_MANY_REQUESTS_WAIT
from coroner_operator.kube.bodies import Head

DETAIL_LENGTH = 4096  # characters of the server's message; it repeats what is wrong with the request


class ApiError(Exception):
    """``str()`` names request, status and the server's message."""

    def __init__(
        self,
        message: str,
        status: int = 0,
        retry_after: float | None = None,
        missing_kind: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status; 0 = there was no response."""
        self.detail = detail or message
        """What the server says, without the request."""
        self.retry_after = retry_after
        """Seconds that the server asks to wait; None = not given."""
        self.missing_kind = missing_kind
        """For 404: the plural of the kind that is missing ("namespaces"); "" = not given, e.g. for an unknown path."""


class NotFound(ApiError):
    """404."""


class InvalidName(NotFound):
    """Nothing was sent: no object of the API server can have this name. Treated as 404."""


class Conflict(ApiError):
    """409: another writer was first, or the object exists."""


class Gone(ApiError):
    """410: the resource version or the continue token has expired."""


class Forbidden(ApiError):
    """403."""


class NamespaceTerminating(Forbidden):
    """403 because the namespace is being deleted: nothing can be created in it any more."""


class InvalidRequest(ApiError):
    """400, 415, 422 and the like: the same request would fail again."""


class TooLarge(InvalidRequest):
    """The answer has more bytes than may be read, and would have them again."""

    def __init__(self, message: str, head: Head) -> None:
        super().__init__(message)
        self.head = head
        """The beginning of the answer."""


class TooManyRequests(ApiError):
    """429."""


class Transient(ApiError):
    """5xx, a timeout, a failed connection: a retry may succeed. A write may have been applied."""


class Unreachable(Transient):
    """No response: the connection failed or timed out."""


class NotLeader(Transient):
    """A write that was not sent: this replica is not, or no longer, the leader."""


class WatchIdle(Unreachable):
    """A watch received no data within its idle timeout: the connection may be half open."""


class _Cause(msgspec.Struct, frozen=True):
    reason: str = ""


class _Details(msgspec.Struct, frozen=True):
    kind: str = ""
    retryAfterSeconds: int = 0
    causes: list[_Cause] = []


class Status(msgspec.Struct, frozen=True):
    """The fields of metav1.Status that are used."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


def parse_status(body: bytes) -> Status:
    """The Status in the body of a response; an empty one where there is none (proxies answer in HTML)."""
    try:
        return msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Status()


def error_from_status(request: str, code: int, status: Status, headers: Mapping[str, Any] | None = None) -> ApiError:
    """The exception for a response. ``request``: ``GET /api/v1/pods``, for the message."""
    details = status.details or _Details()
    detail = (status.message or status.reason)[:DETAIL_LENGTH]
    message = f"{request}: {code} {detail}".rstrip()
    retry_after: float | None = None
    if code == 429 or code >= 500:
        retry_after = _retry_after((headers or {}).get("Retry-After"), details.retryAfterSeconds)
    if code == 429 and retry_after is None:
        retry_after = TOO_MANY_REQUESTS_WAIT
    missing_kind = details.kind if code == 404 else ""
    return _type_of(code, details)(message, code, retry_after, missing_kind, detail)


def _type_of(code: int, details: _Details) -> type[ApiError]:
    match code:
        case 403:
            ending = any(cause.reason == "NamespaceTerminating" for cause in details.causes)
            return NamespaceTerminating if ending else Forbidden
        case 404:
            return NotFound
        case 409:
            return Conflict
        case 410:
            return Gone
        case 401:  # an expired token is renewed before the next request
            return Transient
        case 429:
            return TooManyRequests
        case _:
            return Transient if code >= 500 else InvalidRequest


def _retry_after(header: str | None, in_details: int) -> float | None:
    if header and header.strip().isdecimal():  # the API server only sends seconds, never a date
        return float(header)
    return float(in_details) if in_details else None
