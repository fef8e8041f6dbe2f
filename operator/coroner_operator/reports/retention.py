"""Reports whose workload is deleted are deleted after a while, or earlier where a namespace has too many of them.

A report of a workload that exists is never deleted, failing or not: it holds the count of its failures. Namespaces
are swept beside each other, each for a bounded time, so that none waits for what is wrong with another.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from coroner_operator.kube.errors import ApiError
from coroner_operator.model.workload_ref import WorkloadRef
from coroner_operator.reports.expiry_index import ReportIndex, ReportSummary
from coroner_operator.reports.workload_existence import Existence, ExistenceChecker

log = logging.getLogger("coroner.retention")

SWEEP_INTERVAL = 600.0  # s; a LIST of all reports in pages, and a GET for each old one: nothing next to a week
CONCURRENCY = 8  # namespaces
NAMESPACE_TIMEOUT = 120.0  # s; what is not done then is left to the next sweep

DeletionReason = Literal["retention", "cap", "ignored"]


class Retention:
    def __init__(
        self,
        index: ReportIndex,
        existence_checker: Callable[[str], ExistenceChecker],
        *,
        retention: float,
        per_namespace: int,
        on_deleted: Callable[[ReportSummary, DeletionReason], None] = lambda summary, reason: None,  # noqa: ARG005 - nobody listens
        is_ignored: Callable[[WorkloadRef], bool] = lambda workload: False,  # noqa: ARG005
        on_workload_deleted: Callable[[WorkloadRef], None] = lambda workload: None,  # noqa: ARG005
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        """``existence_checker``: of a namespace, one a sweep; ``retention``: seconds; ``per_namespace``: reports.
        ``on_workload_deleted`` is called where a report is kept whose workload does not exist any more.

        Reports on workloads that are ignored (``is_ignored``) are deleted.
        """
        self._index = index
        self._existence_checker = existence_checker
        self._retention = timedelta(seconds=min(retention, 1e9))
        self._per_namespace = per_namespace
        self._on_deleted = on_deleted
        self._is_ignored = is_ignored
        self._on_workload_deleted = on_workload_deleted
        self._now = now
        self._sleep = sleep

    async def run(self) -> None:
        """Runs until cancelled; errors are logged, and the next sweep tries again."""
        while True:
            try:
                await self.sweep()
            except ApiError as error:
                log.warning("old reports: %s; again in %.0f s", error, SWEEP_INTERVAL)
            except Exception:
                log.exception("old reports: again in %.0f s", SWEEP_INTERVAL)
            await self._sleep(SWEEP_INTERVAL)

    async def sweep(self) -> None:
        """One pass over all reports. Raises ApiError where they cannot be listed."""
        by_namespace: defaultdict[str, list[ReportSummary]] = defaultdict(list)
        async for summary in self._index.summaries():
            by_namespace[summary.workload.namespace].append(summary)
        slots = asyncio.Semaphore(CONCURRENCY)

        async def sweep(namespace: str) -> None:
            async with slots:
                await self._try_to_sweep(namespace, by_namespace.pop(namespace))

        async with asyncio.TaskGroup() as sweeps:
            for namespace in tuple(by_namespace):
                sweeps.create_task(sweep(namespace))

    async def _try_to_sweep(self, namespace: str, summaries: list[ReportSummary]) -> None:
        try:
            async with asyncio.timeout(NAMESPACE_TIMEOUT):
                checker = self._existence_checker(namespace)
                await self._sweep_namespace(summaries, checker)
                await self._look_for_deleted(summaries, checker)
        except TimeoutError:
            log.warning("old reports in %s: not done in %.0f s; again later", namespace, NAMESPACE_TIMEOUT)
        except ApiError as error:
            log.warning("old reports in %s: %s; again in %.0f s", namespace, error, SWEEP_INTERVAL)
        except Exception:
            log.exception("old reports in %s: again in %.0f s", namespace, SWEEP_INTERVAL)

    async def _delete_ignored(self, summary: ReportSummary) -> bool:
        """Whether the report's workload is ignored; then the report is deleted. Raises ApiError."""
        if not self._is_ignored(summary.workload):
            return False
        if await self._index.delete(summary):
            log.info("report %s/%s: deleted (ignored)", summary.workload.namespace, summary.name)
            self._on_deleted(summary, "ignored")
        return True

    async def _sweep_namespace(self, summaries: list[ReportSummary], checker: ExistenceChecker) -> None:
        summaries = [summary for summary in summaries if not await self._delete_ignored(summary)]
        expired_before = self._now() - self._retention
        too_many = len(summaries) - self._per_namespace
        for summary in sorted(summaries, key=lambda summary: (summary.last_activity, summary.name)):
            expired = summary.last_activity < expired_before
            if not expired and too_many <= 0:
                return
            existence = await checker.check(summary.workload)
            # Where only the absence of pods is known, the workload may be suspended: it is given the whole time.
            if existence is Existence.DELETED or (existence is Existence.UNKNOWN and expired):
                if not await self._index.delete(summary):
                    continue  # it has just changed: the next sweep sees how
                too_many -= 1
                reason: DeletionReason = "retention" if expired else "cap"
                log.info(
                    "report %s/%s: deleted (%s): %s", summary.workload.namespace, summary.name, reason, existence.value
                )
                self._on_deleted(summary, reason)
        if too_many > 0:
            namespace = summaries[0].workload.namespace
            log.info("%s has %d reports more than wanted, all of workloads that exist", namespace, too_many)

    async def _look_for_deleted(self, summaries: list[ReportSummary], checker: ExistenceChecker) -> None:
        """Find workloads that were deleted when none of their pods was left to show it. Raises ApiError.

        Each is looked for 10 min, 20 min, 40 min, … after its last activity: ten times a week. A workload of a kind
        that cannot be read is taken for deleted if it fails and none of its pods exists.
        """
        now = self._now()
        for summary in summaries:
            age = (now - summary.last_activity).total_seconds()
            if summary.state in ("", "Deleted") or not _is_due(age) or age >= self._retention.total_seconds():
                continue
            existence = await checker.check(summary.workload)
            is_failing = summary.state in ("Failing", "Failed")
            if existence is Existence.DELETED or (existence is Existence.UNKNOWN and is_failing):
                self._on_workload_deleted(summary.workload)


def _is_due(age: float) -> bool:
    """Whether a workload is looked for in the sweep that is made so many seconds after its last activity: the first one
    after a power of two of the interval. A sweep may come a little late.
    """
    this, last = (int(max(each, 0.0) / SWEEP_INTERVAL) for each in (age, age - 1.01 * SWEEP_INTERVAL))
    return this.bit_length() > last.bit_length()
