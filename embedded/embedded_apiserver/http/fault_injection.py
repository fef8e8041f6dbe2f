"""Fault injection: which requests fail, how, and how often."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from embedded_apiserver.errors import ApiError

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass(frozen=True)
class Call:
    """One request, as it was received."""

    method: str
    path: str
    query: str
    """Raw query string."""
    content_type: str
    user_agent: str

    @property
    def is_watch(self) -> bool:
        return self.method == "GET" and re.search(r"(^|&)watch=(1|true)(&|$)", self.query) is not None

    @property
    def is_write(self) -> bool:
        return self.method not in ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Fault:
    """Which calls fail (``method``, ``path``, ``match``: all that are given must match), and how.

    Effects can be combined: a delay, then a status or a drop.
    """

    method: str | None = None
    path: str | None = None
    """Regular expression, searched in ``path?query``."""
    match: Callable[[Call], bool] | None = None
    status: int | None = None
    """Respond with this code, without serving the request."""
    retry_after: int | None = None
    """Seconds; sent as the Retry-After header and in the Status."""
    message: str = "injected fault"
    delay: float = 0.0
    """Seconds before anything else."""
    drop: Literal["before", "after", "midway"] | None = None
    """Close the connection before serving the request, after it (the write happened, the response is lost), or in the
    middle of the response body."""
    times: int | None = None
    """How often; None: until removed."""

    def matches(self, call: Call) -> bool:
        if self.method is not None and call.method != self.method:
            return False
        if self.path is not None and not re.search(self.path, f"{call.path}?{call.query}"):
            return False
        return self.match is None or self.match(call)

    def error(self) -> ApiError | None:
        if self.status is None:
            return None
        details = None if self.retry_after is None else {"retryAfterSeconds": self.retry_after}
        return ApiError(self.status, _REASONS.get(self.status, ""), self.message, details)


class Faults:
    """The active faults; the first that matches a call is used. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hits: dict[int, int] = {}
        self._active: list[Fault] = []
        self._all: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._active.append(fault)
            self._all.append(fault)
            self._hits[id(fault)] = 0
        return fault

    def remove(self, fault: Fault) -> None:
        with self._lock:
            self._active = [other for other in self._active if other is not fault]

    def clear(self) -> None:
        with self._lock:
            self._active.clear()

    def hits(self, fault: Fault) -> int:
        """How many calls the fault has affected so far."""
        return self._hits.get(id(fault), 0)

    def take(self, call: Call) -> Fault | None:
        with self._lock:
            for fault in self._active:
                if not fault.matches(call):
                    continue
                self._hits[id(fault)] += 1
                if fault.times is not None and self._hits[id(fault)] >= fault.times:
                    self._active = [other for other in self._active if other is not fault]
                return fault
        return None
