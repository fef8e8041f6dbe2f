"""Of two looks at one failure, the one that holds."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar


class Ranked(Protocol):
    @property
    def order(self) -> tuple[Any, ...]: ...

    @property
    def is_explained(self) -> bool: ...


L = TypeVar("L", bound=Ranked)


def preferred(earlier: L, later: L, revises: bool) -> L:
    """The greater one, as long as the rules are the same.

    Where ``later`` was judged by newer rules it holds, greater or not; but an answer only gives way to an answer: the
    events that told it may have expired since, and then the new rules simply know less.
    """
    if revises and (later.is_explained or not earlier.is_explained):
        return later
    return max(earlier, later, key=_order)


def _order(look: Ranked) -> tuple[Any, ...]:
    return look.order
