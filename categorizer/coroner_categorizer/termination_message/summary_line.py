"""The one line of a termination message that is worth quoting where no exception is recognized in it."""

from __future__ import annotations

from typing import Any

import msgspec

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.termination_message.error_lines import (
    headline,
    is_harmless,
    last_error_line,
    without_harmless_lines,
    without_usage,
)
from coroner_categorizer.vocabulary.phrases import VOCABULARY, Phrases

_JSON_MESSAGES = ("msg", "message", "event", "M")  # M: zap's development encoder
_JSON_NESTED = ("attr", "fields", "context")
_JSON_ERRORS = ("error", "err", "exception")
_CANDIDATES = 12  # lines; what is further up had been survived
# Two letters in a row; \pL would say the same of all alphabets, and take as long to compile as all other patterns.
_WORD = LinearRegex(r"[A-Za-z\x{C0}-\x{1FFF}\x{2E80}-\x{D7FF}\x{F900}-\x{FDFF}]{2}")
_STACK_FRAMES = Phrases(VOCABULARY.stack_frames)
_NOISE = Phrases(VOCABULARY.noise_lines)
_REFERENCES = Phrases(VOCABULARY.references)
_ADVICE = Phrases(VOCABULARY.advice)
_ENVELOPES = Phrases(VOCABULARY.envelope_lines)
_INFORMATION = LinearRegex(r"\b(?i:info|debug|notice)\b")
_ITEM = LinearRegex(r"^\[\d+\]: ")  # of a list below the line that counts it
_JSON_LIMIT = 4096
_TITLED = 3  # lines below a title, of Redis: where, what, and why
_DETAIL = LinearRegex(r"^.{0,60}?\] DETAIL:\s+(\S.*)$")  # PostgreSQL's second part of an error
_SHUTDOWN_LINES = Phrases(VOCABULARY.shutdown_lines)
_SHUTDOWN_REPORTS = Phrases(VOCABULARY.shutdown_reports)
_NO_CAUSE = (_REFERENCES, _ADVICE, _ENVELOPES, _SHUTDOWN_LINES, _SHUTDOWN_REPORTS)


def summary_line(message: str) -> str | None:
    """The last line that names an error, else the last that says something; None of an empty message.

    That is no frame of a stack, no ruler, no mere report of the end, and no pointer to where more is said.
    """
    lines = [line.strip() for line in without_usage(message.split("\n")) if line.strip()]
    if report := headline(lines):
        return report[0]
    candidates: list[str] = []
    last = None
    for line in (line for line in reversed(lines) if _says_something(line)):
        last = last or line
        if not _says_no_cause(line):
            candidates.append(line)
        if len(candidates) == _CANDIDATES:
            break
    candidates.reverse()
    severe = without_harmless_lines(candidates)
    error = last_error_line(severe)
    if error is not None:
        return _completed(severe[error], lines)
    if any(
        _ENVELOPES.found_in(line) for line in lines[-2 * _CANDIDATES :]
    ):  # the error only says that it ends: a warning says why
        warnings = [line for line in candidates if is_harmless(line) and not _INFORMATION.found_in(line)]
        if warnings:
            return warnings[-1]
    if all(is_harmless(line) for line in candidates) and (ends := _severe_envelope(lines)):
        return ends
    return candidates[-1] if candidates else last or next(reversed(lines), None)


def _severe_envelope(lines: list[str]) -> str | None:
    """The last line that only says that the program ends, where that is an error: better than what is none."""
    nearby = reversed(lines[-2 * _CANDIDATES :])
    return next((line for line in nearby if _ENVELOPES.found_in(line) and not is_harmless(line)), None)


def _completed(line: str, lines: list[str]) -> str:
    """The line, with the next one where it only announces that; of a log line in JSON, its message and its error."""
    if line.startswith("{") and line.endswith("}") and len(line) <= _JSON_LIMIT:
        return _of_json(line) or line
    after = next((lines[i + 1] for i in range(len(lines) - 2, -1, -1) if lines[i] == line), "")
    if detail := _DETAIL.match(after):
        return f"{line}: {detail.groups[0]}"
    if report := _titled(line, lines):
        return report
    announces = line.endswith(":") or _ITEM.starts(after)
    return f"{line} {after}" if after and announces and not _says_no_cause(after) else line


def _titled(line: str, lines: list[str]) -> str | None:
    """The paragraph that the line is part of, where that has a title between asterisks, as Redis prints it."""
    if not any(other.startswith("*** ") for other in lines):
        return None
    last = next(i for i in range(len(lines) - 1, -1, -1) if lines[i] == line)
    near = range(last, max(last - _TITLED - 1, -1), -1)
    title = next((i for i in near if lines[i].startswith("*** ") and lines[i].endswith(" ***")), None)
    if title is None:
        return None
    return " ".join([lines[title], *(text for text in lines[title + 1 : title + 1 + _TITLED] if _says_something(text))])


def _of_json(line: str) -> str | None:
    try:
        entry = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    nested: dict[str, Any] = next((entry[key] for key in _JSON_NESTED if isinstance(entry.get(key), dict)), {})
    entry = nested | entry
    message = next((entry[key] for key in _JSON_MESSAGES if isinstance(entry.get(key), str)), None)
    error = next((entry[key] for key in _JSON_ERRORS if isinstance(entry.get(key), str)), None)
    return ": ".join(dict.fromkeys(part for part in (message, error) if part)) or None


def _says_something(line: str) -> bool:
    return _WORD.found_in(line) and not (_STACK_FRAMES.found_in(line) or _NOISE.found_in(line))


def _says_no_cause(line: str) -> bool:
    """Whether the line only points elsewhere, advises, or reports that the program ends."""
    return any(phrases.found_in(line) for phrases in _NO_CAUSE)
