"""Failing workloads of two namespaces that bear the same UIDs have nothing in common."""

from __future__ import annotations

import msgspec
import pytest

from coroner_categorizer import Pod
from coroner_categorizer.objects.pod import parse_pod
from coroner_operator.controller.failing_workloads import FailingWorkloads
from coroner_operator.controller.recovery_state import WorkloadRecovery
from coroner_operator.model.workload_ref import PodKey, WorkloadRef
from coroner_operator.reports.cache import ReportCache
from coroner_operator.reports.store import MemoryReportStore
from tests.support.live_objects import live_pod

VICTIM = WorkloadRef("batch/v1", "Job", "victim", "train", "3f2a9c1b-0000")
FORGED = msgspec.structs.replace(VICTIM, namespace="attacker")
OWNER = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "train", "uid": VICTIM.uid}}


def pod(namespace: str, uid: str = "pod-1") -> Pod:
    return parse_pod(live_pod("train-0", namespace=namespace, pod_uid=uid, owner=OWNER))


@pytest.fixture
def failing() -> FailingWorkloads:
    return FailingWorkloads(ReportCache(MemoryReportStore()))


def track(failing: FailingWorkloads, workload: WorkloadRef) -> WorkloadRecovery:
    recovery = failing.track(workload)
    failing.add_pod(recovery, pod(workload.namespace))
    return recovery


def test_each_has_its_own_state(failing: FailingWorkloads) -> None:
    victims, forged = track(failing, VICTIM), track(failing, FORGED)
    assert victims is not forged
    assert failing.of_pod(PodKey("victim", "pod-1")) is victims
    assert failing.of_pod(PodKey("attacker", "pod-1")) is forged


def test_the_end_of_the_forged_one_is_not_the_victims(failing: FailingWorkloads) -> None:
    victims, forged = track(failing, VICTIM), track(failing, FORGED)
    failing.remove(forged)
    assert failing.get(VICTIM.key) is victims
    assert failing.of_pod(PodKey("victim", "pod-1")) is victims
    assert failing.may_matter(pod("victim", "another pod of the Job"))
    assert not failing.may_matter(pod("attacker", "another pod of the Job"))


def test_a_controller_that_two_failing_workloads_share_matters_until_both_have_recovered(
    failing: FailingWorkloads,
) -> None:
    """Its first pods failed before a Deployment adopted it."""
    before = track(failing, VICTIM)
    above = failing.track(WorkloadRef("batch/v1", "CronJob", "victim", "nightly", "9c1b3f2a-0000"))
    failing.add_pod(above, pod("victim", "later"))
    failing.remove(before)
    assert failing.may_matter(pod("victim", "another pod of the Job"))
    failing.remove(above)
    assert not failing.may_matter(pod("victim", "another pod of the Job"))


def test_a_workload_of_kind_pod_is_not_the_pod_of_another_namespace(failing: FailingWorkloads) -> None:
    victims = failing.track(WorkloadRef("v1", "Pod", "victim", "train-0", "pod-1"))
    forged = failing.track(WorkloadRef("v1", "Pod", "attacker", "forged", "pod-1"))
    failing.remove(forged)
    assert failing.of_pod(PodKey("victim", "pod-1")) is victims
