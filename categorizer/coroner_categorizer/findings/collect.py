"""All findings of a pod, the primary one first: docs/verdicts.md, "Which failure of a pod is the primary one"."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from coroner_categorizer.findings.containers import container_findings
from coroner_categorizer.findings.finding import FailureRank, Finding
from coroner_categorizer.findings.pod_status import (
    deletion,
    disruption,
    ended_since_deadline,
    failed_without_reason,
    owner_success,
    status_reason,
    stop_started_at,
    stopped_after_success,
    unschedulable,
    was_deleted_before,
)
from coroner_categorizer.findings.startup_events import startup_blocked, startup_blocker
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.exit_codes import KILL_EXIT_CODES, ended_by_stop
from coroner_categorizer.objects.pod import Pod
from coroner_categorizer.objects.times import is_before
from coroner_categorizer.objects.workload import Workload

# Every name that this package gives to what Kubernetes knows but does not name; ``onFindings`` takes these.
FINDING_NAMES = frozenset(
    {
        "CgroupOOM",
        "ChildSignalled",
        "WorkerKilled",
        "CompletedRestarting",
        "CronJobNotStarted",
        "DeletedWhileRunning",
        "EvictedByQueue",
        "EvictedByController",
        "FailedCreate",
        "JobFailed",
        "KilledByLivenessProbe",
        "KilledByStartupProbe",
        "NeverReady",
        "NeverFits",
        "NodeOutOfResource",
        "OwnerDeadlineExceeded",
        "PodFailed",
        "PostStartHookFailed",
        "PreemptedByQueue",
        "ProbeCommandMissing",
        "ProgramExited",
        "SidecarRunsOn",
        "StaleOOMKilled",
        "StatusLost",
        "StuckTerminating",
        "StepCancelled",
        "StepSignalled",
        "SystemOOM",
        "StopSignalReported",
        "UncaughtException",
        "UnhealthyDevice",
        "Unschedulable",
    }
)

_ASKED_TO_STOP = frozenset({"StepSignalled", "StopSignalReported"})
_LATEST = datetime.max.replace(tzinfo=UTC)


def collect(
    pod: Pod, events: Sequence[Event] = (), owner: Workload | None = None, owner_events: Sequence[Event] = ()
) -> list[Finding]:
    """Everything that went wrong in this pod: current findings before past ones, the primary finding first."""
    containers = container_findings(pod, events)
    if (success := owner_success(owner)) and not was_deleted_before(pod, success):
        # What was stopped for it is not a failure, whatever its exit code; what had failed before stays in the counts.
        containers = [f for f in containers if not stopped_after_success(f.exit_code, f.at, pod, success)]
        if pod.metadata.deletionTimestamp:
            return [msgspec.structs.replace(f, current=False) for f in containers]
    pod_level = [f for f in (status_reason(pod), disruption(pod), deletion(pod, events, owner, owner_events)) if f]
    if pod_level:
        pod_finding = _with_earlier_cause(_merged(pod_level), pod, containers, events)
        containers = [
            _failed_before_stop(f, pod, events) or _explained_by(pod_finding, f, pod, owner) for f in containers
        ]
        if any(f.rank == FailureRank.BEFORE_POD for f in containers):  # the pod was stopped after it had failed
            pod_finding = msgspec.structs.replace(pod_finding, explained_by_pod=True)
        pod_level = [pod_finding]
    if pod.metadata.deletionTimestamp:
        containers = [msgspec.structs.replace(f, current=False) if f.waiting else f for f in containers]
    found = [*pod_level, *containers]
    if not any(f.current and not f.explained_by_pod for f in found):
        pending = unschedulable(pod, events) or startup_blocked(pod, events) or failed_without_reason(pod)
        found += [pending] if pending else []
    return sorted(found, key=_primary_order)


def _merged(pod_level: Sequence[Finding]) -> Finding:
    """The first of the pod-level findings. One thing happened to the pod, so the others are evidence for it."""
    first, *others = pod_level
    supporting = (*first.supporting, *(excerpt for f in others for excerpt in f.supporting))
    return msgspec.structs.replace(first, supporting=tuple(dict.fromkeys(supporting)))


def _with_earlier_cause(
    pod_finding: Finding, pod: Pod, containers: Sequence[Finding], events: Sequence[Event]
) -> Finding:
    """A pod that was stopped: with what a container that never ran had waited for (i2, t15), or how it kept failing."""
    if cause := _crash_loop_cause(containers):
        return msgspec.structs.replace(pod_finding, facts=pod_finding.facts | {"crashLoopCause": cause})
    found = startup_blocker(pod, containers, events)
    if not found:
        return pod_finding
    facts = pod_finding.facts | {"startupBlocker": found.excerpt.text}
    if found.container:
        facts |= {"blockedContainer": found.container}
    return msgspec.structs.replace(pod_finding, facts=facts, supporting=(*pod_finding.supporting, found.excerpt))


def _crash_loop_cause(containers: Sequence[Finding]) -> str | None:
    """How the earlier instance of a container had ended, in one sentence."""
    failed = (f for f in containers if not f.waiting and not f.explained_by_pod)
    crashed = next((f for f in failed if f.source.endswith("lastState.terminated")), None)
    if not crashed:
        return None
    sentence = f'container "{crashed.container}" ended with exit code {crashed.exit_code}'
    last = crashed.facts.get("exception") or crashed.text.strip().rpartition("\n")[2]
    return f"{sentence}: {last}" if last else sentence


def _failed_before_stop(container: Finding, pod: Pod, events: Sequence[Event]) -> Finding | None:
    """A container that had failed for good, by itself, before the pod was stopped: it comes before the pod."""
    stopped = stop_started_at(pod, events)
    code = container.exit_code
    by_itself = (code is not None and not ended_by_stop(code)) or "OOMKilled" in container.names
    # Without a condition, the end of a container that is restarted may be part of a crash loop, that the stop ended.
    restarts_no_more = pod.disruption is not None or pod.spec.restartPolicy == "Never"
    for_good = restarts_no_more and container.source.endswith(".state.terminated")
    own_failure = container.is_latest_instance and not container.explained_by_pod
    if not (stopped and by_itself and for_good and own_failure and container.at):
        return None
    if container.rank != FailureRank.CONTAINER or not is_before(container.at, stopped):
        return None
    return msgspec.structs.replace(container, rank=FailureRank.BEFORE_POD)


def _explained_by(pod_finding: Finding, container: Finding, pod: Pod, owner: Workload | None) -> Finding:
    """The container's finding; marked where the pod-level finding explains it, so that it is not counted by itself."""
    if "StatusLost" in container.names and container.at is None:
        # The kubelet lost the container while it stopped the pod, and may show that as a restart (k2, k18).
        return msgspec.structs.replace(container, explained_by_pod=True)
    if not container.is_latest_instance or not container.current or container.name == "OOMKilled":
        return container
    code = container.exit_code
    killed = (code is not None and ended_by_stop(code)) or not _ASKED_TO_STOP.isdisjoint(container.names)
    since = pod.disruption.lastTransitionTime if pod.disruption else None
    deleted = "DeletedWhileRunning" in pod_finding.names
    after = bool(since and container.at and container.at >= since and not deleted)
    at_deadline = "OwnerDeadlineExceeded" in pod_finding.names and ended_since_deadline(container.at, owner)
    explained = killed or after or at_deadline or container.waiting
    return msgspec.structs.replace(container, explained_by_pod=True) if explained else container


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
    """An OOM kill before other codes, a code of its own before what cannot start, and that before a requested kill."""
    if not finding.container:
        return 0
    if "OOMKilled" in finding.names and "StaleOOMKilled" not in finding.names:
        return 0
    if finding.waiting:
        return 2
    if finding.exit_code == 0:
        return 4
    return 3 if finding.exit_code in KILL_EXIT_CODES else 1
