"""Durations as people write them: ``500ms``, ``10s``, ``1h30m``, ``7d``; a bare number is seconds."""

from __future__ import annotations

import re
from typing import Annotated, Any

import durationpy
from pydantic import BeforeValidator, Field

_NUMBER = r"\d+(?:\.\d+)?"
# The chart's schema has the same pattern. durationpy alone would also accept years, and text between two parts.
_FORM = re.compile(rf"{_NUMBER}|(?:{_NUMBER}(?:ms|s|m|h|d))+")


def parse_duration(value: Any) -> float:
    """``value`` in seconds. Raises ValueError with the remedy."""
    text = re.sub(r"(?<=\d) +(?=[a-z])", "", str(value).strip())
    if isinstance(value, bool) or not isinstance(value, int | float | str) or not _FORM.fullmatch(text):
        raise _not_a_duration(value)
    try:
        return float(durationpy.from_str(text if text[-1].isalpha() else f"{text}s").total_seconds())
    except durationpy.DurationError as error:  # more than 2.7 million years
        raise _not_a_duration(value) from error


def _not_a_duration(value: Any) -> ValueError:
    return ValueError(f"{value!r} is not a duration; write for example 500ms, 10s, 5m, 1h30m or 7d")


Duration = Annotated[float, BeforeValidator(parse_duration), Field(ge=0)]
"""Seconds, not negative."""
