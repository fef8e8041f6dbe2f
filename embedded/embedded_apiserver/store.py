"""The objects, one clock of resource versions, and what changed when: all that LIST and WATCH read.

Stored objects are never changed in place: a write stores a new one. So a list page, a snapshot and a watch event can
hold them without copying. A lock lets a test's own thread put objects while the server runs in another.
"""

from __future__ import annotations

import bisect
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from embedded_apiserver.errors import ApiError, Object, expired

Key = tuple[str, str]
"""(namespace, name); namespace "" for cluster-scoped kinds. Lists are sorted by it, as etcd's keys are."""

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]

HISTORY_LIMIT = 20_000  # events kept a kind: a test's burst of 10,000 pods fits twice
SNAPSHOT_LIMIT = 64  # paged lists under way at once


@dataclass(frozen=True, slots=True)
class Change:
    version: int
    type: ChangeType
    object: Object
    """The object after the change; of a DELETED one its last state, with the version of the deletion."""
    before: Object | None


@dataclass
class Collection:
    """Objects and history of one kind (both event APIs share one)."""

    objects: dict[Key, Object] = field(default_factory=dict)
    history: list[Change] = field(default_factory=list)
    dropped: int = 0
    """Changes no longer in ``history``: the first one kept has this absolute position."""
    floor: int = 0
    """The newest version that was compacted: a watch must start there or later."""

    def add(self, change: Change) -> None:
        self.history.append(change)
        if len(self.history) > 2 * HISTORY_LIMIT:
            self._drop(len(self.history) - HISTORY_LIMIT)

    def compact(self, version: int) -> None:
        self._drop(len(self.history))
        self.floor = max(self.floor, version)

    def _drop(self, count: int) -> None:
        if count:
            self.floor = self.history[count - 1].version
            del self.history[:count]
            self.dropped += count

    def position_after(self, version: int) -> int:
        """Absolute position of the first change newer than ``version``. Raises ApiError 410 when compacted."""
        if version < self.floor:
            raise expired(f"too old resource version: {version} ({self.floor})")
        return self.dropped + bisect.bisect_right(self.history, version, key=lambda change: change.version)

    def changes_from(self, position: int) -> list[Change]:
        """Raises ApiError 410 when the reader was too slow and the changes are gone."""
        if position < self.dropped:
            raise expired("too old resource version: the watch fell behind")
        return self.history[position - self.dropped :]


class Store:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.version = 1
        self._collections: dict[str, Collection] = {}
        self._snapshots: OrderedDict[tuple[str, int], list[tuple[Key, Object]]] = OrderedDict()
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """``listener`` runs after every change, in the thread that wrote."""
        self._listeners.append(listener)

    def collection(self, kind: str) -> Collection:
        return self._collections.setdefault(kind, Collection())

    def get(self, kind: str, key: Key) -> Object | None:
        return self.collection(kind).objects.get(key)

    def write(self, kind: str, key: Key, obj: Object) -> Object:
        """Stores ``obj`` under a new resource version and returns it; the caller gives the object away."""
        with self.lock:
            collection = self.collection(kind)
            before = collection.objects.get(key)
            stored = self._stamped(obj)
            collection.objects[key] = stored
            collection.add(Change(self.version, "MODIFIED" if before else "ADDED", stored, before))
        self._tell()
        return stored

    def remove(self, kind: str, key: Key, last: Object | None = None) -> Object:
        """``last``: the final state to show, if it differs from the stored one. Raises KeyError."""
        with self.lock:
            collection = self.collection(kind)
            before = collection.objects.pop(key)
            stored = self._stamped(last or before)
            collection.add(Change(self.version, "DELETED", stored, before))
        self._tell()
        return stored

    def sorted(self, kind: str, namespace: str | None) -> list[tuple[Key, Object]]:
        with self.lock:
            items = self.collection(kind).objects.items()
            return sorted(
                ((key, obj) for key, obj in items if namespace is None or key[0] == namespace), key=lambda i: i[0]
            )

    def keep_snapshot(self, kind: str, items: list[tuple[Key, Object]]) -> None:
        """Remembers a list at the present version, for its later pages."""
        self._snapshots[(kind, self.version)] = items
        while len(self._snapshots) > SNAPSHOT_LIMIT:
            self._snapshots.popitem(last=False)

    def snapshot(self, kind: str, version: int) -> list[tuple[Key, Object]]:
        """Raises ApiError 410 when the continue token is too old."""
        try:
            return self._snapshots[(kind, version)]
        except KeyError:
            raise self._expired_token() from None

    def compact(self) -> None:
        """Forgets the past: continue tokens and watches from before now answer 410."""
        with self.lock:
            self._snapshots.clear()
            for collection in self._collections.values():
                collection.compact(self.version)

    def forget(self, kind: str) -> None:
        """Removes everything of a kind (its CRD went away), each with its DELETED event."""
        for key, _ in self.sorted(kind, None):
            self.remove(kind, key)

    def kinds(self) -> Iterator[str]:
        return iter(list(self._collections))

    def _stamped(self, obj: Object) -> Object:
        self.version += 1
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    @staticmethod
    def _expired_token() -> ApiError:
        return expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new "
            "list without the continue parameter."
        )
