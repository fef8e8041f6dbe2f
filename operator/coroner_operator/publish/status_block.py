"""A report in the workload's own status: as the block ``status.failure``, or as conditions."""

from __future__ import annotations

from typing import Any

from coroner_operator.model.report import Report
from coroner_operator.model.report_codec import FAILED, FAILING, GROUP, to_status

BLOCK = "failure"
"""The field of a workload's status that is ours if its schema has it."""
CONDITIONS = (f"{GROUP}/{FAILING}", f"{GROUP}/{FAILED}")
"""Domain-qualified, so that no controller has conditions of these types."""

# Only in the report: what the operator needs to count correctly, and what is too large for an object of another owner.
_REPORT_ONLY = frozenset(
    (
        *("failure", "history", "ledger", "conditions", "rules", "failureID", "seenAt"),
        *("unseen", "lowerBound", "counts", "restartsByRule", "final", "observedPod", "owners"),
        *("podMessage", "podFailingSince"),
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


def conditions(report: Report) -> list[dict[str, Any]]:
    """Each a metav1.Condition; none if nothing has failed yet. Their times change only with their status.

    Failing; and Failed where the workload has ended in failure, because most never do.
    """
    found = [{**each, "type": f"{GROUP}/{each['type']}"} for each in to_status(report).get("conditions", ())]
    failing, failed = CONDITIONS
    return [c for c in found if c["type"] == failing or (c["type"] == failed and c["status"] == "True")]
