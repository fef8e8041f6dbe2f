"""What ``coroner replay`` classifies: objects as ``coroner explain`` reads them, and FailureReports.

A report keeps no pod. From what it keeps of its current failure (exit code, termination message, evidence) a pod is
rebuilt; whether that is enough is decided by the old rules: they must give the rebuilt pod the report's own verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from coroner_categorizer.objects.event import Event, parse_event
from coroner_categorizer.objects.pod import Pod, parse_pod
from coroner_categorizer.verdict import Verdict
from coroner_operator.cli.inputs.input_objects import InputObjects
from coroner_operator.model.report_codec import GROUP, KIND

_SOURCE = re.compile(
    r"status\.(containerStatuses|initContainerStatuses)\[([^\]]*)\]\.(state|lastState)\.(terminated|waiting)(\.message)?"
)
_EVENT = re.compile(r"events\[([^\]]*)\]")
_CONDITION = re.compile(r"status\.conditions\[([^\]]*)\]")
_CODE = re.compile(r"exit code (-?[0-9]{1,10})\b")
_ENDED = ("OOMKilled", "ContainerCannotRun", "StartError", "ContainerStatusUnknown", "DeadlineExceeded", "Error")
_LOST = ("[redacted:", "…")


class RecordedReport(NamedTuple):
    """A report with its current failure, as the API holds it."""

    namespace: str
    name: str
    status: Mapping[str, Any]

    @property
    def verdict_name(self) -> str:
        """``resources/oom-killed``."""
        names = (self.status.get("category"), self.status.get("subcategory"))
        return "/".join(name for name in names if isinstance(name, str) and name)

    @property
    def pod_uid(self) -> str:
        return str(_mapping(self.status.get("pod")).get("uid") or "")

    @property
    def is_truncated_or_redacted(self) -> bool:
        """Whether a text in it was redacted or cut: new rules might have matched what is missing."""
        texts = [self.status.get("terminationMessage"), *(text for _, text in self.evidence())]
        return any(mark in text for text in texts if isinstance(text, str) for mark in _LOST)

    def evidence(self) -> Iterator[tuple[str, str]]:
        items = self.status.get("evidence")
        for item in items if isinstance(items, list) else []:
            source, text = _mapping(item).get("source"), _mapping(item).get("text")
            yield str(source or ""), str(text or "")


class Recordings(InputObjects):
    """The objects of the input, and its reports."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[RecordedReport] = []
        self.without_failure = 0
        """Reports of workloads that have recovered: they keep no current failure."""
        self.history = 0
        """Older failures in the histories of reports, of which no evidence is kept."""

    def add_object(self, raw: bytes, kind: str, api_version: str) -> None:
        """One object of a cluster's list, which does not say its kind."""
        self._add_decoded(raw, kind, api_version)

    def _add_decoded(self, raw: bytes, kind: str, api_version: str | None) -> None:
        if kind == KIND and (api_version or "").startswith(f"{GROUP}/"):
            self._add_report(msgspec.json.decode(raw))
        else:
            super()._add_decoded(raw, kind, api_version)

    def _add_report(self, obj: Any) -> None:
        metadata, status = _mapping(_mapping(obj).get("metadata")), _mapping(_mapping(obj).get("status"))
        history = status.get("history")
        entries = [_mapping(entry) for entry in history] if isinstance(history, list) else []
        has_current = bool(status.get("category"))
        self.history += sum(
            1 for entry in entries if not has_current or entry.get("failureID") != status.get("failureID")
        )
        if has_current:
            namespace, name = str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
            self.reports.append(RecordedReport(namespace, name, status))
        else:
            self.without_failure += 1


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def rebuilt(report: RecordedReport) -> tuple[Pod, list[Event]]:
    """A pod that shows what the report says of its current failure, and its events."""
    pod = _mapping(report.status.get("pod"))
    metadata = {
        "name": pod.get("name") or report.name,
        "namespace": report.namespace,
        "uid": report.pod_uid or "rebuilt",
    }
    status: dict[str, Any] = {"phase": "Failed", "containerStatuses": [], "initContainerStatuses": [], "conditions": []}
    events: list[Event] = []
    containers: dict[tuple[str, str], dict[str, Any]] = {}
    for source, text in report.evidence():
        if found := _SOURCE.fullmatch(source):
            _add_state(containers, found, text, report.status)
        elif found := _EVENT.fullmatch(source):
            events.append(_event(found[1], text, metadata))
        elif found := _CONDITION.fullmatch(source):
            status["conditions"].append(_condition(found[1], text))
        elif source == "metadata.deletionTimestamp":
            metadata["deletionTimestamp"] = text.removeprefix("set to ")
            status["phase"] = "Running"
        elif source == "status":
            reason, _, message = text.partition(": ")
            status |= {"reason": reason, "message": message}
    _add_end(containers, report.status)
    if not any("terminated" in container.get("state", {}) for container in containers.values()) and events:
        containers.setdefault(("containerStatuses", "main"), {"state": {"waiting": {"reason": "ContainerCreating"}}})
    is_unscheduled = any(condition["reason"] == "Unschedulable" for condition in status["conditions"])
    if is_unscheduled or any("waiting" in container.get("state", {}) for container in containers.values()):
        status["phase"] = "Pending"
    for (field, name), container in containers.items():
        status[field].append({"name": name, **container})
    spec = {
        "restartPolicy": "Never",
        "nodeName": pod.get("node") or "",
        "containers": [{"name": name} for field, name in containers if field == "containerStatuses"],
        "initContainers": [{"name": name} for field, name in containers if field == "initContainerStatuses"],
    }
    return parse_pod({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec, "status": status}), events


