"""Which nodes fail the pods of many workloads, by a gauge with few series."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from coroner_operator.model.workload_ref import WorkloadKey
from coroner_operator.telemetry import node_failures
from coroner_operator.telemetry.node_failures import (
    NODES_LIMIT,
    NODES_SHOWN,
    WINDOW,
    WORKLOADS_LIMIT,
    NodeFailures,
)
from tests.support.default_pack import CATEGORIZER

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Nodes:
    def __init__(self) -> None:
        self.now = START
        self.failures = NodeFailures(lambda: self.now)
        self._registry = CollectorRegistry()
        self._registry.register(self.failures)

    def fail(self, node: str, *workloads: int, name: tuple[str, str] = ("platform", "sandbox")) -> None:
        for number in workloads:
            key = WorkloadKey("default", "batch", "Job", f"job-{number}", f"uid-{number}")
            self.failures.observe(node, key, *name, self.now)

    def shown(self) -> dict[str, float]:
        lines = generate_latest(self._registry).decode().splitlines()
        values = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name.partition('"')[2].removesuffix('"}'): float(value) for name, _, value in values}


def test_workloads_are_counted_once_however_many_of_their_pods_fail() -> None:
    """As in https://github.com/kubernetes/kubernetes/issues/70010: one node rejected 1,181 pods."""
    nodes = Nodes()
    for _ in range(50):
        nodes.fail("gpu-17", 1, 2, 3)
        nodes.fail("gpu-18", 9)
    assert nodes.shown() == {"gpu-17": 3}


def test_failures_are_forgotten_after_an_hour() -> None:
    nodes = Nodes()
    nodes.fail("gpu-17", 1, 2)
    nodes.now += WINDOW / 2
    nodes.fail("gpu-17", 2, 3)
    nodes.now += WINDOW / 2
    assert nodes.shown() == {"gpu-17": 2}
    nodes.now += WINDOW / 2
    assert nodes.shown() == {}


def test_what_is_listed_again_after_a_restart_is_old_already() -> None:
    nodes = Nodes()
    for number in range(5):
        key = WorkloadKey("default", "batch", "Job", f"job-{number}", f"uid-{number}")
        nodes.failures.observe("gpu-17", key, "platform", "sandbox", START - timedelta(hours=2))
    assert nodes.shown() == {}


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
    ],
)
def test_only_reasons_that_a_node_can_have_count(name: tuple[str, str], counts: bool) -> None:
    nodes = Nodes()
    nodes.fail("gpu-17", 1, 2, name=name)
    assert ("gpu-17" in nodes.shown()) == counts


def test_all_names_are_those_of_the_default_pack() -> None:
    assert CATEGORIZER.names >= node_failures._SUBCATEGORIES | node_failures._OF_NO_NODE


def test_the_number_of_nodes_is_bounded_and_the_worst_are_shown() -> None:
    nodes = Nodes()
    nodes.fail("worst", *range(3 * WORKLOADS_LIMIT))
    for number in range(2 * NODES_LIMIT):
        nodes.fail(f"node-{number}", 1, 2)
        nodes.fail("worst", 1)
    shown = nodes.shown()
    assert len(shown) == NODES_SHOWN
    assert shown["worst"] == WORKLOADS_LIMIT
    assert len(nodes.failures._nodes) == NODES_LIMIT


@pytest.mark.parametrize("node", ["", "x" * 254, 'a"b', "a\nb", "Not-A-Node"])
def test_a_node_is_one_that_can_exist(node: str) -> None:
    """Whoever creates a pod may set its nodeName."""
    nodes = Nodes()
    nodes.fail(node, 1, 2)
    assert nodes.shown() == {}
