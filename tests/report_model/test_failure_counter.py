"""What the metrics count: each failure once, whatever becomes of the report in which it is written."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from coroner_operator.model.fold import fold
from coroner_operator.model.ledger import Ledger
from coroner_operator.model.observation import Observation
from coroner_operator.model.report import Report
from coroner_operator.reports import failure_counter
from coroner_operator.reports.failure_counter import FailureCounter
from tests.report_model.observations import EMPTY, ended, plausible_observations


def total(ledger: Ledger) -> int:
    return sum(count.total for count in ledger.counts().values())


class Metrics:
    """Writes reports as the writer does, and adds up what it counts."""

    def __init__(self) -> None:
        self.counter = FailureCounter()
        self.stored: Report | None = None
        self.counted = 0

    def write(self, *observed: Observation) -> None:
        after = fold(self.stored or EMPTY, observed)
        counted = self.counter.observed(self.stored, after, observed)
        self.counted += total(counted.after) - total(counted.before)
        self.counter.written(after, counted.after)
        self.stored = after


FIRST, SECOND, THIRD = (ended("p1", number, number) for number in (1, 2, 3))


def test_a_deleted_report_counts_only_what_is_new() -> None:
    metrics = Metrics()
    metrics.write(FIRST, SECOND)
    for _ in range(3):
        metrics.stored = None
        metrics.write(SECOND)
        metrics.write(FIRST)
    assert metrics.counted == 2
    metrics.write(THIRD)
    assert metrics.counted == 3


def test_a_ledger_that_somebody_empties_counts_only_what_is_new() -> None:
    metrics = Metrics()
    metrics.write(FIRST, SECOND)
    assert metrics.stored is not None
    metrics.stored = msgspec.structs.replace(metrics.stored, ledger=Ledger())
    metrics.write(FIRST, SECOND, THIRD)
    assert metrics.counted == 3


def test_what_another_process_has_counted_is_not_counted_here() -> None:
    other, metrics = Metrics(), Metrics()
    metrics.write(FIRST)
    other.stored = metrics.stored
    other.write(SECOND)
    metrics.stored = other.stored
    metrics.write(FIRST, SECOND, THIRD)
    assert (metrics.counted, other.counted) == (2, 1)


def test_a_write_that_is_tried_again_counts_once() -> None:
    metrics = Metrics()
    metrics.write(FIRST)
    metrics.stored = None
    after = fold(EMPTY, [FIRST, SECOND])
    begun = metrics.counter.observed(None, after, [FIRST, SECOND])
    again = metrics.counter.observed(None, after, [FIRST, SECOND])
    assert total(again.after) - total(begun.before) == 1


def test_a_failure_whose_report_was_refused_counts_once_it_is_written() -> None:
    metrics = Metrics()
    metrics.write(FIRST)
    metrics.stored = None  # deleted to make room, and then there was none for it
    metrics.counter.observed(None, fold(EMPTY, [FIRST, SECOND]), [FIRST, SECOND])
    metrics.write(FIRST, SECOND)
    assert metrics.counted == 2


def test_memory_is_bounded_by_pods() -> None:
    counter = FailureCounter()
    report = fold(EMPTY, [FIRST])
    for number in range(3 * failure_counter.PODS_REMEMBERED):
        workload = msgspec.structs.replace(report.workload, uid=str(number))
        counter.written(msgspec.structs.replace(report, workload=workload), report.ledger)
    assert len(counter._written) <= failure_counter.PODS_REMEMBERED / 2


@given(plausible_observations, st.sets(st.integers(0, 50)))
def test_whenever_the_report_is_deleted_the_counts_are_those_of_one_that_never_was(
    seen: Sequence[Observation], deletions: set[int]
) -> None:
    kept, metrics = Metrics(), Metrics()
    for number, each in enumerate(seen):
        if number in deletions:
            metrics.stored = None
        kept.write(each)
        metrics.write(each)
    assert metrics.counted == kept.counted
