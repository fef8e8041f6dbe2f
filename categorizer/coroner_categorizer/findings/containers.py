"""Findings from container statuses: instances that ended badly, and containers that wait for what will not come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from coroner_categorizer.findings.device_health import unhealthy_devices
from coroner_categorizer.findings.finding import Excerpt, FailureRank, Finding
from coroner_categorizer.findings.image_pull import (
    WAITING_REASONS,
    missing_pull_secrets,
    pull_cause,
    pull_cause_in_events,
)
from coroner_categorizer.findings.intended_restarts import counts_restarts, is_intended, rule_facts
from coroner_categorizer.findings.probe_kills import hook_output
from coroner_categorizer.findings.tekton import ended_after_steps, ended_by_signal, is_step
from coroner_categorizer.findings.termination_cause import stopped_externally, termination_cause
from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.objects.deletion_time import ended_after_deletion
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.exit_codes import KILL_EXIT_CODES, SIGNALS, SIGTERM_EXIT, child_signal, ended_by_stop
from coroner_categorizer.objects.pod import NORMAL_WAITING_REASONS, Container, ContainerStatus, Pod, Terminated, Waiting
from coroner_categorizer.objects.times import is_before
from coroner_categorizer.termination_message.cause import cause_text, error_above, names_lost_peer
from coroner_categorizer.termination_message.runtimes.python import crash_frame, exception_chain
from coroner_categorizer.termination_message.runtimes.trace import UncaughtException
from coroner_categorizer.termination_message.stop_reports import reports_stop_signal
from coroner_categorizer.termination_message.tekton_message import CANCELLED, error_text
from coroner_categorizer.termination_message.uncaught_exception import find_uncaught_exception
from coroner_categorizer.verdict import FailureKey

Role = Literal["init", "sidecar", "main"]

# The container was created and its start failed: the ended instance in lastState is the same failure (o4).
_START_REASONS = ("CrashLoopBackOff", "RunContainerError", "PostStartHookError")
_RUNTIME_REASONS = ("StartError", "ContainerCannotRun", "RunContainerError")  # the message is the container runtime's
# loky's TerminatedWorkerError (joblib, scikit-learn): joblib/externals/loky/process_executor.py
_WORKER_KILLED = LinearRegex(r"exit codes of the workers are \{[^}]*SIGKILL\(-9\)")
_COMMAND_MISSING = LinearRegex(r"executable file not found|exec: .*no such file or directory|: not found")
_BACKTRACE = LinearRegex(r"\n\s*Stack backtrace:\n(?:\s*\d+: [^\n]*\n?)*")  # of Kata's agent
_NO_MESSAGE = "Error on reading termination message"  # the kubelet's own words instead of it
_KILLED_BY_KUBELET = frozenset({"KilledByLivenessProbe", "KilledByStartupProbe", "PostStartHookFailed"})
_SIGINT_EXIT = 130
_REQUESTED_EXIT_CODES = (*KILL_EXIT_CODES, _SIGINT_EXIT)  # somebody else ended the program
_HOOK_REASONS = ("CreateContainerError", "PostStartHookError")
_NOT_STARTED = (126, 127)  # a shell's codes for a command that it cannot run
_PERMANENT_REASONS = ("InvalidImageName", "ErrImageNeverPull")


class ContainerView(msgspec.Struct, frozen=True):
    """A container's status together with its spec."""

    status: ContainerStatus
    spec: Container
    role: Role

    @property
    def path(self) -> str:
        part = "containerStatuses" if self.role == "main" else "initContainerStatuses"
        return f"status.{part}[{self.status.name}]"


def container_views(pod: Pod) -> list[ContainerView]:
    """Main containers first, then init containers and sidecars, each in the API's order."""
    specs = {c.name: c for c in pod.spec.containers}
    init_specs = {c.name: c for c in pod.spec.initContainers}
    views = [ContainerView(s, specs.get(s.name) or Container(), "main") for s in pod.status.containerStatuses]
    for status in pod.status.initContainerStatuses:
        spec = init_specs.get(status.name) or Container()
        views.append(ContainerView(status, spec, "sidecar" if spec.restartPolicy == "Always" else "init"))
    return views


