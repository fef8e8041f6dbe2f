"""One look at one failure: what enters a report."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from coroner_categorizer.verdict import Failure


class Observation(msgspec.Struct, frozen=True):
    """A failure as it was seen; the same one may be seen any number of times, each pod's in the order of the looks."""

    pod_name: str
    """"" for a pod that was never created."""
    pod_uid: str
    node: str
    """"" where the pod was never bound."""
    failure: Failure
    observed_at: datetime
    """When the pod was looked at, by the operator's clock. The only time here that is not the cluster's."""
    rules: str = ""
    """Hash of the rules that judged it."""
    reclassified: bool = False
    """Judged again, because the rules have changed: takes the place of what earlier rules said of the same failure."""
    supersedes: frozenset[str] = frozenset()
    """UIDs of pods that are well again or gone: where one of them speaks for the workload, this failure shall."""


END_OF_TIME = 253_402_300_799  # the last second that a datetime in UTC can express


def whole_seconds(time: datetime) -> datetime:
    """In UTC and cut to the second, as Kubernetes keeps times; a naive time is read as UTC, one before 1970 as 1970."""
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    return from_epoch(to_epoch(aware))


def to_epoch(time: datetime) -> int:
    """Seconds since 1970, never negative and never after the year 9999 in UTC, which another zone can express."""
    return min(max(0, int(time.timestamp())), END_OF_TIME)


def from_epoch(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
