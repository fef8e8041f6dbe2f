"""An Event lives for an hour; that of a workload which still fails is renewed, once in that time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from coroner_operator.model import sample_reports
from coroner_operator.model.report import Report, recover
from coroner_operator.model.workload_ref import WorkloadRef
from coroner_operator.publish import event_renewal
from coroner_operator.publish.event_renewal import INTERVAL, RENEWED_FOR, STILL_KEPT, EventRenewal, seconds_to_next
from embedded_apiserver import EmbeddedApiServer
from tests.support.waiting import until
from tests.workload_status.test_recorder import JOB, events, kubeconfig_path, recording

__all__ = ["kubeconfig_path"]

FAILING = sample_reports.failing()
assert FAILING.current is not None and FAILING.last_seen is not None
FAILED_AT = FAILING.current.at
EVENT_TTL = 3600


def workload(name: str) -> WorkloadRef:
    return WorkloadRef("batch/v1", "Job", "team-a", name, "u")


@pytest.mark.parametrize("name", ["a", "b", "c", "train-llm"])
@pytest.mark.parametrize("at", [0.0, 1.5, 2999.0, 1_772_000_000.25])
def test_every_process_finds_the_same_moments(name: str, at: float) -> None:
    wait = seconds_to_next(workload(name), datetime.fromtimestamp(at, UTC))
    assert 0 < wait <= INTERVAL
    following = datetime.fromtimestamp(at + wait, UTC)
    assert seconds_to_next(workload(name), following) == pytest.approx(INTERVAL, abs=0.01)


def test_workloads_that_fail_together_are_not_renewed_together() -> None:
    moments = sorted(seconds_to_next(workload(f"job-{i}"), FAILED_AT) for i in range(1000))
    assert max(sum(start <= m < start + 60 for m in moments) for start in range(0, INTERVAL, 60)) < 60


def test_no_event_expires_before_its_renewal() -> None:
    assert INTERVAL < EVENT_TTL
    assert STILL_KEPT.total_seconds() + INTERVAL < EVENT_TTL


class Reports:
    def __init__(self, report: Report | None) -> None:
        self.report = report
        self.reads = 0

    async def get(self, workload: WorkloadRef) -> Any:
        self.reads += 1
        return None if self.report is None else self

    def __bool__(self) -> bool:
        return True


RENEWED: dict[str, tuple[Report | None, timedelta, bool]] = {
    "it fails": (FAILING, timedelta(hours=1), True),
    "it has just failed": (FAILING, timedelta(minutes=8), False),
    "it failed long ago": (FAILING, RENEWED_FOR + timedelta(hours=2), False),
    "it has recovered": (recover(FAILING, FAILED_AT + timedelta(hours=9)), timedelta(hours=10), False),
    "its report was deleted": (None, timedelta(hours=1), False),
}


@pytest.mark.parametrize(("report", "age", "renewed"), RENEWED.values(), ids=RENEWED.keys())
async def test_what_still_fails_is_renewed(
    report: Report | None, age: timedelta, renewed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_renewal, "seconds_to_next", lambda workload, now: 0.01)
    seen: list[Report] = []
    reports = Reports(report)
    renewal = EventRenewal(reports, seen.append, now=lambda: FAILED_AT + age)
    renewal.start()
    for _ in range(3):
        renewal.follow(FAILING.workload)
    await until(lambda: reports.reads)
    await renewal.close()
    assert (seen, reports.reads) == ([report] if renewed else [], 1)


async def test_a_renewal_is_one_patch_and_counts_nothing(kubeconfig_path: Path, embedded: EmbeddedApiServer) -> None:
    async with recording(kubeconfig_path, resend_interval=0) as session:
        for _ in range(3):
            session.record()
        await until(lambda: ((events(embedded) or [{}])[0].get("series") or {}).get("count") == 3)
        (before,) = events(embedded)
        calls = len(embedded.calls)
        session.recorder.renew(JOB, "Error", "it failed", action="Categorized")
        await until(lambda: events(embedded)[0]["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"])
        assert [call.method for call in embedded.calls[calls:]] == ["PATCH"]
        (after,) = events(embedded)
        assert after["series"]["count"] == 3
        assert after["series"]["lastObservedTime"] > before["series"]["lastObservedTime"]


async def test_an_event_of_an_earlier_process_is_renewed(kubeconfig_path: Path, embedded: EmbeddedApiServer) -> None:
    for _ in range(2):
        async with recording(kubeconfig_path) as session:
            session.record()
    async with recording(kubeconfig_path) as session:
        session.recorder.renew(JOB, "Error", "it failed", action="Categorized")
    (event,) = events(embedded)
    assert event["series"]["count"] == 2
    assert session.outcomes == {"counted": 1}


async def test_an_event_that_has_expired_is_created_again(kubeconfig_path: Path, embedded: EmbeddedApiServer) -> None:
    async with recording(kubeconfig_path, resend_interval=0) as session:
        for number in (1, 2):
            session.recorder.renew(JOB, "Error", "it failed", action="Categorized", hint="Fix it.")
            await until(lambda: session.outcomes["created"] >= number)  # noqa: B023
            (event,) = events(embedded)
            assert event["note"] == "it failed Fix it."
            assert not event.get("series")
            embedded.delete("Event", event["metadata"]["name"], JOB.namespace, api_version="events.k8s.io/v1")
    assert session.outcomes == {"created": 2}


async def test_without_events_nothing_is_sent(kubeconfig_path: Path, embedded: EmbeddedApiServer) -> None:
    async with recording(kubeconfig_path, enabled=False, own=msgspec.structs.replace(JOB, kind="Pod")) as session:
        session.record()
        session.recorder.renew(JOB, "Error", "it failed", action="Categorized")
        session.recorder.warn(None, "InvalidRules", "no")
    assert [call for call in embedded.calls if call.is_write] == []
