"""The lines of a log that complain, and those complaints that the program itself survived."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WENT_ON = 2  # lines of a log after the last complaint: a program that goes on has survived it
COMPLAINT = re.compile(
    r"(?i)error|fail|fatal|exception|panic|abort|terminate|can(?:no|')t|cannot|could ?n[o']t|unable|denied|refused"
    r"|invalid|not found|no such|missing|expired|giving up|timed? ?out|out of memory|no space left|read-only|killed"
    r"|\bbad\b|unsupported|unknown|illegal|violat|below|above|exceed|NVRM|traceback"
    r"|in use|unreachable|reset by peer|broken pipe|no route|undefined|insufficient|exhaust|mismatch"
)
SURVIVED = re.compile(  # whoever wrote the line says that it was no more than that
    r"^.{0,60}?(?:\b(?i:warn(?:ing)?)\b|\b(?:INFO|DEBUG|NOTICE)\b|level=(?:warn|info|debug)"
    r"|\"(?:level|severity)\": ?\"(?i:warn|info|debug|notice))|^.{0,160}?\b\w+Warning: "
)
LOG_LINE = re.compile(
    r"^(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]|\[?\d\d:\d\d:\d\d|(?:DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)\b"
    r"|[IWEF]\d{4} |\{\"|time=|level=|\[(?:DEBUG|INFO|WARN|WARNING|ERROR)\])"
)
_JAVA_EXCEPTION = re.compile(r"^(?:[\w$]+\.)*[A-Z]\w*(?:Exception|Error|Throwable)\b")


def last_complaint(lines: Sequence[str]) -> int | None:
    """Index of the last line that complains; the last line's where the program went on after it, and so survived it."""
    found = next((i for i in range(len(lines) - 1, -1, -1) if _complains(lines, i)), None)
    if found is not None and sum(1 for line in lines[found + 1 :] if LOG_LINE.match(line)) >= _WENT_ON:
        return len(lines) - 1
    return found


def _complains(lines: Sequence[str], i: int) -> bool:
    if SURVIVED.match(lines[i]) or not COMPLAINT.search(lines[i]):
        return False
    # A Java exception below a warning is what the warning tells of.
    return not (i and _JAVA_EXCEPTION.match(lines[i]) and SURVIVED.match(lines[i - 1]))
