"""Pods, workloads and events as plain objects, each field by what it holds.

Only the fields that the categorizer decodes are written: a verdict rests on no others, so nothing else can leak.
Times, numbers, reasons and the kinds of well-known controllers are kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from coroner_categorizer.findings.job_condition import QUEUE_LABELS
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.pod import Pod
from coroner_categorizer.objects.workload import Workload
from coroner_categorizer.stuck.pods import is_sidecar_name
from coroner_operator.anonymize.pseudonyms import Pseudonyms
from coroner_operator.anonymize.texts import TextAnonymizer
from coroner_operator.anonymize.vocabulary import is_plain, is_plain_reason, ruled_containers
from coroner_operator.config.lifetimes import lifetime
from coroner_operator.config.presets import Outcome, PresetKind, owner_labels, presets
from coroner_operator.model.observation import MEMBER_LABELS

Json = dict[str, Any]
Text = Callable[[str], str]

_TOKEN = re.compile(r"[A-Za-z0-9]{1,128}")
_OUT_OF = "OutOf"
_NUMBER = re.compile(r"[0-9]{1,9}")
_VERSION = re.compile(r"v[0-9]{1,3}(?:(?:alpha|beta)[0-9]{1,3})?")
_FIELD_PATH = re.compile(r"(spec\.\w+)\{(.*)\}")
_CONDITION = re.compile(r"status\.conditions\[(\w+)\]\.(\w+)")

_BUILTIN_KINDS = frozenset(
    {
        *("Pod", "Event", "Node", "Namespace", "Job", "CronJob", "Deployment", "ReplicaSet", "StatefulSet"),
        *("DaemonSet", "ReplicationController", "PersistentVolumeClaim", "PersistentVolume", "Service"),
        *("ServiceAccount", "ConfigMap", "Secret"),
    }
)

_BUILTIN_GROUPS = frozenset(
    {"apps", "autoscaling", "batch", "events.k8s.io", "extensions", "policy", "resource.k8s.io"}
)

_UIDS = frozenset({"uid"})
_HEX = frozenset({"containerID"})
_KEPT = frozenset({"resourceVersion", "operator", "health", "restartPolicy", "action", "fieldRef"})
_TEXTS = frozenset({"message", "note"})
_REFERENCES = frozenset({"ownerReferences", "involvedObject", "regarding"})
_CONTAINERS = frozenset({"containers", "initContainers", "containerStatuses", "initContainerStatuses"})
_COMPONENTS = frozenset({"component", "reportingComponent", "reportingController"})
_NAMED = {"nodeName": "node", "serviceAccountName": "serviceaccount", "runtimeClassName": "runtimeclass"}
_PROBES = frozenset({"livenessProbe", "startupProbe"})


def anonymize(
    subjects: Iterable[Pod | Workload],
    owners: Iterable[Workload],
    events: Iterable[Event],
    outcome_of: Callable[[str], Outcome | None],
) -> Json:
    """A ``List`` that ``coroner explain`` reads back: ``subjects`` in their order, then other owners, then events.

    ``outcome_of``: how the workload of a UID has ended by a status field that ``Workload`` does not have.
    """
    first = list(subjects)
    given = {id(subject) for subject in first}
    others = [owner for owner in owners if id(owner) not in given]
    plain = [_plain(subject, outcome_of) for subject in (*first, *others)]
    plain += [_plain_event(event) for event in events]
    names = _named(_named(Pseudonyms(), plain), plain)  # once for the order, once with it
    text = TextAnonymizer(names)
    items = [_Anonymizer(names, text).object(each) for each in plain]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _named(order: Pseudonyms, plain: Iterable[Json]) -> Pseudonyms:
    """With the names of all objects, before the first message is read."""
    names = Pseudonyms(order)
    for each in plain:
        _Anonymizer(names, lambda text: text).object(each)
    return names


def _plain(subject: Pod | Workload, outcome_of: Callable[[str], Outcome | None]) -> Json:
    plain: Json = msgspec.to_builtins(subject)
    if isinstance(subject, Workload) and (outcome := outcome_of(subject.metadata.uid)):
        _set_outcome(plain, subject, outcome)
    return plain


def _plain_event(event: Event) -> Json:
    return {**msgspec.to_builtins(event), "kind": "Event", "apiVersion": event.apiVersion or "v1"}


def _set_outcome(plain: Json, workload: Workload, outcome: Outcome) -> None:
    """Write the field by which the kind says that it has ended, where ``Workload`` does not have it."""
    known = lifetime(workload.apiVersion.rpartition("/")[0], workload.kind)
    if not isinstance(known, PresetKind) or known.outcome(plain) == outcome:
        return
    for end in known.ends:
        values = end.failed if outcome == "failed" else end.succeeded
        if values and "[" not in end.path:
            *fields, last = end.path.split(".")
            place = plain
            for field in fields:
                place = place.setdefault(field, {})
            place[last] = values[0]
            return


class _Anonymizer:
    def __init__(self, names: Pseudonyms, text: Text) -> None:
        self._names = names
        self._text = text

    def object(self, plain: Json) -> Json:
        """One object; nothing that is absent or empty is written."""
        changed = self._mapping(plain, "", plain.get("kind") or "")
        head = {key: changed.pop(key) for key in ("apiVersion", "kind") if key in changed}
        return head | changed

    def _mapping(self, plain: Mapping[str, Any], within: str, kind: str) -> Json:
        """``within``: the field that holds the mapping. ``kind``: of the object."""
        if within in _REFERENCES:
            kind = plain.get("kind") or ""
        if within in ("limits", "requests"):
            return {self._text(str(key)): value for key, value in plain.items() if not isinstance(value, dict | list)}
        if within == "labels":
            return self._labels(plain)
        if within == "nodeSelector":
            return {self._label_part(key): self._label_part(str(value)) for key, value in plain.items()}
        if within in _PROBES:
            return {key: value for key, value in plain.items() if isinstance(value, int)} or {"periodSeconds": 10}
        if "name" in plain and "namespace" in plain:
            self._remember_pair(plain, kind)
        changed = {key: self._value(key, value, within, kind, plain) for key, value in plain.items()}
        return {key: value for key, value in changed.items() if not _is_absent(value, within)}

    def _value(self, key: str, value: Any, within: str, kind: str, beside: Mapping[str, Any]) -> Any:
        if isinstance(value, dict):
            return self._mapping(value, key, kind)
        if isinstance(value, list):
            if key == "command":
                return [self._command(str(part)) for part in value[:1]]
            return [self._value(key, item, within, kind, beside) for item in value]
        return self._string(key, value, within, kind, beside) if isinstance(value, str) else value

    def _string(self, key: str, value: str, within: str, kind: str, beside: Mapping[str, Any]) -> str:
        if key in _KEPT or key.endswith(("Timestamp", "Time", "At")):
            return value
        if key in _UIDS:
            return self._names.uid(value)
        if key in _HEX:
            return self._names.hex(value)
        if key in _NAMED:
            return self._names.name(_NAMED[key], value)
        if key == "name":
            return self._name(value, within, kind)
        if key == "namespace":
            return self._names.name("namespace", value)
        if key in ("image", "reference"):
            return self._names.image(value)
        if key == "apiVersion":
            return self._api_version(value)
        if key == "kind":
            return self._kind(value)
        if key == "fieldPath":
            return self._field_path(value)
        if key in _COMPONENTS:
            return self._component(value)
        if key == "value":  # of RANK, the only variable that is decoded
            return value if _NUMBER.fullmatch(value) else ""
        if within == "annotations":
            return self._annotation(key, value)
        if key == "reason" and value.startswith(_OUT_OF):  # with the name of a resource
            return _OUT_OF + self._text(value.removeprefix(_OUT_OF))
        if key not in _TEXTS and _TOKEN.fullmatch(value):
            return self._reason(value)
        return self._text(value)

    def _reason(self, reason: str) -> str:
        """Also a condition type or a phase; nothing compares one of unknown words."""
        if is_plain_reason(reason):
            return reason
        return self._names.name("reason", reason).replace("reason-", "Reason")

    def _name(self, name: str, within: str, kind: str) -> str:
        if within in _CONTAINERS:
            return self._container(name)
        if within == "volumes":
            return self._names.name("volume", name)
        if within == "env":
            return name
        if within == "allocatedResourcesStatus":
            return self._resource(name)
        if kind == "Event":
            return self._names.name("event", name)
        return self._names.name(_as_word(kind), name)

    def _resource(self, name: str) -> str:
        """``nvidia.com/gpu``, or ``claim:NAME/REQUEST`` of DRA."""
        claim, colon, path = name.partition(":")
        if claim != "claim" or not colon:
            return self._text(name)
        return "claim:" + _each_part(path, lambda part: self._names.name("claim", part))

    def _container(self, name: str) -> str:
        return name if name in ruled_containers() else self._names.container(name, is_sidecar_name(name))

    def _remember_pair(self, plain: Mapping[str, Any], kind: str) -> None:
        """``namespace/name``, and ``name_namespace`` as kubelets write it."""
        name, namespace = str(plain["name"]), str(plain["namespace"])
        if name and namespace and kind != "Event":
            new_name, new_namespace = self._names.name(_as_word(kind), name), self._names.name("namespace", namespace)
            self._names.add_text(f"{namespace}/{name}", f"{new_namespace}/{new_name}")
            self._names.add_text(f"{name}_{namespace}", f"{new_name}_{new_namespace}")

    def _labels(self, labels: Mapping[str, str]) -> Json:
        """Only those that Coroner reads."""
        return {key: self._label(key, value) for key, value in labels.items() if key in _known_labels()}

    def _label(self, key: str, value: str) -> str:
        if _NUMBER.fullmatch(value) or value in _known_labels()[key] or value in _known_kinds():
            return value
        if key.endswith("uid"):
            return self._names.uid(value)
        return self._names.texts.get(value) or self._label_part(value)

    def _label_part(self, text: str) -> str:
        return text if is_plain(text) else _each_part(text, lambda part: self._names.name("label", part))

    def _annotation(self, key: str, value: str) -> str:
        if key == "kubernetes.io/config.mirror":
            return "mirror" if value else ""
        return value if value == "true" or _NUMBER.fullmatch(value) else ""

    def _command(self, program: str) -> str:
        if program.startswith("/tekton/"):
            return program
        return self._text(program) if "/" in program or is_plain(program) else self._names.name("command", program)

    def _component(self, component: str) -> str:
        """With the known words at its end, such as ``-scheduler``, which say what it is."""
        if is_plain(component):
            return component
        parts = component.split("-")
        known = next(i for i in range(len(parts), -1, -1) if i == 0 or not is_plain(parts[i - 1]))
        return "-".join((self._names.name("component", component), *parts[known:]))

    def _field_path(self, path: str) -> str:
        found = _FIELD_PATH.fullmatch(path)
        if not found:
            return self._text(path)
        return f"{found[1]}{{{self._container(found[2])}}}"

    def _api_version(self, api_version: str) -> str:
        group, slash, version = api_version.rpartition("/")
        if not _VERSION.fullmatch(version):
            version = "v1"
        if not group or group in _known_groups():
            return f"{group}{slash}{version}"
        return f"{self._names.name('group', group)}.example{slash}{version}"

    def _kind(self, kind: str) -> str:
        if kind in _known_kinds() or not kind:
            return kind
        return self._names.name("kind", kind).replace("kind-", "Kind")


def _is_absent(value: Any, within: str) -> bool:
    """A count of a status is 0 where it is absent; elsewhere 0 may be what somebody has written."""
    return value in (None, "", [], {}) or (within == "status" and value == 0 and value is not False)


def _as_word(kind: str) -> str:
    return kind.lower() if kind in _known_kinds() else "object"


def _each_part(text: str, change: Callable[[str], str]) -> str:
    return "/".join(part if is_plain(part) else change(part) for part in text.split("/"))


@lru_cache(maxsize=1)
def _known_kinds() -> frozenset[str]:
    return _BUILTIN_KINDS | {kind.kind for preset in presets().values() for kind in preset.kinds}


@lru_cache(maxsize=1)
def _known_groups() -> frozenset[str]:
    return _BUILTIN_GROUPS | {kind.group for preset in presets().values() for kind in preset.kinds}


@lru_cache(maxsize=1)
def _known_labels() -> dict[str, frozenset[str]]:
    """Label → the values that decide by themselves."""
    found = dict.fromkeys((*MEMBER_LABELS, *QUEUE_LABELS), frozenset[str]())
    for labels, _ in owner_labels(presets()):
        for key in filter(None, (labels.name, labels.uid, labels.kind_label)):
            found.setdefault(key, frozenset())
        for key, value in labels.labels.items():
            found[key] = found.get(key, frozenset()) | {value}
    return found
