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
from coroner_operator.publish.notifier import Telling
from coroner_operator.publish.target_kinds import WorkloadKinds
from coroner_operator.publish.target_schema import Kind
from coroner_operator.publish.workload_status import OnWorkload
from coroner_operator.reports.cache import ReportCache
from coroner_operator.telemetry.metrics import Metrics

log = logging.getLogger("coroner.workloads")

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Outlets:
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
        self._kinds = WorkloadKinds(
            client, settings.workloads, changed=self._kind_changed, watchers=metrics, back_off=back_off
        )
        self._on_workload = OnWorkload(
            client,
            self._kinds,
            counts=metrics,
            yielded=self._yielded,
            back_off=back_off,
            interval=settings.workload_interval,
        )
        self._telling = Telling(self._on_workload, self.recorder, self._kinds)
        self._again: set[asyncio.Task[None]] = set()

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """They never end by themselves."""
        return self.recorder.tasks

    def start(self) -> None:
        self.recorder.start()

    async def run(self) -> None:
        """Find the listed kinds, and say the loaded reports on their objects. Ends only by cancellation."""
        await self._kinds.run()

    def tell(self, before: Report, after: Report) -> None:
        """The report has become ``after``, or should have."""
        self._telling.tell(before, after)

    async def close(self, within: float) -> None:
        """Tell what is still to be told, within that many seconds."""
        for task in self._again:
            task.cancel()
        await asyncio.gather(*self._again, return_exceptions=True)
        await self._on_workload.close(within / 2)
        await self.recorder.close(within / 2)

    def _yielded(self, workload: WorkloadRef, sentence: str) -> None:
        self._telling.yielded(workload, sentence)

    def _kind_changed(self, kind: Kind) -> None:
        task = asyncio.create_task(self._say_again(kind), name=f"reports of {kind.kind}")
        self._again.add(task)
        task.add_done_callback(self._again.discard)

    async def _say_again(self, kind: Kind) -> None:
        """What the reports say of the kind's workloads, the recovered too: an earlier run may have ended too soon."""
        back_off = self._back_off()
        for workload in self._reports.workloads:
            while self._kinds.of(workload) == kind:
                try:
                    stored = await self._reports.get(workload)
                except ApiError as error:
                    wait = back_off.next(error.retry_after)
                    log.info("%s/%s: report: %s; again in %.1f s", workload.namespace, workload, error, wait)
                    await asyncio.sleep(wait)
                    continue
                if stored is not None:
                    self._on_workload.put(stored.report)
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
