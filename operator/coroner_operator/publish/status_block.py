"""A report in the workload's own status: as the block ``status.failure``, or as one condition."""

from __future__ import annotations

from typing import Any

from coroner_operator.model.report import Report
from coroner_operator.model.report_codec import FAILING, GROUP, to_status

BLOCK = "failure"
"""The field of a workload's status that is ours if its schema has it."""
CONDITION = f"{GROUP}/{FAILING}"
"""Domain-qualified, so that no controller has a condition of this type."""

# Only in the report: what the operator needs to count correctly, and what is too large for an object of another owner.
_REPORT_ONLY = frozenset(
    (
        *("failure", "history", "ledger", "conditions", "rules", "failureID", "seenAt"),
        *("unseen", "lowerBound", "counts", "restartsByRule"),
    )
)

# A status.failure that declares none of these is another controller's field with another meaning.
VERDICT_FIELDS = frozenset(("category", "subcategory", "reason", "message"))


def block(report: Report) -> dict[str, Any]:
    """The report's status without the fields that only a report has; nothing if nothing has failed yet.

    A recovered workload has no failure fields.
    """
    if report.first_seen is None:
        return {}
    return {name: value for name, value in to_status(report).items() if name not in _REPORT_ONLY}


def condition(report: Report) -> dict[str, Any] | None:
    """One metav1.Condition; None if nothing has failed yet. Its time changes only with its status."""
    conditions = to_status(report).get("conditions")
    return {**conditions[0], "type": CONDITION} if conditions else None
