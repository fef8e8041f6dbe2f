"""Errors as the API returns them: ``ApiError`` is a ``Status`` body and its HTTP code.

Messages and reasons are those of kube-apiserver 1.36 (the conformance tests compare them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
"""One API object, or any JSON object."""


@dataclass(frozen=True)
class Cause:
    """One entry of ``details.causes``."""

    field: str
    reason: str
    """FieldValueInvalid, FieldValueRequired, FieldManagerConflict, ..."""
    message: str


class ApiError(Exception):
    """A request that fails with a Status of ``code``."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def body(self) -> Object:
        status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


@dataclass(frozen=True)
class Subject:
    """The object that an error is about."""

    group: str
    resource: str
    """Plural name; validation errors put the kind here, as the API does."""
    name: str

    @property
    def qualified(self) -> str:
        return f"{self.resource}.{self.group}" if self.group else self.resource

    def details(self) -> Object:
        details = {"name": self.name, "group": self.group, "kind": self.resource}
        return {key: value for key, value in details.items() if value}


def success(subject: Subject, uid: str) -> Object:
    """The response to a DELETE that removed the object."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {**subject.details(), "uid": uid},
    }


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def not_found(subject: Subject) -> ApiError:
    return ApiError(404, "NotFound", f'{subject.qualified} "{subject.name}" not found', subject.details())


def already_exists(subject: Subject) -> ApiError:
    return ApiError(409, "AlreadyExists", f'{subject.qualified} "{subject.name}" already exists', subject.details())


def conflict(subject: Subject, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {subject.qualified} "{subject.name}": {why}'
    return ApiError(409, "Conflict", message, subject.details())


def stale(subject: Subject) -> ApiError:
    return conflict(
        subject, "the object has been modified; please apply your changes to the latest version and try again"
    )


def invalid(subject: Subject, causes: Sequence[Cause]) -> ApiError:
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {
        **subject.details(),
        "causes": [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes],
    }
    return ApiError(422, "Invalid", f'{subject.qualified} "{subject.name}" is invalid: {listed}', details)


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def too_large_version(asked: int, current: int) -> ApiError:
    """A resourceVersion that this server has not reached yet."""
    return ApiError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {asked}, current: {current}",
        {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        },
    )
