"""The metrics for Prometheus. Labels come from closed sets: never the name of a pod, a node or a workload.

Categories are a closed set too: those of the rules in use, at most ``CATEGORY_LIMIT`` pairs, then "other".
"""

from __future__ import annotations

import time
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

CATEGORY_LIMIT = 500  # pairs; the default pack has about 100, a site's own rules rarely more

WriteOutcome = Literal["written", "unchanged", "conflict", "retried", "dropped", "refused"]

disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """All metrics of one operator, in a registry of its own: two operators in one process stay apart."""

    def __init__(self, rules_hash: str = "") -> None:
        self.registry = CollectorRegistry()
        self._pairs: set[tuple[str, str]] = set()
        self._failures = Counter(
            "coroner_failures", "Failures, each counted once.", ("category", "subcategory"), registry=self.registry
        )
        self._writes = Counter("coroner_writes", "Writes of reports, by outcome.", ("outcome",), registry=self.registry)
        self._workload_writes = Counter(
            "coroner_workload_writes",
            "Writes to the status of workloads, by outcome.",
            ("outcome",),
            registry=self.registry,
        )
        self._events = Counter("coroner_events", "Kubernetes Events, by outcome.", ("outcome",), registry=self.registry)
        self._delay = Histogram(
            "coroner_write_delay_seconds",
            "From the first unwritten observation of a workload's failure to the write that contains it.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60),
            registry=self.registry,
        )
        self._queue = Gauge("coroner_queue_length", "Workloads with pending writes.", registry=self.registry)
        self._last_event = Gauge(
            "coroner_last_event_timestamp_seconds",
            "When the last watch event of a kind was received, bookmarks included.",
            ("kind",),
            registry=self.registry,
        )
        self._restarts = Counter(
            "coroner_watch_restarts",
            "Watches that were restarted, by reason.",
            ("kind", "reason"),
            registry=self.registry,
        )
        self._too_large = Counter(
            "coroner_objects_too_large",
            "States of objects that were left out because the object is too large to be read.",
            ("kind",),
            registry=self.registry,
        )
        self._errors = Counter(
            "coroner_errors", "Exceptions while a pod or workload was processed.", registry=self.registry
        )
        self._deferred = Counter(
            "coroner_deferred",
            "Pods and workloads that could not be processed at once and are processed later, by reason.",
            ("reason",),
            registry=self.registry,
        )
        self._leader = Gauge("coroner_leader", "1 on the replica that is the leader.", registry=self.registry)
        self._reload_failures = Counter(
            "coroner_rules_reload_failures", "Reloads of rules that were rejected.", registry=self.registry
        )
        self._last_reload = Gauge(
            "coroner_rules_last_reload_success",
            "1 if the rules in use are those of the files, 0 if the files were rejected.",
            registry=self.registry,
        )
        self._last_reload.set(1)
        self._deleted = Counter(
            "coroner_reports_deleted",
            "Reports of deleted workloads that were deleted for their age or number.",
            ("reason",),
            registry=self.registry,
        )
        self._info = Gauge(
            "coroner_build_info",
            "Always 1; version and hash of the rules as labels.",
            ("version", "rules"),
            registry=self.registry,
        )
        self.set_rules_hash(rules_hash)

    def set_rules_hash(self, rules_hash: str) -> None:
        """The rules in use have this hash."""
        self._info.clear()
        self._info.labels(_version(), rules_hash).set(1)

    def count_error(self) -> None:
        self._errors.inc()

    def count_deferred(self, reason: str) -> None:
        self._deferred.labels(reason).inc()

    def set_queue_length(self, length: int) -> None:
        self._queue.set(length)

    def set_leader(self, leads: bool) -> None:
        self._leader.set(leads)

    def count_reload(self, succeeded: bool) -> None:
        self._last_reload.set(succeeded)
        if not succeeded:
            self._reload_failures.inc()

    def count_deleted_report(self, reason: str) -> None:
        self._deleted.labels(reason).inc()

    def count_failures(self, category: str, subcategory: str, count: int = 1) -> None:
        pair = (category, subcategory)
        if pair not in self._pairs and len(self._pairs) >= CATEGORY_LIMIT:
            pair = ("other", "other")
        self._pairs.add(pair)
        self._failures.labels(*pair).inc(count)

    def count_write(self, outcome: WriteOutcome) -> None:
        self._writes.labels(outcome).inc()

    def count_workload_write(self, outcome: str) -> None:
        self._workload_writes.labels(outcome).inc()

    def count_event(self, outcome: str) -> None:
        self._events.labels(outcome).inc()

    def observe_write_delay(self, seconds: float) -> None:
        self._delay.observe(seconds)

    def event_received(self, kind: str) -> None:
        self._last_event.labels(kind).set(time.time())

    def restarted(self, kind: str, reason: str) -> None:
        self._restarts.labels(kind, reason).inc()

    def too_large(self, kind: str) -> None:
        self._too_large.labels(kind).inc()

    def exposition(self) -> bytes:
        """The text format that Prometheus scrapes."""
        return generate_latest(self.registry)


def _version() -> str:
    try:
        return version("coroner-operator")
    except PackageNotFoundError:  # run from a source tree
        return "unknown"
