"""Where reports are kept: ``ReportStore``, on the API server by server-side apply, or in memory.

Every write says which version it was made from, so that a second writer is noticed and never overwritten.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Literal, Protocol

import msgspec

from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import Conflict, InvalidRequest, NotFound
from coroner_operator.kube.paging import list_items
from coroner_operator.kube.paths import ResourcePath
from coroner_operator.kube.resources import REPORT
from coroner_operator.model.report import Report
from coroner_operator.model.report_codec import API_VERSION, KIND, from_object, labels, to_object, to_status
from coroner_operator.model.workload_ref import WorkloadRef, report_name

log = logging.getLogger("coroner.store")

PAGE_SIZE = 50  # a report may have 64 KiB: 3 MB a page

Section = Literal["status", "labels"]
ALL_SECTIONS: frozenset[Section] = frozenset(("status", "labels"))


class Stored(msgspec.Struct, frozen=True):
    """A report as the store holds it."""

    report: Report
    version: str
    """Changes with every write; opaque."""
    labels: Mapping[str, str]
    """Those in force, which may be older than the report's."""


class WriteConflict(Enum):
    """Nothing was written: another writer was first, or the report is not there any more. Read again."""

    WRITE_CONFLICT = 1


WRITE_CONFLICT = WriteConflict.WRITE_CONFLICT


class ReportStore(Protocol):
    """All methods raise ``ApiError`` where the store cannot be reached or refuses."""

    def load_all(self) -> AsyncIterator[Stored]:
        """Every report, one after the other."""
        ...

    async def get(self, workload: WorkloadRef) -> Stored | None:
        """The report of this workload, or None."""
        ...

    async def apply(
        self, report: Report, base: Stored | None, sections: frozenset[Section] = ALL_SECTIONS
    ) -> Stored | WriteConflict:
        """Write ``parts`` of ``report`` over ``over``; None: there is no report yet, and all is written."""
        ...


