"""Comparing times from different parts of a cluster, which agree only to a second or two. Nothing overflows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

SLACK = timedelta(seconds=1)  # statuses have whole seconds


def shifted(time: datetime, seconds: float) -> datetime | None:
    """``time`` that much later; None beyond year 1 or 9999."""
    try:
        return time + timedelta(seconds=seconds)
    except OverflowError:
        return None


def is_before(first: datetime, second: datetime, slack: timedelta = SLACK) -> bool:
    """Whether ``first`` lies more than ``slack`` before ``second``. Never overflows, as sums near year 1 or 9999 do."""
    return second - first > slack


def rfc3339(time: datetime) -> str:
    """As Kubernetes writes times: ``2026-11-22T03:35:24Z``. ``time`` is in UTC."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def newest(times: Iterable[datetime | None]) -> datetime | None:
    """The newest of the times that are known."""
    return max((t for t in times if t), default=None)
