"""Work that a tenant causes at no cost of his own: changes of a pod that say nothing new, deletions of reports (F2)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coroner_categorizer import Categorizer
from embedded_apiserver import EmbeddedApiServer
from tests.support.live_objects import failed_pod
from tests.support.operators import Operators
from tests.support.reports import Reports
from tests.support.waiting import until

CHANGES = 200


@pytest.fixture
def classified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pods that were classified, in that order."""
    names: list[str] = []
    classify = Categorizer.classify_pod

    def counted(self: Categorizer, pod: Any, *args: Any) -> Any:
        names.append(pod.metadata.name)
        return classify(self, pod, *args)

    monkeypatch.setattr(Categorizer, "classify_pod", counted)
    return names


@pytest.mark.xfail(strict=True, reason="F2: each change of a pod is classified")
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


@pytest.mark.xfail(strict=True, reason="F2: a deleted report wakes every failing pod of its namespace")
async def test_deleting_a_report_wakes_its_own_pods_only(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, classified: list[str]
) -> None:
    """F2: every suspect of the namespace was looked at again."""
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
