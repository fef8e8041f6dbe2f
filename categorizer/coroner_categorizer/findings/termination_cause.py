"""Who ended an instance of a container, beyond what its exit code says: the kernel, a probe, a hook, the kubelet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from coroner_categorizer.findings.finding import Seen
from coroner_categorizer.findings.node_oom import kernel_oom
from coroner_categorizer.findings.probe_kills import Killer, killer, stopped_by_kubelet
from coroner_categorizer.objects.deletion_time import deletion_requested
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.exit_codes import KILLED_EXITS, SIGKILL_EXIT, SIGTERM_EXIT
from coroner_categorizer.objects.pod import Pod, Terminated
from coroner_categorizer.objects.times import SLACK
from coroner_categorizer.termination_message.exceptions import LastWords, tells_of_a_kill
from coroner_categorizer.verdict import Confidence

# ContainerStatusUnknown is the kubelet's; Unknown with 255 is containerd's, for what ended while it was down.
_LOST_REASONS = ("ContainerStatusUnknown", "Unknown")
_KILLED_FOR = {
    "KilledByLivenessProbe": "its liveness probe failed then, and the kubelet kills for that, too",
    "KilledByStartupProbe": "its startup probe failed then, and the kubelet kills for that, too",
    "PostStartHookFailed": "its postStart hook failed then, and the kubelet kills for that, too",
}


class EndedBy(msgspec.Struct, frozen=True):
    """What is known of an end besides the container's own status."""

    name: str = ""
    """Our own name for it; "" where the status tells all that is known."""
    seen: tuple[Seen, ...] = ()
    facts: dict[str, str] = {}
    ceiling: Confidence = "Confirmed"
    """The most that may be claimed of this end."""


class _OtherCause(NamedTuple):
    """What explains an end as well as the mark on it."""

    sentence: str
    """Goes on after "besides, "."""
    seen: tuple[Seen, ...]


def who_ended(pod: Pod, container: str, ended: Terminated, words: LastWords | None, events: Sequence[Event]) -> EndedBy:
    """What the pod and its node's events know of one end with another code than 0. ``words``: the program's last."""
    if ended.reason == "OOMKilled" and ended.exitCode == SIGTERM_EXIT:
        return EndedBy(name="StaleOOMKilled")
    if ended.reason == "OOMKilled":
        return _oom_killed(pod, container, ended, words, events)
    if ended.reason in _LOST_REASONS:
        return EndedBy(name="StatusLost")
    by = stopped_from_outside(pod, container, ended, words, events)
    oom = kernel_oom(events, pod.spec.nodeName, ended)
    may_be_it = oom and (oom.of_system or _has_memory_limit(pod, container))
    if oom and may_be_it and not by.name and ended.reason == "Error" and ended.exitCode == SIGKILL_EXIT:
        facts = {"oomVictim": oom.victim} if oom.victim else {}
        return EndedBy("SystemOOM" if oom.of_system else "CgroupOOM", (oom.seen,), facts)
    return by if by.name or ended.exitCode in KILLED_EXITS else EndedBy()


def _has_memory_limit(pod: Pod, container: str) -> bool:
    specs = (*pod.spec.containers, *pod.spec.initContainers)
    limits = (pod.spec.resources.limits, *(spec.resources.limits for spec in specs if spec.name == container))
    return any("memory" in limit for limit in limits)


def stopped_from_outside(
    pod: Pod, container: str, ended: Terminated, words: LastWords | None, events: Sequence[Event]
) -> EndedBy:
    """A probe's or a hook's kill, else the kubelet's word that it stopped the container."""
    if cause := killer(events, container, ended, words, deletion_requested(pod)):
        return EndedBy(cause.name, cause.seen, cause.facts, "Likely")
    told = stopped_by_kubelet(events, container, ended)
    return EndedBy(seen=(told,), facts={"kubeletSaid": told.text}) if told else EndedBy()


def _oom_killed(
    pod: Pod, container: str, ended: Terminated, words: LastWords | None, events: Sequence[Event]
) -> EndedBy:
    """The mark may be older than this end (b12); where the record names something else for it, both are said."""
    oom = kernel_oom(events, pod.spec.nodeName, ended)
    other = _other_cause(pod, ended, words, killer(events, container, ended, words, deletion_requested(pod)))
    return EndedBy(
        name="SystemOOM" if oom and oom.of_system else "",
        seen=(*((oom.seen,) if oom else ()), *(other.seen if other else ())),
        facts={"otherCause": other.sentence} if other else {},
        ceiling="Likely" if other else "Confirmed",
    )


def _other_cause(pod: Pod, ended: Terminated, words: LastWords | None, cause: Killer | None) -> _OtherCause | None:
    if ended.exitCode != SIGKILL_EXIT and words and not tells_of_a_kill(words):
        return _OtherCause("the program itself named another cause", ())
    if cause:
        return _OtherCause(_KILLED_FOR[cause.name], cause.seen)
    stamp = pod.metadata.deletionTimestamp
    at_its_end = stamp and ended.finishedAt and abs(stamp - ended.finishedAt) <= SLACK
    if stamp and at_its_end and pod.metadata.deletionGracePeriodSeconds and ended.exitCode == SIGKILL_EXIT:
        told = Seen("metadata.deletionTimestamp", f"set to {stamp:%Y-%m-%dT%H:%M:%SZ}")
        return _OtherCause("its pod was being deleted, and its grace period was over by then", (told,))
    return None
