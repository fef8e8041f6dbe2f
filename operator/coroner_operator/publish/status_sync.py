"""What is still to be applied to one workload's status, and what its other writers did to it so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from coroner_operator.model.report import Report
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef
from coroner_operator.publish.status_block import BLOCK, CONDITIONS

MAX_OVERWRITES = 5  # times that a value of ours is restored; an overwrite after that is taken as intended
MAX_CONFLICTS = 20  # conflicts in a row: another writer changes the object faster than it can be read and written
OVERWRITE_RESET_SECONDS = 600.0  # without an overwrite; a controller that rewrites its status once a day is harmless

FIRST_CHECK = 0.5
"""Seconds after a write; doubled with each check and overwrite: five restores take 16 s, the last check 16 more."""
LAST_CHECK = 60.0
"""Seconds between two checks, at most."""

Status = Mapping[str, Any]


REPORTS_LIMIT = 64  # failing reports on one object; of a cluster-scoped one there is one in each namespace


@dataclass(eq=False)
class StatusSync:
    workload: WorkloadRef
    """The object that is written: the workload of its reports, or another owner of their pods."""
    key: WorkloadKey
    """Of the object: without a namespace where its kind has none."""
    first_check: float = FIRST_CHECK
    """Seconds."""
    report: Report | None = None
    """To be applied; None: nothing new since the last attempt."""
    failing: dict[WorkloadKey, Report] = field(default_factory=dict)
    """The failing reports that show on the object, by their workloads."""
    on_attempted: list[Callable[[], None]] = field(default_factory=list)
    """To be called after the next attempt, whether it succeeds or not."""
    in_progress: bool = False
    applied: Status | None = None
    """The status as it was applied last; None: not yet."""
    must_persist: bool = False
    """The workload is failing, so what was applied is checked, and restored if another writer removes it."""
    overwritten: bool = False
    """What was applied was overwritten and is not restored yet."""
    overwrites: int = 0
    conflicts: int = 0
    checks: int = 0
    """Checks in a row that found the status unchanged."""
    overwritten_at: float = float("-inf")
    """Loop time."""
    last_attempt: float = float("-inf")
    """Loop time of the last write, or of the last error."""

    def put(self, report: Report) -> None:
        """To be applied: this report, but none that has recovered while another one fails."""
        key = report.workload.key
        self.failing.pop(key, None)
        if report.current is not None:
            self.failing[key] = report
            while len(self.failing) > REPORTS_LIMIT:
                del self.failing[next(iter(self.failing))]
        self.report = next(reversed(self.failing.values()), report)

    def take(self) -> tuple[Report | None, list[Callable[[], None]]]:
        """What this attempt applies, and what to call after it; whatever is set from now on is for the next attempt."""
        taken = self.report, self.on_attempted
        self.report, self.on_attempted = None, []
        return taken

    def requeue(self, report: Report | None) -> None:
        """It could not be applied; a newer report replaces it."""
        self.report = self.report or report

    def was_overwritten(self, now: float) -> bool:
        """Count an overwrite; whether it was one too many."""
        if now - self.overwritten_at > OVERWRITE_RESET_SECONDS:
            self.overwrites = 0
        self.overwrites += 1
        self.overwritten_at, self.checks, self.overwritten = now, 0, True
        return self.overwrites > MAX_OVERWRITES

    def mark_applied(self, status: Status, *, must_persist: bool) -> None:
        """The object has this status now."""
        self.applied, self.must_persist = status, must_persist
        self.overwritten = False
        self.conflicts = self.checks = 0

    @property
    def next_check(self) -> float:
        """Seconds from now."""
        return float(min(self.first_check * 2 ** min(self.overwrites + self.checks, 16), LAST_CHECK))


def is_applied(wanted: Status, live: Status) -> bool:
    """Whether ``live``, a workload's whole status, contains ``wanted``; it may contain fields of other writers too."""
    return all(_contains(_part(live, name), value) for name, value in _parts(wanted))


def is_exactly_applied(wanted: Status, live: Status) -> bool:
    """Whether ``live`` contains ``wanted``, and nothing that was applied earlier and is no longer wanted."""
    for name in (BLOCK, "conditions"):
        current, part = _part(live, name), _part(wanted, name)
        if current != part and not (part is not None and _contains(current, part) and _has_same_fields(current, part)):
            return False
    return True


def _has_same_fields(current: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    """Whether the block, or each of our conditions, has no field that is not wanted. ``part`` is contained."""
    if current.keys() != part.keys():
        return False
    return all(current[type_].keys() == part[type_].keys() for type_ in CONDITIONS if type_ in part)


def _parts(status: Status) -> list[tuple[str, Any]]:
    return [(name, _part(status, name)) for name in status]


def _part(status: Status, name: str) -> Any:
    """Our part of a status: the block, or our conditions by their type; None if it is absent."""
    if name != "conditions":
        return status.get(name)
    conditions = status.get("conditions")
    if not isinstance(conditions, list):
        return None
    return {c["type"]: c for c in conditions if isinstance(c, Mapping) and c.get("type") in CONDITIONS} or None


def _contains(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(_contains(live.get(name), part) for name, part in wanted.items())
    return bool(live == wanted)
