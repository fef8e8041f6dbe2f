"""A finding: one fact read from a pod or its events, with everything that rules and messages need of it."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

import msgspec

from coroner_categorizer.verdict import Confidence, FailureKey


class FailureRank(IntEnum):
    """Which finding is the primary one of a pod, lowest first (docs/verdicts.md)."""

    BEFORE_POD = -1
    """A container that had already failed for good when something happened to the pod."""
    POD = 0
    """status.reason, DisruptionTarget, deletion: the kubelet or a controller says what happened."""
    CONTAINER = 1
    """Plain init containers and spec.containers."""
    SIDECAR = 2
    """Native sidecars: only if nothing else failed."""


class Excerpt(NamedTuple):
    """A text that was read, unredacted, and where."""

    source: str
    text: str


class Finding(msgspec.Struct, frozen=True):
    names: tuple[str, ...]
    """Coroner's own name first where there is one (KilledByLivenessProbe), then the reasons of Kubernetes."""
    rank: FailureRank
    source: str
    """Where it was read: a path in the pod, or ``events[REASON]``."""
    key: FailureKey
    at: datetime | None = None
    current: bool = True
    """False: a failure of the past; the container runs again or the pod ended well."""
    explained_by_pod: bool = False
    """The end of a container that a pod-level finding explains, of a sidecar with its pod, or of a step of Tekton that
    never ran: not a failure of its own. Rules of an errorCategories block see it nevertheless."""
    container: str = ""
    """"" = the pod."""
    exit_code: int | None = None
    termination_message: str = ""
    """Unredacted, as the API gives it; of a step of Tekton, the part that says why it ended."""
    text: str = ""
    """The text that holds the cause, unredacted: the waiting message, the pod's, the scheduler's or an event's."""
    facts: dict[str, str] = {}
    """Details for messages and hints: ``${name}`` in a rule's template. Unredacted."""
    max_confidence: Confidence = "Confirmed"
    """The most that may be claimed: Likely where the finding itself is inferred."""
    waiting: bool = False
    permanent: bool = False
    overdue: bool = False
    ended_instances: int | None = None
    supporting: tuple[Excerpt, ...] = ()
    """Further places that support it, e.g. the probe's events."""
    consequence: bool = False
    """As ``Failure.consequence``; a rule may say it too."""
    is_latest_instance: bool = True
    """False: an earlier instance of a container that has ended again since; rules over the whole pod do not see it."""

    @property
    def name(self) -> str:
        return self.names[0]
