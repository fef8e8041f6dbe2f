"""What a Job's own conditions, and the events about it, say of its pods.

A Failed condition explains Jobs whose pods were gone before they were seen to fail (t15, t16). Kueue stops a Job by
suspending it, so that the Job controller deletes its pods (kueue1).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from coroner_categorizer.findings.finding import Excerpt, FailureRank, Finding
from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.pod import Pod
from coroner_categorizer.objects.times import is_before
from coroner_categorizer.objects.workload import Workload, WorkloadCondition
from coroner_categorizer.verdict import FailureKey

# The Job controller's message where a rule of the pod failure policy matched (m1, m4).
_CONTAINER_ENDED = LinearRegex(r"Container (\S+) for pod \S+ failed with exit code (\d{1,3}) ")
_CHOSEN_CODES = range(1, 126)  # by the program; from 126 on a shell, a runtime or a signal may have set it

# Of a Job that is to be queued, and of every pod that Kueue admitted, whatever kind owns it.
QUEUE_LABELS = frozenset({"kueue.x-k8s.io/queue-name", "kueue.x-k8s.io/podset"})
STOPPED_BY_QUEUE = "Stopped"  # the reason of Kueue's event about a Job that it has stopped
_QUEUE_COMPONENT = "-kueue-controller"  # job-kueue-controller, jobset-kueue-controller, pod-kueue-controller, ...
_PREEMPTED = "Preempted to accommodate "
_STOPPED_LATE = timedelta(seconds=10)  # the event follows the deletion of the pods; 1 to 2 s were observed


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
    facts = {"workload": job.title}
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
        consequence=name == "JobFailed" and exit_code is None,  # it only says that pods failed
        supporting=(Excerpt(f"status.conditions[{condition.type}]", f"{condition.reason}: {condition.message}"),),
    )


class QueueStop(NamedTuple):
    """That Kueue stopped a pod."""

    name: str
    """The finding's: PreemptedByQueue, or EvictedByQueue."""
    message: str
    """Why, in Kueue's words; "" where only the Job's suspension is known."""
    excerpt: Excerpt


def queue_stop(pod: Pod, job: Workload | None, job_events: Sequence[Event]) -> QueueStop | None:
    """That Kueue stopped this pod, which is being deleted, by suspending its Job; None where nothing shows it.

    Kueue tells why in an event about the Job, a moment after the pods were deleted; the Job may be resumed by then.
    """
    if not job or failed_condition(job) or not may_be_queued(pod, job):
        return None
    place = job.title
    for event in reversed(job_events):
        if _stops(event, pod):
            name = "PreemptedByQueue" if event.text.startswith(_PREEMPTED) else "EvictedByQueue"
            return QueueStop(name, event.text, Excerpt(f"{place} events[Stopped]", event.text))
    if not is_suspended(job):
        return None
    return QueueStop("EvictedByQueue", "", Excerpt(f"{place} spec.suspend", "true"))


def is_stopped_by_queue(pod: Pod, job_events: Sequence[Event]) -> bool:
    """Whether one of the events says that Kueue stopped the pod's Job while the pod existed."""
    return any(_stops(event, pod) for event in job_events)


def may_be_queued(pod: Pod, job: Workload) -> bool:
    """Whether the pod and its Job have the labels of what Kueue manages."""
    return not QUEUE_LABELS.isdisjoint({*pod.metadata.labels, *job.metadata.labels})


def is_suspended(job: Workload) -> bool:
    """Whether the Job wants no pods now. Its condition follows when it has deleted them."""
    suspended = job.condition("Suspended")
    return job.spec.suspend is True or bool(suspended and suspended.status == "True")


def _stops(event: Event, pod: Pod) -> bool:
    """Whether Kueue stopped the Job while this pod existed: that ends all pods of the Job."""
    component = (
        event.reportingComponent or event.reportingController or (event.source.component if event.source else "")
    )
    created, deleted = pod.metadata.creationTimestamp, pod.metadata.deletionTimestamp
    if event.reason != STOPPED_BY_QUEUE or not component.endswith(_QUEUE_COMPONENT) or not created or not deleted:
        return False
    times = [time for time in (event.first_seen, event.last_seen) if time]
    return any(not is_before(time, created) and not is_before(deleted, time, _STOPPED_LATE) for time in times)
