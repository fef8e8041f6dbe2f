"""What is to be said on one workload, and how its other writers have dealt with it so far."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from coroner_operator.kube.backoff import BackOff
from coroner_operator.model.report import Report, WorkloadRef
from coroner_operator.publish.status_block import BLOCK, CONDITION

ROUNDS = 5  # times that what we wrote is written again; then the other writer has made its point
CONFLICTS = 20  # writes in a row that came too late: someone writes the object faster than it can be read
FORGIVEN_AFTER = 600.0  # s without being overwritten; a controller that rewrites once a day is no fight

FIRST_LOOK = (
    0.5  # s after a write, doubled with every look and every round: five rounds take 16 s, the last look 16 more
)
LAST_LOOK = 60.0

Status = Mapping[str, Any]


@dataclass(eq=False)
class Notice:
    workload: WorkloadRef
    back_off: BackOff
    first_look: float = FIRST_LOOK
    """Seconds."""
    report: Report | None = None
    """What is to be said; None: nothing new."""
    then: list[Callable[[], None]] = field(default_factory=list)
    """To be called after the next try, whatever becomes of it."""
    said: Status | None = None
    """The status as we applied it last; None: not yet."""
    stays: bool = False
    """What was said is to stay: the workload is failing."""
    lost: bool = False
    """What was said was overwritten, and is not there again yet."""
    rounds: int = 0
    conflicts: int = 0
    looks: int = 0
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
        if now - self.overwritten_at > FORGIVEN_AFTER:
            self.rounds = 0
        self.rounds += 1
        self.overwritten_at, self.looks, self.lost = now, 0, True
        return self.rounds > ROUNDS

    def now_said(self, status: Status, *, stays: bool) -> None:
        """This is there now."""
        self.said, self.stays = status, stays
        self.lost = False
        self.conflicts = self.looks = 0
        self.back_off.reset()

    @property
    def next_look(self) -> float:
        """Seconds from now."""
        return float(min(self.first_look * 2 ** min(self.rounds + self.looks, 16), LAST_LOOK))


def is_said(wanted: Status, live: Status) -> bool:
    """Whether ``live``, a workload's whole status, says what we want said; others may say more."""
    return all(_contains(_part(live, name), value) for name, value in _parts(wanted))


def is_exactly_said(wanted: Status, live: Status) -> bool:
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


def _contains(there: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(there, Mapping) and all(_contains(there.get(name), part) for name, part in wanted.items())
    return bool(there == wanted)
