"""How often one pod or workload is looked at, however often it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar

from cachetools import TTLCache

LOOK_INTERVAL = 0.5  # s; a report is not written more often either
REMEMBERED = 10_000  # looks; what is evicted is looked at earlier

Key = TypeVar("Key", bound=Hashable)


class LookInterval(Generic[Key]):
    """The first look is due at once, the next one an interval after it began; what changes in between is seen then."""

    def __init__(self) -> None:
        self._began: TTLCache[Key, float] = TTLCache(REMEMBERED, LOOK_INTERVAL, timer=_clock)

    def begin(self, key: Key) -> None:
        """It is looked at now."""
        self._began[key] = _clock()

    def seconds_left(self, key: Key) -> float:
        """Until it may be looked at."""
        began = self._began.get(key)
        return 0.0 if began is None else max(began + LOOK_INTERVAL - _clock(), 0.0)


def _clock() -> float:
    return asyncio.get_running_loop().time()
