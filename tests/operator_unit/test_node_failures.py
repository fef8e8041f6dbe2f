"""Which nodes fail the pods of many workloads, by a gauge with few series that no namespace decides alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

import coroner_categorizer as cc
from coroner_operator.model.workload_ref import WorkloadKey
from coroner_operator.telemetry import node_failures
from coroner_operator.telemetry.node_failures import (
    NAMESPACES_LIMIT,
    NODES_LIMIT,
    NODES_SHOWN,
    OF_ONE_NAMESPACE,
    WINDOW,
    NodeFailures,
)
from tests.operator_unit.test_store_contract import report
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import disrupted, failed, pod

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Nodes:
    def __init__(self) -> None:
        self.now = START
        self.failures = NodeFailures(lambda: self.now)
        self._registry = CollectorRegistry()
        self._registry.register(self.failures)

    def fail(
        self, node: str, *workloads: int, of: str = "abc", name: tuple[str, str] = ("platform", "sandbox")
    ) -> None:
        """These workloads of each of the teams ``of``."""
        for team in of:
            for number in workloads:
                self.observe(node, f"team-{team}", number, verdict(*name))

    def observe(self, node: str, namespace: str, number: int, verdict: cc.Verdict) -> None:
        key = WorkloadKey(namespace, "batch", "Job", f"job-{number}", f"uid-{number}")
        self.failures.observe(node, key, verdict, self.now)

    def shown(self) -> dict[str, float]:
        lines = generate_latest(self._registry).decode().splitlines()
        values = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name.partition('"')[2].removesuffix('"}'): float(value) for name, _, value in values}


def verdict(category: str, subcategory: str) -> cc.Verdict:
    """On a pod, without the end of a container."""
    stored = report(1).history[0].verdict
    return msgspec.structs.replace(stored, category=category, subcategory=subcategory, exit_code=None)


def verdict_on(failing: dict[str, Any]) -> cc.Verdict:
    found = CATEGORIZER.classify_pod(cc.parse_pod(failing)).verdict
    assert found is not None
    return found


def test_workloads_are_counted_once_however_many_of_their_pods_fail() -> None:
    """As in https://github.com/kubernetes/kubernetes/issues/70010: one node rejected 1,181 pods."""
    nodes = Nodes()
    for _ in range(50):
        nodes.fail("gpu-17", 1, 2, of="a")
        nodes.fail("gpu-17", 1, of="b")
        nodes.fail("gpu-18", 9, of="a")
    assert nodes.shown() == {"gpu-17": 3}


def test_one_namespace_gives_no_node_a_series() -> None:
    nodes = Nodes()
    nodes.fail("gpu-17", *range(100), of="a")
    assert nodes.shown() == {}
    nodes.fail("gpu-17", 1, of="b")
    assert nodes.shown() == {"gpu-17": OF_ONE_NAMESPACE + 1}


def test_one_namespace_pushes_no_node_out_of_those_shown() -> None:
    nodes = Nodes()
    nodes.fail("real", 1, of="abc")
    for number, other in enumerate("defghijklmnopqrstuvw" * 2):
        nodes.fail(f"a-{number}", 1, of=other)
        nodes.fail(f"a-{number}", *range(100), of="x")
    shown = nodes.shown()
    assert len(shown) == NODES_SHOWN
    assert shown["real"] == 3, "more namespaces come before more workloads"


def test_one_namespace_makes_no_failure_of_another_be_forgotten() -> None:
    nodes = Nodes()
    nodes.fail("real", 1, of="ab")
    for number in range(50 * NODES_LIMIT):
        nodes.fail(f"node-{number}", 1, 2, 3, of="x")
    assert nodes.shown() == {"real": 2}


def test_failures_are_forgotten_after_an_hour() -> None:
    nodes = Nodes()
    nodes.fail("gpu-17", 1, 2, of="ab")
    nodes.now += WINDOW / 2
    nodes.fail("gpu-17", 2, of="ab")
    assert nodes.shown() == {"gpu-17": 4}
    nodes.now += WINDOW / 2
    assert nodes.shown() == {"gpu-17": 2}
    nodes.now += WINDOW / 2
    assert nodes.shown() == {}
    assert not nodes.failures._namespaces


def test_the_latest_failures_of_a_namespace_count() -> None:
    """What is observed again in the history of a report is older than what it replaces."""
    nodes = Nodes()
    for number in (1, 2, 3):
        nodes.now += timedelta(minutes=10)
        nodes.fail("gpu-17", number)
    old = WorkloadKey("team-a", "batch", "Job", "job-1", "uid-1")
    nodes.failures.observe("gpu-17", old, verdict("platform", "sandbox"), START + timedelta(minutes=10))
    nodes.now += timedelta(minutes=45)
    assert nodes.shown() == {"gpu-17": 6}


def test_what_is_listed_again_after_a_restart_is_old_already() -> None:
    nodes = Nodes()
    for number in range(5):
        key = WorkloadKey(f"team-{number}", "batch", "Job", f"job-{number}", f"uid-{number}")
        nodes.failures.observe("gpu-17", key, verdict("platform", "sandbox"), START - timedelta(hours=2))
    assert nodes.shown() == {}