def container_findings(pod: Pod, events: Sequence[Event]) -> list[Finding]:
    """Every container that failed or cannot start, in no particular order."""
    views = container_views(pod)
    main_ended_at = _main_containers_ended_at(views)
    return [finding for view in views for finding in _of_container(pod, view, events, main_ended_at)]


def _of_container(
    pod: Pod, view: ContainerView, events: Sequence[Event], main_ended_at: datetime | None
) -> Iterator[Finding]:
    state, last = view.status.state, view.status.lastState.terminated
    restarts = view.status.restartCount
    is_newest = bool(last and last.containerID and last.containerID == view.status.containerID)
    if state.terminated:
        if _has_failed(pod, view, state.terminated, events):
            yield _terminated(pod, view, state.terminated, "state", restarts + 1, events, main_ended_at, current=True)
        if last and _has_failed(pod, view, last, events):
            earlier = _terminated(pod, view, last, "lastState", restarts, events, main_ended_at, current=False)
            yield msgspec.structs.replace(earlier, is_latest_instance=False)
    elif state.waiting:
        yield from _waiting(pod, view, state.waiting, events, main_ended_at)
    elif state.running and last and _has_failed(pod, view, last, events):
        failing = _not_ready_since_restart(pod, view, state.running.startedAt)
        ended = restarts + 1 if is_newest else restarts
        yield _terminated(pod, view, last, "lastState", ended, events, main_ended_at, current=failing)


def _has_failed(pod: Pod, view: ContainerView, ended: Terminated, events: Sequence[Event]) -> bool:
    return ended.exitCode != 0 and not is_intended(pod, view.spec, view.status, ended, events)


def _waiting(
    pod: Pod, view: ContainerView, waiting: Waiting, events: Sequence[Event], main_ended_at: datetime | None
) -> Iterator[Finding]:
    last = view.status.lastState.terminated
    if last and _has_failed(pod, view, last, events):
        ended = _ended_while_waiting(view.status, last)
        explains = waiting.reason in _START_REASONS or waiting.reason in NORMAL_WAITING_REASONS
        found = _terminated(pod, view, last, "lastState", ended, events, main_ended_at, current=explains)
        if explains and waiting.reason:
            also = Excerpt(f"{view.path}.state.waiting", _with_message(waiting.reason, waiting.message))
            names = tuple(dict.fromkeys((*found.names, waiting.reason)))
            found = msgspec.structs.replace(found, names=names, supporting=(*found.supporting, also))
        yield found
        if explains:
            return
    elif last and last.exitCode == 0 and waiting.reason == "CrashLoopBackOff":
        yield _completed_restarting(pod, view, last, events)
        return
    if waiting.reason not in NORMAL_WAITING_REASONS and waiting.reason != "CrashLoopBackOff":
        yield _waiting_for_start(pod, view, waiting, events)


def _ended_while_waiting(status: ContainerStatus, last: Terminated) -> int:
    """How many instances of a container that waits have ended, the one in ``lastState`` included.

    The kubelet moves the newest instance there while the next one is not made. One that is made and not started yet
    waits as well: then the container ID is its, and the restart is counted (convertToAPIContainerStatuses in
    kubelet_pods.go). So is the restart after an instance that the kubelet has lost.
    """
    is_restarted = status.containerID not in ("", last.containerID) or last.reason == "ContainerStatusUnknown"
    return max(status.restartCount, 1) if is_restarted else status.restartCount + 1


