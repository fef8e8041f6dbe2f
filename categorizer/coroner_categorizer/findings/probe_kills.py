"""Kills for a failed probe or postStart hook, read from a container's events.

The container's status never says so: it is Error 137 (or the program's own code) as after any other kill (q1, q2, q3,
q5, s1). Both an ``Unhealthy`` and a ``Killing`` event of the container are required, while this instance ran: a probe
that failed now and then did not end a container that exited by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from coroner_categorizer.findings.finding import Excerpt
from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.exit_codes import KILL_EXIT_CODES
from coroner_categorizer.objects.pod import Terminated
from coroner_categorizer.objects.times import is_before
from coroner_categorizer.termination_message.runtimes.trace import UncaughtException

# Events and statuses have whole seconds, and different parts of the kubelet write them.
_SLACK = timedelta(seconds=2)
_KILL_DELAY = timedelta(seconds=10)  # between the last failure of a probe and the kill, on a busy node
_ENDED_BY_A_KILL = (0, *KILL_EXIT_CODES)  # 0: the program handled SIGTERM
_EPOCH_YEAR = 1970  # startedAt of a container that never started
_NAMED_PROBE = LinearRegex(r"failed (liveness|startup) probe")
_UNHEALTHY = LinearRegex(r"^(Liveness|Startup) probe (?:failed|errored|warning)")


class ProbeKill(NamedTuple):
    """A kill by the kubelet, and what shows it."""

    name: str
    """Finding name: KilledByLivenessProbe, KilledByStartupProbe or PostStartHookFailed."""
    supporting: tuple[Excerpt, ...]
    output: str
    """Of the probe, unredacted; "" where it printed nothing."""

    @property
    def facts(self) -> dict[str, str]:
        if not self.output:
            return {}
        return {"hookOutput" if self.name == "PostStartHookFailed" else "probeOutput": self.output}


def probe_kill(
    events: Sequence[Event],
    container: str,
    ended: Terminated,
    exception: UncaughtException | None,
    deleted_at: datetime | None,
) -> ProbeKill | None:
    """The probe or hook that this instance of the container was killed for; None where the events name none.

    ``exception``: the one that its termination message ends with; such a program ended by itself whatever else
    happened. ``deleted_at``: the earliest time at which the pod's deletion can have been requested; a kill after it
    that names no probe belongs to the deletion.
    """
    mine = [e for e in events if (e.container == container or not e.container) and _while_running(e, ended)]
    hook = next((e for e in mine if e.reason == "FailedPostStartHook" and e.container == container), None)
    if hook and not exception:
        return ProbeKill("PostStartHookFailed", (_excerpt(hook),), hook_output(hook.text))
    unhealthy = [(e, found.groups[0]) for e in mine if e.reason == "Unhealthy" and (found := _UNHEALTHY.match(e.text))]
    stopped = [e for e in mine if e.reason == "Killing" and _is_about_container(e, container)]
    # The kubelet rate-limits its events: of a container that is killed repeatedly, the newest ``Killing`` may be
    # missing (q3). Then one of an earlier instance counts, if the same probe failed again.
    may_be_killed = ended.exitCode in _ENDED_BY_A_KILL and not exception
    earlier = [
        e for e in events if e.reason == "Killing" and e.container == container and e not in stopped and may_be_killed
    ]
    failing = {probe for _, probe in unhealthy}
    for killing in (*reversed(stopped), *reversed(earlier)):
        named = _NAMED_PROBE.search(killing.text)
        if not named and deleted_at and killing.last_seen and not is_before(killing.last_seen, deleted_at, _SLACK):
            continue
        close = [failed for e, failed in unhealthy if _just_before(e, killing)]
        probe = named.groups[0].capitalize() if named else close[-1] if close and killing in stopped else ""
        if probe and (killing in stopped or probe in failing):
            failure = next((e for e, failed in reversed(unhealthy) if failed == probe), None)
            return ProbeKill(
                f"KilledBy{probe}Probe", tuple(_excerpt(e) for e in (failure, killing) if e), _probe_output(failure)
            )
    return None


def hook_output(text: str) -> str:
    """What a hook printed, or why it could not run, in the kubelet's text: ``… failed - error: E, message: "M"``."""
    error, _, message = text.partition(" failed - error: ")[2].partition(', message: "')
    printed = message.strip().removesuffix('"').replace("\\n", " ").replace('\\"', '"').strip()
    return printed or error.strip().rstrip(": ")


def stopped_by_kubelet(events: Sequence[Event], container: str, ended: Terminated) -> Excerpt | None:
    """The event with which the kubelet stopped this instance, where it was not for a probe; None = there is none."""
    for event in reversed(events):
        about = event.reason == "Killing" and _is_about_container(event, container)
        if (about or event.reason == "SandboxChanged") and _while_running(event, ended):
            return _excerpt(event)
    return None


def _just_before(unhealthy: Event, killing: Event) -> bool:
    """Whether the kubelet can have stopped it for that: it does so within seconds, unlike for a deletion or an edit."""
    if "definition changed" in killing.text:
        return False
    failed, stopped = unhealthy.last_seen, killing.last_seen
    return not failed or not stopped or abs(stopped - failed) <= _KILL_DELAY


def _probe_output(unhealthy: Event | None) -> str:
    """What the probe printed: the part after "Liveness probe failed: "."""
    return unhealthy.text.partition(": ")[2].strip() if unhealthy else ""


def _is_about_container(event: Event, container: str) -> bool:
    if event.container:
        return event.container == container
    return container in event.text.replace(",", " ").split()


def _excerpt(event: Event) -> Excerpt:
    times = f" ({event.occurrences} times)" if event.occurrences > 1 else ""
    return Excerpt(f"events[{event.reason}]", event.text.strip() + times)


def _while_running(event: Event, ended: Terminated) -> bool:
    first, last = event.first_seen, event.last_seen
    if not first or not last:
        return True
    started = ended.startedAt if ended.startedAt and ended.startedAt.year > _EPOCH_YEAR else None
    if ended.finishedAt and is_before(ended.finishedAt, first, _SLACK):
        return False
    return not (started and is_before(last, started, _SLACK))
