"""The failures of workloads as series of Prometheus: bounded in number, and each at 0 before it is more.

Namespaces and kinds are the words of tenants, and so are the categories of a ledger that somebody has edited. At most
``limit`` combinations have series of their own, and of one namespace a tenth of that; what is beyond counts in the
series of its category in which namespace and kind are "other". Those exist from the start for all names of the rules.

``increase()`` sees no difference in a series that begins with 1. So a new series is shown at 0 until Prometheus has
scraped it: what it counts is held back for one scrape interval after it was first shown (docs/adr/0022).
"""

from __future__ import annotations

import re
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from coroner_operator.config.label_selector import LABEL_VALUE
from coroner_operator.model.report import Report
from coroner_operator.model.workload_ref import WorkloadRef

NAME_LIMIT = 500  # pairs of category and subcategory; the default pack has about 130, a site's own rules rarely more
SERIES_LIMIT = 5000  # combinations; 10,000 workloads have fewer, and each costs Prometheus about 4 KB
NAMESPACE_SHARE = 10  # of the limit, a tenth for one namespace: no tenant can use up the series of all
IDLE_SECONDS = 86400.0  # after a day without news a series is dropped: namespaces come and go
IDLE_AT_LIMIT = 3600.0  # … earlier where another one needs its place
SCRAPE_INTERVAL = 60.0  # s; as long as the longest that is common
REPEATED = 5  # failures of one workload for one reason; those after the first may come from its own back-off

OTHER = "other"
_LABEL_SAFE = re.compile(LABEL_VALUE)

Name = tuple[str, str]
"""Category and subcategory."""
State = Literal["Failing", "Failed"]


class Labels(NamedTuple):
    category: str
    subcategory: str
    namespace: str
    """"" where namespaces are switched off."""
    workload_kind: str


@dataclass(slots=True, eq=False)
class _Series:
    """Of one combination. Times are the clock's."""

    changed_at: float
    total: int = 0
    held: int = 0
    """Counted while Prometheus may not have seen the series at 0 yet."""
    shown_at: float | None = None
    """When an exposition contained it first."""
    is_known: bool = False
    """Prometheus has seen it at 0."""
    workloads: Counter[str] = field(default_factory=Counter)
    """By state, how many are in it now; 0 stays, so that a gauge falls to 0 and does not vanish."""
    repeating: int = 0

    @property
    def in_use(self) -> bool:
        return any(self.workloads.values())

    def release(self, now: float, scrape_interval: float) -> None:
        """Count what was held back, if Prometheus has had the time to see the 0. To be called before it is shown."""
        if self.is_known:
            return
        if self.shown_at is None:
            self.shown_at = now
        elif now - self.shown_at >= scrape_interval:
            self.total, self.held, self.is_known = self.total + self.held, 0, True


class _Workload(NamedTuple):
    """Where a workload is counted as failing."""

    series_key: Labels
    state: State
    repeats: bool


