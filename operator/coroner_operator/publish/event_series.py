"""One Event as events.k8s.io/v1 keeps it: created once, then only its series changes (everything else is immutable)."""

from __future__ import annotations

import asyncio
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
    """The object that an Event is about; ``namespace`` "" for objects of the whole cluster."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.kind}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"


class Key(NamedTuple):
    """What makes two happenings one series."""

    regarding: Regarding
    type: EventType
    reason: str
    action: str
    said: str
    """The note without its advice."""


@dataclass(eq=False)
class Series:
    key: Key
    note: str
    """What the first said, then its advice; the API server lets nobody change it."""
    first_at: datetime
    last_at: datetime
    count: int = 1
    told: int = 0
    """How many of them the API server knows of; 0: the Event is not there yet."""
    last_sent: float = float("-inf")
    """Loop time."""
    tries: int = 0
    timer: asyncio.TimerHandle | None = None
    queued: bool = False

    @property
    def namespace(self) -> str:
        """Events of objects of the whole cluster are in ``default``."""
        return self.key.regarding.namespace or "default"

    @property
    def name(self) -> str:
        """The same for the same series on every replica and after every start."""
        text = "\0".join((self.key.regarding.uid, *self.key[1:]))
        tail = blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
        return f"{self.key.regarding.name[: NAME_LIMIT - len(tail) - 1].rstrip('.-')}.{tail}"

    def body(self, instance: str) -> dict[str, Any]:
        """To be created. ``instance``: which replica says so."""
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
