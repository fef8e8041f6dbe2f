"""What is still to be written about one workload."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from coroner_categorizer.rules.rule import RANK
from coroner_operator.kube.backoff import BackOff
from coroner_operator.model.ledger import Name, Tally
from coroner_operator.model.report import Sighting, WorkloadRef

SIGHTINGS = 512  # kept one by one; beyond, while the API server is away, one look a failure


@dataclass(eq=False)
class PendingWrites:
    workload: WorkloadRef
    back_off: BackOff
    sightings: list[Sighting] = field(default_factory=list)
    recovered_at: datetime | None = None
    """The workload was found well at this time, after all of the sightings; None: it was not."""
    labels_wait: bool = False
    """The status is written, its labels are not."""
    waiting_since: float | None = None
    """Loop time of the first sighting that is not written."""
    last_write: float = float("-inf")
    last_labels: float = float("-inf")
    writing: bool = False
    compact_at: int = SIGHTINGS
    timer: asyncio.TimerHandle | None = None
    tallied: Mapping[Name, Tally] | None = None
    """What the metrics have counted of this workload; kept over failed writes, whose answer alone may be lost."""

    @property
    def has_work(self) -> bool:
        return bool(self.sightings) or self.recovered_at is not None or self.labels_wait

    def put(self, sightings: Iterable[Sighting], now: float) -> None:
        """A new look. One that accuses takes back a recovery that is not written yet."""
        new = list(sightings)
        self.sightings += new
        if self.waiting_since is None:
            self.waiting_since = now
        if any(sighting.failure.current for sighting in new):
            self.recovered_at = None
        if len(self.sightings) > self.compact_at:
            self.sightings = list(_one_look_each(self.sightings))
            self.compact_at = max(SIGHTINGS, 2 * len(self.sightings))

    def take(self) -> tuple[list[Sighting], datetime | None]:
        """All that is to be written; ``put_back`` if it could not be."""
        taken = self.sightings, self.recovered_at
        self.sightings, self.recovered_at = [], None
        return taken

    def requeue(self, sightings: list[Sighting], recovered_at: datetime | None) -> None:
        """What was taken, in front of what has come since."""
        if recovered_at is not None and not any(sighting.failure.current for sighting in self.sightings):
            self.recovered_at = self.recovered_at or recovered_at
        self.sightings = sightings + self.sightings


def _one_look_each(sightings: Iterable[Sighting]) -> Iterable[Sighting]:
    """The last look at each failure, unless an earlier one was surer; under newer rules it has another turn.

    In the order of the last looks, which says what a pod fails by now (``Accusation``).
    """
    best: dict[object, Sighting] = {}
    for sighting in sightings:
        key = (sighting.failure.identity, sighting.failure.ended_instances, sighting.revises)
        known = best.pop(key, sighting)
        surest = sighting if _rank(sighting) >= _rank(known) else known
        best[key] = msgspec.structs.replace(
            surest, seen_at=sighting.observed_at, instead_of=known.instead_of | sighting.instead_of
        )
    return best.values()


def _rank(sighting: Sighting) -> int:
    return RANK[sighting.failure.verdict.confidence]
