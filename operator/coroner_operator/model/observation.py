"""One observation of one failure: what enters a report."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from coroner_categorizer.verdict import Failure
from coroner_operator.model.workload_ref import WorkloadRef


class Observation(msgspec.Struct, frozen=True):
    """A failure as it was observed; the same one may be observed any number of times, those of a pod in their order."""

    pod_name: str
    """"" for a pod that was never created."""
    pod_uid: str
    node: str
    """"" where the pod was never bound."""
    failure: Failure
    observed_at: datetime
    """By the operator's clock: the only time here that is not the cluster's."""
    rules: str = ""
    """Hash of the rules that classified it."""
    reclassified: bool = False
    """Classified again, because the rules have changed: replaces what earlier rules said of the same failure."""
    owners: tuple[WorkloadRef, ...] = ()
    """The owners on which the verdict is shown besides the workload."""


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
