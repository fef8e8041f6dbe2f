"""The failures of workloads as series of Prometheus: bounded, and each seen at 0 before it is more."""

from __future__ import annotations

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from coroner_operator.model.failure_record import FailureRecord
from coroner_operator.model.report import Report, Transition, change_state
from coroner_operator.model.workload_ref import WorkloadRef
from coroner_operator.telemetry.failure_series import (
    IDLE_AT_LIMIT,
    IDLE_SECONDS,
    OTHER,
    REPEATED,
    SERIES_LIMIT,
    FailureSeries,
)
from tests.operator_unit.test_store_contract import NOW, observation, report
from tests.support.default_pack import CATEGORIZER

JOB = WorkloadRef("batch/v1", "Job", "team-a", "train", "0123abcd-0000-4000-8000-000000000000")
OOM = ("resources", "oom-killed")
INTERVAL = 30.0


class Scraped:
    """Series, and what a Prometheus has seen of them."""

    def __init__(self, **settings: object) -> None:
        self.now = 0.0
        self.series = FailureSeries(
            CATEGORIZER.names,
            scrape_interval=INTERVAL,
            clock=lambda: self.now,
            **settings,  # type: ignore[arg-type]
        )
        self._registry = CollectorRegistry()
        self._registry.register(self.series)

    def scrape(self, after: float = 0.0) -> dict[str, float]:
        """Series → value, as seen so many seconds later."""
        self.now += after
        lines = generate_latest(self._registry).decode().splitlines()
        return {name: float(value) for name, _, value in (li.rpartition(" ") for li in lines if not li.startswith("#"))}

    def count(self, workload: WorkloadRef = JOB, name: tuple[str, str] = OOM, failures: int = 1) -> None:
        self.series.count(workload, *name, failures)


def total(workload: WorkloadRef = JOB, name: tuple[str, str] = OOM) -> str:
    labels = f'category="{name[0]}",namespace="{workload.namespace}",subcategory="{name[1]}"'
    return f'coroner_failures_total{{{labels},workload_kind="{workload.kind}"}}'


def in_namespace(namespace: str, kind: str = "Job") -> WorkloadRef:
    return msgspec.structs.replace(JOB, namespace=namespace, kind=kind)


def counted(series: dict[str, float]) -> float:
    return sum(value for name, value in series.items() if name.startswith("coroner_failures_total{"))


def test_a_series_is_seen_at_zero_before_it_is_more() -> None:
    scraped = Scraped()
    scraped.count()
    scraped.now += 3600  # nobody scrapes: nothing was seen
    assert scraped.scrape()[total()] == 0
    scraped.count()
    assert scraped.scrape(INTERVAL - 1)[total()] == 0, "a second Prometheus may not have seen it yet"
    assert scraped.scrape(1)[total()] == 2
    scraped.count()
    assert scraped.scrape()[total()] == 3, "what is known is shown at once"


def test_names_of_the_rules_exist_from_the_start() -> None:
    series = Scraped().scrape()
    for name in CATEGORIZER.names:
        assert series[total(in_namespace(OTHER, OTHER), name)] == 0


def test_failures_of_loaded_reports_exist_from_the_start() -> None:
    """After a restart or a change of leader: the next failure is seen at once if Prometheus has scraped before it."""
    scraped = Scraped()
    scraped.series.on_report("report", JOB, report(1, 2, workload=JOB))
    before = scraped.scrape()
    assert [before[total(name=("user-code", f"exit-{code}"))] for code in (1, 2)] == [0, 0]
    scraped.scrape(INTERVAL)
    scraped.count(name=("user-code", "exit-1"))
    assert scraped.scrape()[total(name=("user-code", "exit-1"))] == 1


