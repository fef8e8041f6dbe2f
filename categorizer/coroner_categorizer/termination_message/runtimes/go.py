"""Go: a panic or fatal error, with the stacks of its goroutines below it."""

from __future__ import annotations

from collections.abc import Sequence

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.termination_message.runtimes.trace import UncaughtException, last_index, without_blank

_EXIT_CODES = (None, 2)
_PANIC = LinearRegex(r"^(?:panic|fatal error): .+")
_BARE_NAME = LinearRegex(r"^fatal error: \w+$")  # newosproc: what failed is in the line above
_TRACE = LinearRegex(
    r"^(?:goroutine \d+ .*\[.*\]:|\t|[\w./*()\[\]{}-]+\(.*\)$|created by .+|exit status \d+|\[signal .+|\[recovered.*)"
)
_TRACE_STARTS = ("goroutine ", "[signal ", "\tpanic:", "runtime stack:")


def find(lines: Sequence[str], exit_code: int | None) -> UncaughtException | None:
    """The panic that the lines end with."""
    start = last_index(lines, _PANIC)
    if start is None:
        return None
    # panic: first\n\tpanic: second\n goroutine …: what follows must be the trace
    below = without_blank(lines[start + 1 :])
    if not below and exit_code not in _EXIT_CODES:  # other tools say "fatal error: " too
        return None
    if below and not any(line.startswith(_TRACE_STARTS) for line in below[:6]):
        return None
    if not all(_TRACE.starts(line) for line in below[-2:]):
        return None
    return UncaughtException("go", (_BARE_NAME.starts(lines[start]) and _reason(lines[:start])) or lines[start])


def _reason(above: Sequence[str]) -> str | None:
    """The first of the lines in which the runtime explains the fatal error below them."""
    start = len(above)
    while start and above[start - 1].startswith("runtime: "):
        start -= 1
    return above[start] if start < len(above) else None
