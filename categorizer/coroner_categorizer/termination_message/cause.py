"""The part of a termination message in which the cause is looked for."""

from __future__ import annotations

from collections.abc import Sequence

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.termination_message.error_lines import (
    ERROR_WORDS,
    headline,
    last_error_line,
    without_harmless_lines,
    without_usage,
)
from coroner_categorizer.termination_message.runtimes.python import (
    PROCESS_FAILED,
    WRAPPER_EXCEPTIONS,
    exception_chain,
    last_traceback,
)
from coroner_categorizer.termination_message.runtimes.torchrun import first_failed_worker
from coroner_categorizer.termination_message.runtimes.trace import DOTTED_NAME, UncaughtException, without_blank
from coroner_categorizer.termination_message.summary_line import summary_line
from coroner_categorizer.vocabulary.phrases import VOCABULARY, Phrases

_CAUSE_LINES = 5  # a program says why it ends in few lines; seven lines up it had read-only files and went on (x2)
_NATIVE_FRAMES = Phrases(VOCABULARY.native_frames)
_ENVELOPES = Phrases(VOCABULARY.envelope_lines)
_NOISE = Phrases(VOCABULARY.noise_lines)
_WRAPPING = Phrases(VOCABULARY.wrapping_exceptions)
_CAUSES_ABOVE = Phrases(VOCABULARY.causes_above)
_NAMED_EXCEPTION = LinearRegex(rf"(?:^|[\])|>] )({DOTTED_NAME}(?:Error|Exception): .+)$")
_LOST_PEERS = Phrases(VOCABULARY.lost_peers)


def cause_text(message: str, exception: UncaughtException | None) -> str:
    """The part of a termination message in which a cause may be looked for.

    The exception's line where there is one: what was logged earlier had been survived. Exceptions that only wrap a
    child's end bring what the child said. Where nothing ends the message, it is its last lines, not counting a native
    stack trace below them.
    """
    lines = without_blank(without_usage(message.split("\n")))
    if exception and exception.line.startswith(WRAPPER_EXCEPTIONS):
        return _child_error(lines, exception)
    if exception and exception.language == "python":
        chain = exception_chain(message)
        if chain.is_cause or _WRAPPING.found_in(exception.line):
            before = lines[: last_traceback(lines) or 0]
            return "\n".join([exception.line, *reversed(chain.earlier or before[-_CAUSE_LINES:])])
    if exception and exception.language == "c++" and ": " not in exception.line:  # it brings no message of its own
        return "\n".join(without_harmless_lines(lines[-_CAUSE_LINES:]))
    return exception.line if exception else "\n".join(headline(lines)[:_CAUSE_LINES]) or _last_error(lines)


def error_above(message: str, exception: UncaughtException) -> str | None:
    """The error that an exception points to as its cause: the last one above its traceback; None if it points to none.

    Programs of several processes: the one that failed has logged why, and the one that started it only says so.
    """
    if not _CAUSES_ABOVE.found_in(exception.line):
        return None
    lines = message.split("\n")
    line = summary_line("\n".join(lines[: last_traceback(lines) or 0]))
    if not line or not ERROR_WORDS.found_in(line):
        return None
    named = _NAMED_EXCEPTION.search(line)
    return named.groups[0] if named else line


def names_lost_peer(cause: str) -> bool:
    """Whether a cause, as ``cause_text`` gives it, is that another program of the workload is gone or did not come."""
    return _LOST_PEERS.found_in(cause)


def _last_error(lines: list[str]) -> str:
    """The last lines, from the one that names an error: what was named before it had been survived."""
    start, counted = len(lines), 0
    while start and counted < _CAUSE_LINES:
        start -= 1
        counted += not (_NATIVE_FRAMES.found_in(lines[start]) or _ENVELOPES.found_in(lines[start]))
    tail = lines[start:]
    tail = [line for line in tail if not (_ENVELOPES.found_in(line) or _NOISE.found_in(line.strip()))] or tail
    tail = [*without_harmless_lines(tail[:-1]), *tail[-1:]]
    error = last_error_line(["" if _NATIVE_FRAMES.found_in(line) else line for line in tail])  # frames name errors too
    return "\n".join(tail[(last_error_line(tail) if error is None else error) or 0 :])


def _child_error(lines: Sequence[str], exception: UncaughtException) -> str:
    """What a failed child process had said, as far as it can be the cause, and the exception that wraps its end."""
    if exception.line.startswith(PROCESS_FAILED):
        start = last_traceback(lines) or 0
        before = without_harmless_lines(lines[max(0, start - _CAUSE_LINES) : start])
        said = next((line for line in reversed(before) if ERROR_WORDS.found_in(line)), None)
        return "\n".join([said, exception.line] if said else [exception.line])
    worker = first_failed_worker(lines)
    return "\n".join(lines[worker.line :] if worker and worker.left_no_words else lines)
