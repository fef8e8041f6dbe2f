"""The scheduler's message, parsed: ``0/3 nodes are available: 2 Insufficient cpu, 1 node(s) had untolerated taint(s).``

Format: kubernetes pkg/scheduler/framework/types.go, FitError.Error(). A node may be counted for several reasons.
"""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.vocabulary.phrases import VOCABULARY

# Volcano's are "0/8 nodes are unavailable: " and "all nodes are unavailable: ".
_HEAD = LinearRegex(r"^(?:\d+/(\d{1,9}) nodes are (?:un)?available|all nodes are unavailable): ")
_REMARKS = LinearRegex(rf"\.? ?(?:{'|'.join(entry.pattern for entry in VOCABULARY.scheduler_remarks.entries)})")
_OLD_HEAD = LinearRegex(r"^No nodes are available that match all of the (?:following )?predicates:+ ")
_PREDICATE = LinearRegex(r"([A-Z]\w+|Insufficient \S+) \((\d{1,9})\)")
_PREDICATES = {listed.predicate: listed.reason for listed in VOCABULARY.scheduler_predicates}
_REASON = LinearRegex(r"(?:^|, )(\d{1,9}) ")
_REASON_LIMIT = 100  # the scheduler counts nodes with the same reason together
_FILTERS = tuple(listed.phrase for listed in VOCABULARY.scheduler_filters)


class RejectionReason(NamedTuple):
    """One reason, and how many nodes it rules out."""

    nodes: int
    reason: str


class SchedulerMessage(NamedTuple):
    """Why no node takes the pod."""

    total: int
    """Nodes that were considered; 0 = the sentence does not say."""
    reasons: tuple[RejectionReason, ...]
    """Most relevant first: of the nodes that passed most of the scheduler's filters, then of most nodes."""


def parse_scheduler_message(message: str) -> SchedulerMessage:
    """The message of PodScheduled=False/Unschedulable, or of a FailedScheduling event."""
    if old := _OLD_HEAD.match(message):
        message = _translated(message[old.end :])
    head = _HEAD.match(message)
    total = int(head.groups[0] or 0) if head else 0
    body = message[head.end :] if head else message
    if remark := _REMARKS.search(body):
        body = body[: remark.start]
    body = body.strip().removesuffix(".")
    starts = list(islice(_REASON.find_all(body), _REASON_LIMIT))
    if not starts or starts[0].start != 0:
        # No count: a reason found before any node was looked at (a missing PersistentVolumeClaim, say).
        return SchedulerMessage(total, (RejectionReason(total, body),) if body else ())
    ends = [m.start for m in starts[1:]] + [len(body)]
    reasons = [
        RejectionReason(int(m.groups[0]), body[m.end : end].strip()) for m, end in zip(starts, ends, strict=True)
    ]
    return SchedulerMessage(total, tuple(sorted(reasons, key=lambda b: (-_filter_rank(b.reason), -b.nodes, b.reason))))


def _translated(body: str) -> str:
    """The predicates by which schedulers before 1.9 named their reasons, as later ones write them."""
    found = (match.groups for match in _PREDICATE.find_all(body))
    return ", ".join(f"{count} {_PREDICATES.get(name, name)}" for name, count in islice(found, _REASON_LIMIT)) or body


def _filter_rank(reason: str) -> int:
    """How many of the scheduler's filters a node had passed before this one rejected it."""
    return next((rank for rank, part in enumerate(_FILTERS) if part in reason), -1)