class FailureSeries(Collector):
    """``count()`` and ``on_report()`` cost the same however many series there are; ``collect()`` visits each."""

    def __init__(
        self,
        names: Iterable[Name] = (),
        *,
        namespaces: bool = True,
        limit: int = SERIES_LIMIT,
        scrape_interval: float = SCRAPE_INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``names``: those of the rules. ``scrape_interval``: seconds, at least that of Prometheus."""
        self._namespaces = namespaces
        self._limit = limit
        self._scrape_interval = scrape_interval
        self._clock = clock
        self._names: set[Name] = set()
        self._series: OrderedDict[Labels, _Series] = OrderedDict()
        """Those whose last news is the oldest first."""
        self._per_namespace: Counter[str] = Counter()
        self._overflow_series: dict[Labels, _Series] = {}
        """Of what is beyond the limit; they are never dropped."""
        self._workloads: dict[tuple[str, str], _Workload] = {}
        self._overflowed = 0
        self._reserve(OTHER, OTHER)
        self.set_names(names)

    def set_names(self, names: Iterable[Name]) -> None:
        """The rules in use have these categories and subcategories."""
        for name in sorted(names):
            if name not in self._names and len(self._names) < NAME_LIMIT:
                self._names.add(name)
                self._reserve(*name)

    def count(self, workload: WorkloadRef, category: str, subcategory: str, failures: int = 1) -> None:
        """So many failures of the workload are in its report that were in none before."""
        series = self._series_at(self._series_key(self._labels(workload, category, subcategory), failures))
        if series.is_known:
            series.total += failures
        else:
            series.held += failures

    def on_report(self, name: str, workload: WorkloadRef, report: Report | None) -> None:
        """The workload's report has this name, and says this; None: it was deleted."""
        key = workload.namespace, name
        if report is not None and key not in self._workloads:
            for record in report.history:  # at 0 before it fails again, also after a restart
                self._series_key(self._labels(workload, record.verdict.category, record.verdict.subcategory))
        before, after = self._workloads.pop(key, None), self._counted_as(workload, report)
        if before is not None:
            self._move(before, -1)
        if after is not None:
            self._workloads[key] = after
            self._move(after, 1)

    def describe(self) -> Iterable[Metric]:
        """The families without series: what a registry asks for once."""
        return self._families()

    def collect(self) -> Iterable[Metric]:
        """Everything, as it is shown to Prometheus now."""
        now = self._clock()
        self._drop_idle(now, IDLE_SECONDS)
        total, failing, repeating, combinations, overflow = families = self._families()
        for labels, series in self._all():
            series.release(now, self._scrape_interval)
            values = self._values(labels)
            total.add_metric(values, series.total)
            for state, workloads in series.workloads.items():
                failing.add_metric((*values, state), workloads)
            if series.workloads:
                repeating.add_metric(values, series.repeating)
        combinations.add_metric((), len(self._series))
        overflow.add_metric((), self._overflowed)
        return families

    def _families(
        self,
    ) -> tuple[CounterMetricFamily, GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily, CounterMetricFamily]:
        names = [name for name in Labels._fields if self._namespaces or name != "namespace"]
        return (
            CounterMetricFamily("coroner_failures", "Failures, each counted once.", labels=names),
            GaugeMetricFamily(
                "coroner_failing_workloads",
                "Workloads that fail now (Failing) or have ended in failure (Failed), by their current failure.",
                labels=[*names, "state"],
            ),
            GaugeMetricFamily(
                "coroner_repeating_workloads",
                f"Workloads that fail now, {REPEATED} times or more for a cause that needs a change.",
                labels=names,
            ),
            GaugeMetricFamily("coroner_failure_series", "Combinations of labels of coroner_failures_total."),
            CounterMetricFamily(
                "coroner_failure_series_overflow",
                'Failures and workloads without a series of their own, counted with namespace and kind "other".',
            ),
        )

    def _values(self, labels: Labels) -> tuple[str, ...]:
        if self._namespaces:
            return labels
        return labels.category, labels.subcategory, labels.workload_kind

    def _all(self) -> Iterator[tuple[Labels, _Series]]:
        yield from self._overflow_series.items()
        yield from self._series.items()

    def _labels(self, workload: WorkloadRef, category: str, subcategory: str) -> Labels:
        """What is too long or no value of a Kubernetes label becomes "other"."""
        namespace = _safe(workload.namespace) if self._namespaces else ""
        if (category, subcategory) not in self._names:
            category, subcategory = _safe(category), _safe(subcategory) if subcategory else ""
        return Labels(category, subcategory, namespace, _safe(workload.kind))

    def _series_key(self, labels: Labels, counted: int = 0) -> Labels:
        """Where the combination is counted: in its own series, or in that of all without one. ``counted``: by this."""
        now = self._clock()
        if labels in self._overflow_series:
            return labels
        if labels not in self._series:
            if not self._has_room(labels.namespace, now):
                self._overflowed += counted
                return self._overflow_key(labels)
            self._series[labels] = _Series(now)
            self._per_namespace[labels.namespace] += 1
        self._series[labels].changed_at = now
        self._series.move_to_end(labels)
        return labels

    def _series_at(self, key: Labels) -> _Series:
        return self._overflow_series.get(key) or self._series[key]

    def _overflow_key(self, labels: Labels) -> Labels:
        name = labels.category, labels.subcategory
        return self._overflow_labels(*(name if name in self._names else (OTHER, OTHER)))

    def _overflow_labels(self, category: str, subcategory: str) -> Labels:
        return Labels(category, subcategory, OTHER if self._namespaces else "", OTHER)

    def _reserve(self, category: str, subcategory: str) -> None:
        """A series of the same labels, made before the name was known, becomes it: with what it has counted."""
        labels = self._overflow_labels(category, subcategory)
        if labels in self._overflow_series:
            return
        series = self._series.pop(labels, None)
        if series is not None:
            self._per_namespace -= Counter([labels.namespace])
        self._overflow_series[labels] = series or _Series(self._clock())

    def _has_room(self, namespace: str, now: float) -> bool:
        if self._namespaces and self._per_namespace[namespace] >= max(self._limit // NAMESPACE_SHARE, 1):
            return False
        if len(self._series) >= self._limit:
            self._drop_idle(now, IDLE_AT_LIMIT, at_most=1)
        return len(self._series) < self._limit

    def _drop_idle(self, now: float, idle_seconds: float, at_most: int | None = None) -> None:
        """Drop the series without news for so long, unless a workload fails in them: those count as news.

        ``at_most``: how many are looked at; None: all.
        """
        visited = len(self._series) if at_most is None else min(at_most, len(self._series))
        for _ in range(visited):
            labels, series = next(iter(self._series.items()))
            if now - series.changed_at < idle_seconds:
                return
            if series.in_use:
                series.changed_at = now
                self._series.move_to_end(labels)
                continue
            del self._series[labels]
            self._per_namespace -= Counter([labels.namespace])  # drops what falls to 0

    def _counted_as(self, workload: WorkloadRef, report: Report | None) -> _Workload | None:
        if report is None or report.current is None or report.state not in ("Failing", "Failed"):
            return None
        verdict = report.current.verdict
        key = self._series_key(self._labels(workload, verdict.category, verdict.subcategory), 1)
        state: State = "Failing" if report.state == "Failing" else "Failed"
        return _Workload(key, state, state == "Failing" and _repeats(report))

    def _move(self, workload: _Workload, by: int) -> None:
        series = self._series_at(workload.series_key)
        series.workloads[workload.state] += by
        series.repeating += by * workload.repeats


def _repeats(report: Report) -> bool:
    """Whether the workload fails again and again for what only a change of it can end."""
    current = report.current
    if current is None or current.verdict.retry != "NeedsChange":
        return False
    name = current.verdict.category, current.verdict.subcategory
    same = sum((record.verdict.category, record.verdict.subcategory) == name for record in report.history)
    return same >= REPEATED


def _safe(text: str) -> str:
    return text if _LABEL_SAFE.fullmatch(text) else OTHER
