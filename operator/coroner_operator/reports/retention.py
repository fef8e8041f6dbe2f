"""Reports whose workload is gone are deleted after a while, or earlier where a namespace has too many of them.

A report of a workload that exists is never deleted, failing or not: it holds the count of its failures.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from coroner_operator.kube.errors import ApiError
from coroner_operator.reports.expiry_index import ReportIndex, ReportSummary
from coroner_operator.reports.workload_existence import Existence, ExistenceChecker

log = logging.getLogger("coroner.retention")

SWEEP_INTERVAL = 600.0  # s; a LIST of all reports in pages, and a GET for each old one: nothing next to a week

DeletionReason = Literal["retention", "cap"]


class Retention:
    def __init__(
        self,
        index: ReportIndex,
        existence_checker: Callable[[str], ExistenceChecker],
        *,
        retention: float,
        per_namespace: int,
        on_deleted: Callable[[ReportSummary, DeletionReason], None] = lambda outline, why: None,  # noqa: ARG005 - nobody listens
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        """``retention``: seconds; ``per_namespace``: reports; ``census``: of a namespace, made anew for each walk."""
        self._index = index
        self._existence_checker = existence_checker
        self._retention = timedelta(seconds=min(retention, 1e9))
        self._per_namespace = per_namespace
        self._on_deleted = on_deleted
        self._now = now
        self._sleep = sleep

    async def run(self) -> None:
        """For ever; what goes wrong is said and tried again at the next walk."""
        while True:
            try:
                await self.sweep()
            except ApiError as error:
                log.warning("old reports: %s; again in %.0f s", error, SWEEP_INTERVAL)
            except Exception:
                log.exception("old reports: again in %.0f s", SWEEP_INTERVAL)
            await self._sleep(SWEEP_INTERVAL)

    async def sweep(self) -> None:
        """One walk over all reports. Raises ApiError where they cannot be listed."""
        by_namespace: defaultdict[str, list[ReportSummary]] = defaultdict(list)
        async for outline in self._index.summaries():
            by_namespace[outline.workload.namespace].append(outline)
        for namespace, outlines in by_namespace.items():
            try:
                await self._sweep_namespace(outlines, self._existence_checker(namespace))
            except ApiError as error:
                log.warning("old reports in %s: %s; again in %.0f s", namespace, error, SWEEP_INTERVAL)

    async def _sweep_namespace(self, outlines: list[ReportSummary], census: ExistenceChecker) -> None:
        expired_before = self._now() - self._retention
        too_many = len(outlines) - self._per_namespace
        for outline in sorted(outlines, key=lambda outline: (outline.last_activity, outline.name)):
            expired = outline.last_activity < expired_before
            if not expired and too_many <= 0:
                return
            trace = await census.check(outline.workload)
            # Where only the absence of pods speaks, the workload may be suspended: it is given the whole time.
            if trace is Existence.DELETED or (trace is Existence.UNKNOWN and expired):
                if not await self._index.delete(outline):
                    continue  # something has just happened to it: the next walk sees what
                too_many -= 1
                why: DeletionReason = "retention" if expired else "cap"
                log.info("report %s/%s: deleted (%s): %s", outline.workload.namespace, outline.name, why, trace.value)
                self._on_deleted(outline, why)
        if too_many > 0:
            namespace = outlines[0].workload.namespace
            log.info("%s has %d reports more than wanted, all of workloads that exist", namespace, too_many)
