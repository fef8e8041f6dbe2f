"""What is still to be written about one workload, and the restarts of its pods that are no failures."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from coroner_categorizer.rules.rule import CONFIDENCE_RANK
from coroner_operator.model.ledger import Count, Name
from coroner_operator.model.observation import Observation
from coroner_operator.model.report import RuleRestarts, Transition, fails_itself
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef

RESTARTED_PODS_LIMIT = 10_000  # whose rules have restarted a container; ~300 bytes each
OBSERVATIONS_LIMIT = 512  # kept one by one; beyond, while the API server is away, one for each failure


class KnownRestarts:
    """The restarts by rule of pods, also of workloads that have no report yet: no failure makes none."""

    def __init__(self) -> None:
        self._workloads: OrderedDict[WorkloadKey, dict[str, RuleRestarts]] = OrderedDict()
        """The least recently changed one first."""
        self._pods = 0

    def put(self, workload: WorkloadKey, restarts: RuleRestarts) -> bool:
        """Whether there are more of the pod than were known."""
        pods = self._workloads.setdefault(workload, {})
        known = pods.get(restarts.pod_uid)
        if known is not None and known.restarts >= restarts.restarts:
            return False
        self._pods += known is None
        pods[restarts.pod_uid] = restarts
        self._workloads.move_to_end(workload)
        while self._pods > RESTARTED_PODS_LIMIT:
            self._pods -= len(self._workloads.popitem(last=False)[1])
        return True

    def of(self, workload: WorkloadKey) -> Iterable[RuleRestarts]:
        return self._workloads.get(workload, {}).values()


@dataclass(eq=False)
class PendingWrites:
    """Times are the event loop's."""

    workload: WorkloadRef
    observations: list[Observation] = field(default_factory=list)
    transition: Transition | None = None
    """Of the workload's state, after all of the observations; None: there was none."""
    newest_pod: datetime | None = None
    """Creation of the newest pod that was observed to fail by a current failure."""
    reselect: bool = False
    """Another failure than the one that the report shows may be the current one."""
    labels_pending: bool = False
    """The status is written, its labels are not."""
    conflicted: bool = False
    """Another writer was first at the last attempt."""
    waiting_since: float | None = None
    """Time of the first observation that is not written."""
    last_write: float = float("-inf")
    last_labels: float = float("-inf")
    compact_at: int = OBSERVATIONS_LIMIT
    counted: Mapping[Name, Count] | None = None
    """What the metrics have counted of this workload; kept over failed writes, whose answer alone may be lost."""

    @property
    def has_work(self) -> bool:
        return self.has_news or self.labels_pending

    @property
    def has_news(self) -> bool:
        """Whether the status may have to be written."""
        return bool(self.observations) or self.transition is not None or self.reselect

    def add(self, observations: Iterable[Observation], now: float, pod_created: datetime | None = None) -> None:
        """New observations. They may take back a recovery, or the deletion of a bare pod, that is not written yet."""
        new = list(observations)
        self.observations += new
        if self.waiting_since is None:
            self.waiting_since = now
        if self.transition is not None and self._is_taken_back(new, self.transition):
            self.transition = None
        if pod_created is not None and any(observation.failure.current for observation in new):
            self.newest_pod = max(self.newest_pod or pod_created, pod_created)
        if len(self.observations) > self.compact_at:
            self.observations = list(_deduplicated(self.observations))
            self.compact_at = max(OBSERVATIONS_LIMIT, 2 * len(self.observations))

    def drain(self) -> tuple[list[Observation], Transition | None]:
        """All that is to be written; ``requeue`` if it could not be."""
        drained = self.observations, self.transition
        self.observations, self.transition, self.reselect = [], None, False
        return drained

    def requeue(self, observations: list[Observation], transition: Transition | None) -> None:
        """What was drained, in front of what has come since."""
        if transition is not None and not self._is_taken_back(self.observations, transition):
            self.transition = self.transition or transition
        self.observations = observations + self.observations
        self.reselect = True

    def _is_taken_back(self, observations: Iterable[Observation], transition: Transition) -> bool:
        """Whether these, observed after it, make the transition void."""
        match transition.to:
            case "Recovered":
                return any(observation.failure.current for observation in observations)
            case "Deleted":
                return fails_itself(self.workload, observations)
            case "Failed":
                return False


def _deduplicated(observations: Iterable[Observation]) -> Iterable[Observation]:
    """The last observation of each failure, unless an earlier one was surer; under newer rules it has another turn.

    In the order of the last observations, which tells what a pod fails by now (``current_failure``).
    """
    best: dict[object, Observation] = {}
    for observation in observations:
        key = (observation.failure.key, observation.failure.ended_instances, observation.reclassified)
        known = best.pop(key, observation)
        surest = observation if _rank(observation) >= _rank(known) else known
        best[key] = msgspec.structs.replace(surest, observed_at=observation.observed_at)
    return best.values()


def _rank(observation: Observation) -> int:
    return CONFIDENCE_RANK[observation.failure.verdict.confidence]
