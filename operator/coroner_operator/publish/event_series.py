"""One Event as events.k8s.io/v1 stores it: created once, then only its series changes (all else is immutable)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import msgspec

from coroner_categorizer.objects.event import REPORTING_CONTROLLER
from coroner_categorizer.redaction.sanitize import truncate_bytes

EventType = Literal["Normal", "Warning"]

NOTE_LIMIT = 1024  # bytes of UTF-8, not characters
WORD_LIMIT = 128  # reason, action, reportingInstance
NAME_LIMIT = 253


class Regarding(msgspec.Struct, frozen=True):
    """The object that an Event is about; ``namespace`` "" for cluster-scoped objects."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.kind}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"


class Key(NamedTuple):
    """What makes two occurrences one series."""

    regarding: Regarding
    type: EventType
    reason: str
    action: str
    message: str
    """The note without its hint."""


@dataclass(eq=False)
class Series:
    key: Key
    note: str
    """Of the first occurrence, with its hint; the API server accepts no change of it."""
    first_at: datetime
    last_at: datetime
    count: int = 1
    """Occurrences; 0: an Event of an earlier process is renewed, which has counted them."""
    sent: int = 0
    """How many of them the API server has counted; 0: the Event is not created yet."""
    last_sent: float = float("-inf")
    """Loop time."""
    tries: int = 0
    """Failed requests in a row."""
    renew: bool = False
    """The Event is to be written although nothing is to be counted, so that it is kept for another hour."""

    @property
    def namespace(self) -> str:
        """Events about cluster-scoped objects are in ``default``."""
        return self.key.regarding.namespace or "default"

    @property
    def name(self) -> str:
        """The same for one series on every replica and after every restart."""
        regarding = self.key.regarding
        text = "\0".join((regarding.kind, regarding.api_version, regarding.uid, *self.key[1:]))
        tail = blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
        return f"{regarding.name[: NAME_LIMIT - len(tail) - 1].rstrip('.-')}.{tail}"

    def body(self, instance: str) -> dict[str, Any]:
        """The object to create. ``instance``: the replica that reports it."""
        regarding, type_, reason, action, _ = self.key
        reference = {
            "apiVersion": regarding.api_version,
            "kind": regarding.kind,
            "namespace": regarding.namespace,
            "name": regarding.name,
            "uid": regarding.uid,
        }
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "eventTime": _micro_time(self.first_at),
            "reportingController": REPORTING_CONTROLLER,
            "reportingInstance": instance[:WORD_LIMIT],
            "regarding": {name: value for name, value in reference.items() if value},
            "type": type_,
            "reason": reason,
            "action": action,
            "note": self.note,
        }

    def patch(self) -> dict[str, Any]:
        return {"series": {"count": max(self.count, 2), "lastObservedTime": _micro_time(self.last_at)}}


def fit_note(text: str) -> str:
    return truncate_bytes(text, NOTE_LIMIT)


def _micro_time(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
