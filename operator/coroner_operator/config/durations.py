"""Durations as people write them: ``10s``, ``500ms``, ``5m``, ``2h``, ``7d``; a bare number is seconds."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FORM = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*$")


def parse_duration(value: Any) -> float:
    """``value`` in seconds. Raises ValueError with the remedy."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is not a duration; write for instance 500ms, 10s, 5m, 2h or 7d")
    found = _FORM.match(str(value))
    if not found:
        raise ValueError(f"{value!r} is not a duration; write for instance 500ms, 10s, 5m, 2h or 7d")
    number, unit = found.groups()
    return float(number) * _UNITS[unit or "s"]


Duration = Annotated[float, BeforeValidator(parse_duration), Field(ge=0)]
"""Seconds, not negative."""
