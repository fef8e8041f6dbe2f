"""What waits for a worker, by turns of its group: who has 10,000 keys delays whoever has one by one run.

Round robin, as the API server's fair queuing of requests: the group whose turn it is gives the key that it has had the
longest, and goes to the end. Each operation takes the same time, however much waits.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class FairQueue(Generic[Key, Value]):
    """``put()``, ``take()``, and ``done()`` for each that was taken."""

    def __init__(self, limit: float) -> None:
        """``limit``: values of one group that are taken and not done yet, at most."""
        self._limit = limit
        self._turns: OrderedDict[Hashable, OrderedDict[Key, Value]] = OrderedDict()
        """Groups that may run another key, the next one first."""
        self._at_limit: dict[Hashable, OrderedDict[Key, Value]] = {}
        """Groups that wait until one of their own is done."""
        self._taken: dict[Hashable, int] = {}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def has_turn(self) -> bool:
        """Whether ``take()`` has something to give."""
        return bool(self._turns)

    def put(self, group: Hashable, key: Key, value: Value) -> None:
        """The key does not wait yet."""
        waiting = self._waiting(group)
        if waiting is None:
            waiting = self._place(group)[group] = OrderedDict()
        waiting[key] = value
        self._length += 1

    def take(self) -> Value:
        """The next one; it counts for its group until ``done()``. Raises KeyError where ``has_turn`` is False."""
        group, waiting = self._turns.popitem(last=False)
        _, value = waiting.popitem(last=False)
        self._length -= 1
        self._taken[group] = self._taken.get(group, 0) + 1
        if waiting:
            self._place(group)[group] = waiting
        return value

    def done(self, group: Hashable) -> None:
        """One that was taken of this group is done."""
        taken = self._taken.pop(group) - 1
        if taken:
            self._taken[group] = taken
        waiting = self._at_limit.pop(group, None)
        if waiting is not None:
            self._turns[group] = waiting

    def remove(self, group: Hashable, key: Key) -> None:
        """Nothing where the key does not wait."""
        waiting = self._waiting(group)
        if waiting is None or waiting.pop(key, None) is None:
            return
        self._length -= 1
        if not waiting:
            del self._place(group)[group]

    def clear(self) -> None:
        """Nothing waits any more."""
        self._turns.clear()
        self._at_limit.clear()
        self._length = 0

    def _waiting(self, group: Hashable) -> OrderedDict[Key, Value] | None:
        return self._place(group).get(group)

    def _place(self, group: Hashable) -> dict[Hashable, OrderedDict[Key, Value]]:
        return self._at_limit if self._taken.get(group, 0) >= self._limit else self._turns


class FairSlots:
    """At most ``total`` at one time, ``share`` of them of one namespace; who waits is served by turns."""

    def __init__(self, total: int, share: int) -> None:
        self._free = total
        self._waiting: FairQueue[asyncio.Future[None], tuple[str, asyncio.Future[None]]] = FairQueue(share)

    @asynccontextmanager
    async def slot(self, namespace: str) -> AsyncIterator[None]:
        """Hold a slot; waits for one. ``namespace``: "" for what belongs to the whole cluster."""
        granted = asyncio.get_running_loop().create_future()
        self._waiting.put(namespace, granted, (namespace, granted))
        self._grant()
        try:
            await granted
            yield
        finally:
            if granted.cancelled():
                self._waiting.remove(namespace, granted)
            else:
                self._free += 1
                self._waiting.done(namespace)
                self._grant()

    def _grant(self) -> None:
        while self._free and self._waiting.has_turn:
            namespace, granted = self._waiting.take()
            if granted.cancelled():  # in this turn of the loop
                self._waiting.done(namespace)
            else:
                self._free -= 1
                granted.set_result(None)
