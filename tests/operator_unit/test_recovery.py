"""What follows from a workload's own status and from its pods: it recovers, has failed, is deleted, or none of it yet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import pytest

from coroner_categorizer import Pod
from coroner_categorizer.objects.pod import parse_pod
from coroner_categorizer.verdict import Failure, FailureKey, Verdict
from coroner_operator.controller.failing_workloads import FailingWorkloads
from coroner_operator.controller.recovery import Recovery
from coroner_operator.controller.workload_health import WorkloadHealth
from coroner_operator.model.observation import Observation
from coroner_operator.model.workload_ref import WorkloadRef, pod_key
from coroner_operator.reports.cache import ReportCache
from coroner_operator.reports.store import MemoryReportStore
from tests.support.live_objects import ago, ended, failed_pod, live_pod, reference
from tests.support.pods import Json
from tests.support.waiting import until

WORKFLOW = WorkloadRef("argoproj.io/v1alpha1", "Workflow", "default", "flow", "3f2a9c1b-0000")
OWNER = {**reference(WORKFLOW.api_version, WORKFLOW.kind, WORKFLOW.name)}
OWNER["metadata"]["uid"] = WORKFLOW.uid


class Health:
    """The workload's own status, as it would be read."""

    def __init__(self, health: WorkloadHealth) -> None:
        self.health = health
        self.reads = 0

    async def read(self, ref: WorkloadRef, failed_at: datetime | None) -> WorkloadHealth:
        self.reads += 1
        return self.health


class Updates:
    def __init__(self) -> None:
        self.states: list[str] = []

    def change_state(self, workload: WorkloadRef, to: str) -> None:
        self.states.append(to)

    def reselect(self, workload: WorkloadRef) -> None: ...


class Case:
    def __init__(self, health: WorkloadHealth) -> None:
        reports = ReportCache(MemoryReportStore())
        self.health, self.updates = Health(health), Updates()
        self.recovery = Recovery(
            self.health,  # type: ignore[arg-type]
            FailingWorkloads(reports),
            reports,
            self.updates,
            recovery_after=0,
        )

    def fails(self, obj: Json, workload: WorkloadRef = WORKFLOW) -> Pod:
        pod = parse_pod(obj)
        at = datetime.fromisoformat(ago())
        failure = Failure(FailureKey(pod.metadata.uid, "main", "1"), VERDICT, at=at, current=True, ended_instances=1)
        self.recovery.on_pod_failing(
            workload, pod, Observation(pod.metadata.name, pod.metadata.uid, "n", failure, at, "")
        )
        return pod

    def is_healthy(self, obj: Json) -> None:
        self.recovery.on_pod_not_failing(WORKFLOW, parse_pod(obj))

    async def checked(self) -> None:
        """All that follows from what has happened has followed."""
        reads = self.health.reads
        self.recovery.check_soon(WORKFLOW)
        await until(lambda: self.updates.states or self.health.reads > reads)


VERDICT = Verdict(
    category="user-code", subcategory="error-exit", categories=(), reason="Error", message="", hint="", retry="Unknown",
    confidence="Confirmed", container="main", exit_code=1, evidence=(), rule=None,
)  # fmt: skip


def step(name: str) -> Json:
    """A pod of a Workflow that has failed for good."""
    pod = failed_pod(name, owner=OWNER, created=ago(minutes=5))
    pod["spec"]["restartPolicy"] = "Never"
    return pod


@pytest.fixture
def case() -> Callable[..., object]:
    @asynccontextmanager
    async def started(health: WorkloadHealth) -> AsyncIterator[Case]:
        found = Case(health)
        found.recovery.start()
        yield found
        await found.recovery.close()

    return started


@pytest.mark.parametrize("health", [WorkloadHealth.RUNNING, WorkloadHealth.UNKNOWN])
async def test_a_later_pod_is_no_proof_while_one_stays_that_has_failed_and_is_not_replaced(
    case: Callable[..., object], health: WorkloadHealth
) -> None:
    async with case(health) as flow:  # type: ignore[attr-defined]
        failed = flow.fails(step("flow-a"))
        flow.is_healthy(live_pod("flow-b", owner=OWNER, created=ago(seconds=-5)))
        await flow.checked()
        assert flow.updates.states == []
        flow.recovery.on_pod_deleted(pod_key(failed))
        await until(lambda: flow.updates.states == ["Recovered"])