def test_ten_thousand_workloads_in_a_thousand_namespaces_stay_within_the_bound() -> None:
    scraped = Scraped()
    names = sorted(CATEGORIZER.names)
    kinds = ("Job", "Deployment", "StatefulSet", "RayJob")
    for number in range(10_000):
        workload = in_namespace(f"team-{number % 1000}", kinds[number // 1000 % len(kinds)])
        scraped.count(workload, names[number * 7 % len(names)])
        scraped.series.on_report(f"report-{number}", workload, report(number % 200, workload=workload))
    scraped.scrape()
    series = scraped.scrape(INTERVAL)
    assert series["coroner_failure_series"] == SERIES_LIMIT
    assert len([name for name in series if name.startswith("coroner_failures_total{")]) <= SERIES_LIMIT + len(names) + 1
    assert len(series) <= 3 * (SERIES_LIMIT + len(names) + 1) + 2
    assert counted(series) == 10_000, "what has no series of its own is counted all the same"
    assert series["coroner_failure_series_overflow_total"] > 0
    failing = [value for name, value in series.items() if name.startswith("coroner_failing_workloads{")]
    assert sum(failing) == 10_000
    assert all(value >= 0 for value in failing)


def test_what_overflows_keeps_its_category() -> None:
    scraped = Scraped(limit=100)
    for number in range(150):
        scraped.count(in_namespace(f"team-{number}"))
    scraped.scrape()
    series = scraped.scrape(INTERVAL)
    assert series[total(in_namespace(OTHER, OTHER))] == 50
    assert series["coroner_failure_series_overflow_total"] == 50


def test_one_namespace_cannot_use_up_the_series_of_all() -> None:
    scraped = Scraped(limit=100)
    for number in range(500):
        scraped.count(in_namespace("attacker", f"Kind{number}"))
    scraped.count(in_namespace("victim"))
    scraped.scrape()
    series = scraped.scrape(INTERVAL)
    assert series[total(in_namespace("victim"))] == 1
    assert len([name for name in series if 'namespace="attacker"' in name]) == 10


@pytest.mark.parametrize("text", ["x!" * 64, 'a"b', "a\nb", "", "ä"])
def test_what_is_no_value_of_a_label_is_other(text: str) -> None:
    """Kinds come from owner references, and categories from ledgers that somebody may have edited."""
    scraped = Scraped()
    scraped.count(in_namespace("team-a", text), (text, text))
    scraped.scrape()
    names = [name for name, value in scraped.scrape(INTERVAL).items() if "failures_total{" in name and value]
    subcategory = OTHER if text else ""
    assert names == [total(in_namespace("team-a", OTHER), (OTHER, subcategory))]


def test_a_namespace_or_kind_called_other_makes_no_second_series_of_the_same_name() -> None:
    scraped = Scraped()
    scraped.count(in_namespace(OTHER, OTHER))
    scraped.count(in_namespace(OTHER, "Job"))
    lines = generate_latest(scraped._registry).decode().splitlines()
    names = [line.rpartition(" ")[0] for line in lines]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("namespaces", [False, True])
@pytest.mark.parametrize("kind", ["-x", "Foo_", "x" * 64, "Job"])
def test_a_name_that_new_rules_add_makes_no_second_series(namespaces: bool, kind: str) -> None:
    """A kind that is no value of a label is "other" already; one that is ("Job") keeps its own series."""
    scraped = Scraped(namespaces=namespaces)
    workload = in_namespace(OTHER, kind)
    failing = report(1, workload=workload)
    verdict = failing.history[0].verdict
    name = (verdict.category, verdict.subcategory)
    assert name not in CATEGORIZER.names
    scraped.count(workload, name, failures=3)
    scraped.series.on_report("report", workload, failing)
    scraped.series.set_names([name])
    scraped.scrape()
    assert counted(scraped.scrape(INTERVAL)) == 3
    scraped.series.on_report("report", workload, None)
    lines = [line for line in generate_latest(scraped._registry).decode().splitlines() if line[0] != "#"]
    names = [line.rpartition(" ")[0] for line in lines]
    assert len(names) == len(set(names))
    gauges = [line for line in lines if line.startswith("coroner_failing_workloads{")]
    assert gauges
    assert {line.rpartition(" ")[2] for line in gauges} == {"0.0"}
    assert sum(scraped.series._per_namespace.values()) == len(scraped.series._series)


def test_namespaces_can_be_switched_off() -> None:
    scraped = Scraped(namespaces=False)
    for number in range(5):
        scraped.count(in_namespace(f"team-{number}"))
        workload = in_namespace(f"team-{number}")
        scraped.series.on_report("report", workload, report(1, workload=workload))
    scraped.scrape()
    series = scraped.scrape(INTERVAL)
    assert not [name for name in series if "namespace=" in name]
    assert series['coroner_failures_total{category="resources",subcategory="oom-killed",workload_kind="Job"}'] == 5
    failing = 'coroner_failing_workloads{category="user-code",state="Failing",subcategory="exit-1",workload_kind="Job"}'
    assert series[failing] == 5


def test_a_workload_is_counted_in_the_state_of_its_report() -> None:
    scraped = Scraped()
    states = (
        failing := report(1, workload=JOB),
        change_state(failing, Transition("Failed", NOW)),
        change_state(failing, Transition("Recovered", NOW)),
        None,
    )
    seen = []
    for state in (*states, failing):
        scraped.series.on_report("report", JOB, state)
        series = scraped.scrape()
        seen.append([series.get(gauge(name)) for name in ("Failing", "Failed")])
    assert seen == [[1, None], [0, 1], [0, 0], [0, 0], [1, 0]]


def gauge(state: str) -> str:
    labels = f'category="user-code",namespace="team-a",state="{state}",subcategory="exit-1",workload_kind="Job"'
    return f"coroner_failing_workloads{{{labels}}}"


@pytest.mark.parametrize(
    ("retry", "failures", "repeats"),
    [("NeedsChange", REPEATED, 1), ("NeedsChange", REPEATED - 1, 0), ("MayRecover", REPEATED, 0)],
)
def test_workloads_that_need_a_change_and_go_on_failing_are_counted(retry: str, failures: int, repeats: int) -> None:
    one = report(1, workload=JOB)
    (record,) = one.history
    record = msgspec.structs.replace(record, verdict=msgspec.structs.replace(record.verdict, retry=retry))
    again = msgspec.structs.replace(one, current=record, history=tuple(_numbered(record, failures)))
    scraped = Scraped()
    scraped.series.on_report("report", JOB, again)
    name = (
        'coroner_repeating_workloads{category="user-code",namespace="team-a",subcategory="exit-1",workload_kind="Job"}'
    )
    assert scraped.scrape()[name] == repeats
    scraped.series.on_report("report", JOB, change_state(again, Transition("Recovered", NOW)))
    assert scraped.scrape()[name] == 0


def _numbered(record: FailureRecord, count: int) -> list[FailureRecord]:
    return [msgspec.structs.replace(record, id=f"{record.id}-{number}") for number in range(count)]


def test_namespaces_that_are_gone_make_room() -> None:
    scraped = Scraped(limit=100)
    for number in range(100):
        scraped.count(in_namespace(f"pr-{number}"))
    scraped.now += IDLE_AT_LIMIT
    scraped.count(in_namespace("new"))
    assert {total(in_namespace("new")), total(in_namespace("pr-99"))} <= scraped.scrape().keys()
    assert total(in_namespace("pr-0")) not in scraped.scrape()
    assert scraped.scrape(IDLE_SECONDS)["coroner_failure_series"] == 0


def test_all_idle_series_are_dropped_at_once_where_more_than_the_default_are_allowed() -> None:
    scraped = Scraped(limit=20 * SERIES_LIMIT)
    for number in range(SERIES_LIMIT + 1):
        scraped.count(name=("user-code", f"exit-{number}"))
    assert scraped.scrape()["coroner_failure_series"] == SERIES_LIMIT + 1
    assert scraped.scrape(IDLE_SECONDS)["coroner_failure_series"] == 0


def test_a_series_in_which_a_workload_fails_is_kept() -> None:
    scraped = Scraped()
    scraped.series.on_report("report", JOB, report(1, workload=JOB))
    assert scraped.scrape(2 * IDLE_SECONDS)[gauge("Failing")] == 1


def test_a_report_without_a_failure_has_no_series() -> None:
    scraped = Scraped()
    scraped.series.on_report("report", JOB, Report(JOB))
    scraped.series.on_report("other", JOB, None)
    assert scraped.scrape()["coroner_failure_series"] == 0


def test_the_observation_of_the_fixture_has_a_name_that_is_not_of_the_rules() -> None:
    verdict = observation(1).failure.verdict
    assert (verdict.category, verdict.subcategory) not in CATEGORIZER.names
