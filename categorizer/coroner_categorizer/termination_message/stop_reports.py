"""What a program says that ended because it was asked to stop, whatever its exit code."""

from __future__ import annotations

from coroner_categorizer.vocabulary.phrases import VOCABULARY, Phrases

_LINES = 3
_STOP_REPORTS = Phrases(VOCABULARY.stop_reports)
# What stands below the line that says it: the frames of a stack, and where more is written.
_BELOW = (Phrases(VOCABULARY.stack_frames), Phrases(VOCABULARY.noise_lines), Phrases(VOCABULARY.references))


def reports_stop_signal(message: str) -> bool:
    """Whether the last lines of the termination message say so."""
    lines = [line.strip() for line in message.split("\n") if line.strip()]
    telling = [line for line in lines if not any(phrases.found_in(line) for phrases in _BELOW)]
    return any(_STOP_REPORTS.found_in(line) for line in telling[-_LINES:])
