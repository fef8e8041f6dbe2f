"""WATCH: the changes of one kind since a resource version, filtered by a selection.

Nothing is queued per watch: it keeps a position in the store's history, so that a slow watch falls behind and gets
410, as on a real server.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import msgspec

from embedded_apiserver.errors import ApiError, Cause, Object, Subject, invalid
from embedded_apiserver.kinds import event_versions
from embedded_apiserver.kinds.resource import Resource
from embedded_apiserver.reads import listing
from embedded_apiserver.reads.listing import Query, Selection, Shape
from embedded_apiserver.store import Change, Store

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
CONNECTION_CHECK = 0.5  # seconds between checks whether the client of an idle watch is still connected
DEFAULT_TIMEOUT = 1800.0  # seconds; kube-apiserver ends a watch after 30-60 minutes


@dataclass(frozen=True)
class WatchOptions:
    version: int | None
    """None or 0: first the existing objects, as ADDED."""
    initial_events: bool
    bookmarks: bool
    timeout: float

    @classmethod
    def parse(cls, query: Query) -> WatchOptions:
        """Raises ApiError 400 or 422."""
        initial = query.get("sendInitialEvents") in ("true", "1")
        if initial and query.get("resourceVersionMatch") != "NotOlderThan":
            fault = Cause(
                "resourceVersionMatch",
                "FieldValueForbidden",
                "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            )
            raise invalid(Subject("meta.k8s.io", "ListOptions", ""), [fault])
        return cls(
            version=listing.version_of(query),
            initial_events=initial,
            bookmarks=query.get("allowWatchBookmarks") in ("true", "1"),
            timeout=float(query.get("timeoutSeconds") or DEFAULT_TIMEOUT),
        )


@dataclass(eq=False)
class Signals:
    """Instructions of the server to one open watch, set in the server's event loop."""

    changed: asyncio.Event = field(default_factory=asyncio.Event)
    error: ApiError | None = None
    """Set: the stream sends it in an ERROR event and ends."""
    closed: bool = False
    """Set: the connection was cut; the stream just ends."""
    stalled: bool = False
    """Set: nothing more is sent, but the connection stays open."""


class Watch:
    def __init__(self, store: Store, selection: Selection, options: WatchOptions, shape: Shape, include: str) -> None:
        self.store = store
        self.selection = selection
        self.resource: Resource = selection.resource
        self.options = options
        self.shape = shape
        self.include = include
        self.signals = Signals()

    async def lines(self, bookmark_interval: float, is_connected: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Chunks of JSON lines, until the timeout, an error, or a disconnect. ``bookmark_interval``: seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.options.timeout
        try:
            position, first = self._initial_events()
            if first:
                yield first
            bookmark_at = loop.time() + bookmark_interval if self.options.bookmarks else math.inf
            while True:
                self.signals.changed.clear()
                if self.signals.closed or not is_connected():
                    return
                if self.signals.error:
                    raise self.signals.error
                if not self.signals.stalled:
                    with self.store.lock:
                        changes = self._changes(position)
                        version = self.store.version
                    position += len(changes)
                    if chunk := b"".join(self._event_for(change) for change in changes):
                        yield chunk
                    if loop.time() >= bookmark_at:
                        yield self._bookmark(version)
                        bookmark_at = loop.time() + bookmark_interval
                if loop.time() >= end:
                    return
                await self._wait(min(end, bookmark_at) - loop.time())
        except ApiError as error:
            yield _line("ERROR", error.body())

    async def _wait(self, seconds: float) -> None:
        # A stalled watch must not spin on an overdue bookmark.
        seconds = max(seconds, 0.05) if self.signals.stalled else max(seconds, 0)
        with contextlib.suppress(TimeoutError):
            # Not wait_for, which can swallow a cancellation in Python 3.11.
            async with asyncio.timeout(min(seconds, CONNECTION_CHECK)):
                await self.signals.changed.wait()

    def _initial_events(self) -> tuple[int, bytes]:
        """The position in the history to continue from, and the events to send first."""
        with self.store.lock:
            collection = self.store.collection(self.resource.collection)
            if self.options.version and not self.options.initial_events:
                return collection.position_after(self.options.version), b""
            chunks = [
                self._event("ADDED", stored)
                for _, stored in self.store.sorted(self.resource.collection, self.selection.namespace)
                if self.selection(stored)
            ]
            if self.options.initial_events and self.options.bookmarks:
                chunks.append(self._bookmark(self.store.version, initial_events_end=True))
            return collection.dropped + len(collection.history), b"".join(chunks)

    def _changes(self, position: int) -> list[Change]:
        return self.store.collection(self.resource.collection).changes_from(position)

    def _event_for(self, change: Change) -> bytes:
        """The event for this watch: an object that leaves the selection is DELETED, one that enters it ADDED."""
        before = change.before is not None and self.selection(change.before)
        now = change.type != "DELETED" and self.selection(change.object)
        if now:
            return self._event("MODIFIED" if before else "ADDED", change.object)
        if not before or change.before is None:
            return b""
        metadata = {**change.before["metadata"], "resourceVersion": str(change.version)}
        gone = change.object if change.type == "DELETED" else {**change.before, "metadata": metadata}
        return self._event("DELETED", gone)

    def _event(self, kind: str, stored: Object) -> bytes:
        shown = event_versions.served_form(stored, self.resource)
        return _line(kind, listing.object_body(shown, self.resource, self.shape, self.include))

    def _bookmark(self, version: int, initial_events_end: bool = False) -> bytes:
        metadata: Object = {"resourceVersion": str(version)}
        if initial_events_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        bookmark: Object = {
            "kind": self.resource.kind,
            "apiVersion": self.resource.api_version,
            "metadata": metadata,
        }
        if self.resource.kind == "Pod":
            bookmark |= {"spec": {"containers": None}, "status": {}}
        if self.shape != "object":
            bookmark = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        return _line("BOOKMARK", bookmark)


def _line(kind: str, obj: Object) -> bytes:
    return msgspec.json.encode({"type": kind, "object": obj}) + b"\n"
