"""Where a verdict is published beyond the report: builds the parts, and republishes when a kind becomes available."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Protocol

from coroner_categorizer.redaction.redactor import Redactor
from coroner_operator.config.settings import Settings
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import Client, service_account_namespace
from coroner_operator.kube.list_watch import WatchMetrics
from coroner_operator.kube.paths import ResourcePath
from coroner_operator.kube.workqueue import WorkQueue
from coroner_operator.model.report import Report
from coroner_operator.model.workload_ref import WorkloadRef
from coroner_operator.publish.event_recorder import EventMetrics, Recorder
from coroner_operator.publish.event_renewal import EventRenewal, Reports
from coroner_operator.publish.event_series import Regarding
from coroner_operator.publish.notifier import Notifier
from coroner_operator.publish.target_kinds import TargetKinds
from coroner_operator.publish.target_schema import TargetKind
from coroner_operator.publish.workload_status import WorkloadStatusWriter, WriteMetrics

log = logging.getLogger("coroner.publisher")


class PublishMetrics(WriteMetrics, EventMetrics, WatchMetrics, Protocol):
    """What the operator's metrics count for this package."""


class ReportSource(Reports, Protocol):
    """The reports that exist."""

    @property
    def workloads(self) -> Iterable[WorkloadRef]: ...

    @property
    def failing(self) -> Iterable[WorkloadRef]:
        """Workloads whose report says that they fail."""
        ...


class Publisher:
    """``start()``, ``run()`` once the reports are loaded, ``publish()`` at any time, ``close()`` at the end."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        reports: ReportSource,
        metrics: PublishMetrics,
        redactor: Redactor,
        back_off: Callable[[], BackOff] = BackOff,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_readable: Callable[[WorkloadRef], None] = lambda workload: None,  # noqa: ARG005 - nobody listens
    ) -> None:
        """``on_readable(workload)`` is called when the kind of a workload that has a report has become readable."""
        self._on_readable = on_readable
        self.recorder = Recorder(client, metrics, own=own_pod(), enabled=settings.events, redactor=redactor)
        self._has_events = settings.events
        self._reports = reports
        self.kinds = TargetKinds(client, settings, on_change=self._kind_changed, metrics=metrics, back_off=back_off)
        self._status_writer = WorkloadStatusWriter(
            client,
            self.kinds,
            metrics=metrics,
            on_gave_up=self._gave_up,
            back_off=back_off,
            interval=settings.workload_interval,
        )
        self._notifier = Notifier(self._status_writer, self.recorder, self.kinds)
        self._renewal = EventRenewal(reports, self._notifier.renew, back_off=back_off, now=now)
        self._republishing = WorkQueue(
            self._republish,
            name="republishing",
            group=lambda workload: workload.namespace,
            back_off=back_off,
            on_error=self._on_republish_error,
        )

    def start(self) -> None:
        self.recorder.start()
        self._renewal.start()

    def path_of(self, workload: WorkloadRef) -> ResourcePath | None:
        """As ``TargetKinds.path_of``."""
        return self.kinds.path_of(workload)

    async def run(self) -> None:
        """Keep the Events of what fails, watch the listed kinds, and apply the loaded reports to their objects.

        Ends only by cancellation.
        """
        for workload in self._reports.failing:
            self._keep_event(workload)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.kinds.run(), name="listed kinds")
            await self.kinds.answered()
            self._republishing.start()

    def publish(self, before: Report, after: Report) -> None:
        """The report was changed to ``after``, or could not be written although it should have been."""
        self._notifier.notify(before, after)
        if after.current is not None:
            self._keep_event(after.workload)

    def retract(self, workload: WorkloadRef) -> None:
        """The workload has no report any more: what its status says of it is removed."""
        self._status_writer.put(Report(workload))

    async def close(self, within: float) -> None:
        """Publish what is not published yet, within that many seconds."""
        await self._renewal.close()
        await self._republishing.close()
        await self._status_writer.close(within / 2)
        await self.recorder.close(within / 2)

    def _keep_event(self, workload: WorkloadRef) -> None:
        if self._has_events:
            self._renewal.follow(workload)

    def _gave_up(self, workload: WorkloadRef, reason: str) -> None:
        self._notifier.on_gave_up(workload, reason)

    def _kind_changed(self, kind: TargetKind) -> None:
        """Publish again all reports on the kind, recovered ones too: an earlier run may have ended before its write."""
        for workload in self._reports.workloads:
            if self.kinds.kind_of(workload) == kind:
                self._republishing.add(workload)
                self._on_readable(workload)

    async def _republish(self, workload: WorkloadRef) -> None:
        if self.kinds.kind_of(workload) is None:
            return
        stored = await self._reports.get(workload)
        if stored is not None:
            self._notifier.update_status(stored.report)

    def _on_republish_error(self, workload: WorkloadRef, error: Exception, wait: float) -> None:
        log.info("%s/%s: cannot read its report: %s; retrying in %.1f s", workload.namespace, workload, error, wait)


def own_pod() -> Regarding | None:
    """The pod that this process runs in; None outside of a cluster. Its host name is its name.

    $POD_UID: without it `kubectl describe pod` does not show the Events about it, `kubectl get events` does.
    """
    name = os.environ.get("HOSTNAME", "")
    if "KUBERNETES_SERVICE_HOST" not in os.environ or not name:
        return None
    try:
        namespace = service_account_namespace()
    except OSError:
        return None
    return Regarding("v1", "Pod", namespace, name, os.environ.get("POD_UID", ""))
