"""Keeps the Event of a workload that still fails: the API server deletes one an hour after its last write.

Each workload has one moment in every ``INTERVAL``, which follows from its identity alone. So neither a restart nor
another leader renews an Event early or forgets it, and workloads that began to fail together are not renewed together.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zlib import crc32

from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.workqueue import WorkQueue
from coroner_operator.model.report import Report
from coroner_operator.model.workload_ref import WorkloadRef

log = logging.getLogger("coroner.event_renewal")

INTERVAL = 50 * 60  # s; kube-apiserver keeps Events for --event-ttl, by default an hour
STILL_KEPT = timedelta(minutes=9)  # an Event this young is kept until the moment after the next one
RENEWED_FOR = timedelta(days=1)  # after the last news: a Job that failed a week ago costs nothing


class StoredReport(Protocol):
    @property
    def report(self) -> Report: ...


class Reports(Protocol):
    async def get(self, workload: WorkloadRef, /) -> StoredReport | None:
        """None: the workload has no report any more. Raises ApiError."""
        ...


class EventRenewal:
    """``start()``, ``follow()`` at any time, ``close()`` at the end."""

    def __init__(
        self,
        reports: Reports,
        renew: Callable[[Report], None],
        *,
        back_off: Callable[[], BackOff] = BackOff,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._reports = reports
        self._renew = renew
        self._now = now
        self._queue: WorkQueue[WorkloadRef] = WorkQueue(
            self._reconcile,
            name="renewed events",
            group=lambda workload: workload.namespace,
            back_off=back_off,
            on_error=self._on_error,
        )

    def start(self) -> None:
        self._queue.start()

    def follow(self, workload: WorkloadRef) -> None:
        """The workload fails."""
        if workload not in self._queue:
            self._queue.add_after(workload, seconds_to_next(workload, self._now()))

    async def close(self) -> None:
        await self._queue.close()

    async def _reconcile(self, workload: WorkloadRef) -> float | None:
        """Seconds until the next renewal; None: the workload does not fail any more. Raises ApiError."""
        stored = await self._reports.get(workload)
        now = self._now()
        if stored is None or not _is_recent(stored.report, now):
            return None
        assert stored.report.current is not None
        if now - stored.report.current.at > STILL_KEPT:
            self._renew(stored.report)
        wait = seconds_to_next(workload, now)
        return wait if wait > INTERVAL / 2 else wait + INTERVAL  # the two clocks differ: it was this moment's turn

    def _on_error(self, workload: WorkloadRef, error: Exception, wait: float) -> None:
        log.info("%s/%s: cannot read its report: %s; retrying in %.1f s", workload.namespace, workload, error, wait)


def seconds_to_next(workload: WorkloadRef, now: datetime) -> float:
    """Until the workload's next moment: more than 0, at most ``INTERVAL``."""
    moment = crc32("\0".join(workload.key).encode("utf-8", "replace")) % INTERVAL
    return (moment - now.timestamp()) % INTERVAL or INTERVAL


def _is_recent(report: Report, now: datetime) -> bool:
    """Whether the workload fails, and there was news of it."""
    if report.current is None:
        return False
    return now - (report.last_seen or report.current.at) < RENEWED_FOR
