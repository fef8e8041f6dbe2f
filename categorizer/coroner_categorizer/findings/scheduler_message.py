"""The scheduler's sentence, read: ``0/3 nodes are available: 2 Insufficient cpu, 1 node(s) had untolerated taint(s).``

Format: kubernetes pkg/scheduler/framework/types.go, FitError.Error(). A node may be counted for several reasons.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Volcano's are "0/8 nodes are unavailable: " and "all nodes are unavailable: ".
_HEAD = re.compile(r"^(?:\d+/(?P<total>\d{1,9}) nodes are (?:un)?available|all nodes are unavailable): ")
# What follows the reasons: the claims plugin's and the preemption's remarks; they explain nothing.
_TAIL = re.compile(r"\.? ?(?:no new claims to deallocate|preemption: |still not schedulable)")
_REASON = re.compile(r"(?:^|, )(\d{1,9}) ")


# The scheduler's filters in their order (getDefaultPlugins, Kubernetes 1.29 to 1.36); the first one stops a node.
# So nodes that lack cpu had passed taints and affinity: the pod could use them, however few they are.
_FILTERS = (
    "were unschedulable",
    "requested node name",
    "taint",
    "node affinity/selector",
    "free ports",
    "Insufficient ",
    "Too many pods",
    "volume",
    "Volume",
    "topology spread",
    "affinity rules",
    "claim",
)


class RejectionReason(NamedTuple):
    """One reason, and how many nodes it rules out."""

    nodes: int
    reason: str


class SchedulerMessage(NamedTuple):
    """Why no node takes the pod."""

    total: int
    """Nodes looked at; 0 = the sentence does not say."""
    reasons: tuple[RejectionReason, ...]
    """The one that counts first: of the nodes that came furthest through the filters, then of most nodes."""


def parse_scheduler_message(message: str) -> SchedulerMessage:
    """The message of PodScheduled=False/Unschedulable, or of a FailedScheduling event."""
    head = _HEAD.match(message)
    total = int(head["total"] or 0) if head else 0
    body = message[head.end() :] if head else message
    tail = _TAIL.search(body)
    if tail:
        body = body[: tail.start()]
    body = body.strip().removesuffix(".")
    starts = list(_REASON.finditer(body))
    if not starts or starts[0].start() != 0:
        # No count: a reason found before any node was looked at (a missing PersistentVolumeClaim, say).
        return SchedulerMessage(total, (RejectionReason(total, body),) if body else ())
    ends = [m.start() for m in starts[1:]] + [len(body)]
    blockers = [
        RejectionReason(int(m.group(1)), body[m.end() : end].strip()) for m, end in zip(starts, ends, strict=True)
    ]
    return SchedulerMessage(total, tuple(sorted(blockers, key=lambda b: (-_filter_rank(b.reason), -b.nodes, b.reason))))


def _filter_rank(reason: str) -> int:
    """How far a node came through the scheduler's filters before this one stopped it."""
    return next((rank for rank, part in enumerate(_FILTERS) if part in reason), -1)
