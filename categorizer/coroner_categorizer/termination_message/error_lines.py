"""The lines of a log that complain, and those complaints that the program itself survived."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LINES_AFTER_SURVIVED_ERROR = 2  # lines of a log after the last complaint: a program that goes on has survived it
ERROR_WORDS = re.compile(
    r"(?i)error|fail|fatal|exception|panic|abort|terminate|can(?:no|')t|cannot|could ?n[o']t|unable|denied|refused"
    r"|invalid|not found|no such|missing|expired|giving up|timed? ?out|out of memory|no space left|read-only|killed"
    r"|\bbad\b|unsupported|unknown|illegal|violat|below|above|exceed|NVRM|traceback"
    r"|in use|unreachable|reset by peer|broken pipe|no route|undefined|insufficient|exhaust|mismatch"
)
HARMLESS_LEVEL = re.compile(  # whoever wrote the line says that it was no more than that
    r"^.{0,60}?(?:\b(?i:warn(?:ing)?)\b|\b(?:INFO|DEBUG|NOTICE)\b|\bl(?:eve|v)l=(?:warn|info|dbug|debug)"
    r"|\"(?:level|lvl|severity|s)\": ?\"(?i:warn|inf|debug|notice|i\"|w\")|\] (?:LOG|DETAIL|HINT):)"
    r"|^[IW]\d{4} |^.{0,160}?\b\w+Warning: "
)
_BY_LEVEL = re.compile(  # whoever wrote the line says that it was the end, or nearly
    r"^.{0,60}?(?:\b(?:ERROR|FATAL|CRITICAL|PANIC)\b|\bl(?:eve|v)l=(?:err|fatal|crit|panic)"
    r"|\"(?:level|lvl|severity|s)\": ?\"(?i:err|fatal|crit|panic|e\"|f\"))|^[EF]\d{4} "
)
_ENDING = re.compile(r"(?i)\b(?:stop|shut|close|closing|bye|exit|done|terminat|clean)")
LOG_LINE = re.compile(
    r"^(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]|\[?\d\d:\d\d:\d\d|(?:DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)\b"
    r"|[IWEF]\d{4} |\{\"|time=|level=|\[(?:DEBUG|INFO|WARN|WARNING|ERROR)\])"
)
_JAVA_EXCEPTION = re.compile(r"^(?:[\w$]+\.)*[A-Z]\w*(?:Exception|Error|Throwable)\b")


def without_harmless_lines(lines: Sequence[str]) -> list[str]:
    """Without the lines that their own level calls harmless; a Java exception below a warning is the warning's."""
    return [
        line
        for before, line in zip(("", *lines), lines, strict=False)
        if not (HARMLESS_LEVEL.match(line) or (_JAVA_EXCEPTION.match(line) and HARMLESS_LEVEL.match(before)))
    ]


def last_error_line(lines: Sequence[str]) -> int | None:
    """Index of the last line that complains; the last line's where the program went on after it, and so survived it."""
    found = next((i for i in range(len(lines) - 1, -1, -1) if ERROR_WORDS.search(lines[i])), None)
    if found is None or _BY_LEVEL.match(lines[found]):
        return found
    later = [line for line in lines[found + 1 :] if LOG_LINE.match(line) and not _ENDING.search(line)]
    return len(lines) - 1 if len(later) >= _LINES_AFTER_SURVIVED_ERROR else found
