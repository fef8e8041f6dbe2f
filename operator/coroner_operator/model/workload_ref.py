"""Which object a report is about, and what the report is called."""

from __future__ import annotations

import re
from hashlib import blake2b, sha256
from typing import NamedTuple

import msgspec

from coroner_categorizer.objects.pod import Metadata, Pod

NAME_LIMIT = 253  # a DNS subdomain, what the API server accepts as an object name
_UID_DIGITS = 8  # 32 bits apart two workloads that bore the same kind and name

# The CRD's limits. References are checked where they are decoded; whatever comes from elsewhere is made safe here.
_LIMITS = {"api_version": 317, "kind": 63, "name": 253, "uid": 128}

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9.-]+")
_HEX = re.compile(r"[0-9a-f]{8}")
_SHORT_NAME = re.compile(r"[A-Za-z0-9](?:[-.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
"""The name, UID or kind of an object that is also the value of a label. None of them has an underscore."""


class WorkloadKey(NamedTuple):
    """What identifies a workload, and the key of all state that is kept for one.

    Never the UID alone: a tenant can write the UID of another's workload into an owner reference or an Event.
    """

    namespace: str
    """Of the object that was read (a pod, an Event, a report), never one that a reference names."""
    group: str
    """"" for the core group. Without the version, which differs between references to one object."""
    kind: str
    name: str
    uid: str


class PodKey(NamedTuple):
    """What identifies a pod among all that is known of pods, also where a report or a reference names its UID."""

    namespace: str
    """Of the pod that was read, or of the report."""
    uid: str


class WorkloadRef(msgspec.Struct, frozen=True):
    """The topmost controller of the pods that failed; a bare pod is its own workload."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    """Tells a workload from a later one of the same name."""

    def __post_init__(self) -> None:
        for field, limit in _LIMITS.items():
            text: str = getattr(self, field)
            if len(text) > limit or not text.isprintable():
                msgspec.structs.force_setattr(self, field, _printable(text[:limit]))

    def __str__(self) -> str:
        """``Job/train-llm``, as people write it."""
        return f"{self.kind}/{self.name}"

    @property
    def group(self) -> str:
        """ "" for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def key(self) -> WorkloadKey:
        return WorkloadKey(self.namespace, self.group, self.kind, self.name, self.uid)

    def identifies(self, metadata: Metadata) -> bool:
        """Whether an object of this kind that was read is the workload, and no later one of its name.

        What has no namespace is cluster-scoped: the namespace here is that of its pods.
        """
        is_there = metadata.namespace in ("", self.namespace)
        return is_there and (metadata.name, metadata.uid) == (self.name, self.uid)


def pod_key(pod: Pod) -> PodKey:
    return PodKey(pod.metadata.namespace, pod.metadata.uid)


def report_name(workload: WorkloadRef) -> str:
    """``<kind>-<name>-<8 hex of the UID>``: a valid object name, cut to 253 characters in front of the UID's part.

    A pure function of the workload: every replica, and every start, finds the same report.
    """
    tail = _uid_part(workload.uid)
    words = _NOT_IN_A_NAME.sub("-", f"{workload.kind}-{workload.name}".lower())[: NAME_LIMIT - len(tail) - 1]
    # every label between dots begins and ends with a letter or digit
    labels = [label for part in words.split(".") if (label := part.strip("-"))]
    return "-".join(filter(None, (".".join(labels), tail)))


def name_as_label(text: str) -> str:
    """A name, UID or kind as the value of a label: itself, or ``sha256_`` and 56 digits of its hash if it is too long.

    No object can choose a name of the second form: the underscore is not allowed in one.
    """
    if not text or _SHORT_NAME.fullmatch(text):
        return text
    return f"sha256_{sha256(text.encode('utf-8', 'replace')).hexdigest()[:56]}"


def _printable(text: str) -> str:
    """With a question mark for each character that a terminal obeys or hides."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _uid_part(uid: str) -> str:
    """The UID's first 8 digits; of its hash where it is no hexadecimal UID (mirror pods have such)."""
    head = uid[:_UID_DIGITS].lower()
    return head if _HEX.fullmatch(head) else blake2b(uid.encode("utf-8", "replace"), digest_size=4).hexdigest()
