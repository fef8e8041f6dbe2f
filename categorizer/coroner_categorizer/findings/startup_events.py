"""Findings from events: why a pod stays in ContainerCreating, and why a workload's pods could not be created.

An event alone never makes a pod fail: these are used only while the pod is waiting, or where no pod exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from coroner_categorizer.findings.finding import Excerpt, FailureRank, Finding
from coroner_categorizer.findings.pod_status import has_run
from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.pod import ContainerStatus, Pod
from coroner_categorizer.objects.quantity import parse_quantity
from coroner_categorizer.objects.times import newest
from coroner_categorizer.objects.workload import Workload
from coroner_categorizer.verdict import FailureKey
from coroner_categorizer.vocabulary.phrases import VOCABULARY, Phrases

_STUCK_REASONS = frozenset(stuck.reason for stuck in VOCABULARY.stuck_reasons)
_EMITTED_ONCE = frozenset(stuck.reason for stuck in VOCABULARY.stuck_reasons if stuck.once)
_TRANSIENT = Phrases(VOCABULARY.transient_mount_errors)
_UNINFORMATIVE = Phrases(VOCABULARY.uninformative_events)
_SUMMARY_WINDOW = timedelta(minutes=5)  # the kubelet retries a mount at least every two minutes
# What the kubelet does once volumes and sandbox are ready.
_PROGRESS_REASONS = ("Pulling", "Pulled", "Created", "Started")

_VOLUME = LinearRegex(r'volume "[^"]+"')
_PREFIXES = LinearRegex(
    r"^Failed to create pod sandbox: |\brpc error: code = \w+ desc = |Mounting (?:command|arguments): [^\n]*\n"
    r"|Running scope as unit:? \S+\n|\bOutput: |\s*In some cases useful info is found in syslog - try\s+"
    r'"?dmesg \| tail"?(?: or so)?\.?'
    r"|\s*\(extra info: .*"
)
_REFUSED_CLAIM = LinearRegex(r'(?:^|failed error: )persistentvolumeclaims "[^"]+" is forbidden: ')
_POLICY_LIST = "unable to validate against any pod security policy: ["
_QUOTA = LinearRegex(r"requested: (.+?), used: .+?, limited: ([^\n]+)")
_AMOUNT = LinearRegex(r"([^\s,=]+)=([^\s,=]+)")
_CREATE_REASONS = ("FailedCreate", "FailedResourceClaimCreation")
# Job and ReplicaSet: `Error creating: …`; StatefulSet: `create Pod X in StatefulSet Y failed error: …`;
# CronJob: `Error creating job: …`.
_CREATE_PREFIX = LinearRegex(r"^(?:Error creating(?: job)?: |[cC]reate (?:Pod|Claim) .*? failed error: )")
# Of the constraints that OpenShift lists, those that the ServiceAccount may not use say nothing of the pod.
_NOT_USABLE = LinearRegex(r'(?:, )?provider "?[\w.-]+"?: Forbidden: not usable by user or serviceaccount')


def startup_blocked(pod: Pod, events: Sequence[Event]) -> Finding | None:
    """Why a scheduled pod still waits for its sandbox or volumes (b9, f3, s5); None where no event says."""
    if pod.status.phase != "Pending" or pod.metadata.deletionTimestamp:
        return None
    ready_at = newest([_started_at(pod), *(e.last_seen for e in events if e.reason in _PROGRESS_REASONS)])
    found = [
        e
        for e in events
        if e.reason in _STUCK_REASONS
        and e.type != "Normal"
        and not _TRANSIENT.found_in(e.text)
        and not _is_resolved(e, ready_at)
        and not (e.reason == "FailedAttachVolume" and _is_resolved(e, _attached_at(events, e)))
    ]
    event = _most_specific(found)
    if not event:
        return None
    return Finding(
        names=(event.reason.replace("SandBox", "Sandbox"), event.reason),
        rank=FailureRank.POD,
        source=f"events[{event.reason}]",
        key=FailureKey(pod.metadata.uid, "", event.reason.replace("SandBox", "Sandbox")),
        at=event.first_seen,
        text=_without_prefixes(event.text),
        max_confidence="Likely",
        waiting=True,
    )


def _is_resolved(event: Event, since: datetime | None) -> bool:
    return bool(since and event.last_seen and event.last_seen <= since)


def _attached_at(events: Sequence[Event], failed: Event) -> datetime | None:
    """When the volume that ``failed`` names was attached in the end."""
    volume = _VOLUME.search(failed.text)
    return newest(
        e.last_seen for e in events if e.reason == "SuccessfulAttachVolume" and volume and volume.text in e.text
    )


def _started_at(pod: Pod) -> datetime | None:
    """When sandbox and volumes were ready: by the pod's condition, or because a first container has started."""
    ready = pod.condition("PodReadyToStartContainers")
    started = [
        s.state.running or s.state.terminated or s.lastState.terminated for s in pod.status.initContainerStatuses
    ]
    times = [state.startedAt for state in started if state]
    return newest([ready.lastTransitionTime if ready and ready.status == "True" else None, *times])


