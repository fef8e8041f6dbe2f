"""Of two observations of one failure, the one that is kept."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar


class Ranked(Protocol):
    @property
    def order(self) -> tuple[Any, ...]: ...

    @property
    def is_explained(self) -> bool: ...


RankedT = TypeVar("RankedT", bound=Ranked)


def preferred(earlier: RankedT, later: RankedT, reclassified: bool) -> RankedT:
    """The greater one, as long as the rules are the same.

    Where ``later`` was classified by newer rules it is kept, greater or not; but an explanation only gives way to an
    explanation: the events behind it may have expired since, and then the newer rules simply know less.
    """
    if reclassified and (later.is_explained or not earlier.is_explained):
        return later
    return max(earlier, later, key=_order)


def _order(observed: Ranked) -> tuple[Any, ...]:
    return observed.order