class MemoryReportStore:
    """Keeps reports in a dict, for tests and for classifying without a cluster."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Stored] = {}
        self._writes = 0

    async def load_all(self) -> AsyncIterator[Stored]:
        for stored in tuple(self.objects.values()):
            yield stored

    async def get(self, workload: WorkloadRef) -> Stored | None:
        return self.objects.get(_key(workload))

    async def apply(
        self, report: Report, base: Stored | None, sections: frozenset[Section] = ALL_SECTIONS
    ) -> Stored | WriteConflict:
        key = _key(report.workload)
        there = self.objects.get(key)
        if (there and there.version) != (base and base.version):
            return WRITE_CONFLICT
        self._writes += 1
        self.objects[key] = Stored(
            report if "status" in sections or not there else there.report,
            str(self._writes),
            labels(report) if "labels" in sections or not there else there.labels,
        )
        return self.objects[key]


class ApiReportStore:
    """FailureReports of one cluster. ``namespaces``: where to load from; empty = everywhere."""

    def __init__(
        self,
        client: Client,
        namespaces: tuple[str, ...] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._namespaces = namespaces
        self._now = now

    async def load_all(self) -> AsyncIterator[Stored]:
        for namespace in self._namespaces or ("",):
            async for raw in list_items(self._client, REPORT.path(namespace), limit=PAGE_SIZE):
                obj = msgspec.json.decode(raw)
                try:
                    yield self._stored(obj)
                except ValueError as error:
                    log.warning("report %s: not loaded: %s", _name(obj), error)

    async def get(self, workload: WorkloadRef) -> Stored | None:
        obj = await self._read(workload)
        if obj is None:
            return None
        if not _is_about(obj, workload):
            await self._delete_foreign(obj, workload)
            return None
        try:
            return self._stored(obj)
        except ValueError as error:
            # Edited until it is no report any more: start over rather than never write again.
            log.warning("report %s: started over: %s", _name(obj), error)
            return Stored(Report(workload), obj["metadata"]["resourceVersion"], {})

    async def apply(
        self, report: Report, base: Stored | None, sections: frozenset[Section] = ALL_SECTIONS
    ) -> Stored | WriteConflict:
        try:
            stored = base or await self._create(report)
            if base is None or "status" in sections:
                stored = await self._write_status(report, stored)
            # After the status, which says whether the report is still there: an apply would make an empty one.
            if base is not None and "labels" in sections:
                stored = await self._write_labels(report, stored)
        except (Conflict, _WriteConflict):
            return WRITE_CONFLICT
        except InvalidRequest:
            # A report of this name about another workload refuses ours: its workload is immutable.
            if base is None and await self._read(report.workload) is not None:
                return WRITE_CONFLICT
            raise
        except NotFound:
            if base is None:
                raise  # no such namespace, or no such kind
            return WRITE_CONFLICT
        return stored

    async def _read(self, workload: WorkloadRef) -> Any:
        """The object of this name as it is, or None. Raises ApiError."""
        try:
            return msgspec.json.decode(await self._client.get(_path(workload)))
        except NotFound as error:
            if error.missing_kind in ("", "namespaces"):  # no such kind, or no such namespace: not "no report"
                raise
            return None

    async def _delete_foreign(self, obj: Any, workload: WorkloadRef) -> None:
        """Somebody made a report of the workload's name about something else, which would keep ours away."""
        log.warning("report %s: deleted, it is not about %s but has the name of its report", _name(obj), workload)
        metadata = obj["metadata"]
        preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        with suppress(Conflict, NotFound):  # changed or deleted since: the next read finds out
            await self._client.request("DELETE", _path(workload), body=body)

    def _stored(self, obj: Any) -> Stored:
        report = from_object(obj, self._now())
        return Stored(report, obj["metadata"]["resourceVersion"], obj["metadata"].get("labels") or {})

    async def _create(self, report: Report) -> Stored:
        answer = await self._client.apply(_path(report.workload), to_object(report))
        if answer.status != 201:
            # An apply cannot ask for "only if absent". Labels and spec are as good as the other writer's, the
            # status is theirs: read it and fold into it.
            raise _WriteConflict
        return Stored(Report(report.workload), _version(answer.body), labels(report))

    async def _write_status(self, report: Report, over: Stored) -> Stored:
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": report_name(report.workload),
                "namespace": report.workload.namespace,
                "resourceVersion": over.version,
            },
            "status": to_status(report),
        }
        answer = await self._client.apply(_path(report.workload, "status"), body)
        return Stored(report, _version(answer.body), over.labels)

    async def _write_labels(self, report: Report, over: Stored) -> Stored:
        body = to_object(report)
        body["metadata"]["resourceVersion"] = over.version
        answer = await self._client.apply(_path(report.workload), body)
        if answer.status == 201:
            raise _WriteConflict
        return Stored(over.report, _version(answer.body), labels(report))


class _WriteConflict(Exception):  # noqa: N818 - an outcome
    """As ``OVERTAKEN``, inside of a write."""


def _is_about(obj: Any, workload: WorkloadRef) -> bool:
    """Whether this is a report on the workload; not by its API version, which a later owner reference may change."""
    about = obj.get("spec", {}).get("workload", {})
    return all(about.get(key) == getattr(workload, key) for key in ("kind", "name", "uid"))


def _path(workload: WorkloadRef, subresource: str = "") -> ResourcePath:
    return REPORT.object_path(workload.namespace, report_name(workload), subresource)


def _key(workload: WorkloadRef) -> tuple[str, str]:
    return workload.namespace, report_name(workload)


def _version(body: bytes) -> str:
    version = msgspec.json.decode(body)["metadata"]["resourceVersion"]
    assert isinstance(version, str)
    return version


def _name(obj: Any) -> str:
    metadata = obj.get("metadata") or {}
    return f"{metadata.get('namespace')}/{metadata.get('name')}"
