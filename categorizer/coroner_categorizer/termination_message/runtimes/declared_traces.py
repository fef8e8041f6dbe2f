"""Traces declared in ``vocabulary/stack_traces.yaml``: a first line, and only frames below it until the text ends."""

from __future__ import annotations

from collections.abc import Sequence

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.termination_message.runtimes.trace import UncaughtException, without_blank
from coroner_categorizer.vocabulary.phrases import VOCABULARY, TraceShape

_LONGEST = 40  # lines of a trace; a longer one has lost its first line to the limit of the message


class _DeclaredTrace:
    """One runtime's trace, compiled."""

    def __init__(self, shape: TraceShape) -> None:
        self._language = shape.runtime
        self._first = LinearRegex(shape.first)
        self._frame = LinearRegex(f"^(?:{'|'.join(shape.frames)})")
        self._required = LinearRegex(shape.required) if shape.required else None
        self._exit_codes = shape.exit_codes

    def read(self, first: str, below: Sequence[str], exit_code: int | None) -> UncaughtException | None:
        """The exception, where ``first`` and the lines below it are such a trace."""
        if self._exit_codes and exit_code is not None and exit_code not in self._exit_codes:
            return None
        found = self._first.match(first)
        if not found or not all(self._frame.starts(line) for line in below):
            return None
        if self._required and not any(self._required.starts(line) for line in below):
            return None
        return UncaughtException(self._language, found.groups[0])


_TRACES = tuple(_DeclaredTrace(shape) for shape in VOCABULARY.traces)
_ANY_FIRST = LinearRegex("|".join(f"(?:{shape.first})" for shape in VOCABULARY.traces))


def find(lines: Sequence[str], exit_code: int | None) -> UncaughtException | None:
    """The exception of the last declared trace that the lines end with."""
    if not _ANY_FIRST.may_start_any(lines[-_LONGEST:]):
        return None
    for i in range(len(lines) - 1, max(-1, len(lines) - _LONGEST), -1):
        if not _ANY_FIRST.starts(lines[i]):
            continue
        below = without_blank(lines[i + 1 :])
        if found := next((e for trace in _TRACES if (e := trace.read(lines[i], below, exit_code))), None):
            return found
    return None
