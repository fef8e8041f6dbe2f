"""What is to be said on one workload, and how its other writers have dealt with it so far."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from coroner_operator.kube.backoff import BackOff
from coroner_operator.model.report import Report, WorkloadRef
from coroner_operator.publish.status_block import BLOCK, CONDITION

MAX_OVERWRITES = 5  # times that what we wrote is written again; then the other writer has made its point
MAX_CONFLICTS = 20  # writes in a row that came too late: someone writes the object faster than it can be read
OVERWRITE_RESET_SECONDS = 600.0  # s without being overwritten; a controller that rewrites once a day is no fight

FIRST_CHECK = (
    0.5  # s after a write, doubled with every look and every round: five rounds take 16 s, the last look 16 more
)
LAST_CHECK = 60.0

Status = Mapping[str, Any]


@dataclass(eq=False)
class StatusSync:
    workload: WorkloadRef
    back_off: BackOff
    first_check: float = FIRST_CHECK
    """Seconds."""
    report: Report | None = None
    """What is to be said; None: nothing new."""
    then: list[Callable[[], None]] = field(default_factory=list)
    """To be called after the next try, whatever becomes of it."""
    applied: Status | None = None
    """The status as we applied it last; None: not yet."""
    must_persist: bool = False
    """What was said is to stay: the workload is failing."""
    overwritten: bool = False
    """What was said was overwritten, and is not there again yet."""
    overwrites: int = 0
    conflicts: int = 0
    checks: int = 0
    """Looks in a row at which all was well."""
    overwritten_at: float = float("-inf")
    last_try: float = float("-inf")
    timer: asyncio.TimerHandle | None = None
    busy: bool = False

    def take(self) -> tuple[Report | None, list[Callable[[], None]]]:
        """What is to be said, and to be called; from here on only what comes now is new."""
        taken = self.report, self.then
        self.report, self.then = None, []
        return taken

    def was_overwritten(self, now: float) -> bool:
        """One more round; whether it was the last one."""
        if now - self.overwritten_at > OVERWRITE_RESET_SECONDS:
            self.overwrites = 0
        self.overwrites += 1
        self.overwritten_at, self.checks, self.overwritten = now, 0, True
        return self.overwrites > MAX_OVERWRITES

    def mark_applied(self, status: Status, *, must_persist: bool) -> None:
        """This is there now."""
        self.applied, self.must_persist = status, must_persist
        self.overwritten = False
        self.conflicts = self.checks = 0
        self.back_off.reset()

    @property
    def next_check(self) -> float:
        """Seconds from now."""
        return float(min(self.first_check * 2 ** min(self.overwrites + self.checks, 16), LAST_CHECK))


def is_applied(wanted: Status, live: Status) -> bool:
    """Whether ``live``, a workload's whole status, says what we want said; others may say more."""
    return all(_contains(_part(live, name), value) for name, value in _parts(wanted))


def is_exactly_applied(wanted: Status, live: Status) -> bool:
    """Whether besides nothing of an earlier word of ours is left."""
    for name in (BLOCK, "conditions"):
        there, part = _part(live, name), _part(wanted, name)
        if there != part and not (part is not None and _contains(there, part) and set(part) == set(there)):
            return False
    return True


def _parts(status: Status) -> list[tuple[str, Any]]:
    return [(name, _part(status, name)) for name in status]


def _part(status: Status, name: str) -> Any:
    """Our part of a status: the block, or our one condition; None where it is not there."""
    if name != "conditions":
        return status.get(name)
    conditions = status.get("conditions")
    found = (c for c in conditions or () if isinstance(c, Mapping) and c.get("type") == CONDITION)
    return next(found, None) if isinstance(conditions, list) else None


def _contains(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(_contains(live.get(name), part) for name, part in wanted.items())
    return bool(live == wanted)
