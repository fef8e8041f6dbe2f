"""Java: an exception of the main thread, or the last cause below it."""

from __future__ import annotations

from collections.abc import Sequence

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.termination_message.error_lines import is_harmless
from coroner_categorizer.termination_message.runtimes.trace import DOTTED_NAME, UncaughtException

# Java ends with 1 after an exception in its main thread only; another code was chosen by somebody.
_EXIT_CODES = (None, 1)
_FIRST = LinearRegex(r"^Exception in thread \"[^\"]*\" (\S.*)$")
_BARE = LinearRegex(rf"^(?:{DOTTED_NAME}\.)?[A-Z]\w*(?:Exception|Error|Throwable)\b")
_CAUSE = LinearRegex(r"^\s*Caused by: (.+)$")
_MESSAGE_LINES = 6  # of one exception; Spark puts the end of an executor's container into its message
_DRIVER_STACK = "Driver stacktrace:"
_TRACE = LinearRegex(
    r"^\s*(?:at [\w.$<>/@-]+(?:\(.*\))?|\.\.\. \d+ (?:more|common frames omitted)|Suppressed: .+|Caused by: .+)$"
)


def find(lines: Sequence[str], exit_code: int | None) -> UncaughtException | None:
    """The exception that the lines end with."""
    line = _exception_line(lines) if exit_code in _EXIT_CODES else None
    return UncaughtException("java", line) if line else None


def _exception_line(lines: Sequence[str]) -> str | None:
    start = len(lines) - 1
    while start > 0 and _TRACE.starts(lines[start]):
        start -= 1
    if lines[start].strip() == _DRIVER_STACK:
        return _above_driver_stack(lines[:start])
    causes = [found.groups[0] for line in lines[start:] if (found := _CAUSE.match(line))]
    if causes:
        return causes[-1]
    if first := _FIRST.match(lines[start]):
        return first.groups[0]
    has_trace = _TRACE.starts(lines[-1])
    survived = start > 0 and is_harmless(lines[start - 1])
    return lines[start] if has_trace and _BARE.starts(lines[start]) and not survived else None


def _above_driver_stack(lines: Sequence[str]) -> str | None:
    """Spark's exception, whose message is of several lines, the last of them a heading of the frames."""
    for i in range(len(lines) - 1, max(-1, len(lines) - 1 - _MESSAGE_LINES), -1):
        found = _CAUSE.match(lines[i]) or _FIRST.match(lines[i])
        if found or _BARE.starts(lines[i]):
            return found.groups[0] if found else lines[i]
    return None
