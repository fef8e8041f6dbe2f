"""What is said on the workload itself: a report as the block ``status.failure``, or as one condition."""

from __future__ import annotations

from typing import Any

from coroner_operator.model.report import Report
from coroner_operator.model.report_codec import FAILING, GROUP, to_status

BLOCK = "failure"
"""The field of a workload's status that is ours where its schema has it."""
CONDITION = f"{GROUP}/{FAILING}"
"""Domain-qualified: no controller has a condition of this type."""

# What only a report has: its memory, and what is too much for a stranger's object.
_REPORT_ONLY = frozenset(
    ("history", "ledger", "conditions", "rules", "failureID", "seenAt", "unseen", "lowerBound", "counts")
)

# A foreign status.failure that has none of these means something else than ours.
VERDICT_FIELDS = frozenset(("category", "subcategory", "reason", "message"))


def block(report: Report) -> dict[str, Any]:
    """The report's status without its memory. Of a recovered workload the fields of the failure are not there."""
    return {name: value for name, value in to_status(report).items() if name not in _REPORT_ONLY}


def condition(report: Report) -> dict[str, Any] | None:
    """One metav1.Condition; None where nothing has happened yet. Its time moves only when its status does."""
    said = to_status(report).get("conditions")
    return {**said[0], "type": CONDITION} if said else None
