"""The metrics for Prometheus. Labels come from closed sets, but for namespaces, kinds and nodes, which are bounded.

``failure_series`` and ``node_failures`` bound those. No label has the name of a pod or a workload.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from coroner_operator.model.failure_record import FailureRecord
from coroner_operator.model.report import Report
from coroner_operator.model.workload_ref import WorkloadRef
from coroner_operator.telemetry.ended_workloads import EndedWorkloads
from coroner_operator.telemetry.failure_series import OTHER, SCRAPE_INTERVAL, SERIES_LIMIT, FailureSeries, Name
from coroner_operator.telemetry.node_failures import NodeFailures

WriteOutcome = Literal["written", "unchanged", "conflict", "retried", "dropped", "refused"]
EventOutcome = Literal["created", "counted", "dropped"]

_OUTCOMES: tuple[WriteOutcome, ...] = get_args(WriteOutcome)
_EVENT_OUTCOMES: tuple[EventOutcome, ...] = get_args(EventOutcome)
_METHODS = ("GET", "PATCH", "POST", "PUT", "DELETE")
_MARK = re.compile(r"\[redacted:([a-z0-9-]{1,63})\]")

disable_created_metrics()  # type: ignore[no-untyped-call] # Prometheus would store each as a series of its own


class Metrics:
    """All metrics of one operator, in a registry of its own: two operators in one process stay apart."""

    def __init__(
        self,
        rules_hash: str = "",
        names: Iterable[Name] = (),
        redactions: Iterable[str] = (),
        *,
        namespaces: bool = True,
        nodes: bool = True,
        series_limit: int = SERIES_LIMIT,
        scrape_interval: float = SCRAPE_INTERVAL,
    ) -> None:
        """``names``: categories and subcategories of the rules; ``redactions``: types of marks. The rest: settings."""
        self.registry = CollectorRegistry()
        self._failures = FailureSeries(
            names, namespaces=namespaces, limit=series_limit, scrape_interval=scrape_interval
        )
        self.registry.register(self._failures)
        self.ended_workloads = EndedWorkloads()
        """A consumer of the streams of pods."""
        self.registry.register(self.ended_workloads)
        self._nodes = NodeFailures()
        if nodes:
            self.registry.register(self._nodes)
        self._report_delay = Histogram(
            "coroner_report_delay_seconds",
            "From a failure, to the second, to the write of the report that shows it.",
            buckets=(1, 2, 5, 10, 30, 60, 120, 300, 600, 1800),
            registry=self.registry,
        )
        self._redaction_types = frozenset(redactions)
        self._redactions = Counter(
            "coroner_redactions",
            "Secrets that were removed from the texts of failures, by type.",
            ("type",),
            registry=self.registry,
        )
        self._requests = Counter(
            "coroner_api_requests",
            'Requests to the API server without watches, by HTTP status; "error" = no response.',
            ("method", "code"),
            registry=self.registry,
        )
        self._request_duration = Histogram(
            "coroner_api_request_duration_seconds",
            "How long requests to the API server took, without watches.",
            ("method",),
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self._retries = Counter(
            "coroner_retries", "Waits before a failed request is tried again.", registry=self.registry
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
        self._begin_at_zero()
        self.set_rules(rules_hash, names, redactions)

    def _begin_at_zero(self) -> None:
        """Series whose labels are known exist from the start: ``increase()`` does not see the first value of one."""
        for outcome in _OUTCOMES:
            self._writes.labels(outcome)
        for event_outcome in _EVENT_OUTCOMES:
            self._events.labels(event_outcome)
        for method in _METHODS:
            self._request_duration.labels(method)
        self._redactions.labels(OTHER)  # of former rules

    def set_rules(self, rules_hash: str, names: Iterable[Name] = (), redactions: Iterable[str] = ()) -> None:
        """The rules in use have this hash, these categories and subcategories, and these types of marks."""
        self._info.clear()
        self._info.labels(_version(), rules_hash).set(1)
        self._failures.set_names(names)
        self._redaction_types = frozenset(redactions)
        for type_ in self._redaction_types:
            self._redactions.labels(type_)

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

    def count_failures(self, workload: WorkloadRef, category: str, subcategory: str, count: int = 1) -> None:
        self._failures.count(workload, category, subcategory, count)

    def show_report(self, name: str, workload: WorkloadRef, report: Report | None) -> None:
        """The workload's report has this name, and says this; None: it was deleted."""
        self._failures.on_report(name, workload, report)
        for record in report.history if report else ():
            if record.pod is not None and record.pod.node:
                self._nodes.observe(record.pod.node, workload.key, record.verdict, record.at)

    def count_redactions(self, records: Iterable[FailureRecord]) -> None:
        for record in records:
            for type_, count in _marks(record).items():
                self._redactions.labels(type_ if type_ in self._redaction_types else OTHER).inc(count)

    def observe_report_delay(self, seconds: float) -> None:
        self._report_delay.observe(seconds)

    def observe_request(self, method: str, status: int, seconds: float) -> None:
        """``status``: of HTTP; 0 = there was no response."""
        method = method if method in _METHODS else OTHER
        self._requests.labels(method, str(status) if 100 <= status <= 599 else "error").inc()
        self._request_duration.labels(method).observe(seconds)

    def count_retry(self) -> None:
        self._retries.inc()

    def count_write(self, outcome: WriteOutcome) -> None:
        self._writes.labels(outcome).inc()

    def count_workload_write(self, outcome: str) -> None:
        self._workload_writes.labels(outcome).inc()

    def count_event(self, outcome: EventOutcome) -> None:
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
        """The text format of Prometheus."""
        return generate_latest(self.registry)

    def openmetrics(self) -> bytes:
        """The text format of OpenMetrics 1.0."""
        return bytes(generate_openmetrics(self.registry))  # type: ignore[no-untyped-call]


def _marks(record: FailureRecord) -> dict[str, int]:
    """How many secrets of each type were removed; the same text may be in several fields."""
    verdict, most = record.verdict, dict[str, int]()
    texts = (verdict.message, verdict.hint, verdict.termination_message or "", *(e.text for e in verdict.evidence))
    for text in texts:
        if "[redacted:" in text:
            found = _MARK.findall(text)
            most |= {type_: max(found.count(type_), most.get(type_, 0)) for type_ in found}
    return most


def _version() -> str:
    try:
        return version("coroner-operator")
    except PackageNotFoundError:  # run from a source tree
        return "unknown"
