"""wait_for() tells what it waited for, and what it last saw."""

import pytest

from tests.e2e.waiting import wait_for


def test_the_first_true_answer_is_given_back() -> None:
    answers = iter([None, 0, "there"])
    assert wait_for(lambda: next(answers), 5, "an answer") == "there"


def test_a_condition_that_never_comes_fails_with_what_was_seen_last() -> None:
    def lookup() -> int:
        raise LookupError("no report of Job/x")

    with pytest.raises(AssertionError, match=r"not within 0\.2 s: a report; last: LookupError: no report of Job/x"):
        wait_for(lookup, 0.2, "a report")


def test_other_errors_end_the_waiting_at_once() -> None:
    def broken() -> int:
        raise OSError("the operator ended")

    with pytest.raises(OSError, match="the operator ended"):
        wait_for(broken, 60, "anything")
