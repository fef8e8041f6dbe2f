"""Python: the exception below the last traceback, and that of the worker which torchrun saw fail first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.termination_message.error_lines import LOG_LINE
from coroner_categorizer.termination_message.runtimes.torchrun import CHILD_FAILED, first_failed_worker
from coroner_categorizer.termination_message.runtimes.trace import DOTTED_NAME, UncaughtException, without_blank
from coroner_categorizer.vocabulary.phrases import VOCABULARY, Phrases

PROCESS_FAILED = "subprocess.CalledProcessError"
WRAPPER_EXCEPTIONS = (CHILD_FAILED, PROCESS_FAILED)
"""Exceptions that only say that a child failed; the child's own text stands before them."""

_TRACEBACK = "Traceback (most recent call last):"
_PREFIX_LIMIT = 60
WRAPPER_LINES = Phrases(VOCABULARY.wrapper_lines)

# Python itself ends with 1 after an uncaught exception, after Ctrl-C by SIGINT. Another code was chosen by somebody,
# and a traceback above it was survived: output of the two streams may stand in another order than it was written (y2b).
_EXIT_CODES = (None, 1, 130)
_EXCEPTION = LinearRegex(rf"^({DOTTED_NAME})(?::(?: .*)?)?$")
_EXCEPTION_NAME = LinearRegex(r"(?:Error|Exception|Warning|Interrupt|Exit|Iteration|Fault|Timeout|Failure)$")
_FRAME = LinearRegex(r'^\s+File ".+", line \d+')
_RANK = LinearRegex(r"^\[rank\d{1,6}\]: ")  # torchrun puts it before each line of a worker
_FATAL = LinearRegex(r"^Fatal Python error: .+")
_FATAL_TRAILER = LinearRegex(
    r"^(?:(?:Current thread|Thread) 0x|  File |  <no Python frame>|Python runtime state: |Extension modules: )"
)
_CAUSE = "The above exception was the direct cause of the following exception:"
_CONTEXT = "During handling of the above exception, another exception occurred:"
_CHAIN_LIMIT = 8  # exceptions; a message holds few, whoever writes statuses can make up more
_IGNORED = "Exception ignored in"
_FATAL_FRAME = LinearRegex(r'^  File "([^"]+)", line (\d+) in (\S+)')
_GIVING_UP = Phrases(VOCABULARY.giving_up)
_CHILD_ENDS = Phrases(VOCABULARY.child_ends)
_ENVELOPES = Phrases(VOCABULARY.envelope_lines)
_RULER = LinearRegex(r"^-{10,}$")


def traceback_prefix(line: str) -> str | None:
    """What stands before "Traceback" on the line that begins a trace, mostly nothing; None for any other line.

    A prefix is common: "[rank0]: " by torchrun, "    | " in exception groups, a compose-like "main | ".
    """
    line = line.rstrip()
    if not line.endswith(_TRACEBACK):
        return None
    prefix = line.removesuffix(_TRACEBACK).removesuffix("Exception Group ")
    return prefix if len(prefix) <= _PREFIX_LIMIT else None


def last_traceback(lines: Sequence[str]) -> int | None:
    """Index of the last line that begins a trace."""
    return next((i for i in range(len(lines) - 1, -1, -1) if traceback_prefix(lines[i]) is not None), None)


def find(lines: Sequence[str], exit_code: int | None) -> UncaughtException | None:
    """The exception or fatal error that the lines end with."""
    return _fatal_error(lines) or _last_traceback(_without_ignored(lines), exit_code)


def _without_ignored(lines: Sequence[str]) -> Sequence[str]:
    """Without the exceptions at the end that Python ignored: they were raised while it cleaned up."""
    ignored = next((i for i, line in enumerate(lines) if line.startswith(_IGNORED)), None)
    if not ignored:
        return lines
    rest = lines[ignored + 1 :]
    is_trace = all(
        not line or line[0].isspace() or line.startswith(_IGNORED) or line == _TRACEBACK or _EXCEPTION.starts(line)
        for line in rest
    )
    return lines[:ignored] if is_trace else lines


