"""Waiting for a condition: in an event loop (`until`) or without one (`wait_for`). Nothing else in the tests sleeps.

A condition is met when its answer is true. One that raises AssertionError or LookupError is not met yet; any other
error ends the wait at once. What never comes fails with the message and the condition's last answer.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Literal, TypeAlias, TypeVar, overload

T = TypeVar("T")
Answer: TypeAlias = T | Literal[False] | None
"""False and None: not yet."""

POLL_SECONDS = 0.1
LOOP_POLL_SECONDS = 0.01
"""In an event loop the condition is usually a look at memory."""
WAIT_FACTOR = float(os.environ.get("WAIT_FACTOR", "1"))
"""Every wait may take that many times as long: for a machine on which many tests run at once."""


@overload
async def until(
    condition: Callable[[], Coroutine[Any, Any, Answer[T]]], within: float = ..., message: str = ..., poll: float = ...
) -> T: ...
@overload
async def until(
    condition: Callable[[], Answer[T]], within: float = ..., message: str = ..., poll: float = ...
) -> T: ...
async def until(
    condition: Callable[[], Any], within: float = 30.0, message: str = "", poll: float = LOOP_POLL_SECONDS
) -> Any:
    """The condition's first true answer; it may be a coroutine function. Fails after ``within`` seconds."""
    attempts = _Attempts[Any](within, message or inspect.getsource(condition).strip())
    while True:
        with attempts:
            answer = condition()
            attempts.answer(await answer if inspect.isawaitable(answer) else answer)
        if attempts.met is not None:
            return attempts.met
        attempts.check_time()
        await asyncio.sleep(poll)


def wait_for(condition: Callable[[], Answer[T]], within: float, message: str, poll: float = POLL_SECONDS) -> T:
    """The condition's first true answer. Fails after ``within`` seconds."""
    attempts = _Attempts[T](within, message)
    while True:
        with attempts:
            attempts.answer(condition())
        if attempts.met is not None:
            return attempts.met
        attempts.check_time()
        time.sleep(poll)


class _Attempts(Generic[T]):
    """What the condition has answered so far, and how long to go on asking."""

    def __init__(self, within: float, message: str) -> None:
        self.met: T | None = None
        self._within = within
        self._message = message
        self._last = "nothing"
        self._end = time.monotonic() + within * WAIT_FACTOR

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        """Whether the error means "not yet"."""
        if not isinstance(error, AssertionError | LookupError):
            return False
        self._last = f"{type(error).__name__}: {error}"
        return True

    def answer(self, answer: Answer[T]) -> None:
        self._last = repr(answer)
        if answer:
            self.met = answer

    def check_time(self) -> None:
        if time.monotonic() > self._end:
            raise AssertionError(f"not within {self._within:g} s: {self._message}; last: {self._last}")
