"""Who ended an instance of a container, beyond what its exit code says: the kernel, a probe, a hook, the kubelet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from coroner_categorizer.events import Event
from coroner_categorizer.finding import Seen
from coroner_categorizer.kernel_oom import kernel_oom
from coroner_categorizer.last_words import last_words
from coroner_categorizer.pod import Pod, Terminated
from coroner_categorizer.pod_times import deletion_requested
from coroner_categorizer.probes import Killer, killer, stopped_by_kubelet
from coroner_categorizer.verdict import Confidence

SIGKILL_EXIT, SIGTERM_EXIT = 137, 143
# ContainerStatusUnknown is the kubelet's; Unknown with 255 is containerd's, for what ended while it was down.
_LOST_REASONS = ("ContainerStatusUnknown", "Unknown")
_SLACK = timedelta(seconds=1)
_KILLS_AS_WELL = "for which the kubelet kills it as well"
_BESIDES = {
    "KilledByLivenessProbe": f"its liveness probe failed then, {_KILLS_AS_WELL}",
    "KilledByStartupProbe": f"its startup probe failed then, {_KILLS_AS_WELL}",
    "PostStartHookFailed": f"its postStart hook failed then, {_KILLS_AS_WELL}",
}


class EndedBy(msgspec.Struct, frozen=True):
    name: str = ""
    """Our own name for it; "" where the status tells all that is known."""
    seen: tuple[Seen, ...] = ()
    facts: dict[str, str] = {}
    ceiling: Confidence = "Confirmed"
    """The most that may be claimed of this end."""


def who_ended(pod: Pod, container: str, ended: Terminated, events: Sequence[Event]) -> EndedBy:
    """What the pod and its node's events know of one end with another code than 0."""
    if ended.reason == "OOMKilled" and ended.exitCode == SIGTERM_EXIT:
        return EndedBy(name="StaleOOMKilled")
    if ended.reason == "OOMKilled":
        return _oom_killed(pod, container, ended, events)
    if ended.reason in _LOST_REASONS:
        return EndedBy(name="StatusLost")
    if cause := killer(events, container, ended, deletion_requested(pod)):
        return EndedBy(cause.name, cause.seen, {"probeAnswer": cause.detail} if cause.detail else {}, "Likely")
    if ended.exitCode not in (SIGKILL_EXIT, SIGTERM_EXIT):
        return EndedBy()
    oom = kernel_oom(events, pod.spec.nodeName, ended)
    if oom and ended.reason == "Error" and ended.exitCode == SIGKILL_EXIT:
        facts = {"oomVictim": oom.victim} if oom.victim else {}
        return EndedBy("SystemOOM" if oom.of_node else "CgroupOOM", (oom.seen,), facts)
    told = stopped_by_kubelet(events, container, ended)
    return EndedBy(seen=(told,), facts={"kubeletSaid": told.text}) if told else EndedBy()


def _oom_killed(pod: Pod, container: str, ended: Terminated, events: Sequence[Event]) -> EndedBy:
    """The mark may be older than this end (b12); where the record names something else for it, both are said."""
    oom = kernel_oom(events, pod.spec.nodeName, ended)
    besides = _besides_oom(pod, ended, killer(events, container, ended, deletion_requested(pod)))
    return EndedBy(
        name="SystemOOM" if oom and oom.of_node else "",
        seen=(*((oom.seen,) if oom else ()), *((besides,) if besides else ())),
        facts={"besides": besides.text} if besides else {},
        ceiling="Likely" if besides else "Confirmed",
    )


def _besides_oom(pod: Pod, ended: Terminated, cause: Killer | None) -> Seen | None:
    """What else explains the end of a container that is marked OOMKilled."""
    if ended.exitCode != SIGKILL_EXIT and last_words(ended.message, ended.exitCode):
        return Seen("termination message", "the program itself named another cause")
    if cause:
        return Seen(cause.seen[-1].source, _BESIDES[cause.name])
    stamp, grace = pod.metadata.deletionTimestamp, pod.metadata.deletionGracePeriodSeconds
    if (
        ended.exitCode == SIGKILL_EXIT
        and stamp
        and grace
        and ended.finishedAt
        and abs(stamp - ended.finishedAt) <= _SLACK
    ):
        return Seen("metadata.deletionTimestamp", "its pod was being deleted, and the grace period was over then")
    return None
