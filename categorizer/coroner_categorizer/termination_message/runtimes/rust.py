"""Rust: a panic of the main thread."""

from __future__ import annotations

from collections.abc import Sequence

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.termination_message.error_lines import LOG_LINE
from coroner_categorizer.termination_message.runtimes.trace import UncaughtException, last_index

PANICKED = "panicked: "
"""Rust's own word, put before the message that stands on the next line."""

# Rust ends with 101 after a panic of its main thread; with panic=abort a signal ends it.
_EXIT_CODES = (None, 101, 132, 134, 139)
_PANIC = LinearRegex(r"^thread '[^']*' (?:\(\d+\) )?panicked at (.+)$")
_TRAILER = LinearRegex(r"^(?:note: |stack backtrace:|\s+\d+: |\s+at )")


def find(lines: Sequence[str], exit_code: int | None) -> UncaughtException | None:
    """The panic that the lines end with."""
    start = last_index(lines, _PANIC) if exit_code in _EXIT_CODES else None
    if start is None:
        return None
    below = [line for line in lines[start + 1 :] if line.strip() and not _TRAILER.starts(line)]
    if len(below) > 3 or any(LOG_LINE.found_in(line) for line in below):
        return None
    # Since Rust 1.73 the message stands on the next line, before that in quotes on the same one.
    if lines[start].endswith(":") and below:
        return UncaughtException("rust", f"{PANICKED}{below[0].strip()}")
    return UncaughtException("rust", lines[start])
