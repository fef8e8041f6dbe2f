"""What waits to be written of one workload."""

from datetime import timedelta

import msgspec

from coroner_operator.model.fold import fold
from coroner_operator.model.observation import Observation
from coroner_operator.model.report import Report, Transition
from coroner_operator.model.workload_ref import WorkloadRef
from coroner_operator.reports.pending_writes import OBSERVATIONS_LIMIT, PendingWrites
from tests.operator_unit.test_store_contract import JOB, NOW, observation

RECOVERED = Transition("Recovered", NOW)
DELETED = Transition("Deleted", NOW)


def pending() -> PendingWrites:
    return PendingWrites(JOB)


def past(exit_code: int) -> Observation:
    seen = observation(exit_code)
    return msgspec.structs.replace(seen, failure=msgspec.structs.replace(seen.failure, current=False))


def test_a_new_failure_takes_back_a_recovery_that_is_not_written_yet() -> None:
    waiting = pending()
    waiting.transition = RECOVERED
    waiting.add([past(1)], 0)
    assert waiting.transition == RECOVERED
    waiting.add([observation(2)], 0)
    assert waiting.transition is None


def test_a_pod_that_fails_was_not_deleted_although_a_list_was_without_it() -> None:
    pod = WorkloadRef("v1", "Pod", "default", "alone", observation(1).pod_uid)
    for workload, transition in ((pod, None), (JOB, DELETED)):  # the pods of a Job may outlive it
        waiting = PendingWrites(workload)
        waiting.transition = DELETED
        waiting.add([observation(1)], 0)
        assert waiting.transition == transition


def test_what_could_not_be_written_comes_before_what_came_since() -> None:
    waiting = pending()
    waiting.add([observation(1)], 0)
    taken = waiting.drain()
    assert not waiting.has_work
    waiting.add([observation(2)], 0)
    waiting.requeue(*taken)
    assert [s.failure.verdict.exit_code for s in waiting.observations] == [1, 2]


def test_a_recovery_that_could_not_be_written_is_void_after_a_new_failure() -> None:
    waiting = pending()
    waiting.transition = RECOVERED
    taken = waiting.drain()
    waiting.add([observation(2)], 0)
    waiting.requeue(*taken)
    assert waiting.transition is None


def test_however_long_the_store_is_away_it_stays_small_and_loses_no_failure() -> None:
    waiting = pending()
    seen = [observation(number % 40) for number in range(10 * OBSERVATIONS_LIMIT)]
    for one in seen:
        waiting.add([one], 0)
    assert len(waiting.observations) <= OBSERVATIONS_LIMIT
    assert fold(Report(JOB), waiting.observations) == fold(Report(JOB), seen)


def test_a_choice_that_could_not_be_written_is_made_again() -> None:
    waiting = pending()
    waiting.reselect = True
    waiting.requeue(*waiting.drain())
    assert waiting.has_work


def test_nothing_is_left_to_do_once_all_is_drained() -> None:
    waiting = pending()
    waiting.reselect = True
    waiting.add([observation(1)], 0)
    waiting.drain()
    assert not waiting.has_work


def test_of_many_looks_the_surer_one_stays() -> None:
    waiting = pending()
    sure = observation(1)
    unsure_verdict = msgspec.structs.replace(sure.failure.verdict, confidence="Unknown")
    unsure = msgspec.structs.replace(
        sure,
        failure=msgspec.structs.replace(sure.failure, verdict=unsure_verdict),
        observed_at=NOW + timedelta(seconds=1),
    )
    waiting.add([sure, *[unsure] * OBSERVATIONS_LIMIT], 0)
    assert [kept.failure for kept in waiting.observations] == [sure.failure]
