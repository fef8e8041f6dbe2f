"""Findings from a Job's own Failed condition: of Jobs whose pods were gone before they were seen to fail (t15, t16)."""

from __future__ import annotations

from coroner_categorizer.findings.finding import Excerpt, FailureRank, Finding
from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.objects.workload import Workload, WorkloadCondition
from coroner_categorizer.verdict import FailureKey

# The Job controller's message where a rule of the pod failure policy matched (m1, m4).
_CONTAINER_ENDED = LinearRegex(r"Container (\S+) for pod \S+ failed with exit code (\d{1,3}) ")
_CHOSEN_CODES = range(1, 126)  # by the program; from 126 on a shell, a runtime or a signal may have set it


def failed_condition(job: Workload) -> WorkloadCondition | None:
    """Failed, or FailureTarget, which the Job controller sets before it deletes the remaining pods (1.31+)."""
    for type_ in ("Failed", "FailureTarget"):
        condition = job.condition(type_)
        if condition and condition.status == "True":
            return condition
    return None


def job_failure(job: Workload) -> Finding | None:
    """The failure that the Job's condition records; None where the Job has not failed.

    Its deadline is a cause; a pod failure policy may name the exit code of a container. All other reasons
    (BackoffLimitExceeded, FailedIndexes, MaxFailedIndexesExceeded) only say that pods failed, not why.
    """
    condition = failed_condition(job)
    if not condition:
        return None
    name = "OwnerDeadlineExceeded" if condition.reason == "DeadlineExceeded" else "JobFailed"
    container, exit_code = "", None
    if (ended := _CONTAINER_ENDED.search(condition.message)) and int(ended.groups[1]) in _CHOSEN_CODES:
        container, exit_code = ended.groups[0], int(ended.groups[1])
    facts = {"workload": f"{job.kind} {job.metadata.name}"}
    if job.spec.activeDeadlineSeconds is not None:
        facts["ownerDeadline"] = f"{job.spec.activeDeadlineSeconds} s"
    return Finding(
        names=(condition.reason or "JobFailed", name),
        rank=FailureRank.POD,
        source=f"status.conditions[{condition.type}]",
        key=FailureKey(job.metadata.uid, "", "JobFailed"),
        at=condition.lastTransitionTime,
        container=container,
        exit_code=exit_code,
        text=condition.message,
        facts=facts,
        supporting=(Excerpt(f"status.conditions[{condition.type}]", f"{condition.reason}: {condition.message}"),),
    )
