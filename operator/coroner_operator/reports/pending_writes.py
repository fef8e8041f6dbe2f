"""What is still to be written about one workload."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from coroner_categorizer.rules.rule import CONFIDENCE_RANK
from coroner_operator.kube.backoff import BackOff
from coroner_operator.model.ledger import Count, Name
from coroner_operator.model.report import Observation, WorkloadRef

OBSERVATIONS_LIMIT = 512  # kept one by one; beyond, while the API server is away, one look a failure


@dataclass(eq=False)
class PendingWrites:
    workload: WorkloadRef
    back_off: BackOff
    observations: list[Observation] = field(default_factory=list)
    recovered_at: datetime | None = None
    """The workload was found well at this time, after all of the sightings; None: it was not."""
    labels_pending: bool = False
    """The status is written, its labels are not."""
    waiting_since: float | None = None
    """Loop time of the first sighting that is not written."""
    last_write: float = float("-inf")
    last_labels: float = float("-inf")
    writing: bool = False
    compact_at: int = OBSERVATIONS_LIMIT
    timer: asyncio.TimerHandle | None = None
    counted: Mapping[Name, Count] | None = None
    """What the metrics have counted of this workload; kept over failed writes, whose answer alone may be lost."""

    @property
    def has_work(self) -> bool:
        return bool(self.observations) or self.recovered_at is not None or self.labels_pending

    def add(self, sightings: Iterable[Observation], now: float) -> None:
        """A new look. One that accuses takes back a recovery that is not written yet."""
        new = list(sightings)
        self.observations += new
        if self.waiting_since is None:
            self.waiting_since = now
        if any(sighting.failure.current for sighting in new):
            self.recovered_at = None
        if len(self.observations) > self.compact_at:
            self.observations = list(_deduplicated(self.observations))
            self.compact_at = max(OBSERVATIONS_LIMIT, 2 * len(self.observations))

    def drain(self) -> tuple[list[Observation], datetime | None]:
        """All that is to be written; ``put_back`` if it could not be."""
        taken = self.observations, self.recovered_at
        self.observations, self.recovered_at = [], None
        return taken

    def requeue(self, sightings: list[Observation], recovered_at: datetime | None) -> None:
        """What was taken, in front of what has come since."""
        if recovered_at is not None and not any(sighting.failure.current for sighting in self.observations):
            self.recovered_at = self.recovered_at or recovered_at
        self.observations = sightings + self.observations


def _deduplicated(sightings: Iterable[Observation]) -> Iterable[Observation]:
    """The last look at each failure, unless an earlier one was surer; under newer rules it has another turn.

    In the order of the last looks, which says what a pod fails by now (``Accusation``).
    """
    best: dict[object, Observation] = {}
    for sighting in sightings:
        key = (sighting.failure.key, sighting.failure.ended_instances, sighting.reclassified)
        known = best.pop(key, sighting)
        surest = sighting if _rank(sighting) >= _rank(known) else known
        best[key] = msgspec.structs.replace(
            surest, observed_at=sighting.observed_at, supersedes=known.supersedes | sighting.supersedes
        )
    return best.values()


def _rank(sighting: Observation) -> int:
    return CONFIDENCE_RANK[sighting.failure.verdict.confidence]
