"""Waiting for a condition, with something to read when it does not come."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.1


def wait_for(condition: Callable[[], T | None], timeout: float, message: str) -> T:
    """The first answer of CONDITION that is true; asked ten times a second for TIMEOUT seconds.

    A condition that raises AssertionError or LookupError is not met yet. Fails with MESSAGE and the last answer.
    """
    end = time.monotonic() + timeout
    while True:
        try:
            answer = condition()
            if answer:
                return answer
            last = repr(answer)
        except (AssertionError, LookupError) as error:
            last = f"{type(error).__name__}: {error}"
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout:g} s: {message}; last: {last}")
        time.sleep(POLL_SECONDS)
