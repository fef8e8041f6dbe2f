"""R: an error that halted the script. Long calls stand on a line of their own, with the message on the next."""

from __future__ import annotations

from collections.abc import Sequence

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.termination_message.runtimes.trace import UncaughtException

_HALTED = "Execution halted"
_LINES_ABOVE = 10  # between the error and the halt stand warnings
_ERROR = LinearRegex(r"^(?:Error(?: in .+?)? ?: .+|Error: .+)$")


def find(lines: Sequence[str], _exit_code: int | None) -> UncaughtException | None:
    """The error that halted the script."""
    if lines[-1] != _HALTED:
        return None
    above = lines[-_LINES_ABOVE - 1 : -1]
    for i in range(len(above) - 1, -1, -1):
        line = above[i]
        if line.startswith("Error in ") and line.rstrip().endswith(":") and i + 1 < len(above):
            return UncaughtException("r", f"{line.strip()} {above[i + 1].strip()}")
        if _ERROR.starts(line):
            return UncaughtException("r", line)
    return None
