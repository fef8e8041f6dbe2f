"""On which nodes the pods of many workloads fail: a gauge with the names of at most ``NODES_SHOWN`` nodes.

A node that rejects or kills every pod it gets attracts ever more of them. It shows as a number of *different* workloads
whose pods failed on it for reasons that a node can have: the same program fails the same way on any node.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from coroner_operator.model.workload_ref import WorkloadKey

WINDOW = timedelta(hours=1)
NODES_SHOWN = 20
NODES_LIMIT = 1000  # remembered; the one whose last failure was counted first is forgotten
WORKLOADS_LIMIT = 100  # of one node: enough for any alert

_NODE_NAME = re.compile(r"[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?")

_CATEGORIES = frozenset({"platform", "accelerator"})
_SUBCATEGORIES = frozenset(
    {
        ("capacity", "node-out-of-resource"),
        ("disruption", "node-gone"),
        ("disruption", "node-pressure-memory"),
        ("disruption", "node-pressure-disk"),
        ("disruption", "node-pressure-pids"),
        ("disruption", "node-pressure-inodes"),
    }
)
_OF_NO_NODE = frozenset(
    {
        ("platform", "registry-unavailable"),
        ("platform", "registry-rate-limited"),
        ("platform", "webhook-unreachable"),
        ("platform", "api-server"),
        ("platform", "service-rate-limited"),
        ("platform", "storage-access"),
        ("platform", "schedule-missed"),
        ("platform", "stuck-terminating"),
        ("accelerator", "device-oom"),
    }
)
"""What is the same on every node, and what one pod can cause alone."""


class NodeFailures(Collector):
    """``observe()`` costs the same however much is remembered."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._nodes: OrderedDict[str, OrderedDict[WorkloadKey, datetime]] = OrderedDict()
        """By node, the workloads and when each failed there last, the oldest observation first."""

    def observe(self, node: str, workload: WorkloadKey, category: str, subcategory: str, at: datetime) -> None:
        """A pod of the workload failed on the node then. The same may be observed any number of times."""
        if not _may_be_the_nodes(category, subcategory) or at <= self._now() - WINDOW:
            return
        if not _NODE_NAME.fullmatch(node):
            return
        workloads = self._nodes.setdefault(node, OrderedDict())
        workloads[workload] = max(at, workloads.get(workload, at))
        workloads.move_to_end(workload)
        self._nodes.move_to_end(node)
        if len(workloads) > WORKLOADS_LIMIT:
            workloads.popitem(last=False)
        if len(self._nodes) > NODES_LIMIT:
            self._nodes.popitem(last=False)

    def describe(self) -> Iterable[Metric]:
        return (self._family(),)

    def collect(self) -> Iterable[Metric]:
        """The nodes with the most workloads; those with one are left out: any pod fails somewhere."""
        self._drop_old()
        counts = [(len(workloads), node) for node, workloads in self._nodes.items() if len(workloads) > 1]
        family = self._family()
        for count, node in sorted(counts, key=lambda entry: (-entry[0], entry[1]))[:NODES_SHOWN]:
            family.add_metric((node,), count)
        return (family,)

    def _family(self) -> GaugeMetricFamily:
        help_ = (
            "Workloads whose pods failed on the node in the last hour for reasons that a node can have; "
            f"the {NODES_SHOWN} nodes with the most."
        )
        return GaugeMetricFamily("coroner_node_failed_workloads", help_, labels=["node"])

    def _drop_old(self) -> None:
        oldest = self._now() - WINDOW
        for node, workloads in tuple(self._nodes.items()):
            for workload in [key for key, at in workloads.items() if at <= oldest]:
                del workloads[workload]
            if not workloads:
                del self._nodes[node]


def _may_be_the_nodes(category: str, subcategory: str) -> bool:
    name = (category, subcategory)
    return name in _SUBCATEGORIES or (category in _CATEGORIES and name not in _OF_NO_NODE)
