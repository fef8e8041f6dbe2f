"""A recorded object and its events with another name, namespace and time. The failure itself is unchanged."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).parents[1] / "tests" / "fixtures" / "pods"

_TIME = re.compile(r'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z"')


class Recording:
    """One file of tests/fixtures/pods: an object as the API server gave it, and its events."""

    def __init__(self, file: str, rename: dict[str, str], now: datetime) -> None:
        """``rename``: texts to replace (names, namespaces). All times are shifted so that the latest one is ``now``."""
        text = (RECORDINGS / f"{file}.json").read_text("utf-8")
        for old, new in rename.items():
            text = text.replace(old, new)
        self.items: list[dict[str, Any]] = json.loads(_moved(text, now))["items"]

    @property
    def object(self) -> dict[str, Any]:
        return self.items[0]

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.items[1:]


def _moved(text: str, now: datetime) -> str:
    """Shift all times by the same amount, so that the latest one is ``now``; 1970 (never started) is kept."""
    times = [t for found, _ in _TIME.findall(text) if (t := _parse(found)).year > 1970]
    if not times:
        return text
    shift = now.replace(microsecond=0) - max(times)
    return _TIME.sub(lambda found: f'"{_shifted(found.group(1), shift)}{found.group(2) or ""}Z"', text)


def _shifted(time: str, shift: timedelta) -> str:
    parsed = _parse(time)
    return (parsed + shift if parsed.year > 1970 else parsed).strftime("%Y-%m-%dT%H:%M:%S")


def _parse(time: str) -> datetime:
    return datetime.strptime(time, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
