"""Which reports are deleted, over days of a clock that is only a number, and which never are."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coroner_operator.kube.errors import Transient
from coroner_operator.model.workload_ref import WorkloadRef
from coroner_operator.reports.expiry_index import ReportSummary
from coroner_operator.reports.retention import SWEEP_INTERVAL, Retention
from coroner_operator.reports.workload_existence import Existence
from tests.leader_election.virtual_time import run

T0 = datetime(2026, 11, 22, 12, tzinfo=UTC)
WEEK = 7 * 86400.0
HOUR = 3600.0


@dataclass
class Workload:
    """One workload and what there is of it."""

    ref: WorkloadRef
    readable: bool = True
    exists: bool = True
    pods: int = 0
    failing: bool = False

    @property
    def trace(self) -> Existence:
        if self.pods or (self.exists and self.readable):
            return Existence.PRESENT
        return Existence.DELETED if self.readable else Existence.UNKNOWN


@dataclass
class Cluster:
    """Workloads, their reports, and a clock."""

    now: datetime = T0
    workloads: dict[str, Workload] = field(default_factory=dict)
    reports: dict[str, ReportSummary] = field(default_factory=dict)
    removed: list[tuple[ReportSummary, str]] = field(default_factory=list)
    found_deleted: list[str] = field(default_factory=list)
    """UIDs of workloads whose report is kept, and that are known to be deleted."""
    meanwhile: set[str] = field(default_factory=set)
    """UIDs of workloads that fail again just before their report is deleted."""
    broken: bool = False
    births: int = 0

    def add(self, *, namespace: str = "a", age: float = 0.0, **more: bool | int) -> Workload:
        self.births += 1
        uid = f"{self.births:08x}"
        ref = WorkloadRef("batch/v1", "Job", namespace, f"job-{uid}", uid)
        workload = self.workloads[uid] = Workload(ref, **more)  # type: ignore[arg-type]
        self.tell(workload, self.now - timedelta(seconds=age))
        return workload

    def tell(self, workload: Workload, at: datetime | None = None) -> None:
        """A failure, or a recovery."""
        uid = workload.ref.uid
        there = self.reports.get(uid)
        version = str(int(there.version) + 1) if there else "1"
        self.reports[uid] = ReportSummary(workload.ref, f"report-{uid}", f"r-{uid}", version, at or self.now)

    def retention(self, *, seconds: float = WEEK, cap: int = 500) -> Retention:
        return Retention(
            self,
            lambda namespace: self,
            retention=seconds,
            per_namespace=cap,
            on_deleted=lambda summary, reason: self.removed.append((summary, reason)),
            on_workload_deleted=lambda workload: self.found_deleted.append(workload.uid),
            now=lambda: self.now,
        )

    def kept(self) -> set[str]:
        return {summary.workload.uid for summary in self.reports.values()}

    # as a ReportIndex

    async def summaries(self) -> AsyncIterator[ReportSummary]:
        if self.broken:
            raise Transient("no connection")
        for summary in tuple(self.reports.values()):
            yield summary

    async def delete(self, summary: ReportSummary) -> bool:
        uid = summary.workload.uid
        if uid in self.meanwhile:
            self.tell(self.workloads[uid])
        if self.reports.get(uid) != summary:
            return False
        del self.reports[uid]
        return True

    # as an ExistenceChecker

    async def check(self, workload: WorkloadRef) -> Existence:
        return self.workloads[workload.uid].trace


def test_a_report_is_deleted_when_its_workload_is_gone_and_its_time_is_over() -> None:
    cluster = Cluster()
    old: dict[str, Any] = {"age": WEEK + 1}
    gone = cluster.add(exists=False, **old)
    young = cluster.add(exists=False, age=WEEK - 1)
    here = cluster.add(**old)
    failing = cluster.add(failing=True, **old)
    left_behind = cluster.add(exists=False, pods=1, **old)
    unreadable = cluster.add(readable=False, **old)
    unreadable_with_pods = cluster.add(readable=False, pods=2, **old)
    run(cluster.retention().sweep())
    assert [summary.workload.uid for summary, _ in cluster.removed] == [gone.ref.uid, unreadable.ref.uid]
    assert cluster.kept() == {w.ref.uid for w in (young, here, failing, left_behind, unreadable_with_pods)}


def test_a_cap_keeps_the_newest_and_what_exists() -> None:
    cluster = Cluster()
    here = cluster.add(age=100 * HOUR)
    gone = [cluster.add(exists=False, age=hours * HOUR) for hours in (5, 1, 4, 2, 3)]
    other = [cluster.add(namespace="b", exists=False, age=hours * HOUR) for hours in (9, 8)]
    run(cluster.retention(cap=3).sweep())
    assert cluster.kept() == {here.ref.uid, gone[1].ref.uid, gone[3].ref.uid, *(w.ref.uid for w in other)}
    assert Counter(reason for _, reason in cluster.removed) == {"cap": 3}


def test_over_the_cap_what_may_only_be_suspended_has_its_whole_time() -> None:
    cluster = Cluster()
    for hours in (3, 2, 1):
        cluster.add(readable=False, exists=False, age=hours * HOUR)
    run(cluster.retention(cap=1).sweep())
    assert len(cluster.reports) == 3


def test_more_living_workloads_than_the_cap_keep_all_their_reports() -> None:
    cluster = Cluster()
    for _ in range(9):
        cluster.add(age=9 * WEEK)
    run(cluster.retention(cap=2).sweep())
    assert len(cluster.reports) == 9


def test_a_failure_that_comes_in_between_saves_the_report() -> None:
    cluster = Cluster()
    gone = cluster.add(exists=False, age=2 * WEEK)
    cluster.meanwhile = {gone.ref.uid}
    run(cluster.retention().sweep())
    assert (cluster.kept(), cluster.removed) == ({gone.ref.uid}, [])


def test_it_goes_on_after_an_outage() -> None:
    async def story() -> None:
        cluster = Cluster(broken=True)
        cluster.add(exists=False, age=2 * WEEK)
        walks = asyncio.create_task(cluster.retention().run())
        await asyncio.sleep(3 * SWEEP_INTERVAL)
        assert cluster.reports
        cluster.broken = False
        await asyncio.sleep(SWEEP_INTERVAL)
        assert not cluster.reports
        walks.cancel()

    run(story())


def test_what_is_wrong_with_one_namespace_does_not_hold_up_another() -> None:
    class Troubled(Cluster):
        async def check(self, workload: WorkloadRef) -> Existence:
            match workload.namespace:
                case "hangs":
                    await asyncio.Event().wait()
                case "odd":
                    raise ValueError("on purpose")
            return await super().check(workload)

    async def story() -> float:
        cluster = Troubled()
        for namespace in ("hangs", "odd", "a", "z"):
            cluster.add(namespace=namespace, exists=False, age=2 * WEEK)
        sweep = asyncio.create_task(cluster.retention().sweep())
        await asyncio.sleep(0.1)
        assert sorted(summary.workload.namespace for summary, _ in cluster.removed) == ["a", "z"]
        await sweep
        return asyncio.get_running_loop().time()

    assert run(story()) < SWEEP_INTERVAL


@pytest.mark.parametrize(
    ("state", "workload", "is_found"),
    [
        ("Failing", {"exists": False}, True),
        ("Failed", {"exists": False}, True),
        ("Recovered", {"exists": False}, True),
        ("Deleted", {"exists": False}, False),
        ("", {"exists": False}, False),
        ("Failed", {}, False),
        ("Failed", {"exists": False, "pods": 1}, False),
        ("Failed", {"readable": False}, True),
        ("Failed", {"readable": False, "pods": 1}, False),
        ("Recovered", {"readable": False}, False),
    ],
)
def test_a_workload_that_was_deleted_without_a_pod_to_show_it_is_found(
    state: str, workload: dict[str, Any], is_found: bool
) -> None:
    cluster = Cluster()
    gone = cluster.add(age=SWEEP_INTERVAL + 1, **workload)
    cluster.reports[gone.ref.uid] = msgspec.structs.replace(cluster.reports[gone.ref.uid], state=state)
    run(cluster.retention().sweep())
    assert cluster.found_deleted == ([gone.ref.uid] if is_found else [])
    assert cluster.kept() == {gone.ref.uid}


def test_a_workload_that_exists_is_looked_for_ten_times_a_week() -> None:
    looks: list[float] = []

    class Counting(Cluster):
        async def check(self, workload: WorkloadRef) -> Existence:
            looks.append((self.now - T0).total_seconds() // 60)
            return await super().check(workload)

    cluster = Counting()
    here = cluster.add()
    cluster.reports[here.ref.uid] = msgspec.structs.replace(cluster.reports[here.ref.uid], state="Failed")
    while (cluster.now - T0).total_seconds() < WEEK:
        cluster.now += timedelta(seconds=SWEEP_INTERVAL + 3)  # the sweep itself takes time
        run(cluster.retention().sweep())
    assert len(looks) in (10, 11)
    assert looks[:3] == [10, 20, 40]


happenings = st.lists(
    st.tuples(
        st.sampled_from(["born", "fails", "recovers", "gone", "pod", "no pod", "unreadable", "readable"]),
        st.integers(0, 40),
        st.sampled_from(["a", "b"]),
        st.floats(0, 4 * HOUR),
    ),
    max_size=60,
)


@given(happenings, st.sampled_from([HOUR, 6 * HOUR, 20 * HOUR]), st.integers(1, 12))
@settings(max_examples=200)
def test_a_day_of_any_history(history: list[tuple[str, int, str, float]], retention: float, cap: int) -> None:
    """24 hours, a walk every 10 minutes: no report of a living workload is ever deleted, and what should go goes."""

    async def story() -> None:
        cluster = Cluster()
        walks = asyncio.create_task(cluster.retention(seconds=retention, cap=cap).run())
        seen = 0

        async def wait(seconds: float) -> None:
            nonlocal seen
            left = seconds
            while left > 0:
                step = min(left, SWEEP_INTERVAL / 3)
                left -= step
                cluster.now += timedelta(seconds=step)
                await asyncio.sleep(step)
                for summary, reason in cluster.removed[seen:]:
                    workload = cluster.workloads[summary.workload.uid]
                    assert workload.trace is not Existence.PRESENT
                    if reason == "retention":
                        assert summary.last_activity < cluster.now - timedelta(seconds=retention)
                    else:
                        assert workload.trace is Existence.DELETED
                seen = len(cluster.removed)

        for what, which, namespace, pause in history:
            await wait(pause)
            if what == "born" or not cluster.workloads:
                cluster.add(namespace=namespace, failing=True, pods=1)
                continue
            workload = list(cluster.workloads.values())[which % len(cluster.workloads)]
            match what:
                case "fails" if workload.trace is Existence.PRESENT:
                    workload.failing = True
                    cluster.tell(workload)
                case "recovers" if workload.failing and workload.trace is Existence.PRESENT:
                    workload.failing = False
                    cluster.tell(workload)
                case "gone":
                    workload.exists = False
                    workload.pods = 0
                case "pod" if workload.exists:
                    workload.pods += 1
                case "no pod":
                    workload.pods = 0
                case "unreadable" | "readable":
                    workload.readable = what == "readable"
        await wait(SWEEP_INTERVAL)
        for namespace in ("a", "b"):
            here = [o for o in cluster.reports.values() if o.workload.namespace == namespace]
            gone = [o for o in here if cluster.workloads[o.workload.uid].trace is Existence.DELETED]
            assert len(here) <= max(cap, len(here) - len(gone))
        await wait(24 * HOUR)
        assert all(
            cluster.workloads[uid].trace is Existence.PRESENT
            or o.last_activity >= cluster.now - timedelta(seconds=retention)
            for uid, o in cluster.reports.items()
        )
        walks.cancel()

    run(story())