XID = "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus"


@pytest.mark.parametrize(
    ("of_program", "name"),
    [
        (pod(failed(1, message=XID)), "accelerator/gpu-lost"),
        (pod(failed(1, message="RuntimeError: CUDA error: uncorrectable ECC error")), "accelerator/device-unhealthy"),
        (pod(failed(1, message="socket.gaierror: Temporary failure in name resolution")), "platform/name-resolution"),
        (
            pod(phase="Failed", conditions=(disrupted("DeletionByPodGC", "PodGC: node no longer exists"),)),
            "disruption/node-gone",
        ),
    ],
    ids=["xid", "ecc", "dns", "node-gone"],
)
def test_what_whoever_creates_the_pod_can_write_does_not_count(of_program: dict[str, Any], name: str) -> None:
    nodes = Nodes()
    written = verdict_on(of_program)
    assert written.name == name
    for number in range(9):
        nodes.observe("gpu-17", f"team-{number}", number, written)
    assert nodes.shown() == {}


REJECTED = "Pod Allocate failed due to no healthy devices present; cannot allocate unhealthy devices nvidia.com/gpu"
NOT_STARTED = "failed to create containerd task: failed to create shim task: context deadline exceeded"


@pytest.mark.parametrize(
    ("by_node", "name"),
    [
        (pod(phase="Failed", reason="UnexpectedAdmissionError", message=REJECTED), "accelerator/device-unhealthy"),
        (pod(failed(128, "StartError", NOT_STARTED)), "platform/sandbox"),
        (pod(failed(137, "ContainerStatusUnknown")), "platform/status-lost"),
    ],
    ids=["rejected", "not-started", "status-lost"],
)
def test_what_the_node_says_counts(by_node: dict[str, Any], name: str) -> None:
    """Two of these are on containers with exit codes, which no program of theirs decided."""
    nodes = Nodes()
    said = verdict_on(by_node)
    assert said.name == name
    for number in range(3):
        nodes.observe("gpu-17", f"team-{number}", number, said)
    assert nodes.shown() == {"gpu-17": 3}


def test_what_the_history_of_a_report_keeps_decides_the_same() -> None:
    """After a restart there is no more than that: no rule and no evidence."""
    for failing, counts in ((pod(failed(1, message=XID)), False), (pod(failed(128, "StartError", NOT_STARTED)), True)):
        stored = msgspec.structs.replace(report(1).history[0], verdict=verdict_on(failing))
        for record in (stored, stored.summary()):
            nodes = Nodes()
            for number in range(3):
                nodes.observe("gpu-17", f"team-{number}", number, record.verdict)
            assert bool(nodes.shown()) == counts


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        (("platform", "sandbox"), True),
        (("accelerator", "gpu-lost"), True),
        (("capacity", "node-out-of-resource"), True),
        (("disruption", "node-pressure-disk"), True),
        (("user-code", "uncaught-exception"), False),
        (("resources", "oom-killed"), False),
        (("platform", "registry-unavailable"), False),
        (("accelerator", "device-oom"), False),
        (("disruption", "preempted"), False),
        (("capacity", "insufficient-cpu"), False),
        (("disruption", "node-gone"), False),
    ],
)
def test_only_reasons_that_a_node_can_have_count(name: tuple[str, str], counts: bool) -> None:
    nodes = Nodes()
    nodes.fail("gpu-17", 1, name=name)
    assert ("gpu-17" in nodes.shown()) == counts


def test_all_names_are_those_of_the_default_pack() -> None:
    assert CATEGORIZER.names >= node_failures._SUBCATEGORIES | node_failures._OF_NO_NODE


def test_memory_is_bounded_and_the_worst_are_shown() -> None:
    nodes = Nodes()
    said = verdict("platform", "sandbox")
    for namespace in range(NAMESPACES_LIMIT + 10):
        for number in range(3):
            nodes.observe("worst", f"team-{namespace}", number, said)
            nodes.observe(f"node-{namespace // 2}", f"team-{namespace}", number, said)
    for number in range(2 * NODES_LIMIT):
        nodes.fail(f"node-{number}", 1, 2, 3, of="a")
    assert len(nodes.failures._namespaces) == NAMESPACES_LIMIT
    assert len(nodes.failures._namespaces["team-a"]) == NODES_LIMIT
    assert {len(w) for of in nodes.failures._namespaces.values() for w in of.values()} == {OF_ONE_NAMESPACE}
    shown = nodes.shown()
    assert len(shown) == NODES_SHOWN
    assert shown["worst"] == max(shown.values()) > NAMESPACES_LIMIT


@pytest.mark.parametrize("node", ["", "x" * 254, 'a"b', "a\nb", "Not-A-Node"])
def test_a_node_is_one_that_can_exist(node: str) -> None:
    """Whoever creates a pod may set its nodeName."""
    nodes = Nodes()
    nodes.fail(node, 1, 2)
    assert nodes.shown() == {}
