"""Work that a tenant causes at no cost of his own: changes of a pod that say nothing new, deletions of reports (F2)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coroner_categorizer import Categorizer
from embedded_apiserver import EmbeddedApiServer
from tests.support.live_objects import changed, ended, failed_pod, live_pod
from tests.support.operators import Operators
from tests.support.reports import Reports
from tests.support.waiting import until

CHANGES = 200


@pytest.fixture
def classified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pods that were classified, in that order."""
    names: list[str] = []
    classify = Categorizer.classify_pod

    def counted(self: Categorizer, pod: Any, *args: Any, **options: Any) -> Any:
        names.append(pod.metadata.name)
        return classify(self, pod, *args, **options)

    monkeypatch.setattr(Categorizer, "classify_pod", counted)
    return names


async def test_a_pod_that_changes_again_and_again_is_classified_at_a_bounded_rate(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, classified: list[str]
) -> None:
    """F2: an annotation that changes ten times a second cost 27 of 40 seconds of CPU."""
    await operators.start()
    pod = failed_pod("attack", message="ValueError: " + "x" * 4000)
    for number in range(CHANGES):
        pod = server.put({**pod, "metadata": {**pod["metadata"], "annotations": {"n": str(number)}}})
        await asyncio.sleep(0.005)
    server.put(failed_pod("victim"))
    await until(lambda: reports.of("victim"), 30)
    await until(lambda: reports.of("attack"), 30)
    assert classified.count("attack") <= CHANGES / 4


async def test_the_last_of_many_changes_is_the_one_that_counts(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    pod = server.put(failed_pod("attack", exit_code=3))
    for number in range(CHANGES):
        pod = server.put({**pod, "metadata": {**pod["metadata"], "annotations": {"n": str(number)}}})
    state = failed_pod("attack", exit_code=4, pod_uid=pod["metadata"]["uid"])["status"]
    server.put({**pod, "status": state})
    await until(lambda: reports.status("attack").get("exitCode") == 4, 30)


async def test_deleting_a_report_wakes_its_own_pods_only(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, classified: list[str]
) -> None:
    """F2: every failing pod of the namespace was classified again."""
    engine = await operators.start()
    names = [f"pod-{number}" for number in range(60)]
    for name in names:
        server.put(failed_pod(name))
    await until(lambda: all(reports.of(name) for name in names), 60)
    report = reports.of("pod-0")
    assert report
    classified.clear()
    server.delete("FailureReport", report["metadata"]["name"])
    engine.report_deleted("default", report["metadata"]["name"])
    await until(lambda: (r := reports.of("pod-0")) and r["metadata"]["uid"] != report["metadata"]["uid"], 30)
    assert set(classified) == {"pod-0"}


async def test_a_namespace_whose_pods_all_fail_delays_another_by_one_classification(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, classified: list[str]
) -> None:
    """F2: whoever came later waited for all that had come before, whosever they were."""
    server.create_namespace("attacker")
    for number in range(600):
        server.put(failed_pod(f"attack-{number}", namespace="attacker", message="ValueError: " + "x" * 4000))
    for number in range(3):
        server.put(failed_pod(f"victim-{number}"))  # the last ones of the list
    await operators.start()
    await until(lambda: all(reports.of(f"victim-{number}") for number in range(3)), 60)
    after = [classified.index(f"victim-{number}") for number in range(3)]
    # One of each namespace in turn, from when the list had been read as far as the victim's.
    assert len([name for name in classified[after[0] : after[2]] if name.startswith("attack")]) <= 4
    await until(lambda: len(set(classified)) == 603, 120)


async def test_each_failure_of_a_pod_that_changes_fast_is_counted(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    """The honest lookalike: restarts within the interval, a deletion at once after the last one."""
    await operators.start()
    pod = server.put(live_pod("fast", state=ended(3, number=1), restarts=0))
    for number in range(2, 7):
        pod = server.put(
            changed(pod, state=ended(2 + number, number=number), last=ended(3, number=number - 1), restarts=number - 1)
        )
    server.delete("Pod", "fast")
    await until(lambda: reports.failures("fast") == 6, 30)
    assert {record["exitCode"] for record in reports.status("fast")["history"]} == {3, 4, 5, 6, 7, 8}


async def test_a_pod_that_recovers_between_two_classifications_is_recovered(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    """The honest lookalike: what is superseded is not needed."""
    await operators.start()
    pod = server.put(live_pod("pod", state=ended(3, ran=0)))
    for _ in range(20):
        pod = server.put(changed(pod, last=ended(3, ran=0), restarts=1, ready=False))
    server.put(changed(pod, last=ended(3, ran=0), restarts=1))
    await until(lambda: reports.state("pod") == "Recovered", 30)
    assert reports.failures("pod") == 1