def _terminated(
    pod: Pod,
    view: ContainerView,
    ended: Terminated,
    where: str,
    ended_instances: int,
    events: Sequence[Event],
    main_ended_at: datetime | None,
    *,
    current: bool,
) -> Finding:
    """An instance of a container that ended with another code than 0."""
    message = error_text(ended.message) if is_step(view.spec) else ended.message
    exception = find_uncaught_exception(message, ended.exitCode)
    cause = termination_cause(pod, view.status.name, ended, exception, events)
    names = _names(view, ended, cause.name, has_exception=exception is not None)
    facts = cause.facts | rule_facts(view.spec, view.status, ended) | {"role": view.role}
    if ended.exitCode not in KILL_EXIT_CODES and ended_after_deletion(pod, ended.finishedAt):
        facts["afterDeletion"] = "after its pod was marked for deletion"
        if reports_stop_signal(message):
            names.append("StopSignalReported")
    if not _KILLED_BY_KUBELET.isdisjoint(names) and _COMMAND_MISSING.found_in(facts.get("probeOutput", "")):
        names.append("ProbeCommandMissing")
    start_failure = _start_failure(message, events, view.status.name) if ended.reason in _RUNTIME_REASONS else None
    if "ProgramExited" in names and _names_child_signal(message, ended.exitCode):
        names.append("ChildSignalled")
    if "ProgramExited" in names and exception and _WORKER_KILLED.found_in(exception.line):
        names.append("WorkerKilled")
    if exception:
        line = error_above(message, exception) or exception.line
        facts |= {"exception": line, "language": exception.language}
        facts |= _python_facts(message) if exception.language == "python" else {}
    text = _text(ended, message, exception, start_failure)
    device = unhealthy_devices(view.status, view.path)
    if device and _may_be_its_device(names, ended.exitCode):
        names.append("UnhealthyDevice")
        facts["device"] = device.text.removeprefix("Unhealthy: ")
    return Finding(
        names=tuple(names),
        rank=FailureRank.SIDECAR if view.role == "sidecar" else FailureRank.CONTAINER,
        source=f"{view.path}.{where}.terminated",
        key=FailureKey(pod.metadata.uid, view.status.name, ended.containerID or f"{ended.reason}#{ended_instances}"),
        at=ended.finishedAt if ended.finishedAt and ended.finishedAt.year > 1970 else None,
        current=current and pod.status.phase != "Succeeded",
        explained_by_pod=(view.role == "sidecar" and _ended_with_its_pod(ended, main_ended_at))
        or ended_after_steps(pod, view.status.name, ended),
        container=view.status.name,
        exit_code=ended.exitCode,
        termination_message=message,
        text=text,
        facts=facts,
        consequence="afterDeletion" in facts or ("ProgramExited" in names and names_lost_peer(text)),
        max_confidence=cause.max_confidence,
        ended_instances=ended_instances if counts_restarts(pod, view.spec) else None,
        supporting=(*cause.supporting, *(seen for seen in (device, start_failure) if seen)),
    )


def _python_facts(message: str) -> dict[str, str]:
    earlier, frame = exception_chain(message).earlier, crash_frame(message)
    return ({"firstException": earlier[0]} if earlier else {}) | ({"frame": frame} if frame else {})


def _text(ended: Terminated, message: str, exception: UncaughtException | None, start_failure: Excerpt | None) -> str:
    """The text that holds the cause: the runtime's, or the part of the program's that says why it ended."""
    if ended.reason in ("Error", ""):
        return cause_text(message, exception)
    return _BACKTRACE.remove_all(start_failure.text if start_failure else message)


def _start_failure(message: str, events: Sequence[Event], container: str) -> Excerpt | None:
    """The newest event that says why the container could not be started, where its status does not."""
    if message and not message.startswith(_NO_MESSAGE):
        return None
    texts = [e.text.removeprefix("Error: ") for e in events if e.reason == "Failed" and e.container == container]
    said = next((text for text in reversed(texts) if " " in text and not text.startswith("Failed to pull")), None)
    return Excerpt("events[Failed]", said) if said else None


