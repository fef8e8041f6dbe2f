"""Findings of the pod as a whole: what the kubelet, the scheduler or a controller did to it.

They outrank the containers' findings, because the exit code of a kill (137) does not show who requested it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from coroner_categorizer.findings.finding import Excerpt, FailureRank, Finding
from coroner_categorizer.findings.job_condition import failed_condition, is_suspended, queue_stop
from coroner_categorizer.findings.scheduler_message import parse_scheduler_message
from coroner_categorizer.findings.tekton import ended_by_signal
from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.objects.deletion_time import deletion_requested, ended_after_deletion, grace_period
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.exit_codes import KILL_EXIT_CODES, SIGTERM_EXIT, ended_by_stop
from coroner_categorizer.objects.pod import Container, Pod, PodCondition, Terminated
from coroner_categorizer.objects.quantity import bytes_text, parse_quantity
from coroner_categorizer.objects.times import is_before, newest, rfc3339, shifted
from coroner_categorizer.objects.workload import Workload, WorkloadCondition
from coroner_categorizer.termination_message.stop_reports import reports_stop_signal
from coroner_categorizer.verdict import Confidence, FailureKey

# Events by which a component says that it removes a pod: Karpenter (Evict until 0.16) and Volcano, the descheduler, the
# scheduler (before 1.26 the only trace of a preemption), the taint manager, the node controller of old clusters, the
# cluster autoscaler, the updater of the vertical pod autoscaler.
_EVICTION_REASONS = (
    "Evicted",
    "Evict",
    "Preempted",
    "Descheduled",
    "TaintManagerEviction",
    "NodeControllerEviction",
    "ScaleDown",
    "EvictedByVPA",
)
_DESCHEDULED = LinearRegex(r"^[Pp]od (?:evicted|eviction) from \S+ node by \S+$")  # its reason is the strategy
_CANCELLED = "Cancelling"  # the taint manager's, where the taint was removed in time
_SUCCESS_CONDITIONS = ("SuccessCriteriaMet", "Complete", "Completed", "Succeeded")
_FAILED_PHASES = ("Failed", "Error")  # Argo's Workflow has the condition Completed however it ended
_REMOVAL = timedelta(seconds=10)  # from the last container's end to the kubelet's final deletion, on a busy node
# Kueue's reasons on pods without a Job: WorkloadEvictedDueToPreempted, ...PodsReadyTimeout, ...ClusterQueueStopped, ...
_EVICTED_BY_QUEUE = "WorkloadEvictedDueTo"
# Kubernetes pkg/kubelet/eviction/helpers.go; the second wording of a request until 1.25.
_USAGE = LinearRegex(
    r"Container (\S+) was using ([^\s,]+), (?:request is|which exceeds its request of) ([^\s,]*[^\s,.])"
)
_THRESHOLD = LinearRegex(r"Threshold quantity: ([^\s,]+), available: ([^\s,]*[^\s,.])")
_NODE_LACKS = LinearRegex(r"requested: (\d{1,19}), used: \d*, capacity: (\d{1,19})")


def status_reason(pod: Pod) -> Finding | None:
    """status.reason of a pod that did not succeed: Evicted, DeadlineExceeded, OutOfcpu, NodeAffinity, …"""
    if not pod.status.reason or pod.status.phase == "Succeeded":
        return None
    # OutOfcpu, OutOfmemory, OutOfnvidia.com/gpu, …: kubelet lifecycle/predicate.go, InsufficientResourceError
    out_of: tuple[str, ...] = ("NodeOutOfResource",) if pod.status.reason.startswith("OutOf") else ()
    if out_of and _never_fits(pod.status.message):
        out_of = (*out_of, "NeverFits")
    return Finding(
        names=(pod.status.reason, *out_of),
        rank=FailureRank.POD,
        source="status",
        key=FailureKey(pod.metadata.uid, "", pod.status.reason),
        at=ended_at(pod),
        text=pod.status.message.removeprefix("Pod was rejected: ")
        if pod.status.reason != "Evicted"
        else pod.status.message,
        facts=_eviction_usage(pod.status.message) if pod.status.reason == "Evicted" else {},
        supporting=_disruption_excerpts(pod),
    )


def _eviction_usage(message: str) -> dict[str, str]:
    """Which container used most of what the node lacked, in amounts as people write them."""
    threshold = _THRESHOLD.search(message)
    used = [
        (amount, requested, found.groups[0])
        for found in _USAGE.find_all(message)
        if (amount := parse_quantity(found.groups[1])) is not None
        and (requested := parse_quantity(found.groups[2])) is not None
    ]
    if not used:
        return {}
    amount, requested, name = max(used)
    usage = f'Container "{name}" used {bytes_text(amount)} and requests {bytes_text(requested)}'
    limits = [parse_quantity(group) for group in threshold.groups] if threshold else []
    if len(limits) == len(known := [bytes_text(limit) for limit in limits if limit is not None]) and known:
        usage += f"; the node had {known[1]} left, and the kubelet evicts pods below {known[0]}"
    return {"evictionUsage": usage}


def _never_fits(message: str) -> bool:
    """Whether the pod requests more than the node has in total."""
    found = _NODE_LACKS.search(message)
    return bool(found and int(found.groups[0]) > int(found.groups[1]))


def disruption(pod: Pod) -> Finding | None:
    """The DisruptionTarget (or Kueue's) condition, where the disruption ended the pod.

    A taint also deletes pods that had ended long ago (c4, c9): their containers ended before the condition was set,
    and keep their own verdict.
    """
    condition = pod.disruption
    if not condition or pod.status.phase == "Succeeded" or not _has_ended(pod):
        return None
    since = condition.lastTransitionTime
    ends = _failed_terminations(pod)
    if since and ends and all(e.finishedAt and is_before(e.finishedAt, since) for e in ends):
        return None
    queue: tuple[str, ...] = ()
    if condition.reason.startswith(_EVICTED_BY_QUEUE):
        queue = ("PreemptedByQueue" if condition.reason == _EVICTED_BY_QUEUE + "Preempted" else "EvictedByQueue",)
    return Finding(
        names=(condition.reason or "DisruptionTarget", *queue, "DisruptionTarget"),
        rank=FailureRank.POD,
        source=f"status.conditions[{condition.type}]",
        key=FailureKey(pod.metadata.uid, "", condition.reason or "DisruptionTarget"),
        at=ended_at(pod) or since,
        text=condition.message,
        facts={"queueMessage": condition.message} if queue and condition.message else {},
    )


def deletion(
    pod: Pod, events: Sequence[Event], owner: Workload | None, owner_events: Sequence[Event]
) -> Finding | None:
    """A pod that was deleted while it ran, and whose containers were killed for it.

    Only the metadata shows it: there is no condition and no reason (s2). Containers that ended by themselves, with a
    code of their own or before the deletion was requested, do not count.
    """
    if not pod.metadata.deletionTimestamp or pod.status.phase == "Succeeded" or pod.disruption:
        return None
    specs = {c.name: c for c in (*pod.spec.containers, *pod.spec.initContainers)}
    statuses = (*pod.status.containerStatuses, *pod.status.initContainerStatuses)
    ended = [(specs.get(s.name) or Container(), s.state.terminated) for s in statuses if s.state.terminated]
    killed = [end for spec, end in ended if _killed_by_deletion(pod, spec, end, events)]
    failed = _owner_deadline(owner)
    if failed and not killed:  # what stops a program at the deadline may give it a code of its own
        killed = [end for _, end in ended if end.exitCode and ended_since_deadline(end.finishedAt, owner)]
    if not killed:
        return None
    names = ["DeletedWhileRunning"]
    seen: tuple[Excerpt, ...] = ()
    if failed and owner:
        names.insert(0, "OwnerDeadlineExceeded")
        text = f"{failed.reason}: {failed.message}"
        seen = (Excerpt(f"{owner.title} status.conditions[{failed.type}]", text),)
    facts = {"deletedWhen": "while it was running" if any(has_run(e) for e in killed) else "before it started"}
    if pod.metadata.deletionGracePeriodSeconds:
        facts["gracePeriod"] = f"{pod.metadata.deletionGracePeriodSeconds} s"
    queue = queue_stop(pod, owner, owner_events)
    if queue:
        names.insert(0, queue.name)
        seen = (queue.excerpt,)
        facts |= {"queueMessage": queue.message} if queue.message else {}
    elif owner and (state := _owner_state(owner)):
        facts["ownerState"] = state
    if owner and owner.spec.activeDeadlineSeconds is not None:
        facts["ownerDeadline"] = f"{owner.spec.activeDeadlineSeconds} s"
    removal = next((e for e in reversed(events) if _says_who_removes(e)), None)
    if removal:
        names = [*names, "EvictedByController", removal.reason]
        facts |= {"evictedBy": removal.component or removal.reason, "evictionEvent": removal.text.strip()}
        seen = (*seen, Excerpt(f"events[{removal.reason}]", removal.text))
    stopping = next((e for e in events if e.reason == "Killing"), None)
    if stopping:
        seen = (*seen, Excerpt("events[Killing]", stopping.text))
    # Without the requested grace period, a kill shortly before the deletion may have had another cause.
    max_confidence: Confidence = (
        "Confirmed" if pod.metadata.deletionGracePeriodSeconds or stopping or failed else "Likely"
    )
    if queue:
        max_confidence = "Confirmed" if queue.message else "Likely"
    if all(_reports_stop_signal(e) for e in killed):
        max_confidence = "Likely"  # that it ended for this is the program's word
    return Finding(
        names=tuple(names),
        rank=FailureRank.POD,
        source="metadata.deletionTimestamp",
        key=FailureKey(pod.metadata.uid, "", "DeletedWhileRunning"),
        at=ended_at(pod),
        text=f"set to {rfc3339(pod.metadata.deletionTimestamp)}",
        facts=facts,
        max_confidence=max_confidence,
        supporting=seen,
    )


def _says_who_removes(event: Event) -> bool:
    by_kubelet = event.component == "kubelet"  # its evictions are in the pod's status
    removes = event.reason in _EVICTION_REASONS or (
        event.type == "Normal" and _DESCHEDULED.found_in(event.text.strip())
    )
    return removes and not by_kubelet and not event.text.startswith(_CANCELLED)


def owner_success(owner: Workload | None) -> WorkloadCondition | None:
    """The condition by which the owner has succeeded: of a Job (its successPolicy, m14), a JobSet, a PyTorchJob."""
    if owner is None or owner.status.phase in _FAILED_PHASES:
        return None
    conditions = (owner.condition(type_) for type_ in _SUCCESS_CONDITIONS)
    return next((c for c in conditions if c and c.status == "True"), None)


def was_deleted_before(pod: Pod, success: WorkloadCondition) -> bool:
    """Whether the pod was to be gone before its owner succeeded: it belongs to an attempt that failed.

    A Job is ``Complete`` only when its other pods are gone, which it stopped for that.
    """
    stamp, since = pod.metadata.deletionTimestamp, success.lastTransitionTime
    return bool(stamp and since and success.type != "Complete" and is_before(stamp, since))


def stopped_after_success(exit_code: int | None, ended: datetime | None, pod: Pod, success: WorkloadCondition) -> bool:
    """Whether a container that ended then was stopped because its owner had succeeded."""
    since = success.lastTransitionTime
    if ended and since and ended > since:
        return True
    if not pod.metadata.deletionTimestamp:
        return False
    return exit_code in KILL_EXIT_CODES or ended_after_deletion(pod, ended)


def _killed_by_deletion(pod: Pod, spec: Container, ended: Terminated, events: Sequence[Event]) -> bool:
    """Whether this instance was killed after the pod's deletion had been requested."""
    if ended_by_signal(spec, ended):
        return _ended_at_deletion(pod, spec, ended, events)
    if _reports_stop_signal(ended):
        return ended_after_deletion(pod, ended.finishedAt)
    # OOMKilled with 143 is a stale flag from a child process (b12), with 137 the cause itself.
    if not ended_by_stop(ended.exitCode) or (ended.reason == "OOMKilled" and ended.exitCode != SIGTERM_EXIT):
        return False
    asked = deletion_requested(pod)
    return not (asked and ended.finishedAt and is_before(ended.finishedAt, asked))


def ended_since_deadline(ended_at: datetime | None, job: Workload | None) -> bool:
    """Whether that was after the Job had been found to have exceeded its deadline (FailureTarget)."""
    conditions = job.status.conditions if job else []
    since = [c.lastTransitionTime for c in conditions if c.reason == "DeadlineExceeded" and c.lastTransitionTime]
    return bool(since and ended_at and not is_before(ended_at, min(since)))


def _reports_stop_signal(ended: Terminated) -> bool:
    """Whether only the program itself says that it was asked to stop; its exit code does not."""
    return not ended_by_stop(ended.exitCode) and reports_stop_signal(ended.message)


def _ended_at_deletion(pod: Pod, spec: Container, ended: Terminated, events: Sequence[Event]) -> bool:
    """Whether this instance certainly ended after the deletion had been requested, or while the pod was removed."""
    asked, stamp = deletion_requested(pod), pod.metadata.deletionTimestamp
    if not asked or not stamp or not ended.finishedAt:
        return False
    if pod.metadata.deletionGracePeriodSeconds:
        return not is_before(ended.finishedAt, asked)
    stops = (e.first_seen for e in events if e.reason == "Killing" and e.container == spec.name)
    return any(time and not is_before(ended.finishedAt, time) for time in stops) or not is_before(
        ended.finishedAt, stamp, _REMOVAL
    )


def unschedulable(pod: Pod, events: Sequence[Event] = ()) -> Finding | None:
    """PodScheduled=False/Unschedulable or SchedulerError. SchedulingGated is intended, and not a finding (j4).

    Of a scheduler that sets no condition (Fargate's), its newest event.
    """
    scheduled = pod.condition("PodScheduled")
    source = "status.conditions[PodScheduled]"
    if not scheduled and (refused := next((e for e in reversed(events) if e.reason == "FailedScheduling"), None)):
        source = "events[FailedScheduling]"
        scheduled = PodCondition("PodScheduled", "False", "Unschedulable", refused.text, refused.first_seen)
    if not scheduled or scheduled.status != "False" or scheduled.reason not in ("Unschedulable", "SchedulerError"):
        return None
    if pod.status.phase not in ("Pending", "") or pod.spec.nodeName or pod.metadata.deletionTimestamp:
        return None
    plain = Finding(
        names=(scheduled.reason,),
        rank=FailureRank.POD,
        source=source,
        key=FailureKey(pod.metadata.uid, "", scheduled.reason),
        at=scheduled.lastTransitionTime or pod.metadata.creationTimestamp,
        text=scheduled.message,
        waiting=True,
    )
    if scheduled.reason == "SchedulerError":
        return plain
    parsed = parse_scheduler_message(scheduled.message)
    facts = {"scheduler": scheduled.message}
    if parsed.total:
        facts["nodes"] = str(parsed.total)
    if parsed.reasons:
        first = parsed.reasons[0]
        facts["nodesRejected"] = str(first.nodes)
        of_all = f" of {parsed.total}" if parsed.total else ""
        facts["rejectionReasons"] = "; ".join(f"{b.nodes}{of_all} nodes: {b.reason}" for b in parsed.reasons)
    alone = len(parsed.reasons) == 1
    return msgspec.structs.replace(
        plain,
        text=parsed.reasons[0].reason if parsed.reasons else scheduled.message,
        facts=facts,
        # Of several reasons, the most relevant one need not be the one that the author of the pod can change.
        max_confidence="Confirmed" if alone else "Likely",
    )


def failed_without_reason(pod: Pod) -> Finding | None:
    """phase Failed, and nothing else recorded. A container that ended badly and has not failed explains the phase."""
    ends = (s.state.terminated for s in pod.status.containerStatuses)
    if pod.status.phase != "Failed" or any(end and end.exitCode != 0 for end in ends):
        return None
    return Finding(
        names=("PodFailed",),
        rank=FailureRank.POD,
        source="status.phase",
        key=FailureKey(pod.metadata.uid, "", "PodFailed"),
        at=ended_at(pod),
        text=pod.status.message,
        max_confidence="Unknown",
    )


def stop_started_at(pod: Pod, events: Sequence[Event]) -> datetime | None:
    """The earliest time at which the stop of the whole pod can have started; None = not known."""
    if pod.disruption:
        return pod.disruption.lastTransitionTime
    if pod.metadata.deletionTimestamp:
        # With a grace period of 0 the kubelet has overwritten it (s23): its first Killing event has the time.
        is_final = not pod.metadata.deletionGracePeriodSeconds
        began = newest(e.last_seen for e in events if e.reason == "Killing") if is_final else None
        return began or deletion_requested(pod)
    if pod.status.reason == "DeadlineExceeded" and pod.status.startTime and pod.spec.activeDeadlineSeconds is not None:
        return shifted(pod.status.startTime, pod.spec.activeDeadlineSeconds)
    kills = [e.finishedAt for e in _failed_terminations(pod) if e.exitCode in KILL_EXIT_CODES and e.finishedAt]
    return shifted(min(kills), -grace_period(pod)) if pod.status.reason and kills else None


def has_run(ended: Terminated) -> bool:
    """Whether this instance ever ran: one that did not has no start time (i2, t15), or 1970 (o1)."""
    return ended.startedAt is not None and ended.startedAt.year > 1970


def ended_at(pod: Pod) -> datetime | None:
    """When the last failed container ended, or else when the pod became unready, or was created."""
    ends = [e.finishedAt for e in _failed_terminations(pod) if e.finishedAt and e.finishedAt.year > 1970]
    if ends:
        return max(ends)
    changes = [condition.lastTransitionTime for condition in (pod.disruption, pod.condition("Ready")) if condition]
    known = [m for m in changes if m]
    return max(known) if known else (pod.status.startTime or pod.metadata.creationTimestamp)


def _disruption_excerpts(pod: Pod) -> tuple[Excerpt, ...]:
    condition = pod.disruption
    if not condition:
        return ()
    return (Excerpt(f"status.conditions[{condition.type}]", f"{condition.reason}: {condition.message}".strip(": ")),)


def _failed_terminations(pod: Pod) -> list[Terminated]:
    statuses = (*pod.status.containerStatuses, *pod.status.initContainerStatuses)
    return [s.state.terminated for s in statuses if s.state.terminated and s.state.terminated.exitCode != 0]


def _has_ended(pod: Pod) -> bool:
    """A pod has DisruptionTarget while it still runs; it is a failure only once a container has ended."""
    return pod.status.phase == "Failed" or bool(_failed_terminations(pod))


def _owner_state(owner: Workload) -> str | None:
    """Why a Job deletes its own pods, according to its conditions."""
    failed = failed_condition(owner)
    if failed:
        return f"had failed ({failed.reason})"
    return "was suspended" if is_suspended(owner) else None


def _owner_deadline(owner: Workload | None) -> WorkloadCondition | None:
    """The Job's DeadlineExceeded (m3): the Job controller deletes the pods, which then look deleted by a person."""
    condition = failed_condition(owner) if owner else None
    return condition if condition and condition.reason == "DeadlineExceeded" else None
