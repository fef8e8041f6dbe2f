"""How many workloads have ended, by outcome: without those that succeeded, a number of failures says little.

A workload here is the controller of a pod (a Job, not the CronJob above it) or a bare pod: its owners are read for pods
that fail only. It counts once for each outcome of its pods. Pods with restartPolicy Always never end, and do not count.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from coroner_categorizer.objects.pod import Pod
from coroner_operator.config.presets import Outcome

REMEMBERED = 20_000  # outcomes of workloads; of more, a repeated list counts the oldest a second time

_OUTCOMES: dict[str, Outcome] = {"Succeeded": "succeeded", "Failed": "failed"}


class EndedWorkloads(Collector):
    """A consumer of the streams of pods. What had ended before the first list was complete does not count."""

    def __init__(self) -> None:
        self._listed: set[str | None] = set()
        self._known: OrderedDict[tuple[str, Outcome], None] = OrderedDict()
        self._counts: Counter[Outcome] = Counter()

    def on_update(self, pod: Pod) -> None:
        outcome = _OUTCOMES.get(pod.status.phase)
        metadata = pod.metadata
        if outcome is None or pod.spec.restartPolicy == "Always" or metadata.annotations.is_ignored:
            return
        if metadata.deletionTimestamp is not None:  # it was stopped
            return
        key = next((owner.uid for owner in metadata.ownerReferences if owner.controller), "") or metadata.uid, outcome
        if key in self._known:
            return
        self._known[key] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        if None in self._listed or metadata.namespace in self._listed:
            self._counts[outcome] += 1

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
