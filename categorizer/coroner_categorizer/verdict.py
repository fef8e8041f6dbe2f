"""What the categorizer answers: a verdict on a pod, and every failure that the pod shows."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

Retry = Literal["MayRecover", "NeedsChange", "Unknown"]
Confidence = Literal["Confirmed", "Likely", "Unknown"]


class Evidence(msgspec.Struct, frozen=True):
    """One thing that was read, and where."""

    source: str
    """A path in the object, e.g. ``status.containerStatuses[main].state.terminated``, or ``events[FailedMount]``."""
    text: str
    """Redacted and bounded: may be written anywhere."""


class Verdict(msgspec.Struct, frozen=True, rename="camel"):
    """Why a pod failed. Every text in it is redacted, free of control characters and bounded."""

    category: str
    """"" where no rule matched and the rules name no default."""
    subcategory: str
    categories: tuple[str, ...]
    """Every category that any rule matched, sorted, unique."""
    reason: str
    """CamelCase, for machines."""
    message: str
    hint: str
    retry: Retry
    confidence: Confidence
    container: str | None
    exit_code: int | None
    evidence: tuple[Evidence, ...]
    rule: str | None
    """Name or path of the rule that decided; None for the default category."""
    signal: str | None = None
    """SIGKILL, … from the exit code − 128."""
    termination_message: str | None = None

    @property
    def name(self) -> str:
        """``resources/oom-killed``; "" where there is no category."""
        return "/".join(filter(None, (self.category, self.subcategory)))


class FailureKey(NamedTuple):
    """What identifies a failure, however often it is observed."""

    pod_uid: str
    """UID of the pod; of the workload for pods that were never created."""
    container: str
    """"" = the failure is the pod's."""
    instance: str
    """containerID of the ended instance, or the reason for failures other than the end of a container."""


class Failure(msgspec.Struct, frozen=True):
    """One thing that went wrong."""

    key: FailureKey
    verdict: Verdict
    at: datetime | None
    """When it happened, as recorded by the cluster; None = not recorded."""
    current: bool
    """False: the container runs again or the pod succeeded; it counts, but is not why the workload fails."""
    ended_instances: int | None = None
    """How many instances of this container have ended, this one included (from restartCount); None for
    failures that are not the end of a container instance, and where its restarts need not be failures (restart rules,
    resizes)."""
    waiting: bool = False
    """The pod still waits for something (image, volume, node) and may recover; grace periods apply."""
    permanent: bool = False
    """Waiting, but cannot recover (InvalidImageName, ErrImageNeverPull): no grace period applies."""
    overdue: bool = False
    """Waiting, and longer than its own patience allows: no other grace period applies."""
    consequence: bool = False
    """It shows that somebody else acted (the pod was deleted or terminated) or was lost (a collective operation timed
    out): where another pod of the workload failed by itself, that one is the cause."""


class Wait(msgspec.Struct, frozen=True):
    """What a pod waits for while nothing has failed."""

    text: str
    """Redacted, one line: ``finalizer "example.com/hold"``."""
    since: datetime | None
    due: datetime | None = None
    """From then on it is a failure, if nothing changes; None: only events will show whether it is."""


class Classification(msgspec.Struct, frozen=True):
    """The result of classifying one pod or workload."""

    verdict: Verdict | None
    """The current verdict; None: nothing is failing now, or no rule matched."""
    failures: tuple[Failure, ...]
    """Every failure that the pod shows, the primary one first; past failures included."""
    failing: bool = False
    """Something is failing now, whether or not a rule says what."""
    wait: Wait | None = None
    """Of a pod in which nothing is failing, or only its deletion has stopped something."""
    restarts_by_rule: int = 0
    """How many restarts the ``restartPolicyRules`` of its containers have caused; only those of a crash loop are among
    the failures too."""
