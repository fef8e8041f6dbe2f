"""The objects, one counter of resource versions, and the history of changes: everything that LIST and WATCH read.

Stored objects are never modified in place: a write stores a new object. List pages, snapshots and watch events can
therefore share them without copying. A lock lets the test's thread put objects while the server runs in another.
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

HISTORY_LIMIT = 20_000  # changes kept per kind: twice the largest burst of the tests, 10,000 pods
SNAPSHOT_LIMIT = 64  # paged lists in progress at the same time


@dataclass(frozen=True, slots=True)
class Change:
    version: int
    type: ChangeType
    object: Object
    """The object after the change; for DELETED its last state, with the version of the deletion."""
    before: Object | None


@dataclass
class Collection:
    """Objects and history of one kind (both event APIs share one)."""

    objects: dict[Key, Object] = field(default_factory=dict)
    history: list[Change] = field(default_factory=list)
    dropped: int = 0
    """Changes no longer in ``history``: the first one kept has this absolute position."""
    compacted_version: int = 0
    """The newest compacted version: a watch must start there or later."""

    def add(self, change: Change) -> None:
        self.history.append(change)
        if len(self.history) > 2 * HISTORY_LIMIT:
            self._drop(len(self.history) - HISTORY_LIMIT)

    def compact(self, version: int) -> None:
        self._drop(len(self.history))
        self.compacted_version = max(self.compacted_version, version)

    def _drop(self, count: int) -> None:
        if count:
            self.compacted_version = self.history[count - 1].version
            del self.history[:count]
            self.dropped += count

    def position_after(self, version: int) -> int:
        """Absolute position of the first change newer than ``version``. Raises ApiError 410 when compacted."""
        if version < self.compacted_version:
            raise expired(f"too old resource version: {version} ({self.compacted_version})")
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
        """Stores ``obj`` with a new resource version and returns it; the caller must not modify it afterwards."""
        with self.lock:
            collection = self.collection(kind)
            before = collection.objects.get(key)
            stored = self._with_new_version(obj)
            collection.objects[key] = stored
            collection.add(Change(self.version, "MODIFIED" if before else "ADDED", stored, before))
        self._notify()
        return stored

    def remove(self, kind: str, key: Key, last: Object | None = None) -> Object:
        """``last``: the final state to show, if it differs from the stored one. Raises KeyError."""
        with self.lock:
            collection = self.collection(kind)
            before = collection.objects.pop(key)
            stored = self._with_new_version(last or before)
            collection.add(Change(self.version, "DELETED", stored, before))
        self._notify()
        return stored

    def sorted(self, kind: str, namespace: str | None) -> list[tuple[Key, Object]]:
        with self.lock:
            items = self.collection(kind).objects.items()
            return sorted(
                ((key, obj) for key, obj in items if namespace is None or key[0] == namespace), key=lambda i: i[0]
            )

    def save_snapshot(self, kind: str, items: list[tuple[Key, Object]]) -> None:
        """Saves a list at the current version, for its later pages."""
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
        """Drops the history: continue tokens and watches from older versions get 410."""
        with self.lock:
            self._snapshots.clear()
            for collection in self._collections.values():
                collection.compact(self.version)

    def remove_all(self, kind: str) -> None:
        """Removes all objects of a kind (its CRD was deleted), each with a DELETED event."""
        for key, _ in self.sorted(kind, None):
            self.remove(kind, key)

    def kinds(self) -> Iterator[str]:
        return iter(list(self._collections))

    def _with_new_version(self, obj: Object) -> Object:
        self.version += 1
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()

    @staticmethod
    def _expired_token() -> ApiError:
        return expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new "
            "list without the continue parameter."
        )
