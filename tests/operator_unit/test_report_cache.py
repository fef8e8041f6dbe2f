"""What is remembered of reports, and when it is read again."""

from coroner_operator.model.workload_ref import WorkloadRef, report_name
from coroner_operator.reports.cache import CACHE_SIZE, ReportCache
from coroner_operator.reports.store import MemoryReportStore, Stored
from tests.operator_unit.test_store_contract import JOB, report

NAME = report_name(JOB)


class CountingStore(MemoryReportStore):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = 0

    async def get(self, workload: WorkloadRef) -> Stored | None:
        self.gets += 1
        return await super().get(workload)


async def remembered() -> tuple[CountingStore, ReportCache]:
    store = CountingStore()
    store.objects["default", NAME] = Stored(report(1), "100", {})
    reports = ReportCache(store)
    assert await reports.load() == 1
    return store, reports


async def test_what_was_loaded_is_not_asked_for_again() -> None:
    store, reports = await remembered()
    assert (await reports.get(JOB)) == Stored(report(1), "100", {})
    assert reports.failing == (JOB,)
    assert store.gets == 0


async def test_what_another_has_changed_is_read_again() -> None:
    store, reports = await remembered()
    reports.on_changed("default", NAME, "101")
    store.objects["default", NAME] = Stored(report(1, 2), "101", {})
    assert (await reports.get(JOB)) == Stored(report(1, 2), "101", {})
    assert store.gets == 1


async def test_news_that_is_old_changes_nothing() -> None:
    store, reports = await remembered()
    reports.on_changed("default", NAME, "99")
    reports.on_changed("default", NAME, "100")
    with reports.writing(JOB):
        reports.on_changed("default", NAME, "101")
    await reports.get(JOB)
    assert store.gets == 0


async def test_a_deleted_report_is_forgotten_and_fails_no_more() -> None:
    store, reports = await remembered()
    reports.forget("default", NAME)
    assert await reports.get(JOB) is None
    assert reports.failing == ()
    assert not reports.has(JOB)
    assert store.gets == 0


async def test_reports_beyond_the_limit_are_read_when_they_are_needed() -> None:
    store = CountingStore()
    jobs = [WorkloadRef("batch/v1", "Job", "default", f"job-{n}", f"{n:08x}-0000") for n in range(CACHE_SIZE + 1)]
    for job in jobs:
        await store.apply(report(1, workload=job), None)
    reports = ReportCache(store)
    await reports.load()
    assert (await reports.get(jobs[-1])) is not None
    assert store.gets == 0
    assert (await reports.get(jobs[0])) is not None
    assert store.gets == 1


async def test_a_report_whose_labels_do_not_fit_it_is_named() -> None:
    _, reports = await remembered()
    assert reports.with_stale_labels == (JOB,)


async def test_a_report_that_is_deleted_while_it_is_written_for_the_first_time_is_not_remembered() -> None:
    """The watch may show the deletion before the answer to the write arrives."""
    reports = ReportCache(MemoryReportStore())
    with reports.writing(JOB):
        assert reports.forget("default", NAME) == JOB
        reports.store_written(Stored(report(1), "100", {}))
    assert not reports.has(JOB)
    assert reports.failing == ()
    with reports.writing(JOB):
        reports.store_written(Stored(report(1), "102", {}))
    assert reports.has(JOB)
