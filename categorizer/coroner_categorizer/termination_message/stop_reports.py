"""What a program says that ended because it was asked to stop, whatever its exit code."""

from __future__ import annotations

from coroner_categorizer.vocabulary.phrases import VOCABULARY, Phrases

_LINES = 3
_STOP_REPORTS = Phrases(VOCABULARY.stop_reports)


def told_to_stop(message: str) -> bool:
    """Whether the last lines of the termination message say so."""
    lines = [line for line in message.split("\n") if line.strip()]
    return any(_STOP_REPORTS.found_in(line) for line in lines[-_LINES:])
