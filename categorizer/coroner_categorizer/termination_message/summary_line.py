"""The one line of a termination message that is worth quoting where no exception is recognized in it."""

from __future__ import annotations

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.termination_message.error_lines import last_error_line, without_harmless_lines
from coroner_categorizer.vocabulary.phrases import VOCABULARY, Phrases

_CANDIDATES = 12  # lines; what is further up had been survived
# Two letters in a row; \pL would say the same of all alphabets, and take as long to compile as all other patterns.
_WORD = LinearRegex(r"[A-Za-z\x{C0}-\x{1FFF}\x{2E80}-\x{D7FF}\x{F900}-\x{FDFF}]{2}")
_STACK_FRAMES = Phrases(VOCABULARY.stack_frames)
_NOISE = Phrases(VOCABULARY.noise_lines)
_REFERENCES = Phrases(VOCABULARY.references)
_ADVICE = Phrases(VOCABULARY.advice)
_SHUTDOWN_LINES = Phrases(VOCABULARY.shutdown_lines)
_SHUTDOWN_REPORTS = Phrases(VOCABULARY.shutdown_reports)


def summary_line(message: str) -> str | None:
    """The last line that names an error, else the last that says something; None of an empty message.

    That is no frame of a stack, no ruler, no mere report of the end, and no pointer to where more is said.
    """
    lines = [line.strip() for line in message.split("\n") if line.strip()]
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
        return severe[error]
    return candidates[-1] if candidates else last or next(reversed(lines), None)


def _says_something(line: str) -> bool:
    return _WORD.found_in(line) and not (_STACK_FRAMES.found_in(line) or _NOISE.found_in(line))


def _says_no_cause(line: str) -> bool:
    """Whether the line only points elsewhere, advises, or reports that the program ends."""
    return any(phrases.found_in(line) for phrases in (_REFERENCES, _ADVICE, _SHUTDOWN_LINES, _SHUTDOWN_REPORTS))
