"""The objects of the input: pods and workloads in input order, and every event once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.lenient_decode import lenient_decode
from coroner_categorizer.objects.pod import Pod
from coroner_categorizer.objects.times import newest
from coroner_categorizer.objects.workload import Workload
from coroner_operator.cli.errors import BadInput
from coroner_operator.cli.inputs.input_bytes import InputBytes
from coroner_operator.cli.inputs.input_documents import KUBECTL, Document, iter_documents
from coroner_operator.config.lifetimes import lifetime
from coroner_operator.config.presets import Outcome

_LISTS_WITHIN_LISTS = 20  # a List of Lists is what "kubectl get --output=json" of several resources may give

_PODS = msgspec.json.Decoder(Pod)
_EVENTS = msgspec.json.Decoder(Event)
_WORKLOADS = msgspec.json.Decoder(Workload)


class _Envelope(msgspec.Struct, rename="camel"):
    """The fields that say what an object is. ``Any``: a field of a wrong type is no error."""

    api_version: Any = None
    kind: Any = None
    items: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    object: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    """Of a watch event (``kubectl get -w --output-watch-events``) or a recorded case."""
    events: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    """Of a recorded case: the events beside its object."""


_ENVELOPES = msgspec.json.Decoder(_Envelope)
_ARRAYS = msgspec.json.Decoder(list[msgspec.Raw])


def _times_of(pod: Pod) -> Iterator[datetime | None]:
    """What has happened; not ``deletionTimestamp``, which may be in the future."""
    yield pod.metadata.creationTimestamp
    for condition in pod.status.conditions:
        yield condition.lastTransitionTime
    for status in (*pod.status.containerStatuses, *pod.status.initContainerStatuses):
        yield status.state.running.startedAt if status.state.running else None
        yield status.state.terminated.finishedAt if status.state.terminated else None


class InputObjects:
    """Filled from any number of inputs."""

    def __init__(self) -> None:
        self.subjects: list[Pod | Workload] = []
        """In input order."""
        self._owners: dict[str, Workload] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._events: dict[tuple[str, ...], Event] = {}
        self._read_at: datetime | None = None
        self._live: dict[int, datetime] = {}
        """Subjects from a cluster, by ``id``: a UID may occur twice, or be absent."""

    def observed_at(self, subject: Pod | Workload) -> datetime | None:
        """A time at which the object was as it is: when it was read from a cluster, else the newest that it has.

        Not the newest time of its file, which may be a recording: its other objects may have been seen much later.
        """
        live = self._live.get(id(subject))
        return live or (newest(_times_of(subject)) if isinstance(subject, Pod) else None)

    def is_live(self, subject: Pod | Workload) -> bool:
        """Whether the object was read from a cluster."""
        return id(subject) in self._live

    def begin_cluster(self, now: datetime) -> None:
        """What is added from here on is read from a cluster."""
        self._read_at = now

    @property
    def events(self) -> Iterable[Event]:
        """In input order; an event that occurs several times counts once, in its newest state."""
        return self._events.values()

    def add_input(self, source: InputBytes) -> None:
        """Every object of the text. Raises BadInput where it is neither JSON nor YAML, or not a Kubernetes object."""
        self._read_at = None
        for document in iter_documents(source):
            self._add(document, _Envelope(), 0)

    @property
    def owners(self) -> Iterable[Workload]:
        """All workloads, those without an explanation of their own too."""
        return self._owners.values()

    def find_owner(self, uid: str) -> Workload | None:
        """The workload of this UID."""
        return self._owners.get(uid)

    def outcome_of(self, uid: str) -> Outcome | None:
        """How the workload of this UID has ended by its own status; None: it has not, or that is not known."""
        return self._outcomes.get(uid)

    def add_pod(self, pod: Pod) -> None:
        self.subjects.append(pod)
        self._mark_live(pod)

    def _mark_live(self, pod: Pod) -> None:
        if self._read_at is not None:
            self._live[id(pod)] = self._read_at

    def add_workload(self, workload: Workload) -> None:
        self.subjects.append(workload)
        self.add_owner(workload)

    def add_owner(self, owner: Workload) -> None:
        """A workload that is only needed to explain its pods: it gets no explanation of its own."""
        if owner.metadata.uid:
            self._owners[owner.metadata.uid] = owner

    def record_outcome(self, uid: str, outcome: Outcome | None) -> None:
        """How the workload of this UID has ended, in its last state."""
        self._outcomes.pop(uid, None)
        if uid and outcome is not None:
            self._outcomes[uid] = outcome

    def add_event(self, event: Event) -> None:
        if event.is_from_coroner:
            return
        metadata = event.metadata
        key = (metadata.uid,) if metadata.uid else (metadata.namespace, metadata.name, event.involved.uid, event.text)
        seen = self._events.get(key)
        if seen is None or event.occurrences >= seen.occurrences:
            self._events[key] = event

    def _add(self, document: Document, within: _Envelope, depth: int) -> None:
        """One object or List; ``within`` has kind and apiVersion for items of a typed list, which omits them."""
        place, raw = document
        if bytes(raw[:1]) == b"[":
            self._add_items(f"{place}: ", raw, _Envelope(), depth)
            return
        try:
            envelope = _ENVELOPES.decode(raw)
        except msgspec.ValidationError as error:
            raise BadInput(place, "not a Kubernetes object", KUBECTL) from error
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise BadInput(place, f"cannot be read: {error}", KUBECTL) from error
        kind = envelope.kind if isinstance(envelope.kind, str) else ""
        if envelope.items is not msgspec.UNSET and (not kind or kind.endswith("List")):
            inherited = _Envelope(api_version=envelope.api_version, kind=kind.removesuffix("List"))
            self._add_items(f"{place}: items", envelope.items, inherited, depth)
        elif not kind and envelope.object is not msgspec.UNSET:
            self._add(Document(f"{place}: object", memoryview(envelope.object)), _Envelope(), depth + 1)
            if envelope.events is not msgspec.UNSET:
                self._add_items(f"{place}: events", envelope.events, _Envelope(), depth)
        else:
            self._add_object(document, envelope, within)

    def _add_items(self, place: str, raw: Any, within: _Envelope, depth: int) -> None:
        if bytes(raw) == b"null":  # how Go prints an empty list
            return
        if depth > _LISTS_WITHIN_LISTS:
            raise BadInput(place, f"more than {_LISTS_WITHIN_LISTS} lists within lists", KUBECTL)
        try:
            items = _ARRAYS.decode(raw)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadInput(place, "not a list of objects", KUBECTL) from error
        for index, item in enumerate(items):
            self._add(Document(f"{place}[{index}]", memoryview(item)), within, depth + 1)

    def _add_object(self, document: Document, envelope: _Envelope, within: _Envelope) -> None:
        kind = envelope.kind or within.kind
        api_version = envelope.api_version or within.api_version
        if not (isinstance(kind, str) and kind) or not isinstance(api_version, str | None):
            raise BadInput(document.place, 'no "kind" and "apiVersion": not a Kubernetes object', KUBECTL)
        if not api_version and kind not in ("Pod", "Event"):
            raise BadInput(document.place, 'no "apiVersion": not a Kubernetes object', KUBECTL)
        try:
            self._add_decoded(bytes(document.json), kind, api_version)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:  # e.g. a number out of range
            raise BadInput(document.place, f"cannot be read: {error}", KUBECTL) from error

    def _add_decoded(self, raw: bytes, kind: str, api_version: str | None) -> None:
        group = (api_version or "v1").partition("/")[0]
        if kind == "Pod" and group == "v1":
            pod = lenient_decode(raw, _PODS, Pod)
            self.add_pod(msgspec.structs.replace(pod, kind=kind, apiVersion="v1"))
        elif kind == "Event" and group in ("v1", "events.k8s.io"):
            self.add_event(lenient_decode(raw, _EVENTS, Event))
        else:
            workload = lenient_decode(raw, _WORKLOADS, Workload)
            workload = msgspec.structs.replace(workload, kind=kind, apiVersion=api_version or "")
            self.add_workload(workload)
            self.record_outcome(workload.metadata.uid, outcome(raw, group, kind))


def outcome(raw: bytes, group: str, kind: str) -> Outcome | None:
    """How an object has ended by its own status; None: it has not, or its kind is not known."""
    known = lifetime(group, kind)
    obj = msgspec.json.decode(raw) if known is not None and known.ends else None
    return known.outcome(obj) if known is not None and isinstance(obj, dict) else None