class StartupBlocker(NamedTuple):
    """What prevented a pod, or one of its containers, from starting."""

    container: str
    """The one that never ran while others did; "" = none did."""
    excerpt: Excerpt


def startup_blocker(pod: Pod, containers: Sequence[Finding], events: Sequence[Event]) -> StartupBlocker | None:
    """What prevented a container from starting that is no longer waiting; None where all ran, or nothing names it.

    ``containers``: the findings of the pod's containers.
    """
    statuses = (*pod.status.initContainerStatuses, *pod.status.containerStatuses)
    waiting = {f.container: Excerpt(f.source, f.text) for f in containers if f.waiting and f.text}
    never_ran = [s.name for s in statuses if not _has_run(s)]
    if len(never_ran) < len(statuses):
        images = {c.name: c.image for c in (*pod.spec.containers, *pod.spec.initContainers)}
        found = ((name, waiting.get(name) or _last_pull_failure(events, name, images.get(name))) for name in never_ran)
        return next((StartupBlocker(name, excerpt) for name, excerpt in found if excerpt), None)
    if not any(s.state.terminated or s.lastState.terminated for s in statuses) and not any(
        f.waiting for f in containers
    ):
        return None
    first = next((f for f in containers if f.waiting), None)
    excerpt = Excerpt(first.source, first.text) if first and first.text else _newest_blocker(events)
    return StartupBlocker("", excerpt) if excerpt else None


def _has_run(status: ContainerStatus) -> bool:
    ends = (status.state.terminated, status.lastState.terminated)
    return status.state.running is not None or any(has_run(end) for end in ends if end)


def _last_pull_failure(events: Sequence[Event], container: str, image: str | None) -> Excerpt | None:
    """The newest failed pull of this container's image; None where it was pulled afterwards."""
    mine = [e for e in events if e.container == container or (image and not e.container and f'"{image}"' in e.text)]
    failed = [e for e in mine if _is_failed_pull(e)]
    pulled = newest(e.last_seen for e in mine if e.reason == "Pulled")
    if not failed or _is_resolved(failed[-1], pulled):
        return None
    return Excerpt("events[Failed]", _without_prefixes(failed[-1].text))


def _newest_blocker(events: Sequence[Event]) -> Excerpt | None:
    pulls = [e for e in events if _is_failed_pull(e)]
    event = _most_specific([*pulls, *(e for e in events if e.reason in _STUCK_REASONS and e.type != "Normal")])
    return Excerpt(f"events[{event.reason}]", _without_prefixes(event.text)) if event else None


def _is_failed_pull(event: Event) -> bool:
    return event.text.startswith("Failed to pull image")


def create_failure(workload: Workload, events: Sequence[Event]) -> Finding | None:
    """Why a workload's pods could not be created (p1, p2, p3); None where nothing says so.

    Read from FailedCreate events; for a Deployment from its condition, which is a copy of the ReplicaSet's (p18).
    """
    found = [e for e in events if e.reason in _CREATE_REASONS and e.type != "Normal"]
    event = _most_specific(found)
    if _has_wanted_pods(workload, event):
        return None
    if not event:
        return _replica_failure(workload)
    succeeded = newest(e.last_seen for e in events if e.reason == "SuccessfulCreate")
    if succeeded and event.last_seen and succeeded >= event.last_seen:
        return None
    return Finding(
        names=("FailedCreate", event.reason, *(("NeverFits",) if quota_never_fits(event.text) else ())),
        rank=FailureRank.POD,
        source=f"events[{event.reason}]",
        key=_create_failure_key(workload),
        at=newest(e.last_seen for e in found),
        text=_refused_fields_first(_CREATE_PREFIX.remove_prefix(event.text)),
        facts=_workload_facts(workload, event.text) | {"attempts": str(sum(e.occurrences for e in found))},
        waiting=True,
        permanent=quota_never_fits(event.text),
        supporting=(Excerpt(f"events[{event.reason}]", event.text),),
    )


