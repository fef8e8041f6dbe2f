"""Which deleted pods a controller has done away with, although they were fine."""

from __future__ import annotations

import pytest

from coroner_categorizer import Pod
from coroner_categorizer.objects.pod import parse_pod
from coroner_operator.config.lifetimes import lifetime
from coroner_operator.controller.pod_filters import is_retired
from tests.support.live_objects import live_pod, reference

REPLICA_SET = ("apps/v1", "ReplicaSet")
JOB = ("batch/v1", "Job")
UNKNOWN = ("example.dev/v1", "Cache")
DELETED = "2026-11-28T12:00:00Z"  # half a minute after it was requested


def pod(owner: tuple[str, str] | None, *, ready: bool, since: str = "2026-11-28T11:00:00Z", grace: int = 30) -> Pod:
    obj = live_pod("web-0", owner=owner and reference(*owner, "web"), ready=ready)
    obj["metadata"] |= {"deletionTimestamp": DELETED, "deletionGracePeriodSeconds": grace}
    for condition in obj["status"]["conditions"]:
        condition["lastTransitionTime"] = since
    return parse_pod(obj)


@pytest.mark.parametrize(
    ("what", "deleted", "retired"),
    [
        ("a Ready pod", pod(REPLICA_SET, ready=True), True),
        ("one that was never Ready: its roll-out was taken back", pod(REPLICA_SET, ready=False), True),
        ("a Ready pod of a Job", pod(JOB, ready=True), False),
        ("a Ready pod of a preset that runs for good", pod(("ray.io/v1", "RayCluster"), ready=True), True),
        ("a Ready pod of a preset that ends", pod(("kubeflow.org/v1", "PyTorchJob"), ready=True), False),
        ("a Job of Volcano is no Job of Kubernetes", pod(("batch.volcano.sh/v1alpha1", "Job"), ready=True), False),
        ("a ReplicaSet of somebody else", pod(("example.dev/v1", "ReplicaSet"), ready=False), False),
        ("a Ready pod of an unknown kind", pod(UNKNOWN, ready=True), True),
        ("one that was Ready until then", pod(UNKNOWN, ready=False, since="2026-11-28T11:59:31Z"), True),
        ("… by the clock of its node", pod(UNKNOWN, ready=False, since="2026-11-28T11:59:26Z"), True),
        ("one that was not", pod(UNKNOWN, ready=False, since="2026-11-28T11:59:20Z"), False),
        ("one whose times the kubelet has overwritten", pod(UNKNOWN, ready=False, since=DELETED, grace=0), True),
        ("a bare pod", pod(None, ready=True), False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_pod_is_retired(what: str, deleted: Pod, retired: bool) -> None:
    assert is_retired(deleted, lifetime) is retired, what


def test_a_pod_that_exists_is_not_retired() -> None:
    assert not is_retired(parse_pod(live_pod("web-0", owner=reference(*REPLICA_SET, "web"))), lifetime)
