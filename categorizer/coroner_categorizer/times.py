"""Comparing times of different parts of a cluster, which agree only to a second or two, without overflow."""

from __future__ import annotations

from datetime import datetime, timedelta


def is_before(first: datetime, second: datetime, slack: timedelta) -> bool:
    """Whether ``first`` lies more than ``slack`` before ``second``. Never overflows, as sums near year 1 or 9999 do."""
    return second - first > slack
