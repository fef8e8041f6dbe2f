"""What is measured of one run of the operator: its start among many pods, and bursts of failures after it."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.bench.api import at_once
from tests.bench.control_plane import ControlPlane
from tests.bench.cpu import Shares
from tests.bench.pods import failed
from tests.bench.population import Made, Population
from tests.bench.reports import Reports
from tests.bench.table import Row
from tests.support.audit import by_kind, first_list_of_pods
from tests.support.operator_process import OperatorProcess

MEGA = 1_000_000
PATIENCE = 120.0  # s until a count that must come is given up
QUIET = 1.5  # s without a change, and nothing in the operator's queue: the operator is done

Figures = dict[str, float | None]

START = {
    "first": Row("first LIST after the process began", "s"),
    "counted_list": Row("all failed pods counted, after the first LIST", "s", target=3, grows=True),
    "counted": Row("all failed pods counted, after the process began", "s"),
    "ready": Row("ready, after the process began", "s"),
    "rss": Row("peak RSS", "MB", target=110, grows=True),
    "cpu": Row("CPU until counted and ready", "s", grows=True),
    "cpu_servers": Row("  of API server and etcd meanwhile", "s"),
    "cpu_rest": Row("  of all others on this machine", "s"),
    "writes": Row("writes, by the operator's metric"),
    "calls": Row("writes, by the API server's audit log"),
}
BURST = {
    "lasted": Row("status updates took", "s"),
    "answer": Row("a status update itself, p50", "ms"),
    "p50": Row("status update to report, p50", "ms"),
    "p99": Row("status update to report, p99", "ms"),
    "max": Row("status update to report, slowest", "ms"),
    "all": Row("first status update to last report", "s"),
    "writes": Row("writes, by the operator's metric"),
    "calls": Row("writes, by the API server's audit log"),
    "versions": Row("versions of reports that a watch saw"),
    "retried": Row("writes that conflicted or were tried again"),
    "cpu": Row("CPU", "s"),
    "cpu_servers": Row("  of API server and etcd meanwhile", "s"),
    "cpu_rest": Row("  of all others on this machine", "s"),
    "rss": Row("peak RSS", "MB"),
}


@dataclass
class Trial:
    """One operator, started a moment ago."""

    operator: OperatorProcess
    plane: ControlPlane
    population: Population
    reports: Reports
    wrong: list[str] = field(default_factory=list)
    """Counts that are not what happened."""
    calls: Counter[str] = field(default_factory=Counter)
    """What the operator asked of the API server in the last measurement, where that is known."""

    async def start(self) -> Figures:
        """Until the failures that were there before are counted; figures by the names of ``START``."""
        clock = time.time() - time.monotonic()
        nobody = replace(self._shares(), operator=0.0)
        expected = Counter(made.owner.uid for made in self.population.failed)
        counted_at: list[float] = []

        async def count() -> None:
            if await self.reports.until(lambda: self.reports.total >= len(self.population.failed), PATIENCE):
                counted_at.append(self.reports.changed_at + clock)

        counting = asyncio.create_task(count())
        ready_at = await self._poll(self.operator.is_ready)
        await counting
        cpu = self._shares() - nobody
        await self._settle(expected)
        first = first_list_of_pods(self.plane.audit_log, self.operator.started_at) if self.plane.audit_log else None
        counted = counted_at[0] if counted_at else None
        return {
            "first": first and first - self.operator.started_at,
            "counted": counted and counted - self.operator.started_at,
            "counted_list": first and counted and counted - first,
            "ready": ready_at and ready_at - self.operator.started_at,
            "rss": self.operator.peak_rss() / MEGA,
            **_cpu(cpu),
            "writes": self.operator.metric('coroner_writes_total{outcome="written"}'),
            "calls": self._calls(self.operator.started_at),
        }

    async def burst(self, victims: list[Made], workloads: int, connections: int) -> Figures:
        """These pods fail, as fast as the API server takes it; figures by the names of ``BURST``."""
        updated: dict[str, float] = {}
        answers: list[float] = []
        before, versions = self._shares(), self.reports.versions
        outcomes = {name: self.operator.metric(f'coroner_writes_total{{outcome="{name}"}}') for name in _OUTCOMES}
        target = self.reports.total + len(victims)
        expected = dict(self.reports.failures)
        for made in victims:
            expected[made.owner.uid] = expected.get(made.owner.uid, 0) + 1

        async def fail(each: tuple[int, Made]) -> None:
            number, made = each
            asked = time.monotonic()
            await self.population.set_status(made, failed(made.name, number // workloads))
            updated[made.uid] = time.monotonic()
            answers.append(updated[made.uid] - asked)

        wall, began = time.time(), time.monotonic()
        await at_once(fail, enumerate(victims), connections)
        lasted = time.monotonic() - began
        await self.reports.until(lambda: self.reports.total >= target, PATIENCE)
        await self._settle(expected)
        found = [at - updated[made.uid] for made in victims if (at := self.reports.counted_at(made.uid)) is not None]
        if len(found) != len(victims):
            self.wrong.append(f"{len(victims) - len(found)} pods' failures are in no ledger")
        grew = {
            name: self.operator.metric(f'coroner_writes_total{{outcome="{name}"}}') - was
            for name, was in outcomes.items()
        }
        cpu = self._shares() - before
        percentiles = statistics.quantiles(found, n=100, method="inclusive") if len(found) > 1 else [0.0] * 99
        return {
            "lasted": lasted,
            "answer": statistics.median(answers) * 1000,
            "p50": percentiles[49] * 1000,
            "p99": percentiles[98] * 1000,
            "max": max(found, default=0.0) * 1000,
            "all": max((self.reports.counted_at(made.uid) or began for made in victims), default=began) - began,
            "writes": grew["written"],
            "calls": self._calls(wall),
            "versions": self.reports.versions - versions,
            "retried": grew["conflict"] + grew["retried"],
            **_cpu(cpu),
            "rss": self.operator.peak_rss() / MEGA,
        }

    async def _settle(self, expected: Mapping[str, int]) -> None:
        """Wait until nothing changes any more, then compare the counts."""

        def is_quiet() -> bool:
            quiet = time.monotonic() - self.reports.changed_at > QUIET
            return quiet and self.operator.metric("coroner_queue_length") == 0

        await self._poll(is_quiet, interval=0.25)
        self.wrong += self.reports.wrong(dict(expected))
        if errors := self.operator.metric("coroner_errors_total"):
            self.wrong.append(f"coroner_errors_total is {errors:g}:\n{self.operator.tail()}")

    async def _poll(self, condition: Callable[[], bool], interval: float = 0.05) -> float | None:
        """When it came true, in seconds since 1970; None: not in time. Raises ProgramEndedError."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.operator.check()
            if await asyncio.to_thread(condition):
                return time.time()
            await asyncio.sleep(interval)
        return None

    def _shares(self) -> Shares:
        return Shares.now(self.operator.pid, self.plane.pids)

    def _calls(self, since: float) -> float | None:
        if self.plane.audit_log is None:
            return None
        self.calls = by_kind(self.plane.audit_log, since)
        return sum(count for what, count in self.calls.items() if what.startswith("patch failurereports"))


def _cpu(spent: Shares) -> Figures:
    return {"cpu": spent.operator, "cpu_servers": spent.servers, "cpu_rest": spent.rest}


_OUTCOMES = ("written", "conflict", "retried")
