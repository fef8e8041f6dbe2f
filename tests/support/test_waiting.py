"""Both ways of waiting: what is given back, what means "not yet", and what a failure says."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from tests.support.waiting import until, wait_for

Wait = Callable[[Callable[[], Any], float, str], Awaitable[Any]]


async def _blocking(condition: Callable[[], Any], within: float, message: str) -> Any:
    return wait_for(condition, within, message)


@pytest.fixture(params=[until, _blocking], ids=["in a loop", "without one"])
def wait(request: pytest.FixtureRequest) -> Iterator[Wait]:
    yield request.param


async def test_the_first_true_answer_is_given_back(wait: Wait) -> None:
    answers = iter([None, 0, "there"])
    assert await wait(lambda: next(answers), 5, "an answer") == "there"


async def test_a_condition_that_never_comes_fails_with_its_last_answer(wait: Wait) -> None:
    def lookup() -> int:
        raise LookupError("no report of Job/x")

    with pytest.raises(AssertionError, match=r"not within 0\.2 s: a report; last: LookupError: no report of Job/x"):
        await wait(lookup, 0.2, "a report")


async def test_other_errors_end_the_wait_at_once(wait: Wait) -> None:
    def broken() -> int:
        raise OSError("the operator ended")

    with pytest.raises(OSError, match="the operator ended"):
        await wait(broken, 60, "anything")


async def test_in_a_loop_the_condition_may_be_a_coroutine() -> None:
    answers = iter([0, 3])

    async def look() -> int:
        return next(answers)

    assert await until(look) == 3


async def test_without_a_message_a_failure_quotes_the_condition() -> None:
    with pytest.raises(AssertionError, match=r"not within 0 s: .*lambda: 1 > 2.*; last: False"):
        await until(lambda: 1 > 2, within=0)
