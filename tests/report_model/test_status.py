"""A report as an object and back, and that the API server accepts it whatever was seen."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coroner_operator.model import failure_record, ledger_codec, sample_reports
from coroner_operator.model.fold import HISTORY_LIMIT, fold
from coroner_operator.model.ledger_builder import NAMES_LIMIT
from coroner_operator.model.observation import Observation
from coroner_operator.model.report import RULES_LIMIT, Report, prune_deleted_pods, recover
from coroner_operator.model.report_codec import condition_reason, from_object, labels, to_object, to_status
from coroner_operator.model.workload_ref import WorkloadRef
from tests.report_model.observations import (
    EMPTY,
    at,
    ended,
    plausible_observations,
    pod_failed,
    waits,
    wild_observations,
)
from tests.report_model.schemas import CRD, SCHEMA, faults

STATUS = SCHEMA["properties"]["status"]["properties"]


def whole(report: Report) -> dict[str, Any]:
    """As the API server would give it: through JSON."""
    read: dict[str, Any] = json.loads(json.dumps({**to_object(report), "status": to_status(report)}))
    return read


@given(st.lists(wild_observations, max_size=8), st.booleans())
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_was_seen_is_accepted_and_read_back_exactly(seen: list[Observation], recovers: bool) -> None:
    report = fold(EMPTY, [msgspec.structs.replace(one, rules="abc") for one in seen])
    if recovers:
        report = recover(report, report.last_seen or at(0))
    obj = whole(report)
    assert faults(obj) == []
    assert from_object(obj) == report


@given(plausible_observations, st.sets(st.sampled_from(["p1", "p2", "p3", "p4"])))
@settings(max_examples=150)
def test_writing_and_reading_between_any_two_steps_changes_nothing(seen: list[Observation], living: set[str]) -> None:
    """So a new leader, or the same one after kill -9, goes on exactly where the last write left off."""
    in_memory = written = EMPTY
    for one in seen:
        in_memory, written = fold(in_memory, [one]), from_object(whole(fold(written, [one])))
    for hour in (1, 3):
        in_memory = prune_deleted_pods(in_memory, living, at(hour * 3600))
        written = from_object(whole(prune_deleted_pods(written, living, at(hour * 3600))))
    assert written == in_memory


def test_the_specimens_are_accepted_and_read_back() -> None:
    for report in (
        sample_reports.failing(),
        sample_reports.ended_from_outside(),
        sample_reports.recovered(),
        sample_reports.failed(),
        sample_reports.deleted(),
    ):
        assert faults(whole(report)) == []
        assert from_object(whole(report)) == report


def test_nothing_empty_is_ever_written() -> None:
    report = fold(EMPTY, [waits(), pod_failed("p2")])

    def empties(value: Any, path: str) -> list[str]:
        match value:
            case dict():
                inner = [e for k, v in value.items() for e in empties(v, f"{path}.{k}")]
            case list():
                inner = [e for v in value for e in empties(v, f"{path}[]")]
            case _:
                inner = []
        return inner + ([path] if value is None or value in ("", [], {}) else [])

    assert empties(to_status(report), "status") == []
    assert empties(to_status(EMPTY), "status") == []


def test_an_exit_code_of_zero_is_said() -> None:
    assert to_status(fold(EMPTY, [ended(exit_code=0)]))["exitCode"] == 0


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("OOMKilled", "OOMKilled"),
        ("OutOfephemeral-storage", "OutOfephemeral_storage"),
        ("out of memory", "out_of_memory"),
        ("137", "Reason_137"),
        ("", "FailureWithoutReason"),
        ("💥", "FailureWithoutReason"),
        ("Ends:", "Ends"),
    ],
)
def test_a_condition_has_a_reason_that_the_api_server_accepts(reason: str, said: str) -> None:
    assert condition_reason(reason) == said


def test_labels_say_the_verdict_while_failing_and_only_the_state_afterwards() -> None:
    report = fold(EMPTY, [ended()])
    workload = {
        "coroner.dev/workload-kind": "Job",
        "coroner.dev/workload-name": EMPTY.workload.name,
        "coroner.dev/workload-uid": EMPTY.workload.uid,
    }
    assert labels(report) == {
        "coroner.dev/category": "resources",
        "coroner.dev/subcategory": "oom-killed",
        "coroner.dev/retry": "Unknown",
        "coroner.dev/confidence": "Confirmed",
        "coroner.dev/state": "Failing",
        **workload,
    }
    assert labels(recover(report, at(60))) == {"coroner.dev/state": "Recovered", **workload}


def test_labels_do_not_change_with_each_failure() -> None:
    """Each change would be another write."""
    first = fold(EMPTY, [ended(number=1)])
    assert labels(fold(first, [ended(number=9, when=600), ended("another-pod", when=700)])) == labels(first)


def test_the_failure_is_named_in_one_field() -> None:
    status = to_status(fold(EMPTY, [ended()]))
    assert status["failure"] == "resources/oom-killed"
    assert "failure" not in to_status(recover(fold(EMPTY, [ended()]), at(60)))
    assert to_status(fold(EMPTY, [ended(name="resources")]))["failure"] == "resources"
    assert "failure" not in to_status(fold(EMPTY, [ended(name="")]))


def test_a_report_without_its_ledger_keeps_its_numbers() -> None:
    obj = whole(fold(EMPTY, [ended(number=3)]))
    del obj["status"]["ledger"]
    assert to_status(from_object(obj))["counts"] == obj["status"]["counts"]


def test_an_object_that_was_never_given_a_status_is_an_empty_report() -> None:
    assert from_object(to_object(EMPTY)) == EMPTY


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"metadata": {}, "spec": None},
        {**to_object(EMPTY), "status": {"state": "Failing"}},
        {**to_object(EMPTY), "status": {"state": "Failing", "conditions": "?"}},
    ],
)
def test_what_is_no_report_is_a_value_error(obj: Any) -> None:
    with pytest.raises(ValueError, match="not a FailureReport"):
        from_object(obj)


def test_the_limits_of_code_and_schema_are_the_same() -> None:
    texts = {name: field.get("maxLength") for name, field in STATUS.items()}
    assert texts["message"] == texts["hint"] == texts["terminationMessage"] == failure_record.TEXT_LIMIT
    assert texts["reason"] == failure_record.REASON_LIMIT
    assert texts["category"] == texts["subcategory"] == failure_record.LABEL_LIMIT
    assert texts["rule"] == failure_record.RULE_LIMIT
    assert texts["container"] == failure_record.NAME_LIMIT
    assert texts["signal"] == failure_record.SIGNAL_LIMIT
    assert STATUS["pod"]["properties"]["uid"]["maxLength"] == failure_record.UID_LIMIT
    assert STATUS["evidence"]["maxItems"] == failure_record.EVIDENCE_LIMIT
    assert STATUS["evidence"]["items"]["properties"]["text"]["maxLength"] == failure_record.EVIDENCE_TEXT_LIMIT
    assert STATUS["evidence"]["items"]["properties"]["source"]["maxLength"] == failure_record.SOURCE_LIMIT
    assert STATUS["categories"]["maxItems"] == failure_record.CATEGORIES_LIMIT
    assert STATUS["history"]["maxItems"] == HISTORY_LIMIT
    assert texts["rules"] == RULES_LIMIT
    assert STATUS["counts"]["maxItems"] == NAMES_LIMIT
    assert STATUS["ledger"]["maxItems"] == ledger_codec.STRINGS_LIMIT
    assert STATUS["ledger"]["items"]["maxLength"] == ledger_codec.STRING_LIMIT


def test_every_field_has_a_bound_and_a_description() -> None:
    def faults_of(schema: dict[str, Any], path: str) -> list[str]:
        found = []
        if "properties" not in schema or path.count(".") > 0:
            found += [] if schema.get("description") or path.endswith("[]") else [f"{path}: no description"]
        if schema.get("type") == "string" and not ({"maxLength", "enum", "format"} & set(schema)):
            found.append(f"{path}: no bound")
        if schema.get("type") == "array":
            found += [] if {"maxItems", "x-kubernetes-list-type"} <= set(schema) else [f"{path}: no bound or list type"]
            found += faults_of(schema["items"], path + "[]")
        for name, part in schema.get("properties", {}).items():
            found += faults_of(part, f"{path}.{name}")
        return found

    for part in ("spec", "status"):
        assert faults_of(SCHEMA["properties"][part], part) == []


def test_the_names_of_crd_and_code_agree() -> None:
    names, group = CRD["spec"]["names"], CRD["spec"]["group"]
    obj = to_object(EMPTY)
    assert obj["apiVersion"] == f"{group}/{CRD['spec']['versions'][0]['name']}"
    assert obj["kind"] == names["kind"]
    assert CRD["metadata"]["name"] == f"{names['plural']}.{group}"


def test_the_worst_report_stays_below_what_the_api_server_takes() -> None:
    """1.5 MB is etcd's limit; this one has everything at its maximum, and 20,000 containers failing at once."""
    loud: dict[str, Any] = {"message": "💥" * 2000, "reason": "r" * 999, "hint": "h" * 5000}
    seen = [ended(f"pod-{i}", number=2**31 - 1 - i % 3, when=i % 900, **loud) for i in range(20_500)]
    report = fold(EMPTY, seen)
    size = len(json.dumps(whole(report), ensure_ascii=False).encode())
    assert size < 800_000
    assert report.ledger.incomplete
    assert faults(whole(report)) == []


def test_an_ordinary_report_is_small() -> None:
    seen = [ended(f"pod-{i % 40}", number=1 + i // 40, when=i, message="m" * 200) for i in range(400)]
    assert len(json.dumps(whole(fold(EMPTY, seen)))) < 64 * 1024


def test_display_is_kind_and_name() -> None:
    other = Report(WorkloadRef("jobset.x-k8s.io/v1alpha2", "JobSet", "team-b", "sweep", "0"))
    assert to_object(other)["spec"]["workload"]["display"] == "JobSet/sweep"