def _names_child_signal(message: str, exit_code: int) -> bool:
    """Whether a launcher ended with this code because a signal ended its child: it says so, or nothing else."""
    number = child_signal(exit_code)
    if number is None:
        return False
    last = message.rstrip().rpartition("\n")[2]
    return not last or LinearRegex(rf"-{number}\b|[Ss]ignal:? {number}\b|{SIGNALS[number]}").found_in(last)


def _names(view: ContainerView, ended: Terminated, cause: str, *, has_exception: bool) -> list[str]:
    """What rules can match of this instance's end, the most specific name first."""
    names = [cause] if cause else []
    if ended.reason not in ("", "Error"):
        names.append(ended.reason)
    if has_exception:
        names.append("UncaughtException")
    if ended.reason == "Error" or not names:
        names.append("Error")
    if is_step(view.spec) and error_text(ended.message) == CANCELLED != ended.message:
        names.insert(0, "StepCancelled")
    elif _program_exited(names, ended.exitCode):
        names.append("ProgramExited")
    if ended_by_signal(view.spec, ended):
        names.append("StepSignalled")
    return names


def _program_exited(names: Sequence[str], exit_code: int) -> bool:
    """Whether the program chose this exit code itself: no signal, no probe or hook, no container runtime did."""
    requested = exit_code in _REQUESTED_EXIT_CODES or ended_by_stop(exit_code)
    return "Error" in names and not requested and _KILLED_BY_KUBELET.isdisjoint(names)


def _may_be_its_device(names: Sequence[str], exit_code: int) -> bool:
    """Whether an unhealthy device can be why the instance ended: the program had started, and nobody stopped it."""
    stopped = exit_code in (SIGTERM_EXIT, _SIGINT_EXIT) or not _KILLED_BY_KUBELET.isdisjoint(names)
    return names[0] in ("Error", "UncaughtException") and exit_code not in _NOT_STARTED and not stopped


def _completed_restarting(pod: Pod, view: ContainerView, last: Terminated, events: Sequence[Event]) -> Finding:
    """CrashLoopBackOff after an instance that ended with 0: restarted although it succeeded (h2), or by a probe."""
    cause = stopped_externally(pod, view.status.name, last, None, events)
    probed = bool(view.spec.livenessProbe or view.spec.startupProbe)
    names = (cause.name or "CompletedRestarting",)
    waits = Excerpt(f"{view.path}.state.waiting", "CrashLoopBackOff")
    return Finding(
        names=(*names, *((last.reason,) if last.reason else ())),
        rank=FailureRank.SIDECAR if view.role == "sidecar" else FailureRank.CONTAINER,
        source=f"{view.path}.lastState.terminated",
        # One failure however often it completes: the pod's spec is wrong, not one instance.
        key=FailureKey(pod.metadata.uid, view.status.name, names[0]),
        at=last.finishedAt,
        container=view.status.name,
        exit_code=0,
        termination_message=last.message,
        text=last.message,
        facts=cause.facts | {"role": view.role},
        # With a probe in the spec, the events may no longer show that it killed the container.
        max_confidence="Likely" if cause.supporting or probed or last.reason == "OOMKilled" else "Confirmed",
        supporting=cause.supporting if cause.name else (waits, *cause.supporting),
    )


