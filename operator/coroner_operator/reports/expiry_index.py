"""The reports on the API server: a summary of each, and its deletion."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import Conflict, NotFound
from coroner_operator.kube.paging import list_items
from coroner_operator.kube.resources import REPORT
from coroner_operator.model.workload_ref import WorkloadRef

log = logging.getLogger("coroner.expiry_index")

PAGE_SIZE = 50  # as in store: a report may have 64 KiB


class ReportSummary(msgspec.Struct, frozen=True):
    """What decides whether a report is kept, and what its removal depends on."""

    workload: WorkloadRef
    name: str
    """Of the report."""
    uid: str
    version: str
    last_activity: datetime
    """Time of the last news of the workload: a failure, an observation of one, its recovery; else the creation."""
    state: str = ""
    """As ``Report.state``; "" where the report has no status."""


class ReportIndex(Protocol):
    """All methods raise ``ApiError``."""

    def summaries(self) -> AsyncIterator[ReportSummary]:
        """Of every report."""
        ...

    async def delete(self, summary: ReportSummary) -> bool:
        """Delete the report, if it is still as outlined. False: it has changed or is not there."""
        ...


class ApiReportIndex:
    """FailureReports of one cluster; ``namespaces``: only these, empty = everywhere."""

    def __init__(self, client: Client, namespaces: tuple[str, ...] = ()) -> None:
        self._client = client
        self._namespaces = namespaces

    async def summaries(self) -> AsyncIterator[ReportSummary]:
        for namespace in self._namespaces or ("",):
            async for summary in self.in_namespace(namespace):
                yield summary

    async def in_namespace(self, namespace: str) -> AsyncIterator[ReportSummary]:
        """Of every report in a namespace; "" = in all."""
        async for raw in list_items(self._client, REPORT.path(namespace), limit=PAGE_SIZE):
            try:
                yield _summary(_REPORT.decode(raw))
            except msgspec.DecodeError as error:  # edited by hand: left alone
                log.debug("a report is kept, it cannot be read: %s", error)

    async def delete(self, summary: ReportSummary) -> bool:
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": summary.uid, "resourceVersion": summary.version},
        }
        try:
            await self._client.request(
                "DELETE", REPORT.object_path(summary.workload.namespace, summary.name), body=body
            )
        except (Conflict, NotFound):
            return False
        return True


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    namespace: str
    uid: str
    resource_version: str
    creation_timestamp: datetime


class _Workload(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str
    kind: str
    name: str
    uid: str


class _Spec(msgspec.Struct, frozen=True):
    workload: _Workload


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    state: str = ""
    last_seen: datetime | None = None
    recovered_at: datetime | None = None


class _Report(msgspec.Struct, frozen=True):
    metadata: _Meta
    spec: _Spec
    status: _Status = _Status()


_REPORT = msgspec.json.Decoder(_Report)


def _summary(report: _Report) -> ReportSummary:
    meta, workload, status = report.metadata, report.spec.workload, report.status
    times = [time for time in (status.last_seen, status.recovered_at, meta.creation_timestamp) if time is not None]
    return ReportSummary(
        workload=WorkloadRef(workload.api_version, workload.kind, meta.namespace, workload.name, workload.uid),
        name=meta.name,
        uid=meta.uid,
        version=meta.resource_version,
        last_activity=max(time.replace(tzinfo=UTC) if time.tzinfo is None else time for time in times),
        state=status.state,
    )
