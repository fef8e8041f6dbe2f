"""What the readers of traces share: the result, and how they look through the lines of a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from coroner_categorizer.linear_regex import LinearRegex

# Names with dots; a character outside ASCII counts as part of a name.
DOTTED_NAME = r"[A-Za-z_][\w\x{80}-\x{10FFFF}]*(?:\.[A-Za-z_<][\w<>\x{80}-\x{10FFFF}]*)*"


class UncaughtException(NamedTuple):
    language: str
    line: str
    """The line that names the error, without the trace: ``ValueError: bad input``."""


def last_index(lines: Sequence[str], regex: LinearRegex) -> int | None:
    """Index of the last line that begins with the expression."""
    if not regex.may_start_any(lines):
        return None
    return next((i for i in range(len(lines) - 1, -1, -1) if regex.starts(lines[i])), None)


def without_blank(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.strip()]
