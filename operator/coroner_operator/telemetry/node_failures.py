"""On which nodes the pods of many workloads fail: a gauge with the names of at most ``NODES_SHOWN`` nodes.

A node that rejects or kills every pod it gets attracts ever more of them. It shows as a number of *different* workloads
whose pods failed on it for reasons that a node can have: the same program fails the same way on any node.

Whoever creates pods chooses their number, what their programs write, and with ``spec.nodeName`` their node. So what one
namespace adds is bounded: a node has a series only if workloads of at least two namespaces failed on it, at most
``OF_ONE_NAMESPACE`` of each count, and nodes with more namespaces are shown first. The end of a program never counts,
whatever the program wrote (``_is_end_of_program``).
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from coroner_categorizer.verdict import Verdict
from coroner_operator.model.workload_ref import WorkloadKey

WINDOW = timedelta(hours=1)
NODES_SHOWN = 20
OF_ONE_NAMESPACE = 2  # workloads of it that count on one node
NAMESPACES_NEEDED = 2  # with less, a node has no series
NODES_LIMIT = 50  # remembered of one namespace; of more, the one observed the longest ago is forgotten
NAMESPACES_LIMIT = 500  # remembered: 50,000 workloads at most, about 10 MB

_NODE_NAME = re.compile(r"[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?")

_CATEGORIES = frozenset({"platform", "accelerator"})
_SUBCATEGORIES = frozenset(
    {
        ("capacity", "node-out-of-resource"),
        ("disruption", "node-pressure-memory"),
        ("disruption", "node-pressure-disk"),
        ("disruption", "node-pressure-pids"),
        ("disruption", "node-pressure-inodes"),
    }
)
"""Without ("disruption", "node-gone"): no pod is sent to such a node, and ``spec.nodeName`` may name any."""
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
_ENDS_BY_THE_NODE = frozenset(
    {"StartError", "ContainerCannotRun", "RunContainerError", "CreateContainerError", "StatusLost"}
)
"""Reasons of verdicts on a container that has an exit code that is not its program's: the runtime could
not start it, or the kubelet lost its status (exit code 137, reason ContainerStatusUnknown)."""

T = TypeVar("T")
_Workloads = dict[WorkloadKey, datetime]
"""Of one namespace on one node, at most ``OF_ONE_NAMESPACE``, and when each failed there last."""


class NodeFailures(Collector):
    """``observe()`` costs the same however much is remembered."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._namespaces: OrderedDict[str, OrderedDict[str, _Workloads]] = OrderedDict()
        """By namespace and node, both in the order of their last observations: none of at most ``NAMESPACES_LIMIT``
        namespaces makes what another one did be forgotten."""

    def observe(self, node: str, workload: WorkloadKey, verdict: Verdict, at: datetime) -> None:
        """A pod of the workload failed on the node then. The same may be observed any number of times."""
        if not _may_be_the_nodes(verdict) or at <= self._now() - WINDOW or not _NODE_NAME.fullmatch(node):
            return
        nodes = _latest(self._namespaces, workload.namespace, OrderedDict[str, _Workloads](), NAMESPACES_LIMIT)
        workloads = _latest(nodes, node, _Workloads(), NODES_LIMIT)
        workloads[workload] = max(at, workloads.get(workload, at))
        if len(workloads) > OF_ONE_NAMESPACE:
            del workloads[min(workloads, key=workloads.__getitem__)]

    def describe(self) -> Iterable[Metric]:
        return (self._family(),)

    def collect(self) -> Iterable[Metric]:
        """The nodes on which workloads of the most namespaces failed; any pod fails somewhere."""
        self._drop_old()
        namespaces, workloads = Counter[str](), Counter[str]()
        for nodes in self._namespaces.values():
            namespaces.update(nodes.keys())
            workloads.update({node: len(failed) for node, failed in nodes.items()})
        shown = [node for node, count in namespaces.items() if count >= NAMESPACES_NEEDED]
        family = self._family()
        for node in sorted(shown, key=lambda node: (-namespaces[node], -workloads[node], node))[:NODES_SHOWN]:
            family.add_metric((node,), workloads[node])
        return (family,)

    def _family(self) -> GaugeMetricFamily:
        help_ = (
            "Workloads whose pods failed on the node in the last hour for reasons that a node can have, at most "
            f"{OF_ONE_NAMESPACE} of each namespace; the {NODES_SHOWN} nodes with the most namespaces, if there are "
            f"{NAMESPACES_NEEDED} or more."
        )
        return GaugeMetricFamily("coroner_node_failed_workloads", help_, labels=["node"])

    def _drop_old(self) -> None:
        oldest = self._now() - WINDOW
        for namespace, nodes in tuple(self._namespaces.items()):
            for node, workloads in tuple(nodes.items()):
                for workload in [key for key, at in workloads.items() if at <= oldest]:
                    del workloads[workload]
                if not workloads:
                    del nodes[node]
            if not nodes:
                del self._namespaces[namespace]


def _latest(entries: OrderedDict[str, T], key: str, new: T, limit: int) -> T:
    """The entry of the key, or the new one, as the latest of at most so many."""
    entry = entries.setdefault(key, new)
    entries.move_to_end(key)
    if len(entries) > limit:
        entries.popitem(last=False)
    return entry


def _may_be_the_nodes(verdict: Verdict) -> bool:
    name = (verdict.category, verdict.subcategory)
    if name not in _SUBCATEGORIES and (verdict.category not in _CATEGORIES or name in _OF_NO_NODE):
        return False
    return not _is_end_of_program(verdict)


def _is_end_of_program(verdict: Verdict) -> bool:
    """Whether a program that ran has ended: exit code and termination message are its own, on whatever node.

    Decided by what the history of a report keeps: it has neither rule nor evidence.
    """
    return verdict.exit_code is not None and verdict.reason not in _ENDS_BY_THE_NODE