def _fatal_error(lines: Sequence[str]) -> UncaughtException | None:
    """What Python's fault handler prints, above the frames of each thread."""
    end = len(lines)
    while end > 1 and (not lines[end - 1].strip() or _FATAL_TRAILER.starts(lines[end - 1])):
        end -= 1
    return UncaughtException("python", lines[end - 1]) if _FATAL.starts(lines[end - 1]) else None


def crash_frame(message: str) -> str:
    """Where a fatal error happened, as the fault handler says below it; "" where it does not."""
    lines = message.split("\n")
    fatal = next((i for i, line in enumerate(lines) if _FATAL.starts(line)), None)
    frames = (
        (found.groups for line in lines[fatal:] if (found := _FATAL_FRAME.match(line))) if fatal is not None else ()
    )
    return next((f"{function} ({path}, line {number})" for path, number, function in frames), "")


def _last_traceback(lines: Sequence[str], exit_code: int | None) -> UncaughtException | None:
    start = last_traceback(lines)
    if start is None:
        return _cut_traceback(lines, exit_code) if exit_code in _EXIT_CODES else None
    prefix = (traceback_prefix(lines[start]) or "").replace("+", "|")
    found = _below_header(prefix, lines[start + 1 :], exit_code)
    if found and found.line.startswith(CHILD_FAILED):
        return _worker_exception(lines) or found
    return found


class Chain(NamedTuple):
    """What Python prints above the last exception as its causes."""

    earlier: tuple[str, ...]
    """Their lines, the first one first."""
    is_cause: bool
    """Whether the last one was raised from the one before it; otherwise that one was being handled."""


def exception_chain(message: str) -> Chain:
    """The exceptions that led to the last one of the message."""
    lines = _without_ignored(message.split("\n"))
    above = lines[: last_traceback(lines) or 0]
    earlier: list[str] = []
    last = link = _link(above)
    while link and len(earlier) < _CHAIN_LIMIT:
        lines = without_blank(above[: link[0]])
        start = last_traceback(lines)
        exception = _below_header("", lines[start + 1 :], None) if start is not None else None
        if not exception:
            break
        earlier.insert(0, exception.line)
        above = above[: link[0]]
        start = last_traceback(above) or 0
        above = above[:start]
        link = _link(above)
    return Chain(tuple(earlier), bool(last and last[1] == _CAUSE and earlier))


def _link(above: Sequence[str]) -> tuple[int, str] | None:
    """Where the lines end with Python's sentence between two exceptions, and that sentence."""
    last = next((i for i in range(len(above) - 1, -1, -1) if above[i].strip()), None)
    return (last, above[last]) if last is not None and above[last] in (_CAUSE, _CONTEXT) else None


def _below_header(prefix: str, lines: Sequence[str], exit_code: int | None) -> UncaughtException | None:
    """The exception below a "Traceback" line, whose frames are ``lines``."""
    own = [line.removeprefix(prefix) for line in lines]
    # Frames are indented; the first line that is not is the exception.
    after = next((i for i, line in enumerate(own) if line and not line[0].isspace()), None)
    if not after:  # no frame at all, or nothing but frames: the text was cut
        return None
    if not _EXCEPTION.starts(own[after]) or _went_on(lines[after + 1 :], exit_code):
        return None
    return UncaughtException("python", _whole_message(own[after], own[after + 1 :]))


def _went_on(below: Sequence[str], exit_code: int | None) -> bool:
    """Whether the program survived the traceback: it logs on, gives another reason, or ends with a code of its own.

    Other lines are the rest of the exception's message, or standard output that was flushed at the exit.
    """
    below = without_blank(below)
    rest = [line for line in below if not (WRAPPER_LINES.found_in(line) or _ENVELOPES.found_in(line))]
    wrapped = len(rest) < len(below)
    if exit_code not in _EXIT_CODES and not wrapped:
        return True
    return any(
        LOG_LINE.found_in(line) or (_GIVING_UP.found_in(line) and not _CHILD_ENDS.found_in(line)) for line in rest
    )


