"""Which failure a workload's report shows: one decision, made when the report is written.

It is computed from the report as it is stored and from what is known of the workload's pods at that moment, so it does
not depend on who noticed a change first, and a restarted operator comes to the same answer.

* A consequence (the pod was deleted, terminated, or lost its peers) is never shown instead of a failure that a pod had
  by itself.
* Batch workloads show the earliest failure of the newest attempt: what happened first is the cause of the rest. A pod
  that was created after another had failed begins a new attempt (``Attempts``).
* Workloads that keep their pods running show the newest failure of the pods that fail now.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from coroner_operator.model.failure_record import FailureRecord
from coroner_operator.model.initiator import Attempts
from coroner_operator.model.ledger import POD_DIGITS
from coroner_operator.model.merge_order import preferred
from coroner_operator.model.observation import Observation


class PodFailure(NamedTuple):
    """What a pod failed by when it was observed."""

    record: FailureRecord
    observed_at: datetime
    """Whole seconds."""
    rules: str = ""
    """Hash of the rules that decided the record."""
    reclassified: bool = False
    """As ``Observation.reclassified``."""
    first_at: datetime | None = None
    """When the pod failed first, if that was an earlier time: its container ends again and again."""

    @property
    def since(self) -> datetime:
        """When the pod failed first."""
        return self.first_at or self.record.at

    @property
    def is_own_end(self) -> bool:
        """Whether it failed by itself, and that is over: it does not wait for anything."""
        return not self.record.consequence and self.record.seen_at is None


class FailingPods(NamedTuple):
    """What is known of a workload's pods at one moment."""

    observations: tuple[Observation, ...] = ()
    """The last failure of pods that fail now and have not ended. A bounded number: those that began to fail first."""
    has_stopped: Callable[[str], bool] = lambda pod_uid: False  # noqa: ARG005
    """Whether the pod of this UID does not fail any more: it is healthy, was replaced, or is deleted. "" stands for
    pods that could not be created: one was created since."""
    is_deleted: Callable[[str], bool] = lambda pod_uid: False  # noqa: ARG005
    """Whether that is because it is deleted."""
    long_running: bool = False
    """Whether the workload keeps its pods running."""


NOTHING_KNOWN = FailingPods()


def current_failure(
    stored: PodFailure | None,
    observed: Iterable[PodFailure],
    failing: Iterable[PodFailure] = (),
    pods: FailingPods = NOTHING_KNOWN,
    attempts: Callable[[bool], Attempts] = lambda with_consequences: Attempts({}, with_consequences=with_consequences),
) -> PodFailure | None:
    """The failure to show; where its pod has stopped failing, that of one of the pods that still fail.

    Where no other pod fails, it stays until the workload has recovered, even if its pod is deleted. The pod that began
    the failure of a batch workload stays, although its controller deletes it: the others end because of it.

    ``stored``: what the report shows; None: nothing. ``observed``: what has been observed since; of each pod in the
    order of observation. ``failing``: of the pods that fail now, their last failures; read only where needed.
    ``attempts``: those of the workload, by its pods' own failures or (True) by consequences too; also read only then.

    A pod fails by one thing at a time: what was observed last. Times alone do not show what that is: a wait is
    dated by what the pod had reached before, so a mount that failed in between, and succeeded since, would seem the
    newer failure forever. So what a pod fails by after another failure is not dated before that one.
    """
    chosen = _choose(stored, observed, failing, pods, attempts)
    if chosen is not None and chosen.first_at is not None and pods.long_running:
        return chosen._replace(first_at=None)  # how it failed before says nothing of why others fail
    return chosen


def _choose(
    stored: PodFailure | None,
    observed: Iterable[PodFailure],
    failing: Iterable[PodFailure],
    pods: FailingPods,
    attempts: Callable[[bool], Attempts],
) -> PodFailure | None:
    by_pod: dict[str, PodFailure] = {}
    _observe(by_pod, () if stored is None else (stored,))
    _observe(by_pod, observed)
    choose = _newest if pods.long_running else _Earliest(attempts)
    chosen = choose(by_pod.values())
    if chosen is None or not _is_over(chosen, pods):
        return chosen
    lasting = set() if pods.long_running else {pod for pod, failure in by_pod.items() if not _is_over(failure, pods)}
    lasting |= _observe(by_pod, failing)
    others = [by_pod[pod] for pod in lasting if pods.long_running or not by_pod[pod].record.consequence]
    return choose(others) or chosen


def _newest(failures: Collection[PodFailure]) -> PodFailure | None:
    """Ties are decided by name, so that they are decided the same way each time."""
    return max(failures, key=lambda f: (not f.record.consequence, f.record.at, f.record.id), default=None)


class _Earliest:
    """Chooses the earliest failure of the newest attempt."""

    def __init__(self, attempts: Callable[[bool], Attempts]) -> None:
        self._attempts = attempts

    def __call__(self, failures: Collection[PodFailure]) -> PodFailure | None:
        own = [failure for failure in failures if not failure.record.consequence]
        candidates = own or list(failures)
        if len(candidates) < 2:  # the usual case, in which no attempt has to be known
            return next(iter(candidates), None)
        attempts = self._attempts(not own)
        newest = max(attempts.of(failure.record) for failure in candidates)
        # A pod's place can only move forward: so one that gave way to another never would have been chosen later.
        return min(
            (failure for failure in candidates if attempts.of(failure.record) == newest),
            key=lambda failure: (failure.since, failure.record.id[:POD_DIGITS]),
        )


def _is_over(failure: PodFailure, pods: FailingPods) -> bool:
    """Whether the pod does not fail any more; one of a batch workload that has failed and is deleted still has."""
    pod_uid = failure.record.pod.uid if failure.record.pod else ""
    stays = not pods.long_running and failure.is_own_end and pods.is_deleted(pod_uid)
    return pods.has_stopped(pod_uid) and not stays


def _observe(by_pod: dict[str, PodFailure], failures: Iterable[PodFailure]) -> set[str]:
    """Bring what each pod fails by up to date; the pods that were observed."""
    observed = set()
    for failure in failures:
        pod = failure.record.id[:POD_DIGITS]  # the workload's own for pods that were never created
        observed.add(pod)
        known = by_pod.get(pod)
        by_pod[pod] = failure if known is None else _latest(known, failure)
    return observed


def _latest(known: PodFailure, observed: PodFailure) -> PodFailure:
    """Which of two failures of one pod it fails by; the same failure keeps what is known best of it.

    A pod that failed by itself and is deleted after that, by its controller or a person, still failed by itself.
    """
    record = observed.record
    first_at = min(known.since, observed.since)
    if record.at < known.record.at:
        record = msgspec.structs.replace(record, at=known.record.at)
    if record.id == known.record.id:
        is_latest = preferred(known.record, record, observed.reclassified) is record
    else:
        is_latest = observed.observed_at >= known.observed_at and not (
            record.consequence and not known.record.consequence
        )
    latest = observed._replace(record=record) if is_latest else known
    return latest._replace(first_at=first_at if first_at < latest.record.at else None)
