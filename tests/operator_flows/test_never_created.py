"""Pods that could not be created: reported after a grace period, and only if they still cannot be."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from coroner_categorizer import Classification, Failure, Workload, parse_event, parse_workload
from coroner_operator.controller import workload_failures
from coroner_operator.controller.workload_failures import WorkloadFailures
from coroner_operator.kube.owner_resolver import Owners
from coroner_operator.model.workload_ref import WorkloadRef
from embedded_apiserver import EmbeddedApiServer
from tests.support.default_pack import CATEGORIZER
from tests.support.live_objects import event, failed_pod, reference, workload
from tests.support.operators import Operators
from tests.support.pods import create_failed, job
from tests.support.reports import Reports
from tests.support.waiting import until

WEBHOOK = 'Error creating: Internal error occurred: failed calling webhook "pods.example.com": service "hook" not found'
QUOTA = 'Error creating: pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
NEVER_FITS = 'Error creating: pods "x" is forbidden: exceeded quota: q, requested: cpu=4, used: cpu=0, limited: cpu=2'


async def until_reported_later(server: EmbeddedApiServer, reports: Reports) -> None:
    """Of what failed before this, the grace period has ended."""
    server.put(event(server.put(workload("Job", "witness")), "FailedCreate", QUOTA))
    await until(lambda: reports.of("witness"))


async def test_a_pod_that_the_next_try_creates_is_no_failure(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    replica_set = server.put(workload("ReplicaSet", "web", replicas=1))
    server.put(event(replica_set, "FailedCreate", WEBHOOK))
    replica_set["status"] |= {"replicas": 1}
    server.put(replica_set)
    await until_reported_later(server, reports)
    assert reports.of("web") is None


async def test_a_job_whose_next_pod_was_created_and_failed_has_the_failure_of_that_pod(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    owner = server.put(workload("Job", "train"))
    server.put(event(owner, "FailedCreate", WEBHOOK))
    server.put(event(owner, "SuccessfulCreate", "Created pod: train-x", "Normal"))
    owner["status"] |= {"failed": 1}
    server.put(owner)
    server.put(failed_pod("train-x", 3, owner=owner))
    await until_reported_later(server, reports)
    status = (await until(lambda: reports.of("train")))["status"]
    assert (status["subcategory"], status["failures"]) == ("error-exit", 1)


async def test_what_can_never_be_created_is_reported_at_once(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start(grace_periods={"container_creating": 3600})
    server.put(event(server.put(workload("Job", "huge")), "FailedCreate", NEVER_FITS))
    assert (await until(lambda: reports.of("huge")))["status"]["subcategory"] == "quota-exceeded"


async def test_an_operator_that_ends_within_the_grace_period_leaves_it_to_the_next_one(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    first = await operators.start(grace_periods={"container_creating": 3600})
    server.put(event(server.put(workload("Job", "stuck")), "FailedCreate", QUOTA))
    server.put(event(server.put(workload("Job", "huge")), "FailedCreate", NEVER_FITS))
    await until(lambda: reports.of("huge"))
    await first.stop()
    assert reports.of("stuck") is None
    await operators.start()
    assert (await until(lambda: reports.of("stuck")))["status"]["subcategory"] == "quota-exceeded"


class Resolver:
    async def owners_above(self, ref: WorkloadRef) -> Owners:
        return Owners(ref)


class Answers:
    """A classifier whose answers are given, one for each question; the last one again and again."""

    def __init__(self, *answers: Classification) -> None:
        self.categorizer = CATEGORIZER
        self._answers = list(answers)

    def add_workload_event(self, event: object) -> None: ...

    async def classify_never_created(self, ref: WorkloadRef, *, has_retried: bool) -> Classification:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Reported:
    def __init__(self) -> None:
        self.workloads: list[WorkloadRef] = []

    def add(self, workload: WorkloadRef, observations: object) -> None:
        self.workloads.append(workload)

    def on_pods_not_created(self, workload: WorkloadRef, failed_at: object) -> None: ...


@pytest.mark.parametrize(("tries_again", "reported"), [(True, 1), (False, 0)])
async def test_a_custom_kind_whose_status_has_no_counts_must_fail_again(
    monkeypatch: pytest.MonkeyPatch, *, tries_again: bool, reported: int
) -> None:
    monkeypatch.setattr(workload_failures, "workload_path", lambda ref: ref)
    (failure,) = CATEGORIZER.classify_workload(_parsed_job(), [parse_event(create_failed(WEBHOOK))]).failures
    answers = Answers(_failing(failure), _failing(failure, later=timedelta(seconds=20 if tries_again else 0)))
    written: Any = Reported()
    others: Any = None
    failures = WorkloadFailures(
        grace_period=0.05,
        classifier=answers,  # type: ignore[arg-type]
        owners=Resolver(),  # type: ignore[arg-type]
        job_failures=others,
        writer=written,
        recovery=written,
        errors=others,
    )
    failures.start()
    gang = reference("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "gang")
    failures.on_event(parse_event(event(gang, "FailedCreate", "Failed to create worker statefulset")))
    await until(lambda: not failures._creations)
    await failures.drain(1)
    assert len(written.workloads) == reported


def _parsed_job() -> Workload:
    return parse_workload(job())


def _failing(failure: Failure, later: timedelta = timedelta(0)) -> Classification:
    assert failure.at is not None
    return Classification(failure.verdict, (msgspec.structs.replace(failure, at=failure.at + later),), failing=True)
