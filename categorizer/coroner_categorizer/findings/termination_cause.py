"""Who ended an instance of a container, beyond what its exit code says: the kernel, a probe, a hook, the kubelet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from coroner_categorizer.findings.finding import Excerpt
from coroner_categorizer.findings.node_oom import find_node_oom
from coroner_categorizer.findings.probe_kills import ProbeKill, probe_kill, stopped_by_kubelet
from coroner_categorizer.objects.deletion_time import deletion_requested
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.exit_codes import KILLED_EXITS, SIGKILL_EXIT, SIGTERM_EXIT
from coroner_categorizer.objects.pod import Pod, Terminated
from coroner_categorizer.objects.times import SLACK
from coroner_categorizer.termination_message.exceptions import is_oom_symptom
from coroner_categorizer.termination_message.runtimes.trace import UncaughtException
from coroner_categorizer.verdict import Confidence

# ContainerStatusUnknown is the kubelet's; Unknown with 255 is containerd's, for what ended while it was down.
_LOST_REASONS = ("ContainerStatusUnknown", "Unknown")
_COMPETING_KILLS = {
    "KilledByLivenessProbe": "its liveness probe failed at the same time, which also makes the kubelet kill it",
    "KilledByStartupProbe": "its startup probe failed at the same time, which also makes the kubelet kill it",
    "PostStartHookFailed": "its postStart hook failed at the same time, which also makes the kubelet kill it",
}


class TerminationCause(msgspec.Struct, frozen=True):
    """What is known of an end besides the container's own status."""

    name: str = ""
    """Our own name for it; "" where the status tells all that is known."""
    supporting: tuple[Excerpt, ...] = ()
    facts: dict[str, str] = {}
    max_confidence: Confidence = "Confirmed"
    """The most that may be claimed of this end."""


class _CompetingCause(NamedTuple):
    """What explains an end as well as the mark on it."""

    sentence: str
    """Continues a sentence after "but "."""
    supporting: tuple[Excerpt, ...]


def termination_cause(
    pod: Pod, container: str, ended: Terminated, words: UncaughtException | None, events: Sequence[Event]
) -> TerminationCause:
    """What the pod and its node's events know of one end with another code than 0. ``words``: the program's last."""
    if ended.reason == "OOMKilled" and ended.exitCode == SIGTERM_EXIT:
        return TerminationCause(name="StaleOOMKilled")
    if ended.reason == "OOMKilled":
        return _oom_killed(pod, container, ended, words, events)
    if ended.reason in _LOST_REASONS:
        return TerminationCause(name="StatusLost")
    by = stopped_externally(pod, container, ended, words, events)
    oom = find_node_oom(events, pod.spec.nodeName, ended)
    may_be_it = oom and (oom.system_wide or _has_memory_limit(pod, container))
    if oom and may_be_it and not by.name and ended.reason == "Error" and ended.exitCode == SIGKILL_EXIT:
        facts = {"oomVictim": oom.victim} if oom.victim else {}
        return TerminationCause("SystemOOM" if oom.system_wide else "CgroupOOM", (oom.excerpt,), facts)
    return by if by.name or ended.exitCode in KILLED_EXITS else TerminationCause()


def _has_memory_limit(pod: Pod, container: str) -> bool:
    specs = (*pod.spec.containers, *pod.spec.initContainers)
    limits = (pod.spec.resources.limits, *(spec.resources.limits for spec in specs if spec.name == container))
    return any("memory" in limit for limit in limits)


def stopped_externally(
    pod: Pod, container: str, ended: Terminated, words: UncaughtException | None, events: Sequence[Event]
) -> TerminationCause:
    """A probe's or a hook's kill, else the kubelet's word that it stopped the container."""
    if cause := probe_kill(events, container, ended, words, deletion_requested(pod)):
        return TerminationCause(cause.name, cause.supporting, cause.facts, "Likely")
    told = stopped_by_kubelet(events, container, ended)
    return TerminationCause(supporting=(told,), facts={"kubeletEvent": told.text}) if told else TerminationCause()


def _oom_killed(
    pod: Pod, container: str, ended: Terminated, words: UncaughtException | None, events: Sequence[Event]
) -> TerminationCause:
    """The mark may be older than this end (b12); where the record names something else for it, both are said."""
    oom = find_node_oom(events, pod.spec.nodeName, ended)
    other = _competing_cause(pod, ended, words, probe_kill(events, container, ended, words, deletion_requested(pod)))
    return TerminationCause(
        name="SystemOOM" if oom and oom.system_wide else "",
        supporting=(*((oom.excerpt,) if oom else ()), *(other.supporting if other else ())),
        facts={"competingCause": other.sentence} if other else {},
        max_confidence="Likely" if other else "Confirmed",
    )


def _competing_cause(
    pod: Pod, ended: Terminated, words: UncaughtException | None, cause: ProbeKill | None
) -> _CompetingCause | None:
    if ended.exitCode != SIGKILL_EXIT and words and not is_oom_symptom(words):
        return _CompetingCause("the program itself reported another cause", ())
    if cause:
        return _CompetingCause(_COMPETING_KILLS[cause.name], cause.supporting)
    stamp = pod.metadata.deletionTimestamp
    at_its_end = stamp and ended.finishedAt and abs(stamp - ended.finishedAt) <= SLACK
    if stamp and at_its_end and pod.metadata.deletionGracePeriodSeconds and ended.exitCode == SIGKILL_EXIT:
        told = Excerpt("metadata.deletionTimestamp", f"set to {stamp:%Y-%m-%dT%H:%M:%SZ}")
        return _CompetingCause("its pod was being deleted and the grace period had expired", (told,))
    return None
