"""Node.js: an error above its frames, or a rejection that nobody handled."""

from __future__ import annotations

from collections.abc import Sequence

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.termination_message.runtimes.python import WRAPPER_LINES
from coroner_categorizer.termination_message.runtimes.trace import DOTTED_NAME, UncaughtException

REJECTED = "unhandled promise rejection: "
"""Node's own sentence, in short."""

_EXIT_CODES = (None, 1, 7)  # 7: a failed handler of uncaught exceptions
_MESSAGE_LINES = 5  # of an error with a message of several lines, above its frames
_ERROR = LinearRegex(
    rf"^(?:Uncaught )?((?:{DOTTED_NAME} )?(?:[A-Z]\w*)?(?:Error|Exception)\b(?: \[\w+\])?: .+|[A-Z]\w*Error)$"
)
_REJECTION = LinearRegex(r"^\[?UnhandledPromiseRejection: .+ with the reason (\".+\")\.\]?(?: \{)?$")
_FRAME = LinearRegex(r"^\s+at .+")
_TRAILER = LinearRegex(r"^(?:Node\.js v\d+.*|\s*[{}\]]+,?|\s+\w+: .*[,}]?|\s*)$")


def find(lines: Sequence[str], exit_code: int | None) -> UncaughtException | None:
    """The error that the lines end with."""
    if exit_code not in _EXIT_CODES:
        return None
    end = len(lines)
    while end > 0 and (_TRAILER.starts(lines[end - 1]) or WRAPPER_LINES.found_in(lines[end - 1])):
        end -= 1
    if end and (rejected := _rejection(lines[end - 1])):
        return rejected
    first = end
    while first > 0 and _FRAME.starts(lines[first - 1]):
        first -= 1
    if first in (0, end):
        return None
    for line in reversed(lines[max(0, first - _MESSAGE_LINES) : first]):
        if rejected := _rejection(line):
            return rejected
        if found := _ERROR.match(line):
            return UncaughtException("node", found.groups[0])
    return None


def _rejection(line: str) -> UncaughtException | None:
    found = _REJECTION.match(line)
    return UncaughtException("node", f"{REJECTED}{found.groups[0]}") if found else None
