"""C++: an exception that ended the program by ``std::terminate``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.termination_message.runtimes.trace import UncaughtException
from coroner_categorizer.vocabulary.phrases import VOCABULARY, Phrases

_TERMINATE = LinearRegex(r"^terminate called (?:after throwing an instance of '(.+)'|without an active exception)$")
_WHAT = LinearRegex(r"^  what\(\):\s+(\S.*)$")
_LIBCXX = LinearRegex(r"^libc\+\+abi: terminating due to (uncaught exception.*)$")
_ABORT_REPORTS = Phrases(VOCABULARY.abort_reports)
_NATIVE_FRAMES = Phrases(VOCABULARY.native_frames)


def find(lines: Sequence[str], _exit_code: int | None) -> UncaughtException | None:
    """The exception that the lines end with, but for its native stack and what a shell says of the abort."""
    own = [*islice((line for line in reversed(lines) if not _is_trailer(line)), 2)][::-1]
    if not own:
        return None
    if found := _LIBCXX.match(own[-1]):
        return UncaughtException("c++", found.groups[0])
    what = _WHAT.match(own[-1])
    thrown = _TERMINATE.match(own[-2] if what and len(own) > 1 else own[-1])
    if not thrown:
        return None
    name = thrown.groups[0] or "terminate called without an active exception"
    return UncaughtException("c++", f"{name}: {what.groups[0]}" if what and what.groups[0] != name else name)


def _is_trailer(line: str) -> bool:
    """Part of the native stack that some libraries (c10) put into ``what()``, or of the shell's report."""
    return not line.strip() or _ABORT_REPORTS.found_in(line) or _NATIVE_FRAMES.found_in(line)
