"""One observation of one failure: what enters a report."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from coroner_categorizer.objects.pod import Pod
from coroner_categorizer.verdict import Failure
from coroner_operator.model.workload_ref import WorkloadRef

MEMBER_DIGITS = 9  # of an index, a rank or the number of an attempt


class Member(msgspec.Struct, frozen=True):
    """Which of the workload's pods it is, as far as its labels say."""

    index: int | None = None
    rank: int | None = None
    attempt: int = 0
    """How often the workload had been restarted as a whole when the pod was made; 0 where no label says so."""


_INDEX_LABELS = (
    "batch.kubernetes.io/job-completion-index",
    "training.kubeflow.org/replica-index",  # training-operator, MPI Operator
    "leaderworkerset.sigs.k8s.io/worker-index",  # before the next, which counts groups on a group's leader
    "apps.kubernetes.io/pod-index",
    "volcano.sh/task-index",
    "spark-exec-id",
)
_ATTEMPT_LABELS = ("jobset.sigs.k8s.io/restart-attempt",)
MEMBER_LABELS = (*_INDEX_LABELS, *_ATTEMPT_LABELS)
"""Labels that say which of its workload's pods a pod is."""


def member_of(pod: Pod) -> Member:
    """Which of its workload's pods it is."""
    labels, version = pod.metadata.labels, pod.metadata.annotations.volcano_job_version
    ranks = (variable.value for container in pod.spec.containers for variable in container.env)
    return Member(
        index=_first_number(labels.get(label, "") for label in _INDEX_LABELS),
        rank=_first_number(ranks),
        attempt=_first_number((*(labels.get(label, "") for label in _ATTEMPT_LABELS), version)) or 0,
    )


def _first_number(texts: Iterable[str]) -> int | None:
    """Of texts that anybody may have written."""
    numbers = (int(text) for text in texts if text.isascii() and text.isdecimal() and len(text) <= MEMBER_DIGITS)
    return next(numbers, None)


class Observation(msgspec.Struct, frozen=True):
    """A failure as it was observed; the same one may be observed any number of times, those of a pod in their order."""

    pod_name: str
    """"" for a pod that was never created."""
    pod_uid: str
    node: str
    """"" where the pod was never bound."""
    failure: Failure
    observed_at: datetime
    """By the operator's clock: the only time here that is not the cluster's."""
    rules: str = ""
    """Hash of the rules that classified it."""
    reclassified: bool = False
    """Classified again, because the rules have changed: replaces what earlier rules said of the same failure."""
    owners: tuple[WorkloadRef, ...] = ()
    """The owners on which the verdict is shown besides the workload."""
    pod_created: datetime | None = None
    """None where there is no pod, or its object has no time."""
    member: Member = Member()


def observations_of(
    pod: Pod,
    failures: Iterable[Failure],
    observed_at: datetime,
    *,
    rules: str = "",
    reclassified: bool = False,
    owners: tuple[WorkloadRef, ...] = (),
) -> list[Observation]:
    """Of each of the failures that a pod shows."""
    metadata, member = pod.metadata, member_of(pod)
    return [
        Observation(
            metadata.name,
            metadata.uid,
            pod.spec.nodeName,
            failure,
            observed_at,
            rules,
            reclassified,
            owners,
            metadata.creationTimestamp,
            member,
        )
        for failure in failures
    ]


END_OF_TIME = 253_402_300_799  # the last second that a datetime in UTC can express


def whole_seconds(time: datetime) -> datetime:
    """In UTC and cut to the second, as Kubernetes keeps times; a naive time is read as UTC, one before 1970 as 1970."""
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    return from_epoch(to_epoch(aware))


def to_epoch(time: datetime) -> int:
    """Seconds since 1970, never negative and never after the year 9999 in UTC, which another zone can express."""
    return min(max(0, int(time.timestamp())), END_OF_TIME)


def from_epoch(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
