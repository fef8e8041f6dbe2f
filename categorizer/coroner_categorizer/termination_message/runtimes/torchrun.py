"""The table at the end of torchrun's message: the worker that failed first, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.termination_message.runtimes.trace import last_index

CHILD_FAILED = "torch.distributed.elastic.multiprocessing.errors.ChildFailedError"
"""The exception that only says that a worker failed."""

_ABORTED_ITSELF = -6
_ROOT_CAUSE = LinearRegex(r"^Root Cause\b")  # after all other failures
_RANK = LinearRegex(r"^\s*rank\s*: (\d+)")
_EXIT_CODE = LinearRegex(r"^\s*exitcode\s*: (-?\d{1,9})\b")


class FailedWorker(NamedTuple):
    line: int
    """Index of the line where the table of the first failure begins."""
    rank: str
    exit_code: int
    """Negative: a signal's number."""

    @property
    def left_no_words(self) -> bool:
        """A signal ended it; only a program that aborts itself may have said why."""
        return self.exit_code < 0 and self.exit_code != _ABORTED_ITSELF


def first_failed_worker(lines: Sequence[str]) -> FailedWorker | None:
    """The worker that torchrun saw fail first."""
    start = last_index(lines, _ROOT_CAUSE)
    if start is None:
        return None
    ranks = (found.groups[0] for line in lines[start:] if (found := _RANK.match(line)))
    codes = (found.groups[0] for line in lines[start:] if (found := _EXIT_CODE.match(line)))
    rank, code = next(ranks, None), next(codes, None)
    return FailedWorker(start, rank, int(code)) if rank is not None and code is not None else None
