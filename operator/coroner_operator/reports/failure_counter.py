"""Which failures of a workload the metrics have counted, beyond the life of its report.

Whoever may delete a FailureReport, or edit its ledger, could make its failures count again: the pods that still show
them are observed once more. So the ledger that was written last is remembered for as long as memory allows. Where the
stored one lacks failures of it, what is observed from then on is counted by the one that is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cachetools import LRUCache

from coroner_operator.model.fold import fold
from coroner_operator.model.ledger import Ledger, PodEntries, RestartSeries
from coroner_operator.model.observation import Observation
from coroner_operator.model.report import Report
from coroner_operator.model.workload_ref import WorkloadKey

PODS_REMEMBERED = 10_000  # in all ledgers together; about 1 KB each


class Counted(NamedTuple):
    """What is counted is the difference."""

    before: Ledger
    after: Ledger


class FailureCounter:
    """In memory: after a restart the ledgers of the reports are all that is known."""

    def __init__(self) -> None:
        self._written: LRUCache[WorkloadKey, Ledger] = LRUCache(PODS_REMEMBERED, _size)
        self._lost: LRUCache[WorkloadKey, Ledger] = LRUCache(PODS_REMEMBERED, _size)
        """Of workloads whose report was deleted or set back since this process wrote it."""

    def observed(self, stored: Report | None, after: Report, observations: Iterable[Observation]) -> Counted:
        """``after``: what the observations have made of the report that is ``stored``; None: there is none."""
        key = after.workload.key
        before = stored.ledger if stored else Ledger()
        written = self._written.get(key)
        if written is not None and _lacks_some(before, written):
            _remember(self._lost, key, self._written.pop(key))
        known = self._lost.get(key)
        if known is None:
            return Counted(before, after.ledger)
        return Counted(known, fold(Report(after.workload, ledger=known), observations).ledger)

    def written(self, report: Report, counted: Ledger) -> None:
        """The report is stored now, and ``Counted.after`` is counted. What is never written is never counted."""
        key = report.workload.key
        if key in self._lost:
            _remember(self._lost, key, counted)
        else:
            _remember(self._written, key, report.ledger)


def _lacks_some(ledger: Ledger, of: Ledger) -> bool:
    """Whether somebody took failures out of it. More than we wrote may be in it: another replica's."""
    return ledger is not of and any(
        _ended(ledger.pods.get(pod_id), key) < _ended(pod, key) for pod_id, pod in of.pods.items() for key in pod.series
    )


def _ended(pod: PodEntries | None, key: str) -> int:
    series = None if pod is None else pod.series.get(key)
    return series.ended if isinstance(series, RestartSeries) else int(series is not None)


def _remember(ledgers: LRUCache[WorkloadKey, Ledger], key: WorkloadKey, ledger: Ledger) -> None:
    try:
        ledgers[key] = ledger
    except ValueError:  # more pods than all together may have
        ledgers.pop(key, None)


def _size(ledger: Ledger) -> int:
    return 1 + len(ledger.pods)
