"""FailureReports as a client sees them: when each pod's failure was first counted, and what the counts are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import msgspec

from coroner_operator.model.ledger import POD_DIGITS, short_hash
from coroner_operator.model.ledger_codec import from_text
from tests.bench.api import Api
from tests.bench.population import REPORTS


class _Metadata(msgspec.Struct, frozen=True):
    namespace: str = ""
    name: str = ""
    resourceVersion: str = ""


class _Workload(msgspec.Struct, frozen=True):
    uid: str = ""


class _Spec(msgspec.Struct, frozen=True):
    workload: _Workload = _Workload()


class _Status(msgspec.Struct, frozen=True):
    failures: int = 0
    ledger: list[str] = []


class _Report(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    spec: _Spec = _Spec()
    status: _Status = _Status()


class _Change(msgspec.Struct, frozen=True):
    type: str
    object: _Report


_CHANGE = msgspec.json.Decoder(_Change)


class Reports:
    """What a watch has delivered so far. Times are ``time.monotonic()``'s."""

    def __init__(self) -> None:
        self.changed_at = time.monotonic()
        self.versions = 0
        """How often a report was made or changed: the writes that changed something."""
        self.failures: dict[str, int] = {}
        """Workload's UID → status.failures."""
        self._counted: dict[str, float] = {}
        """A pod's short hash → when a report first counted a failure of it."""
        self._moved = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def watched(cls, api: Api) -> AsyncIterator[Reports]:
        """From none at all, for as long as the block lasts."""
        reports = cls()
        begin = msgspec.json.decode(await api.call("GET", REPORTS))["metadata"]["resourceVersion"]
        task = asyncio.create_task(reports._follow(api, begin), name="watch of reports")
        try:
            yield reports
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def total(self) -> int:
        return sum(self.failures.values())

    def counted_at(self, pod_uid: str) -> float | None:
        return self._counted.get(short_hash(pod_uid, POD_DIGITS))

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether it came true within that time; asked at every change."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            return condition()
        return True

    def wrong(self, expected: dict[str, int]) -> Iterable[str]:
        """A line for each workload whose count is not the expected one."""
        for uid in sorted({*expected, *self.failures}):
            found, wanted = self.failures.get(uid, 0), expected.get(uid, 0)
            if found != wanted:
                yield f"workload {uid}: {found} failures counted, {wanted} happened"

    async def _follow(self, api: Api, version: str) -> None:
        while True:  # the server ends a watch after some minutes
            query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "3600"}
            async with api.lines(REPORTS, **query) as lines:
                async for line in lines:
                    version = self._heard(_CHANGE.decode(line)) or version

    def _heard(self, change: _Change) -> str:
        now = time.monotonic()
        report = change.object
        if change.type in ("ADDED", "MODIFIED"):
            self.changed_at = now
            self.versions += 1
            self.failures[report.spec.workload.uid] = report.status.failures
            ledger = from_text(report.status.ledger)
            for pod in ledger.pods if ledger else ():
                self._counted.setdefault(pod, now)
            self._moved.set()
        elif change.type == "ERROR":
            raise RuntimeError("the watch of the reports has failed")
        return report.metadata.resourceVersion
