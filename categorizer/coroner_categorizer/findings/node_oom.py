"""OOM kills in a node's events: SystemOOM of the kubelet, OOMKilling of node-problem-detector.

A container's status often does not show them: an OOM kill in its first second, or of the node as a whole, is
``Error 137`` like any other kill.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from coroner_categorizer.findings.finding import Excerpt
from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.pod import Terminated

_BEFORE = timedelta(seconds=30)  # a process was killed, and the container ended with it or because of it
_AFTER = timedelta(seconds=10)  # the kernel's log is read with a delay
_CGROUP_OOM = "Memory cgroup"  # "Memory cgroup out of memory": what the kernel logs for a kill at a memory limit
_VICTIM = LinearRegex(r"victim process: ([^,]+)|[Kk]ill(?:ed)? process \d+ \(([^)]+)\)")


class NodeOom(NamedTuple):
    """An OOM kill that an event reports."""

    excerpt: Excerpt
    system_wide: bool
    """False: a cgroup had reached its own limit; a container's memory limit is one."""
    victim: str
    """Name of the process that was killed; "" = not reported."""


def find_node_oom(events: Sequence[Event], node: str, ended: Terminated) -> NodeOom | None:
    """An OOM kill on this node while this container ended; None where no event reports one."""
    for event in events:
        about_it = event.reason in ("SystemOOM", "OOMKilling") and event.is_about_node
        if not about_it or (node and event.involved.name != node) or not ended.finishedAt or not event.last_seen:
            continue
        if -_AFTER <= ended.finishedAt - event.last_seen <= _BEFORE:
            victim = _VICTIM.search(event.text)
            name = "".join(victim.groups) if victim else ""
            return NodeOom(Excerpt(f"events[{event.reason}]", event.text), _CGROUP_OOM not in event.text, name)
    return None