def _add_state(
    containers: dict[tuple[str, str], dict[str, Any]], found: re.Match[str], text: str, status: Mapping[str, Any]
) -> None:
    field, name, where, state, is_message = found.groups()
    container = containers.setdefault((field, name), {})
    shown = container.setdefault(where, {}).setdefault(state, {})
    if is_message:
        shown["message"] = text
    elif state == "waiting":
        shown["reason"], _, message = text.partition(": ")
        shown.setdefault("message", message)
    else:
        shown["reason"] = next((reason for reason in _ENDED if reason in text), "Error")
        code = _CODE.search(text)
        shown["exitCode"] = int(code[1]) if code else status.get("exitCode")


def _add_end(containers: dict[tuple[str, str], dict[str, Any]], status: Mapping[str, Any]) -> None:
    """The end of the failed container, where the evidence quotes other things only; its whole message."""
    name, code = status.get("container"), status.get("exitCode")
    if not isinstance(name, str) or not isinstance(code, int):
        return
    field = next((field for field, each in containers if each == name), "containerStatuses")
    container = containers.setdefault((field, name), {})
    if not any("terminated" in container.get(where, {}) for where in ("state", "lastState")):
        container.setdefault("state", {})["terminated"] = {"reason": "Error", "exitCode": code}
    for where in ("state", "lastState"):
        ended = container.get(where, {}).get("terminated")
        if ended is not None:
            ended.setdefault("exitCode", code)
            if message := status.get("terminationMessage"):
                ended["message"] = message
    if "lastState" in container and "state" not in container:
        container["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}


def _condition(type_: str, text: str) -> dict[str, Any]:
    """``True, PreemptionByScheduler: message``; of PodScheduled, the evidence is the message alone."""
    if type_ == "PodScheduled":
        return {"type": type_, "status": "False", "reason": "Unschedulable", "message": text}
    head, _, message = text.partition(": ")
    status, _, reason = head.partition(", ")
    if status not in ("True", "False", "Unknown"):
        status, reason = "True", head
    return {"type": type_, "status": status, "reason": reason, "message": message}


def _event(reason: str, text: str, about: Mapping[str, Any]) -> Event:
    """``FailedMount: message``, or the message alone."""
    before, separator, message = text.partition(": ")
    if separator and before.lower() == reason.lower():
        text = message
    involved = {"kind": "Pod", "apiVersion": "v1", **about}
    type_ = "Normal" if reason == "Killing" else "Warning"
    return parse_event({"type": type_, "reason": reason, "message": text, "involvedObject": involved})


def agrees(report: RecordedReport, verdict: Verdict | None) -> bool:
    """Whether this is the verdict that the report has."""
    return verdict is not None and verdict.name == report.verdict_name
