"""How a workload shows that it has ended, and whether its pods are meant to end at all, kind by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from typing import Any, Literal, Protocol, TypeAlias

from coroner_categorizer.findings.pod_status import owner_success
from coroner_categorizer.objects.workload import Workload
from coroner_operator.config.presets import EndState, PresetKind, preset_kind


class KindLifetime(Protocol):
    """What is known of a kind: ``PresetKind``."""

    @property
    def long_running(self) -> bool:
        """Its pods are kept running and replaced."""
        ...

    @property
    def ends(self) -> Sized:
        """Where its status says that it has ended; empty: it does not say so."""
        ...

    def outcome(self, obj: Mapping[str, Any], /) -> Literal["failed", "succeeded"] | None:
        """How the object has ended for good; None: it has not, or does not say so."""
        ...


Lifetimes: TypeAlias = Callable[[str, str], KindLifetime | None]
"""By group and kind; None: nothing is known of the kind."""


def lifetime(group: str, kind: str) -> KindLifetime | None:
    """Of Kubernetes' own kinds, and those of the presets, whichever a site has chosen."""
    return _BUILTIN.get((group, kind)) or preset_kind(group, kind)


def keeps_pods_running(group: str, kind: str) -> bool:
    """Whether it is a kind that replaces pods that end. False also where nothing is known of the kind."""
    known = lifetime(group, kind)
    return known is not None and known.long_running


def with_success(workload: Workload) -> Workload:
    """An object that has succeeded, so that the categorizer sees that: it knows conditions only."""
    return workload if owner_success(workload) is not None else workload.as_succeeded()


# FailureTarget comes before Failed, while pods are being terminated: the Job has not ended yet.
_JOB = PresetKind(
    "batch",
    "Job",
    "jobs",
    ends=(
        EndState("status.conditions[Failed].status", failed=("True",)),
        EndState("status.conditions[Complete].status", succeeded=("True",)),
        EndState("status.conditions[SuccessCriteriaMet].status", succeeded=("True",)),
    ),
)

_LONG_RUNNING = (
    ("apps", "DaemonSet", "daemonsets"),
    ("apps", "Deployment", "deployments"),
    ("apps", "ReplicaSet", "replicasets"),
    ("apps", "StatefulSet", "statefulsets"),
    ("", "ReplicationController", "replicationcontrollers"),
)

_BUILTIN = {
    (kind.group, kind.kind): kind
    for kind in (_JOB, *(PresetKind(group, kind, plural, long_running=True) for group, kind, plural in _LONG_RUNNING))
}
