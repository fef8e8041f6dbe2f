"""How many workloads have ended, by outcome: without those that succeeded, a number of failures says little.

A workload here is the controller of a pod (a Job, not the CronJob above it) or a bare pod: its owners are read for pods
that fail only. It counts once for each outcome of its pods. Pods with restartPolicy Always never end, and do not count.

A LIST shows again what ended long ago, so what counted is remembered: the ``REMEMBERED`` that ended last. What is not
among them and ended no later than the last that was forgotten has counted already, or ended before this process began.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from coroner_categorizer.objects.pod import Pod
from coroner_categorizer.objects.times import newest
from coroner_operator.config.presets import Outcome

REMEMBERED = 20_000  # outcomes of workloads, 5 MB; of one that is forgotten a pod that ends later counts again
CLOCK_SLACK = timedelta(seconds=2)  # the clock of a node may be a little behind, and it records whole seconds

_OUTCOMES: dict[str, Outcome] = {"Succeeded": "succeeded", "Failed": "failed"}


class _Key(NamedTuple):
    uid: str
    """Of the controller, or of a bare pod."""
    outcome: Outcome


class EndedWorkloads(Collector):
    """A consumer of the streams of pods. What had ended before the first list was complete does not count."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._listed: set[str | None] = set()
        self._known: dict[_Key, datetime] = {}
        """When the last pod with that outcome ended."""
        self._by_end: list[tuple[datetime, _Key]] = []
        """A heap of what is known; it has entries whose time is not that of ``_known`` any more."""
        self._counted_until = now() - CLOCK_SLACK
        """What ended until then and is not known does not count."""
        self._counts: Counter[Outcome] = Counter()

    def on_update(self, pod: Pod) -> None:
        outcome = _OUTCOMES.get(pod.status.phase)
        metadata = pod.metadata
        if outcome is None or pod.spec.restartPolicy == "Always" or metadata.annotations.is_ignored:
            return
        if metadata.deletionTimestamp is not None:  # it was stopped
            return
        uid = next((owner.uid for owner in metadata.ownerReferences if owner.controller), "") or metadata.uid
        key, ended_at = _Key(uid, outcome), _ended_at(pod)
        if ended_at is None:
            return
        if key not in self._known:
            if ended_at <= self._counted_until:
                return
            if None in self._listed or metadata.namespace in self._listed:
                self._counts[outcome] += 1
        self._remember(key, min(ended_at, self._now()))  # the clock of a node may be wrong

    def on_delete(self, pod: Pod) -> None:
        """A pod may end and be gone before its end was shown."""
        self.on_update(pod)

    def on_list(self, namespace: str | None, uids: set[str]) -> None:
        self._listed.add(namespace)

    def describe(self) -> Iterable[Metric]:
        return (self._family(),)

    def collect(self) -> Iterable[Metric]:
        family = self._family()
        for outcome in _OUTCOMES.values():
            family.add_metric((outcome,), self._counts[outcome])
        return (family,)

    def _family(self) -> CounterMetricFamily:
        help_ = "Controllers of pods, and bare pods, of which a pod has ended; each once for each outcome."
        return CounterMetricFamily("coroner_workloads_ended", help_, labels=["outcome"])

    def _remember(self, key: _Key, ended_at: datetime) -> None:
        before = self._known.get(key)
        if before is not None and before >= ended_at:
            return
        self._known[key] = ended_at
        heappush(self._by_end, (ended_at, key))
        while len(self._known) > REMEMBERED:
            self._forget_first()
        if len(self._by_end) > 2 * REMEMBERED:
            self._by_end = [(at, key) for key, at in self._known.items()]
            heapify(self._by_end)

    def _forget_first(self) -> None:
        ended_at, key = heappop(self._by_end)
        if self._known.get(key) == ended_at:
            del self._known[key]
            self._counted_until = max(self._counted_until, ended_at)


def _ended_at(pod: Pod) -> datetime | None:
    """When the pod ended; None where it has no time at all, which no API server serves.

    The end of its last container; of one without (rejected by the node, or deleted with it) its last condition.
    """
    status, created = pod.status, pod.metadata.creationTimestamp
    ends = (s.state.terminated for s in (*status.containerStatuses, *status.initContainerStatuses))
    ended_at = newest(end.finishedAt for end in ends if end is not None)
    if ended_at is None:
        ended_at = newest(condition.lastTransitionTime for condition in status.conditions)
    return newest((ended_at, status.startTime, created))
