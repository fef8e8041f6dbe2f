"""Findings from a Job's own Failed condition: for Jobs whose pods vanished before anybody saw them fail (t15, t16)."""

from __future__ import annotations

from coroner_categorizer.finding import Finding, Seen, Standing
from coroner_categorizer.verdict import Identity
from coroner_categorizer.workload import Workload, WorkloadCondition


def failed_condition(job: Workload) -> WorkloadCondition | None:
    """Failed, or FailureTarget, which the Job controller sets before it deletes the remaining pods (1.31+)."""
    for type_ in ("Failed", "FailureTarget"):
        condition = job.condition(type_)
        if condition and condition.status == "True":
            return condition
    return None


def job_failed(job: Workload) -> Finding | None:
    """What the Job says of its own failure; None where it has not failed.

    Its deadline is a cause. All other reasons (BackoffLimitExceeded, PodFailurePolicy, FailedIndexes,
    MaxFailedIndexesExceeded) only say that pods failed, not why.
    """
    condition = failed_condition(job)
    if not condition:
        return None
    deadline = condition.reason == "DeadlineExceeded"
    facts = {"workload": f"{job.kind} {job.metadata.name}"}
    if job.spec.activeDeadlineSeconds is not None:
        facts["ownerDeadline"] = f"{job.spec.activeDeadlineSeconds} s"
    return Finding(
        names=("OwnerDeadlineExceeded" if deadline else "JobFailed", condition.reason or "JobFailed"),
        standing=Standing.POD,
        source=f"status.conditions[{condition.type}]",
        identity=Identity(job.metadata.uid, "", "JobFailed"),
        at=condition.lastTransitionTime,
        text=condition.message,
        facts=facts,
        seen_in=(Seen(f"status.conditions[{condition.type}]", f"{condition.reason}: {condition.message}"),),
    )
