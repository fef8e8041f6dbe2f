"""What ended an instance of a container, beyond what its exit code says: the kernel, a probe, a hook, the kubelet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from coroner_categorizer.findings.finding import Excerpt
from coroner_categorizer.findings.node_oom import find_node_oom
from coroner_categorizer.findings.probe_kills import ProbeKill, probe_kill, stopped_by_kubelet
from coroner_categorizer.objects.deletion_time import deletion_requested
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.exit_codes import KILL_EXIT_CODES, SIGKILL_EXIT, SIGTERM_EXIT
from coroner_categorizer.objects.pod import Pod, Terminated
from coroner_categorizer.objects.times import SLACK, rfc3339
from coroner_categorizer.termination_message.runtimes.trace import UncaughtException
from coroner_categorizer.termination_message.uncaught_exception import is_oom_symptom
from coroner_categorizer.verdict import Confidence

# ContainerStatusUnknown is set by the kubelet; Unknown with 255 by containerd, for what ended while it was down.
_LOST_REASONS = ("ContainerStatusUnknown", "Unknown")
_COMPETING_KILLS = {
    "KilledByLivenessProbe": "its liveness probe failed at the same time, which also makes the kubelet kill it",
    "KilledByStartupProbe": "its startup probe failed at the same time, which also makes the kubelet kill it",
    "PostStartHookFailed": "its postStart hook failed at the same time, which also makes the kubelet kill it",
}


class TerminationCause(msgspec.Struct, frozen=True):
    """What is known of the end of an instance besides the container's own status."""

    name: str = ""
    """A finding's name; "" where the status holds all that is known."""
    supporting: tuple[Excerpt, ...] = ()
    facts: dict[str, str] = {}
    max_confidence: Confidence = "Confirmed"
    """The most that may be claimed of this end."""


class _CompetingCause(NamedTuple):
    """What explains the end of an instance as well as its OOMKilled flag does."""

    sentence: str
    """Continues a sentence after "but "."""
    supporting: tuple[Excerpt, ...]


def termination_cause(
    pod: Pod, container: str, ended: Terminated, exception: UncaughtException | None, events: Sequence[Event]
) -> TerminationCause:
    """What the pod and the events say of an instance that ended with another code than 0.

    ``exception``: the one that its termination message ends with.
    """
    if ended.reason == "OOMKilled" and ended.exitCode == SIGTERM_EXIT:
        return TerminationCause(name="StaleOOMKilled")
    if ended.reason == "OOMKilled":
        return _oom_killed(pod, container, ended, exception, events)
    if ended.reason in _LOST_REASONS:
        return TerminationCause(name="StatusLost")
    cause = stopped_externally(pod, container, ended, exception, events)
    oom = find_node_oom(events, pod.spec.nodeName, ended)
    may_be_this = oom and (oom.system_wide or _has_memory_limit(pod, container))
    if oom and may_be_this and not cause.name and ended.reason == "Error" and ended.exitCode == SIGKILL_EXIT:
        facts = {"oomVictim": oom.victim} if oom.victim else {}
        return TerminationCause("SystemOOM" if oom.system_wide else "CgroupOOM", (oom.excerpt,), facts, "Likely")
    return cause if cause.name or ended.exitCode in KILL_EXIT_CODES else TerminationCause()


def _has_memory_limit(pod: Pod, container: str) -> bool:
    specs = (*pod.spec.containers, *pod.spec.initContainers)
    limits = (pod.spec.resources.limits, *(spec.resources.limits for spec in specs if spec.name == container))
    return any("memory" in limit for limit in limits)


def stopped_externally(
    pod: Pod, container: str, ended: Terminated, exception: UncaughtException | None, events: Sequence[Event]
) -> TerminationCause:
    """A kill for a probe or a hook, else the event with which the kubelet stopped the container."""
    if cause := probe_kill(events, container, ended, exception, deletion_requested(pod)):
        return TerminationCause(cause.name, cause.supporting, cause.facts, "Likely")
    stopped = stopped_by_kubelet(events, container, ended)
    return (
        TerminationCause(supporting=(stopped,), facts={"kubeletEvent": stopped.text}) if stopped else TerminationCause()
    )


def _oom_killed(
    pod: Pod, container: str, ended: Terminated, exception: UncaughtException | None, events: Sequence[Event]
) -> TerminationCause:
    """The OOMKilled flag may be older than this end (b12); another cause that is recorded is reported as well."""
    oom = find_node_oom(events, pod.spec.nodeName, ended)
    kill = probe_kill(events, container, ended, exception, deletion_requested(pod))
    other = _competing_cause(pod, ended, exception, kill)
    return TerminationCause(
        name="SystemOOM" if oom and oom.system_wide else "",
        supporting=(*((oom.excerpt,) if oom else ()), *(other.supporting if other else ())),
        facts={"competingCause": other.sentence} if other else {},
        max_confidence="Likely" if other or (oom and oom.system_wide) else "Confirmed",
    )


def _competing_cause(
    pod: Pod, ended: Terminated, exception: UncaughtException | None, kill: ProbeKill | None
) -> _CompetingCause | None:
    if ended.exitCode != SIGKILL_EXIT and exception and not is_oom_symptom(exception):
        return _CompetingCause("the program itself reported another cause", ())
    if kill:
        return _CompetingCause(_COMPETING_KILLS[kill.name], kill.supporting)
    stamp = pod.metadata.deletionTimestamp
    at_its_end = stamp and ended.finishedAt and abs(stamp - ended.finishedAt) <= SLACK
    if stamp and at_its_end and pod.metadata.deletionGracePeriodSeconds and ended.exitCode == SIGKILL_EXIT:
        deletion = Excerpt("metadata.deletionTimestamp", f"set to {rfc3339(stamp)}")
        return _CompetingCause("its pod was being deleted and the grace period had expired", (deletion,))
    return None
