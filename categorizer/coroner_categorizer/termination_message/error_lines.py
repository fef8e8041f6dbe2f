"""The lines of a log that name an error, and those errors that the program itself survived."""

from __future__ import annotations

from collections.abc import Sequence

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.vocabulary.phrases import VOCABULARY, Phrases

ERROR_WORDS = Phrases(VOCABULARY.error_words)
LOG_LINE = Phrases(VOCABULARY.log_line_starts)

_LINES_AFTER_SURVIVED_ERROR = 2  # log lines after the last error: a program that continues has survived it
_HARMLESS_LEVELS = Phrases(VOCABULARY.harmless_levels)
_SEVERE_LEVELS = Phrases(VOCABULARY.severe_levels)
_ENDING_WORDS = Phrases(VOCABULARY.ending_words)
_RULER = LinearRegex(r"^-{40,}$")
_REPORT_LINES = 4
_USAGE = LinearRegex(r"^(?:Usage|USAGE)(?: of \S+)?:")
_USAGE_LINE = LinearRegex(r"^(?:\s|[A-Z][\w ]*:$|(?:Use|Run|Try|For more) )")
_JAVA_EXCEPTION = LinearRegex(r"^(?:[\w$]+\.)*[A-Z]\w*(?:Exception|Error|Throwable)\b")


def is_harmless(line: str) -> bool:
    """Whether the line says of itself that it is no more than a warning or a notice."""
    return _HARMLESS_LEVELS.found_in(line)


def without_harmless_lines(lines: Sequence[str]) -> list[str]:
    """Without the lines whose own level is harmless; a Java exception below a warning belongs to the warning."""
    harmless = [is_harmless(line) for line in lines]
    return [
        line
        for line, is_warning, below_warning in zip(lines, harmless, [False, *harmless], strict=False)
        if not (is_warning or (below_warning and _JAVA_EXCEPTION.starts(line)))
    ]


def without_usage(lines: Sequence[str]) -> Sequence[str]:
    """Without the help that a program prints below its error: "Usage:", and flags and headings to the end."""
    at = (i for i in range(len(lines) - 1, -1, -1) if lines[i].startswith(("Usage", "USAGE")))
    start = next((i for i in at if _USAGE.starts(lines[i])), None)
    if not start or not all(not line or _USAGE_LINE.starts(line) for line in lines[start + 1 :]):
        return lines
    return lines[:start] if any(ERROR_WORDS.found_in(line) for line in lines[:start]) else lines


def headline(lines: Sequence[str]) -> list[str]:
    """The paragraph below the ruler of a report that ends with another ruler, as Open MPI prints them; [] = none."""
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) < _REPORT_LINES or not _RULER.starts(lines[-1]):
        return []
    start = next((i + 1 for i in range(len(lines) - 2, -1, -1) if _RULER.starts(lines[i])), 0)
    report = lines[start:-1]
    return [] if any(LOG_LINE.found_in(line) for line in report) else report


def last_error_line(lines: Sequence[str]) -> int | None:
    """Index of the last line that names an error; of the last line if the program continued, and so survived it."""
    found = next((i for i in range(len(lines) - 1, -1, -1) if ERROR_WORDS.found_in(lines[i])), None)
    if found is None or _SEVERE_LEVELS.found_in(lines[found]):
        return found
    later = [line for line in lines[found + 1 :] if LOG_LINE.found_in(line) and not _ENDING_WORDS.found_in(line)]
    return len(lines) - 1 if len(later) >= _LINES_AFTER_SURVIVED_ERROR else found
