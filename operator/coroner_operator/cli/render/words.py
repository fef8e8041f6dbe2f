"""What every form of an explanation says in the same words: names, retry, confidence, and the order of the objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from coroner_categorizer.redaction.sanitize import one_line
from coroner_categorizer.verdict import Confidence, Retry, Verdict
from coroner_operator.cli.explanations import Explanation
from coroner_operator.cli.explanations.workload_summary import WorkloadSummary
from coroner_operator.model.failure_record import FailureRecord
from coroner_operator.model.initiator import Followers, is_initiator
from coroner_operator.model.workload_ref import WorkloadKey

WIDTH_LIMIT = 100  # columns; longer lines of prose are hard to read

_NAME_LIMIT = 253  # characters; the longest name that Kubernetes allows
_LATEST = datetime.max.replace(tzinfo=UTC)

NOTHING_TO_EXPLAIN = "Nothing to explain: no pods, and no workload whose pods could not be created."
RETRY_TEXT: dict[Retry, str] = {
    "MayRecover": "MayRecover: a retry may succeed without changes",
    "NeedsChange": "NeedsChange: a retry fails again until something changes",
    "Unknown": "Unknown: it is not known whether a retry would succeed",
}
CONFIDENCE_TEXT: dict[Confidence, str] = {
    "Confirmed": "Confirmed: the cluster recorded this cause",
    "Likely": "Likely: inferred from what the cluster recorded",
    "Unknown": "Unknown: the cause is not recorded",
}


def safe_name(text: str) -> str:
    """The name of an object, as it may be shown anywhere."""
    return one_line(text, _NAME_LIMIT)


def category_name(verdict: Verdict) -> str:
    return verdict.name or "no category"


def failed_label(current: FailureRecord, followers: Followers | None) -> str:
    """Before the pod that a verdict on a workload is about. ``followers``: of the others; None: there are no others."""
    if followers is None:
        return "Failed"
    return "Failed first" if is_initiator(current) else "Seen first"


def duration(seconds: int) -> str:
    """As kubectl writes ages: ``12s``, ``3m5s``, ``2h10m``, ``4d3h``."""
    for unit, size, below, part in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= size:
            rest = seconds % size // part
            return f"{seconds // size}{unit}{f'{rest}{below}' if rest else ''}"
    return f"{seconds}s"


def ago(at: datetime, now: datetime) -> str:
    """The time from ``at`` to ``now``, as ``duration`` writes it; ``0s`` where ``at`` is in the future."""
    return duration(max(0, int((now - at).total_seconds())))


def in_order(explanations: Sequence[Explanation]) -> Iterator[Explanation | WorkloadSummary]:
    """Each workload where the first of its pods is, then its pods in the order of time."""
    members: dict[WorkloadKey, list[Explanation]] = {}
    for explanation in explanations:
        if explanation.workload is not None:
            members.setdefault(explanation.workload.key, []).append(explanation)
    for explanation in explanations:
        if explanation.workload is None:
            yield explanation
        elif found := members.pop(explanation.workload.key, None):
            yield explanation.workload
            yield from sorted(found, key=_time)


def _time(explanation: Explanation) -> tuple[bool, datetime]:
    """When it failed; those that do not fail come last, in the order of their creation."""
    current = explanation.current
    at = current.at if current is not None else explanation.subject and explanation.subject.metadata.creationTimestamp
    return current is None, at or _LATEST