def _waiting_for_start(pod: Pod, view: ContainerView, waiting: Waiting, events: Sequence[Event]) -> Finding:
    """A container that waits for an image, its configuration or the container runtime."""
    text = _BACKTRACE.remove_all(waiting.message)
    names: tuple[str, ...] = (waiting.reason,)
    seen: tuple[Excerpt, ...] = ()
    facts: dict[str, str] = {"role": view.role}
    if " " in waiting.reason and not text:  # kubelets before 1.7 wrote what configuration is missing as the reason
        text, names = waiting.reason, ("CreateContainerConfigError",)
    if waiting.reason in WAITING_REASONS:
        facts |= _pull_facts(pod, view, waiting, events)
        text = pull_cause(waiting.message)
        if not text and (text := pull_cause_in_events(events, view.status.name, view.spec.image)):
            seen = (Excerpt("events[Failed]", text),)
        names = ("ErrImagePull",) if waiting.reason == "ImagePullBackOff" else (waiting.reason,)
        names = (*names, *(("ImagePullBackOff",) if waiting.reason == "ImagePullBackOff" else ()))
    elif waiting.reason in _HOOK_REASONS and (hook := _hook_event(events, view.status.name)):
        seen = (hook,)
        if waiting.reason == "PostStartHookError" and (printed := hook_output(hook.text)):
            facts["hookOutput"] = printed
    return Finding(
        names=names,
        rank=FailureRank.SIDECAR if view.role == "sidecar" else FailureRank.CONTAINER,
        source=f"{view.path}.state.waiting",
        key=FailureKey(pod.metadata.uid, view.status.name, names[0]),
        at=_waiting_since(pod, view),
        container=view.status.name,
        text=text,
        facts=facts,
        waiting=True,
        permanent=waiting.reason in _PERMANENT_REASONS,
        supporting=seen,
    )


def _pull_facts(pod: Pod, view: ContainerView, waiting: Waiting, events: Sequence[Event]) -> dict[str, str]:
    """The image, where it is that of an image volume, and the imagePullSecrets that were missing."""
    references = [volume.image.reference for volume in pod.spec.volumes if volume.image]
    meant = [r for r in references if r and r in waiting.message and view.spec.image not in waiting.message]
    secrets = missing_pull_secrets(events)
    return ({"image": meant[0]} if meant else {}) | ({"missingPullSecrets": secrets} if secrets else {})


def _hook_event(events: Sequence[Event], container: str) -> Excerpt | None:
    found = next((e for e in events if e.reason == "FailedPostStartHook" and e.container == container), None)
    return Excerpt("events[FailedPostStartHook]", found.text) if found else None


def _waiting_since(pod: Pod, view: ContainerView) -> datetime | None:
    """The latest time before which it cannot have waited for this; a waiting container has no time of its own.

    That is when the pod was created, scheduled, had its sandbox and volumes or its init containers done, or when the
    previous instance of the container had ended.
    """
    reached = ["PodScheduled", "PodReadyToStartContainers", *(["Initialized"] if view.role == "main" else [])]
    met = [c for c in pod.status.conditions if c.type in reached and c.status == "True"]
    last = view.status.lastState.terminated
    times = (pod.metadata.creationTimestamp, *(c.lastTransitionTime for c in met), last and last.finishedAt)
    return max((time for time in times if time), default=None)


def _main_containers_ended_at(views: list[ContainerView]) -> datetime | None:
    """When the last main container ended; None while one still runs, or where no time was recorded."""
    mains = [view.status.state.terminated for view in views if view.role == "main"]
    if not mains or any(ended is None for ended in mains):
        return None
    times = [ended.finishedAt for ended in mains if ended and ended.finishedAt]
    return max(times, default=None)


def _ended_with_its_pod(ended: Terminated, main_ended_at: datetime | None) -> bool:
    """Whether the kubelet stopped this native sidecar because the main containers had ended (r2, r3)."""
    if not main_ended_at:
        return False
    if ended.reason == "ContainerStatusUnknown":
        return True
    return bool(ended.finishedAt and not is_before(ended.finishedAt, main_ended_at))


def _not_ready_since_restart(pod: Pod, view: ContainerView, started: datetime | None) -> bool:
    """Whether the container runs again after a failure, but has not been ready since: it is still failing.

    The pod's Ready condition turned False when the old instance ended, before the new one started; had the new one
    been ready in between, the condition would have turned again.
    """
    ready = pod.condition("Ready")
    if view.status.ready or not ready or ready.status != "False" or not ready.lastTransitionTime or not started:
        return False
    return not is_before(started, ready.lastTransitionTime)


def _with_message(reason: str, message: str) -> str:
    return f"{reason}: {message}" if message else reason