def _whole_message(line: str, below: Sequence[str]) -> str:
    """The exception's line, with what stands on the lines below it where that is the message."""
    more = [text.strip() for text in below]
    if "NCCL error" in line and "Last error:" in more[:-1]:
        line = f"{line}: {more[more.index('Last error:') + 1]}"
    elif line.startswith("py4j.") and more and more[0].startswith(": "):
        # Its own line only says which call the exception of Java ended.
        line, more = more[0].removeprefix(": "), list(takewhile(_is_of_the_message, more[1:]))
    if line.endswith(":") and not line.startswith(WRAPPER_EXCEPTIONS):  # the message follows on lines of its own (y17)
        line = _notebook_exception(more) or " ".join([line, *more[:3]])
    return line.strip()


def _notebook_exception(below: Sequence[str]) -> str | None:
    """The exception of a cell, where the message is the cell's whole trace, between rulers (papermill, nbclient)."""
    last = next((text for text in reversed(below) if text), "")
    found = _EXCEPTION.match(last)
    ruled = any(_RULER.starts(text) for text in below[:8])
    return last if found and ruled and _EXCEPTION_NAME.found_in(found.groups[0]) else None


def _is_of_the_message(line: str) -> bool:
    return bool(line) and not line.startswith("at ")  # a frame of Java


def _cut_traceback(lines: Sequence[str], exit_code: int | None) -> UncaughtException | None:
    """The front of the text was cut away, "Traceback" with it: frames, then the exception, and the rest of its message.

    Of the last frame the line of its code may be all that is left.
    """
    last = next((i for i in range(len(lines) - 1, -1, -1) if _is_frame(lines[i])), 0)
    prefix = lines[last].removesuffix(_RANK.remove_prefix(lines[last]))
    own = [line.removeprefix(prefix) for line in lines[last:]]
    after = next((i for i, line in enumerate(own) if line and not line[0].isspace()), None)
    if not after or (last == 0 and not _is_code_of_a_frame(own[:after])):
        return None
    found = _EXCEPTION.match(own[after])
    if not found or not _EXCEPTION_NAME.found_in(found.groups[0]) or _went_on(own[after + 1 :], exit_code):
        return None
    return UncaughtException("python", _whole_message(own[after], own[after + 1 :]))


def _is_frame(line: str) -> bool:
    return 'File "' in line and _FRAME.starts(_RANK.remove_prefix(line))  # few lines need the pattern


def _is_code_of_a_frame(lines: Sequence[str]) -> bool:
    return any(_FRAME.starts(line) for line in lines) or all(line.startswith("    ") for line in lines)


def _worker_exception(lines: Sequence[str]) -> UncaughtException | None:
    """The exception of the worker that failed first, where torchrun's table says that it ended by itself."""
    worker = first_failed_worker(lines)
    if worker is None or worker.exit_code <= 0:
        return None
    starts = [(i, prefix) for i, line in enumerate(lines) if (prefix := traceback_prefix(line)) is not None][:-1]
    marked = any("rank" in prefix for _, prefix in starts)
    its_own = [start for start in starts if f"rank{worker.rank}]" in start[1] or not marked]
    for i, prefix in reversed(its_own):  # an exception that was handled stands before the one that was not
        end = next(
            (j for j in range(i + 1, len(lines)) if not lines[j].startswith(prefix) or _ends_trace(lines[j])), None
        )
        if exception := _below_header(prefix, lines[i + 1 : end], None):
            return exception
    return None


def _ends_trace(line: str) -> bool:
    return traceback_prefix(line) is not None or LOG_LINE.found_in(line)
