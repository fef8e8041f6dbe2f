"""The one line of a termination message that is worth quoting where no exception is recognized in it."""

from __future__ import annotations

import re

from coroner_categorizer.termination_message.error_lines import last_error_line, without_harmless_lines

_WORD = re.compile(r"[^\W\d_]{2}")
_FRAME = re.compile(r"\s*(?:at |\d+: 0x|frame #\d+|#\d+ |/\S+:\d+ \+0x|\S+\(.*\)$|time      : |To execute )")
# Lines that only say that the program has ended, or point elsewhere.
_NOISE = re.compile(
    r"(?:(?:.*: line \d+:\s+\d+ )?(?:Aborted|Segmentation fault|Terminated)(?: +\(core dumped\))?(?: {2,}.*)?$|Killed$"
    r"|Execution halted$|Node\.js v\d|BEGIN failed--compilation aborted|thrown in .+ on line \d+$|exit status \d+$"
    r"|in expression starting at |@ \S+:\d+$|\[\d+\] \S+\(|Stack ?trace:$|with errorcode -?\d+\.$|-{3,}"
    r"|\[?[A-Z]{4,8}\]?:?$"
    r"|runtime stack:$|goroutine \d+ |created by |/\S+\.go:\d+|Crash dump is being written|\(Use `node "
    r"|make(?:\[\d+\])?: \*\*\* |npm (?:ERR!|error) A complete log of"
    r"|Error: (?:A fatal exception has occurred\. Program will exit|Could not create the Java Virtual Machine)\.$)"
)
# Pointers to where more is said, and advice.
_REFERENCE = re.compile(
    r"^\W*(?:\w{1,12}[\]!:]+ +)?(?:(?i:\(?see |(?:please )?(?:refer to|visit|check the log|re-?run)|for more "
    r"|if you would like|to see the |you (?:may|can|must|need) |run `)|notice\b|->|\[Help \d|https?://"
    r"|An error report file |- [A-Z_]+$)|(?i:\b(?:hint|detail|context|statement): |check the logs? )"
)
# What a program says of its end, after it has said why.
_SHUTDOWN = re.compile(
    r"(?i)(?:^|[\]:] +|error +|\"msg\":\")(?:shutting down|now exiting|exiting\b|shut down|stepping down)"
    r"|worker (?:\(pid:\d+\) exited|exiting|failed to boot)|application startup failed\. exiting| ok=\d+ +changed=\d+"
)
_LOOKED_AT = 12  # lines; what is further up had been survived


def summary_line(message: str) -> str | None:
    """The last line that complains, else the last that says something; None of an empty message.

    That is no frame of a stack, no ruler, no mere word of the end, and no pointer to where more is said.
    """
    lines = [line.strip() for line in message.split("\n") if line.strip()]
    ends = (line for line in reversed(lines) if _WORD.search(line) and not (_FRAME.match(line) or _NOISE.match(line)))
    looked_at: list[str] = []
    last = None
    for line in ends:
        last = last or line
        if not (_REFERENCE.search(line) or _SHUTDOWN.search(line)):
            looked_at.append(line)
        if len(looked_at) == _LOOKED_AT:
            break
    saying = looked_at[::-1]
    standing = without_harmless_lines(saying)
    complaint = last_error_line(standing)
    if complaint is not None:
        return standing[complaint]
    return saying[-1] if saying else last or next(reversed(lines), None)
