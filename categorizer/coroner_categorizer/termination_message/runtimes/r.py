"""R: an error that halted the script. Long calls stand on a line of their own, with the message on the next."""

from __future__ import annotations

from collections.abc import Sequence

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.termination_message.runtimes.trace import UncaughtException

_HALTED = "Execution halted"
_WARNINGS = ("Warning message", "In addition: Warning message")  # to the end: R prints what had been put off
_LINES_ABOVE = 10  # between the error and the halt stand warnings
_ERROR = LinearRegex(r"^(?:Error(?: in .+?)? ?: .+|Error: .+)$")


def find(lines: Sequence[str], _exit_code: int | None) -> UncaughtException | None:
    """The error that halted the script."""
    halted = next((i for i in range(len(lines) - 1, -1, -1) if lines[i] == _HALTED), None)
    if halted is None or (lines[halted + 1 :] and not lines[halted + 1].startswith(_WARNINGS)):
        return None
    above = lines[max(0, halted - _LINES_ABOVE) : halted]
    for i in range(len(above) - 1, -1, -1):
        line = above[i]
        if line.startswith("Error in ") and line.rstrip().endswith(":") and i + 1 < len(above):
            return UncaughtException("r", f"{line.strip()} {above[i + 1].strip()}")
        if _ERROR.starts(line):
            return UncaughtException("r", line)
    return None
