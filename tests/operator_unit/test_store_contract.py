"""Both report stores keep the same contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from coroner_categorizer import Failure, FailureKey, Verdict
from coroner_operator.kube.client import Client, load_configuration
from coroner_operator.kube.errors import NotFound
from coroner_operator.model.fold import fold
from coroner_operator.model.observation import Observation
from coroner_operator.model.report import Report, recover
from coroner_operator.model.report_codec import labels, to_object
from coroner_operator.model.workload_ref import WorkloadRef
from coroner_operator.reports.store import WRITE_CONFLICT, ApiReportStore, MemoryReportStore, ReportStore, Stored
from embedded_apiserver import EmbeddedApiServer

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
JOB = WorkloadRef("batch/v1", "Job", "default", "train", "0123abcd-0000-4000-8000-000000000000")


def report(*exit_codes: int, workload: WorkloadRef = JOB) -> Report:
    """A report with one failure for each exit code."""
    return fold(Report(workload), [observation(code) for code in exit_codes])


def observation(exit_code: int) -> Observation:
    verdict = Verdict(
        category="user-code",
        subcategory=f"exit-{exit_code}",
        categories=("user-code",),
        reason="Error",
        message=f"it ended with {exit_code}",
        hint="",
        retry="Unknown",
        confidence="Confirmed",
        container="main",
        exit_code=exit_code,
        evidence=(),
        rule=None,
    )
    identity = FailureKey(f"pod-{exit_code}", "main", "containerd://1")
    return Observation(
        f"train-{exit_code}", f"pod-{exit_code}", "node", Failure(identity, verdict, NOW, True, 1), NOW, "rules"
    )


@pytest.fixture(params=["memory", pytest.param("api", marks=pytest.mark.embedded)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ReportStore]:
    if request.param == "memory":
        yield MemoryReportStore()
        return
    async with EmbeddedApiServer() as server:
        server.load(Path(__file__).parents[2] / "crds")
        async with Client(await load_configuration(server.kubeconfig(tmp_path / "kubeconfig"))) as client:
            yield ApiReportStore(client)


async def test_what_was_applied_is_got_and_loaded(store: ReportStore) -> None:
    written = await store.apply(report(1), None)
    assert isinstance(written, Stored)
    assert written.report == report(1)
    assert await store.get(JOB) == written
    assert [stored async for stored in store.load_all()] == [written]
    assert written.labels == labels(report(1))


async def test_a_workload_without_failures_has_no_report(store: ReportStore) -> None:
    assert await store.get(JOB) is None
    assert [stored async for stored in store.load_all()] == []


async def test_many_reports_are_all_loaded(store: ReportStore) -> None:
    jobs = [WorkloadRef("batch/v1", "Job", "default", f"job-{n}", f"{n:08x}-0000") for n in range(120)]
    for job in jobs:
        await store.apply(report(1, workload=job), None)
    loaded = [stored.report.workload.name async for stored in store.load_all()]
    assert sorted(loaded) == sorted(job.name for job in jobs)


async def test_a_report_that_is_already_there_is_not_overwritten_by_a_first_write(store: ReportStore) -> None:
    await store.apply(report(1, 2), None)
    assert await store.apply(report(3), None) is WRITE_CONFLICT
    stored = await store.get(JOB)
    assert stored is not None
    assert stored.report == report(1, 2)


async def test_a_write_over_an_older_version_changes_nothing(store: ReportStore) -> None:
    first = await store.apply(report(1), None)
    assert isinstance(first, Stored)
    second = await store.apply(report(1, 2), first)
    assert isinstance(second, Stored)
    assert await store.apply(report(1, 3), first) is WRITE_CONFLICT
    assert await store.apply(report(1, 3), first, frozenset(("status",))) is WRITE_CONFLICT
    assert await store.get(JOB) == second


async def test_a_write_over_a_report_that_was_never_there_changes_nothing(store: ReportStore) -> None:
    ghost = Stored(report(1), "4711", {})
    assert await store.apply(report(1, 2), ghost) is WRITE_CONFLICT
    assert await store.apply(report(1, 2), ghost, frozenset(("status",))) is WRITE_CONFLICT
    assert await store.get(JOB) is None


async def test_the_status_can_be_written_before_its_labels(store: ReportStore) -> None:
    first = await store.apply(report(1), None)
    assert isinstance(first, Stored)
    later = recover(report(1), datetime(2026, 11, 22, 13, tzinfo=UTC))
    second = await store.apply(later, first, frozenset(("status",)))
    assert isinstance(second, Stored)
    assert (second.report, second.labels) == (later, labels(report(1)))
    third = await store.apply(later, second, frozenset(("labels",)))
    assert isinstance(third, Stored)
    assert await store.get(JOB) == Stored(later, third.version, labels(later))
    assert "coroner.dev/category" not in third.labels


async def test_a_namespace_that_is_not_there_is_said(server: EmbeddedApiServer, tmp_path: Path) -> None:
    async with Client(await load_configuration(server.kubeconfig(tmp_path / "kubeconfig"))) as client:
        nowhere = WorkloadRef("batch/v1", "Job", "nowhere", "train", "1")
        with pytest.raises(NotFound) as caught:
            await ApiReportStore(client).apply(report(1, workload=nowhere), None)
    assert caught.value.missing_kind == "namespaces"


async def test_a_report_that_was_edited_until_it_is_none_is_started_over(
    server: EmbeddedApiServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Client(await load_configuration(server.kubeconfig(tmp_path / "kubeconfig"))) as client:
        store = ApiReportStore(client)
        await store.apply(report(1), None)
        broken = server.objects("FailureReport")[0]
        server.put({**broken, "status": {"state": "Failing"}})
        stored = await store.get(JOB)
        assert stored is not None
        assert stored.report == Report(JOB)
        assert isinstance(await store.apply(report(2), stored), Stored)
        assert [s.report async for s in store.load_all()] == [report(2)]
    assert "started over" in caplog.text


async def test_a_ledger_that_cannot_have_been_written_is_started_over(
    server: EmbeddedApiServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Client(await load_configuration(server.kubeconfig(tmp_path / "kubeconfig"))) as client:
        store = ApiReportStore(client)
        await store.apply(report(1), None)
        good = server.objects("FailureReport")[0]
        server.put({**good, "status": {**good["status"], "ledger": ["v1 #a/b*1@1 pppppppp:ccccc3/5"]}})
        stored = await store.get(JOB)
        assert stored is not None
        assert stored.report == Report(JOB)
        assert isinstance(await store.apply(report(2), stored), Stored)
    assert "default/job-train-0123abcd: started over: not a FailureReport: the ledger has " in caplog.text


async def test_times_far_after_now_are_started_over(server: EmbeddedApiServer, tmp_path: Path) -> None:
    async with Client(await load_configuration(server.kubeconfig(tmp_path / "kubeconfig"))) as client:
        await ApiReportStore(client).apply(report(1), None)
        for days, expected in ((1, report(1)), (3, Report(JOB))):
            stored = await ApiReportStore(client, now=lambda days=days: NOW - timedelta(days=days)).get(JOB)  # type: ignore[misc]
            assert stored is not None
            assert stored.report == expected


async def test_a_report_on_another_workload_under_the_name_of_this_ones_is_deleted(
    server: EmbeddedApiServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Client(await load_configuration(server.kubeconfig(tmp_path / "kubeconfig"))) as client:
        store = ApiReportStore(client)
        foreign = to_object(report(1, workload=msgspec.structs.replace(JOB, uid="0123abcd-other")))
        server.put(foreign)
        assert await store.get(JOB) is None
        assert server.objects("FailureReport") == []
        assert isinstance(await store.apply(report(1), None), Stored)
    assert "deleted, it is not about Job/train" in caplog.text
