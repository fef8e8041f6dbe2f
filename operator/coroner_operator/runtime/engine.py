"""The parts put together: what starts in which order, and what ends in which."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from coroner_categorizer import Categorizer, Event, Pod
from coroner_categorizer.objects.event import REPORTING_CONTROLLER
from coroner_operator.config.label_selector import parse_selector
from coroner_operator.config.rules_files import RuleFileContents, RuleFiles
from coroner_operator.config.rules_reloader import Reloader
from coroner_operator.config.settings import Settings
from coroner_operator.controller.classification import Classifier
from coroner_operator.controller.failing_workloads import FailingWorkloads
from coroner_operator.controller.opt_out import Namespace, OptOut
from coroner_operator.controller.pod_cache import FailingPodCache
from coroner_operator.controller.pod_controller import PodController
from coroner_operator.controller.pod_uids import ExistingPods
from coroner_operator.controller.recovery import Recovery
from coroner_operator.controller.workload_health import HealthReader, SuccessReader
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import ApiError, Forbidden, NotFound
from coroner_operator.kube.event_cache import EventCache
from coroner_operator.kube.list_watch import Consumer, ListWatch
from coroner_operator.kube.owner_resolver import OwnerResolver
from coroner_operator.kube.resources import EVENT, NAMESPACE, POD, REPORT, Resource
from coroner_operator.model.workload_ref import PodKey, WorkloadRef, report_name
from coroner_operator.publish.event_recorder import Recorder
from coroner_operator.publish.event_series import Regarding
from coroner_operator.publish.publisher import Publisher
from coroner_operator.reports.cache import ReportCache
from coroner_operator.reports.expiry_index import ApiReportIndex, ReportSummary
from coroner_operator.reports.report_limit import ReportLimit
from coroner_operator.reports.report_watch import ReportObject, ReportWatch
from coroner_operator.reports.retention import Retention
from coroner_operator.reports.schema_gate import SchemaGate
from coroner_operator.reports.store import ApiReportStore, ReportStore
from coroner_operator.reports.workload_existence import ApiExistenceChecker
from coroner_operator.reports.writer import PodEnd, ReportWriter
from coroner_operator.runtime.lease_thread import leadership
from coroner_operator.telemetry.health_server import HealthServer
from coroner_operator.telemetry.metrics import Metrics

log = logging.getLogger("coroner.engine")

WARNINGS = {"fieldSelector": f"type=Warning,reportingComponent!={REPORTING_CONTROLLER}"}
DRAIN_SHARE = 0.3  # of the time that is left at the end: pods must be processed before the last write
NAMESPACES_TIMEOUT = 10.0  # s; an API server that lists pods lists namespaces too
PUBLISH_SHARE = 0.2  # … and what follows a report, after it


class Engine:
    """One operator, without kopf: ``listen()``, ``start()``, ``stop()``; ``ended`` if something broke in between."""

    def __init__(
        self,
        settings: Settings,
        client: Client,
        categorizer: Categorizer,
        *,
        store: ReportStore | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        back_off: Callable[[], BackOff] = BackOff,
        contents: RuleFileContents | None = None,
    ) -> None:
        """``contents``: of the files that the categorizer was made from, if known. Raises ClientError."""
        self.metrics = Metrics(
            categorizer.hash,
            categorizer.names,
            categorizer.redactor.types,
            namespaces=settings.metrics_namespaces,
            nodes=settings.metrics_nodes,
            series_limit=settings.metrics_series,
            scrape_interval=settings.metrics_scrape_interval,
        )
        client.on_response = self.metrics.observe_request
        back_off = _counted(back_off, self.metrics.count_retry)
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Has an exception as soon as a part has ended that never should."""
        self._settings = settings
        self._back_off = back_off
        self.leadership = leadership(settings, client.configuration, self.metrics.set_leader)
        client.write_allowed_for = lambda: self.leadership.remaining
        store = store or ApiReportStore(client, settings.namespaces, now)
        self.reports = ReportCache(store, self.metrics.show_report)
        self._publisher = Publisher(
            client,
            settings,
            self.reports,
            self.metrics,
            categorizer.redactor,
            back_off,
            now,
            on_readable=self._on_readable,
        )
        self._schema_gate = SchemaGate(client, self.metrics, back_off=back_off())
        existing_pods = ExistingPods(settings.namespaces, now)
        failing = FailingWorkloads(self.reports)
        self._opt_out = OptOut(
            settings.excluded_namespaces,
            parse_selector(settings.pod_selector),
            self._on_namespace_included,
        )
        self._owners = OwnerResolver(client, back_off, self._publisher.kinds, self._opt_out.on_owner_read)
        index = ApiReportIndex(client, settings.namespaces)

        def existence_checker(namespace: str) -> ApiExistenceChecker:
            return ApiExistenceChecker(client, self._owners, namespace)

        self._report_limit = ReportLimit(
            self.reports,
            index,
            existence_checker,
            per_namespace=settings.reports_per_namespace,
            on_deleted=self._forget_report,
            on_full=self._on_reports_full,
            on_room=self._on_room,
        )
        self.writer = ReportWriter(
            store,
            self.reports,
            settings,
            metrics=self.metrics,
            failing_pods=failing.failing_pods,
            pod_end=self._pod_end,
            prune=existing_pods.prune,
            on_written=self._publisher.publish,
            may_create=self._report_limit.admits,
            schema_ready=self._schema_gate.schema_ok,
            now=now,
            back_off=back_off,
        )
        self._recovery = Recovery(
            HealthReader(client, self._publisher.path_of),
            failing,
            self.reports,
            self.writer,
            recovery_after=settings.recovery_after,
        )
        events = EventCache(client, existing_pods.exists)
        self._classifier = Classifier(
            categorizer,
            client,
            events,
            now,
            self._opt_out.ignores_template,
            self._publisher.path_of,
            settings.grace_periods.patience,
            SuccessReader(client, self._owners.chain_of, self._publisher.path_of).succeeded_owner,
        )
        self._controller = PodController(
            settings,
            classifier=self._classifier,
            events=events,
            owners=self._owners,
            existing_pods=existing_pods,
            pod_cache=FailingPodCache(client),
            reports=self.reports,
            writer=self.writer,
            recovery=self._recovery,
            errors=self.metrics,
            opt_out=self._opt_out,
            now=now,
        )
        self._reloader = Reloader(
            RuleFiles(settings.rules, settings.redaction),
            contents,
            on_reload=self._on_rules_reloaded,
            warn=lambda reason, note: self.recorder.warn(None, reason, note),
            counts=self.metrics,
        )
        self._retention = Retention(
            index,
            existence_checker,
            retention=settings.retention,
            per_namespace=settings.reports_per_namespace,
            on_deleted=self._on_report_expired,
            is_ignored=self._opt_out.ignores_report,
            on_workload_deleted=self._recovery.on_deleted,
            now=now,
        )
        scopes: tuple[str | None, ...] = settings.namespaces or (None,)
        self._client = client
        self._namespace_stream = self._stream(client, NAMESPACE, Namespace, consumer=self._opt_out, namespace=None)
        pods = {"labelSelector": settings.pod_selector} if settings.pod_selector.strip() else {}
        consumer = _PodConsumers(self._controller.pods, self.metrics.ended_workloads)
        self._pod_streams = [
            self._stream(client, POD, Pod, consumer=consumer, namespace=n, selector=self._included(pods))
            for n in scopes
        ]
        report_watch = ReportWatch(self.reports.on_changed, self.report_deleted, self.reports.names)
        self._report_streams = [
            self._stream(client, REPORT, ReportObject, consumer=report_watch, namespace=n) for n in scopes
        ]
        self._event_streams = [
            self._stream(
                client,
                EVENT,
                Event,
                consumer=self._controller.events,
                namespace=n,
                selector=self._included(WARNINGS, keep="default"),
            )
            for n in scopes
        ]
        self._health = HealthServer(self.metrics, self._problem, self._unready)
        self._loaded = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._leadership_task: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def recorder(self) -> Recorder:
        """For the operator's own troubles: ``recorder.warn(None, "InvalidRules", …)``."""
        return self._publisher.recorder

    @property
    def ports(self) -> dict[str, int]:
        """Address as set → port that is served."""
        return self._health.ports

    async def listen(self) -> None:
        """Serve probes and metrics. Raises OSError where a port cannot be had."""
        await self._health.start(self._settings.health_address, self._settings.metrics_address)

    def start(self) -> None:
        """Begin to work; what cannot be reached yet is tried again."""
        self.writer.start()
        self._report_limit.start()
        self._publisher.start()
        self._controller.start()
        self._leadership_task = asyncio.create_task(self.leadership.run(), name="leadership")
        self._monitor(self._leadership_task)
        self._spawn(self._schema_gate.run(), "schema")
        self._spawn(self._reloader.run(), "reloading of rules")
        self._spawn(self._run(), "engine")

    async def stop(self) -> bool:
        """End the streams, process what has arrived, write what is gathered. False: something could not be written.

        We lead until the last write; then the next may at once. After leadership is lost nothing is written.
        """
        self._stopping = True
        timeout = self._settings.shutdown_timeout if self.leadership.remaining > 0 else 0.0
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._report_limit.close()
        await self._controller.drain(timeout * DRAIN_SHARE)
        await self._owners.close()
        await self._recovery.close()
        all_written = await self.writer.flush(timeout * (1 - DRAIN_SHARE - PUBLISH_SHARE))
        await self._publisher.close(timeout * PUBLISH_SHARE)
        if self._leadership_task is not None:
            self._leadership_task.cancel()
            await asyncio.gather(self._leadership_task, return_exceptions=True)
        await self.leadership.release()
        await self._health.stop()
        return all_written

    def report_deleted(self, namespace: str, name: str) -> None:
        """Somebody deleted a report. What it showed and still fails is reported again."""
        workload = self.reports.forget(namespace, name)
        if workload is not None:
            self._controller.resync(workload)
        self._report_limit.report_deleted(namespace)

    async def synced(self) -> None:
        """All that exists has been listed and handed on once."""
        await self._loaded.wait()
        for stream in (*self._pod_streams, *self._event_streams):
            await stream.synced.wait()

    async def _run(self) -> None:
        await self.leadership.leading.wait()
        await self._schema_gate.schema_ok.wait()
        await self._load()
        self._reloader.reannounce()
        self._spawn(self._publisher.run(), "kinds of workloads")
        await self._publisher.kinds.answered()  # a pod keeps the workload that is found for it first
        for workload in self.reports.failing:
            self._recovery.track(workload)
        for workload in self.reports.failed:
            self._recovery.track_failed(workload)
        for workload in self.reports.with_stale_labels:
            self.writer.relabel(workload)
        await self._watch_namespaces()
        for stream in (*self._report_streams, *self._pod_streams, *self._event_streams):
            self._spawn(stream.run(), f"stream of {stream}")
        for stream in self._pod_streams:
            await stream.synced.wait()
        self._recovery.start()
        for workload in self.reports.not_final:
            self.writer.reselect(workload)
        self._spawn(self._retention.run(), "retention")
        await asyncio.Event().wait()

    async def _load(self) -> None:
        """The ledgers first: without them the first write would count again what is counted already."""
        back_off = self._back_off()
        while True:
            try:
                count = await self.reports.load(self._classifier.categorizer.hash, self._owners.remember)
                break
            except ApiError as error:
                wait = back_off.next(error.retry_after)
                log.warning("reports cannot be read: %s; again in %.1f s", error, wait)
                await asyncio.sleep(wait)
        log.info("%d reports, %d of failing workloads", count, len(self.reports.failing))
        self._loaded.set()

    async def _watch_namespaces(self) -> None:
        """Know which namespaces are ignored before their pods are listed, unless that takes too long."""
        if self._settings.namespaces:  # those were chosen; a role in them allows no watch of namespaces
            return
        try:
            await self._client.get(NAMESPACE.path(), {"limit": 1}, timeout_seconds=NAMESPACES_TIMEOUT)
        except (Forbidden, NotFound) as error:
            log.warning("the annotation coroner.dev/ignore has no effect on namespaces: %s", error)
            return
        except ApiError:
            pass  # the list-watch logs it, and retries
        self._spawn(self._namespace_stream.run(), "stream of namespaces")
        with suppress(TimeoutError):
            async with asyncio.timeout(NAMESPACES_TIMEOUT):
                await self._namespace_stream.synced.wait()

    def _on_namespace_included(self, namespace: str) -> None:
        self._controller.on_namespace_included(namespace)

    def _included(self, selector: dict[str, str], keep: str = "") -> dict[str, str]:
        """The selector of a stream, without the excluded namespaces. ``keep``: where Events about nodes are."""
        excluded = "" if self._settings.namespaces else self._opt_out.field_selector(keep)
        fields = ",".join(filter(None, (selector.get("fieldSelector"), excluded)))
        return {**selector, "fieldSelector": fields} if fields else selector

    def _on_rules_reloaded(self, categorizer: Categorizer) -> None:
        """New rules: in one step, between two classifications. What fails now is classified again."""
        self._classifier.categorizer = categorizer
        self.recorder.redactor = categorizer.redactor
        self.metrics.set_rules(categorizer.hash, categorizer.names, categorizer.redactor.types)
        self.reports.on_rules_changed()
        self._controller.reclassify_all()

    def _pod_end(self, pod: PodKey) -> PodEnd:
        return self._controller.pod_end(pod)

    def _on_readable(self, workload: WorkloadRef) -> None:
        """Its kind can be read now: perhaps its status says that it has ended."""
        self._recovery.check_soon(workload)

    def _on_report_expired(self, summary: ReportSummary, reason: str) -> None:
        self._forget_report(summary, reason)
        if reason == "ignored":
            self._publisher.retract(summary.workload)
        self._report_limit.report_deleted(summary.workload.namespace)

    def _forget_report(self, summary: ReportSummary, reason: str) -> None:
        self.reports.forget(summary.workload.namespace, summary.name)
        self.metrics.count_deleted_report(reason)

    def _on_room(self, workload: WorkloadRef) -> None:
        self._controller.resync(workload)

    def _on_reports_full(self, workload: WorkloadRef, limit: int) -> None:
        report = Regarding(REPORT.group_version, REPORT.kind, workload.namespace, report_name(workload))
        note = f"{workload} failed and has no report: the namespace has {limit} of them, all of workloads that exist."
        self.recorder.warn(report, "TooManyReports", note)

    def _stream(
        self,
        client: Client,
        resource: Resource,
        type_: Any,
        *,
        consumer: Any,
        namespace: str | None,
        selector: Any = None,
    ) -> ListWatch[Any]:
        return ListWatch(
            client,
            resource.plural,
            resource.path(namespace or ""),
            type_,
            consumer=consumer,
            metrics=self.metrics,
            namespace=namespace,
            selector=selector,
            back_off=self._back_off(),
        )

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        self._monitor(task)

    def _monitor(self, task: asyncio.Task[None]) -> None:
        task.add_done_callback(self._on_end)

    def _on_end(self, task: asyncio.Task[None]) -> None:
        if self._stopping or self.ended.done():
            return
        error = None if task.cancelled() else task.exception()
        log.critical("%s has ended: %r", task.get_name(), error)
        self.ended.set_exception(error or RuntimeError(f"{task.get_name()} has ended"))

    def _problem(self) -> str:
        return "a part of the operator has ended" if self.ended.done() else ""

    def _unready(self) -> str:
        if self._stopping:
            return "stopping"
        if self._schema_gate.reason:
            return self._schema_gate.reason
        if not self.leadership.leading.is_set():
            return "" if self.leadership.observed.is_set() else "who leads is not known yet"
        if not self._loaded.is_set():
            return "the reports are not loaded yet"
        waiting = [str(s) for s in (*self._pod_streams, *self._event_streams) if not s.synced.is_set()]
        return f"not listed yet: {', '.join(waiting)}" if waiting else ""


class _PodConsumers:
    """Pass what a stream of pods delivers to each of several consumers, in their order."""

    def __init__(self, *consumers: Consumer[Pod]) -> None:
        self._consumers = consumers

    def on_update(self, pod: Pod) -> None:
        for consumer in self._consumers:
            consumer.on_update(pod)

    def on_delete(self, pod: Pod) -> None:
        for consumer in self._consumers:
            consumer.on_delete(pod)

    def on_list(self, namespace: str | None, uids: set[str]) -> None:
        for consumer in self._consumers:
            consumer.on_list(namespace, uids)


def _counted(make: Callable[[], BackOff], on_retry: Callable[[], None]) -> Callable[[], BackOff]:
    """Makes back-offs whose waits are counted."""

    def counted() -> BackOff:
        back_off = make()
        back_off.on_retry = on_retry
        return back_off

    return counted
