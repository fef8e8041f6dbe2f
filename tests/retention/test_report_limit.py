"""How room is made where a namespace has all the reports that it may have."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from coroner_operator.model.workload_ref import WorkloadRef, report_name
from coroner_operator.reports.expiry_index import ReportSummary
from coroner_operator.reports.report_limit import ReportLimit
from coroner_operator.reports.workload_existence import Existence
from tests.support.waiting import until

LIMIT = 20


def job(name: str) -> WorkloadRef:
    return WorkloadRef("batch/v1", "Job", "default", name, f"uid-of-{name}")


class Namespace:
    """Its reports, all of workloads that are deleted; each deletion is observed before the next one."""

    def __init__(self, count: int) -> None:
        self.workloads = [job(f"old-{number}") for number in range(count)]
        self.admitted: list[WorkloadRef] = []
        self.limit = ReportLimit(self, self, lambda _: self, per_namespace=LIMIT, on_room=self.admitted.append)

    def has(self, workload: WorkloadRef) -> bool:
        return workload in self.workloads

    def count_in(self, namespace: str) -> int:
        return len(self.workloads)

    async def in_namespace(self, namespace: str) -> AsyncIterator[ReportSummary]:
        for workload in tuple(self.workloads):
            yield ReportSummary(workload, report_name(workload), "uid", "1", datetime.now(UTC))

    async def check(self, workload: WorkloadRef) -> Existence:
        await asyncio.sleep(0)
        return Existence.DELETED

    async def delete(self, summary: ReportSummary) -> bool:
        self.workloads.remove(summary.workload)
        self.limit.report_deleted("default")
        return True


async def test_deletions_that_are_observed_while_room_is_made_are_no_error(caplog: pytest.LogCaptureFixture) -> None:
    namespace = Namespace(LIMIT)
    namespace.limit.start()
    assert not namespace.limit.admits(job("new"))
    await until(lambda: namespace.admitted == [job("new")])
    await asyncio.sleep(0.1)
    await namespace.limit.close()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert len(namespace.workloads) == LIMIT - LIMIT // 10
