"""All findings of a pod, the one that speaks for it first: docs/verdicts.md, "Which failure of a pod speaks for it"."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from coroner_categorizer.findings.containers import container_findings
from coroner_categorizer.findings.finding import Excerpt, FailureRank, Finding
from coroner_categorizer.findings.pod_status import (
    deletion,
    disruption,
    failed_without_reason,
    has_run,
    status_reason,
    stop_started_at,
    stopped_after_job_success,
    unschedulable,
)
from coroner_categorizer.findings.startup_events import startup_blocked, startup_blocker
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.exit_codes import KILLED_EXITS
from coroner_categorizer.objects.pod import Pod
from coroner_categorizer.objects.times import is_before
from coroner_categorizer.objects.workload import Workload

# Every name that this package gives to what Kubernetes knows but does not name; ``onFindings`` takes these.
FINDING_NAMES = frozenset(
    {
        "CgroupOOM",
        "CompletedRestarting",
        "DeletedWhileRunning",
        "FailedCreate",
        "JobFailed",
        "KilledByLivenessProbe",
        "KilledByStartupProbe",
        "NeverFits",
        "NodeOutOfResource",
        "OwnerDeadlineExceeded",
        "PodFailed",
        "PostStartHookFailed",
        "ProgramExited",
        "StaleOOMKilled",
        "StatusLost",
        "SystemOOM",
        "UncaughtException",
        "Unschedulable",
    }
)

_LATEST = datetime.max.replace(tzinfo=UTC)


def collect(pod: Pod, events: Sequence[Event] = (), owner: Workload | None = None) -> list[Finding]:
    """Everything that went wrong in this pod: current findings first, by the order in which they may speak."""
    containers = container_findings(pod, events)
    if stopped_after_job_success(pod, owner):
        # What was killed for it is no failure; what had failed before keeps its place in the counts.
        return [msgspec.structs.replace(f, current=False) for f in containers if f.exit_code not in KILLED_EXITS]
    told = [f for f in (status_reason(pod), disruption(pod), deletion(pod, events, owner)) if f]
    if told:
        # One thing happened to the pod: further pod-level findings are evidence, not failures of their own.
        first, *others = told
        seen = (*first.supporting, *(s for f in others for s in f.supporting))
        first = msgspec.structs.replace(first, supporting=tuple(dict.fromkeys(seen)))
        told = [_with_earlier_cause(first, pod, containers, events)]
        containers = [_failed_before_stop(f, pod, events) or _explained_by(first, f, pod) for f in containers]
        if any(f.rank == FailureRank.BEFORE_POD for f in containers):
            told = [
                msgspec.structs.replace(f, explained_by_pod=True) for f in told
            ]  # it stopped what had failed already
    if pod.metadata.deletionTimestamp:
        containers = [msgspec.structs.replace(f, current=False) if f.waiting else f for f in containers]
    found = [*told, *containers]
    if not any(f.current and not f.explained_by_pod for f in found):
        pending = unschedulable(pod) or startup_blocked(pod, events) or failed_without_reason(pod)
        found += [pending] if pending else []
    return sorted(found, key=_primary_order)


def _with_earlier_cause(told: Finding, pod: Pod, containers: Sequence[Finding], events: Sequence[Event]) -> Finding:
    """A pod that was stopped: what it had waited for if it never ran (i2, t15), or how it had kept failing."""
    statuses = (*pod.status.containerStatuses, *pod.status.initContainerStatuses)
    ends = [end for s in statuses for end in (s.state.terminated, s.lastState.terminated) if end]
    waiting = next((f for f in containers if f.waiting), None)
    crashed = next(
        (
            f
            for f in containers
            if not f.waiting and not f.explained_by_pod and f.source.endswith("lastState.terminated")
        ),
        None,
    )
    if crashed:
        said = crashed.facts.get("exception") or crashed.text.strip().rpartition("\n")[2]
        kept = f'container "{crashed.container}" ended with exit code {crashed.exit_code}'
        return msgspec.structs.replace(told, facts=told.facts | {"crashLoopCause": f"{kept}: {said}" if said else kept})
    if any(has_run(e) for e in ends):
        return told
    waited = Excerpt(waiting.source, waiting.text) if waiting and waiting.text else startup_blocker(events)
    if not waited or not (ends or waiting):
        return told
    return msgspec.structs.replace(
        told, facts=told.facts | {"startupBlocker": waited.text}, supporting=(*told.supporting, waited)
    )


def _failed_before_stop(container: Finding, pod: Pod, events: Sequence[Event]) -> Finding | None:
    """A container that had failed for good, by itself, before the pod was stopped: it speaks first."""
    stopped = stop_started_at(pod, events)
    by_itself = container.exit_code not in (*KILLED_EXITS, None) or "OOMKilled" in container.names
    # Without a condition, the end of a container that is restarted may be a crash loop's, which the stop cut short.
    restarts_no_more = pod.disruption is not None or pod.spec.restartPolicy == "Never"
    for_good = restarts_no_more and container.source.endswith(".state.terminated")
    if not (
        stopped
        and by_itself
        and for_good
        and container.is_latest_instance
        and not container.explained_by_pod
        and container.at
    ):
        return None
    if container.rank != FailureRank.CONTAINER or not is_before(container.at, stopped):
        return None
    return msgspec.structs.replace(container, rank=FailureRank.BEFORE_POD)


def _explained_by(told: Finding, container: Finding, pod: Pod) -> Finding:
    """A container's end that the pod-level finding explains is no failure of its own."""
    if "StatusLost" in container.names and container.at is None:
        # The kubelet lost the container while it stopped the pod, and may show that as a restart (k2, k18).
        return msgspec.structs.replace(container, explained_by_pod=True)
    if not container.is_latest_instance or not container.current or container.name == "OOMKilled":
        return container
    killed = container.exit_code in KILLED_EXITS
    since = pod.disruption.lastTransitionTime if pod.disruption else None
    after = bool(since and container.at and container.at >= since and "DeletedWhileRunning" not in told.names)
    return (
        msgspec.structs.replace(container, explained_by_pod=True) if killed or after or container.waiting else container
    )


def _primary_order(finding: Finding) -> tuple[bool, bool, int, int, datetime, str, str]:
    return (
        not finding.current,
        finding.explained_by_pod,
        finding.rank,
        _cause_rank(finding),
        finding.at or _LATEST,
        finding.container,
        finding.source,
    )


def _cause_rank(finding: Finding) -> int:
    """OOM before other codes, a code of its own before what cannot start, and that before a kill by someone."""
    if not finding.container:
        return 0
    if "OOMKilled" in finding.names and "StaleOOMKilled" not in finding.names:
        return 0
    if finding.waiting:
        return 2
    if finding.exit_code == 0:
        return 4
    return 3 if finding.exit_code in KILLED_EXITS else 1
