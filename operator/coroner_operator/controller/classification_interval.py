"""How often one pod or workload is classified, however often it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar

from cachetools import TTLCache

CLASSIFICATION_INTERVAL = 0.5  # s; a report is not written more often either
REMEMBERED = 10_000  # pods or workloads; one that is evicted may be classified earlier

Key = TypeVar("Key", bound=Hashable)


class ClassificationInterval(Generic[Key]):
    """The first classification is due at once, the next one an interval later: it takes in all changes in between."""

    def __init__(self) -> None:
        self._began: TTLCache[Key, float] = TTLCache(REMEMBERED, CLASSIFICATION_INTERVAL, timer=_clock)

    def begin(self, key: Key) -> None:
        """It is classified now."""
        self._began[key] = _clock()

    def seconds_left(self, key: Key) -> float:
        """Until it may be classified again."""
        began = self._began.get(key)
        return 0.0 if began is None else max(began + CLASSIFICATION_INTERVAL - _clock(), 0.0)


def _clock() -> float:
    return asyncio.get_running_loop().time()
