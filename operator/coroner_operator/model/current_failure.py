"""Which failure a workload's report shows: one decision, made when the report is written.

It is computed from the report as it is stored and from what is known of the workload's pods at that moment, so it does
not depend on who noticed a change first, and a restarted operator comes to the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from coroner_operator.model.failure_record import FailureRecord
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


class FailingPods(NamedTuple):
    """What is known of a workload's pods at one moment."""

    observations: tuple[Observation, ...] = ()
    """The last failure of pods that fail now and have not ended. A bounded number: those that began to fail first."""
    has_stopped: Callable[[str], bool] = lambda pod_uid: False  # noqa: ARG005
    """Whether the pod of this UID does not fail any more: it is healthy, was replaced, or is deleted. "" stands for
    pods that could not be created: one was created since."""


NOTHING_KNOWN = FailingPods()


def current_failure(
    stored: PodFailure | None,
    observed: Iterable[PodFailure],
    failing: Iterable[PodFailure] = (),
    has_stopped: Callable[[str], bool] = NOTHING_KNOWN.has_stopped,
) -> PodFailure | None:
    """The newest failure; where its pod has stopped failing, the newest one of the pods that still fail.

    Where no other pod fails, the newest one stays until the workload has recovered, even if its pod is deleted.

    ``stored``: what the report shows; None: nothing. ``observed``: what has been observed since; of each pod in the
    order of observation. ``failing``: of the pods that fail now, their last failures; read only where needed.

    A pod fails by one thing at a time: what was observed last. Times alone do not show what that is: a wait is
    dated by what the pod had reached before, so a mount that failed in between, and succeeded since, would seem the
    newer failure forever. So what a pod fails by after another failure is not dated before that one.
    """
    by_pod: dict[str, PodFailure] = {}
    _observe(by_pod, () if stored is None else (stored,))
    _observe(by_pod, observed)
    newest = max(by_pod.values(), key=_time, default=None)
    if newest is None or not has_stopped(_pod_uid(newest)):
        return newest
    still_failing = _observe(by_pod, failing)
    return max((by_pod[pod] for pod in still_failing), key=_time, default=newest)


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
    """Which of two failures of one pod it fails by; the same failure keeps what is known best of it."""
    record = observed.record
    if record.at < known.record.at:
        record = msgspec.structs.replace(record, at=known.record.at)
    if record.id == known.record.id:
        is_latest = preferred(known.record, record, observed.reclassified) is record
    else:
        is_latest = observed.observed_at >= known.observed_at
    return observed._replace(record=record) if is_latest else known


def _time(failure: PodFailure) -> tuple[datetime, str]:
    """When it happened; ties are decided by name, so that they are decided the same way each time."""
    return failure.record.at, failure.record.id


def _pod_uid(failure: PodFailure) -> str:
    return failure.record.pod.uid if failure.record.pod else ""