def _has_wanted_pods(workload: Workload, failed: Event | None) -> bool:
    """Whether the workload's status shows that the pods exist by now, or are no longer wanted."""
    status, wanted = workload.status, workload.spec.replicas
    failed_at = failed.last_seen if failed else None
    match workload.kind:
        case "Job":
            ended = (workload.condition("Complete"), workload.condition("Failed"), workload.condition("Suspended"))
            return any(c is not None and c.status == "True" for c in ended) or _has_all_active_pods(workload)
        case "CronJob":
            return bool(failed_at and status.lastScheduleTime and status.lastScheduleTime > failed_at)
        case "ReplicaSet" | "StatefulSet" | "Deployment":
            failing = workload.condition("ReplicaFailure")
            return wanted is not None and status.replicas >= wanted and not (failing and failing.status == "True")
        case "DaemonSet":
            return 0 < status.desiredNumberScheduled <= status.currentNumberScheduled
    available = (workload.condition("Available"), workload.condition("Ready"))  # of custom kinds
    return any(c is not None and c.status == "True" for c in available)


def _has_all_active_pods(job: Workload) -> bool:
    """Whether the Job has as many active pods as it may have now."""
    at_once = 1 if job.spec.parallelism is None else job.spec.parallelism
    if job.spec.completions is not None:
        at_once = min(at_once, job.spec.completions - job.status.succeeded)
    active = job.status.active
    return isinstance(active, int) and active >= max(at_once, 1)


def quota_never_fits(text: str) -> bool:
    """Whether one pod alone requests more than the quota allows in total: waiting does not help then."""
    found = _QUOTA.search(text)
    if not found:
        return False
    wanted, limited = (_amounts(part) for part in found.groups)
    sizes = ((parse_quantity(amount), parse_quantity(limited.get(name, ""))) for name, amount in wanted.items())
    return any(request is not None and limit is not None and request > limit for request, limit in sizes)


def _amounts(text: str) -> dict[str, str]:
    """``cpu=2,memory=1Gi`` by name."""
    return {name: amount for found in _AMOUNT.find_all(text) for name, amount in [found.groups]}


def _replica_failure(workload: Workload) -> Finding | None:
    condition = workload.condition("ReplicaFailure")
    if not condition or condition.status != "True" or condition.reason != "FailedCreate":
        return None
    return Finding(
        names=("FailedCreate", *(("NeverFits",) if quota_never_fits(condition.message) else ())),
        rank=FailureRank.POD,
        source="status.conditions[ReplicaFailure]",
        key=_create_failure_key(workload),
        at=condition.lastTransitionTime,
        text=_refused_fields_first(condition.message),
        facts=_workload_facts(workload, condition.message),
        waiting=True,
        permanent=quota_never_fits(condition.message),
    )


def _refused_fields_first(text: str) -> str:
    """A refusal by OpenShift without the constraints that the pod may not use anyway, unless it names no others."""
    shortened = _NOT_USABLE.remove_all(text).replace("[, ", "[")
    return text if "[]" in shortened else _without_repetitions(shortened)


def _without_repetitions(text: str) -> str:
    """A refusal by PodSecurityPolicies, each field of which is listed once, not once for each policy."""
    start, policies, fields = text.partition(_POLICY_LIST)
    if not policies or not fields.endswith("]"):
        return text
    once = dict.fromkeys(part.strip(" ,") for part in fields.removesuffix("]").replace(" spec.", "\0spec.").split("\0"))
    return f"{start}{policies}{', '.join(once)}]"


def _create_failure_key(workload: Workload) -> FailureKey:
    return FailureKey(workload.metadata.uid, "", "FailedCreate")


def _workload_facts(workload: Workload, text: str) -> dict[str, str]:
    created = "a Job" if workload.kind == "CronJob" else "a pod"
    if _REFUSED_CLAIM.found_in(text):  # of a StatefulSet, which makes the claims of a pod before the pod
        created = "a PersistentVolumeClaim"
    return {"workload": workload.title, "created": created}


def _without_prefixes(text: str) -> str:
    """The kubelet's text without the prefixes that only name the failed call."""
    return _PREFIXES.remove_all(text)


def _most_specific(events: Sequence[Event]) -> Event | None:
    """The newest event that names a cause, unless it is much older than the newest event; then that one."""
    last = newest(e.last_seen for e in events)
    specific = [
        e
        for e in events
        if not _UNINFORMATIVE.found_in(e.text.strip())
        and (e.reason in _EMITTED_ONCE or not (last and e.last_seen and last - e.last_seen > _SUMMARY_WINDOW))
    ] or list(events)
    timed = [(e.last_seen, i, e) for i, e in enumerate(specific) if e.last_seen]
    if timed:
        return max(timed, key=lambda t: (t[0], t[2].reason, t[2].text))[2]
    return max(specific, key=lambda e: (e.reason, e.text), default=None)