async def test_a_pod_that_was_to_run_for_good_is_replaced_by_a_later_one(case: Callable[..., object]) -> None:
    async with case(WorkloadHealth.UNKNOWN) as ray:  # type: ignore[attr-defined]
        ray.fails(failed_pod("ray-0", owner=OWNER))
        ray.is_healthy(live_pod("ray-1", owner=OWNER, created=ago(seconds=-5)))
        await until(lambda: ray.updates.states == ["Recovered"])


@pytest.mark.parametrize(
    ("health", "state"),
    [
        (WorkloadHealth.COMPLETED, "Recovered"),
        (WorkloadHealth.FAILED, "Failed"),
        (WorkloadHealth.DELETED, "Deleted"),
    ],
)
async def test_the_status_of_the_owner_decides(case: Callable[..., object], health: WorkloadHealth, state: str) -> None:
    async with case(health) as flow:  # type: ignore[attr-defined]
        flow.fails(step("flow-a"))
        flow.recovery.check_soon(WORKFLOW)
        await until(lambda: flow.updates.states == [state])


async def test_a_run_that_has_not_ended_is_looked_at_again_without_any_change_of_a_pod(
    case: Callable[..., object],
) -> None:
    async with case(WorkloadHealth.RUNNING) as flow:  # type: ignore[attr-defined]
        flow.fails(step("flow-a"))
        await flow.checked()
        flow.health.health = WorkloadHealth.FAILED
        await until(lambda: flow.updates.states == ["Failed"])


async def test_what_a_replaced_pod_ran_for_its_successor_must_exceed(case: Callable[..., object]) -> None:
    """Its own runs are known from its lastState; those of the pods before it are not."""
    async with case(WorkloadHealth.HEALTHY) as db:  # type: ignore[attr-defined]
        died = live_pod("db-0", owner=OWNER, phase="Failed", state=ended(ran=60))
        db.recovery.on_pod_deleted(pod_key(db.fails(died)))
        db.is_healthy(live_pod("db-0", owner=OWNER, created=ago(seconds=-5)))
        await db.checked()
        assert db.updates.states == []


async def test_a_pod_that_ran_for_days_says_nothing_about_its_successor(case: Callable[..., object]) -> None:
    async with case(WorkloadHealth.HEALTHY) as db:  # type: ignore[attr-defined]
        died = live_pod("db-0", owner=OWNER, phase="Failed", state=ended(ran=86_400))
        db.recovery.on_pod_deleted(pod_key(db.fails(died)))
        db.is_healthy(live_pod("db-0", owner=OWNER, created=ago(seconds=-5)))
        await until(lambda: db.updates.states == ["Recovered"])


async def test_a_pod_that_is_healthy_for_longer_is_proof_once_the_one_that_fails_is_deleted(
    case: Callable[..., object],
) -> None:
    async with case(WorkloadHealth.UNKNOWN) as ray:  # type: ignore[attr-defined]
        ray.recovery.track(WORKFLOW)
        ray.is_healthy(live_pod("ray-0", owner=OWNER, last=ended(ran=0), restarts=1, created=ago(minutes=5)))
        crashed = ray.fails(live_pod("ray-1", owner=OWNER, state=ended(ran=0), created=ago(minutes=5)))
        ray.recovery.on_pod_deleted(pod_key(crashed))
        await until(lambda: ray.updates.states == ["Recovered"])


async def test_a_pod_that_never_failed_is_no_proof_that_the_work_of_a_deleted_one_is_done(
    case: Callable[..., object],
) -> None:
    async with case(WorkloadHealth.UNKNOWN) as ray:  # type: ignore[attr-defined]
        crashed = ray.fails(live_pod("ray-1", owner=OWNER, state=ended(ran=0), created=ago(minutes=5)))
        ray.is_healthy(live_pod("ray-0", owner=OWNER, created=ago(minutes=5)))
        ray.recovery.on_pod_deleted(pod_key(crashed))
        await ray.checked()
        assert ray.updates.states == []
