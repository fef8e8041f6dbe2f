"""Where a verdict is told beyond the report: the parts put together, and told again when a kind is found."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from coroner_categorizer.redaction.redactor import Redactor
from coroner_operator.config.settings import Settings
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import ApiError
from coroner_operator.model.report import Report, WorkloadRef
from coroner_operator.publish.event_recorder import Recorder
from coroner_operator.publish.event_series import Regarding
from coroner_operator.publish.notifier import Notifier
from coroner_operator.publish.target_kinds import TargetKinds
from coroner_operator.publish.target_schema import TargetKind
from coroner_operator.publish.workload_status import WorkloadStatusWriter
from coroner_operator.reports.cache import ReportCache
from coroner_operator.telemetry.metrics import Metrics

log = logging.getLogger("coroner.workloads")

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Publisher:
    """``start()``, ``run()`` once the reports are loaded, ``tell()`` at will, ``close()`` at the end."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        reports: ReportCache,
        metrics: Metrics,
        redactor: Redactor,
        back_off: Callable[[], BackOff] = BackOff,
    ) -> None:
        self.recorder = Recorder(client, metrics, own=own_pod(), redactor=redactor)
        self._reports = reports
        self._back_off = back_off
        self._kinds = TargetKinds(
            client, settings.workloads, on_change=self._kind_changed, metrics=metrics, back_off=back_off
        )
        self._status_writer = WorkloadStatusWriter(
            client,
            self._kinds,
            metrics=metrics,
            on_gave_up=self._gave_up,
            back_off=back_off,
            interval=settings.workload_interval,
        )
        self._notifier = Notifier(self._status_writer, self.recorder, self._kinds)
        self._republishing: set[asyncio.Task[None]] = set()

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """They never end by themselves."""
        return self.recorder.tasks

    def start(self) -> None:
        self.recorder.start()

    async def run(self) -> None:
        """Find the listed kinds, and say the loaded reports on their objects. Ends only by cancellation."""
        await self._kinds.run()

    def publish(self, before: Report, after: Report) -> None:
        """The report has become ``after``, or should have."""
        self._notifier.notify(before, after)

    async def close(self, within: float) -> None:
        """Tell what is still to be told, within that many seconds."""
        for task in self._republishing:
            task.cancel()
        await asyncio.gather(*self._republishing, return_exceptions=True)
        await self._status_writer.close(within / 2)
        await self.recorder.close(within / 2)

    def _gave_up(self, workload: WorkloadRef, sentence: str) -> None:
        self._notifier.on_gave_up(workload, sentence)

    def _kind_changed(self, kind: TargetKind) -> None:
        task = asyncio.create_task(self._republish(kind), name=f"reports of {kind.kind}")
        self._republishing.add(task)
        task.add_done_callback(self._republishing.discard)

    async def _republish(self, kind: TargetKind) -> None:
        """What the reports say of the kind's workloads, the recovered too: an earlier run may have ended too soon."""
        back_off = self._back_off()
        for workload in self._reports.workloads:
            while self._kinds.kind_of(workload) == kind:
                try:
                    stored = await self._reports.get(workload)
                except ApiError as error:
                    wait = back_off.next(error.retry_after)
                    log.info("%s/%s: report: %s; again in %.1f s", workload.namespace, workload, error, wait)
                    await asyncio.sleep(wait)
                    continue
                if stored is not None:
                    self._status_writer.put(stored.report)
                back_off.reset()
                break


def own_pod() -> Regarding | None:
    """The pod that this process runs in; None outside of a cluster. Its host name is its name.

    $POD_UID: without it `kubectl describe pod` does not show the Events about it, `kubectl get events` does.
    """
    name = os.environ.get("HOSTNAME", "")
    if "KUBERNETES_SERVICE_HOST" not in os.environ or not name:
        return None
    try:
        namespace = _NAMESPACE_FILE.read_text("utf-8").strip()
    except OSError:
        return None
    return Regarding("v1", "Pod", namespace, name, os.environ.get("POD_UID", ""))
