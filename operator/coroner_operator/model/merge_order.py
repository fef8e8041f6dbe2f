"""Of two looks at one failure, the one that holds."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar


class Look(Protocol):
    @property
    def order(self) -> tuple[Any, ...]: ...

    @property
    def is_answer(self) -> bool: ...


L = TypeVar("L", bound=Look)


def holding(earlier: L, later: L, revises: bool) -> L:
    """The greater one, as long as the rules are the same.

    Where ``later`` was judged by newer rules it holds, greater or not; but an answer only gives way to an answer: the
    events that told it may have expired since, and then the new rules simply know less.
    """
    if revises and (later.is_answer or not earlier.is_answer):
        return later
    return max(earlier, later, key=_order)


def _order(look: Look) -> tuple[Any, ...]:
    return look.order
