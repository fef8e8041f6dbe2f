"""Where a verdict is written, decided from a schema alone, and what the schema leaves of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from coroner_operator.model import sample_reports
from coroner_operator.publish.schema_pruning import OMITTED, prune
from coroner_operator.publish.status_sync import (
    MAX_OVERWRITES,
    OVERWRITE_RESET_SECONDS,
    StatusSync,
    is_applied,
    is_exactly_applied,
)
from coroner_operator.publish.target_schema import StatusBlock, StatusCondition, Unsupported, kind_of, placement_for
from tests.workload_status import kinds

TEXT = {"type": "string"}


def object_with(status: Any) -> Any:
    return {"type": "object", "properties": {"status": status}}


PLACES = {
    "a declared failure": (kinds.STATUS_FAILURE, StatusBlock),
    "a failure that keeps anything": (kinds.status(failure=kinds.ANYTHING), StatusBlock),
    "failure before conditions": (kinds.status(failure=kinds.FAILURE, conditions=kinds.CONDITIONS), StatusBlock),
    "conditions by type": (kinds.CONDITIONS_MAP, StatusCondition),
    "conditions by type before a status that keeps anything": (
        {**kinds.CONDITIONS_MAP, "x-kubernetes-preserve-unknown-fields": True},
        StatusCondition,
    ),
    "a status that keeps anything": (kinds.PRESERVING, Unsupported),
    "a phase, in a status that keeps anything": (
        {**kinds.status(), "x-kubernetes-preserve-unknown-fields": True},
        Unsupported,
    ),
    "a failure that is a text, and conditions": (
        kinds.status(failure=TEXT, conditions=kinds.CONDITIONS),
        StatusCondition,
    ),
    "a failure that is a text, in a status that keeps anything": (
        {**kinds.status(failure=TEXT), "x-kubernetes-preserve-unknown-fields": True},
        Unsupported,
    ),
    "a failure of another meaning": (
        kinds.status(failure={"type": "object", "properties": {"attempts": {"type": "integer"}}}),
        Unsupported,
    ),
    "a failure that requires what we cannot say": (
        kinds.status(failure={**kinds.FAILURE, "required": ["ticket"]}),
        Unsupported,
    ),
    "atomic conditions": (kinds.CONDITIONS_ATOMIC, Unsupported),
    "conditions by type and reason": (
        kinds.status(conditions={**kinds.CONDITIONS, "x-kubernetes-list-map-keys": ["type", "reason"]}),
        Unsupported,
    ),
    "conditions of a closed set of types": (
        kinds.status(
            conditions={
                **kinds.CONDITIONS,
                "items": {
                    **kinds.METAV1_CONDITION,
                    "properties": {"type": {**TEXT, "enum": ["Ready"]}, "status": TEXT},
                },
            }
        ),
        Unsupported,
    ),
    "a phase only": (kinds.status(), Unsupported),
}


@pytest.mark.parametrize(("status", "placement"), PLACES.values(), ids=PLACES.keys())
def test_the_schema_decides_where_a_verdict_is_written(status: Any, placement: type) -> None:
    assert isinstance(placement_for(object_with(status)), placement)


def test_a_schema_without_a_status_takes_nothing() -> None:
    assert placement_for(kinds.ANYTHING) == Unsupported("its schema has no status")
    assert placement_for({"type": "object", "properties": {}}) == Unsupported("its schema has no status")


def test_writes_use_the_stored_version_and_need_the_listed_one_served() -> None:
    crd = kinds.crd("example.com", kinds.STATUS_FAILURE)
    newer = {**copy.deepcopy(crd["spec"]["versions"][0]), "name": "v2", "storage": False}
    crd["spec"]["versions"].append(newer)
    assert kind_of(crd).api_version == "example.com/v1"
    assert isinstance(kind_of(crd, "v2").placement, StatusBlock)
    assert kind_of(crd, "v2").api_version == "example.com/v1"
    newer["served"] = False
    assert kind_of(crd, "v2").placement == Unsupported("version v2 is not served")
    crd["spec"]["versions"][0]["served"], newer["served"] = False, True
    assert kind_of(crd).placement == Unsupported("its stored version v1 is not served")


def test_a_kind_without_the_status_subresource_is_unsupported() -> None:
    crd = kinds.crd("example.com", kinds.STATUS_FAILURE, subresource=False)
    assert kind_of(crd).placement == Unsupported("it has no status subresource")


def test_a_cluster_scoped_kind_is_written_only_where_it_is_listed_as_such() -> None:
    cluster = kinds.crd("example.com", kinds.STATUS_FAILURE, scope="Cluster")
    assert kind_of(cluster).placement == Unsupported("its scope is Cluster, and it is listed with scope Namespaced")
    assert isinstance(kind_of(cluster, scope="Cluster").placement, StatusBlock)
    namespaced = kinds.crd("example.com", kinds.STATUS_FAILURE)
    assert isinstance(kind_of(namespaced, scope="Cluster").placement, Unsupported)


def test_a_recovered_workload_has_no_failure_fields() -> None:
    bare = kinds.status(failure={"type": "object", "properties": {"category": TEXT, "message": TEXT}})
    placement = placement_for(object_with(bare))
    assert isinstance(placement, StatusBlock)
    assert placement.status(sample_reports.failing()).keys() == {"failure"}
    assert placement.status(sample_reports.recovered()) == {}
    conditions = placement_for(object_with(kinds.CONDITIONS_MAP))
    assert isinstance(conditions, StatusCondition)
    (condition,) = conditions.status(sample_reports.recovered())["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "coroner.dev/Failing",
        "False",
        "Recovered",
    )


FITS: dict[str, tuple[Any, Any, Any]] = {
    "an undeclared field is dropped": ({"properties": {"a": TEXT}}, {"a": "x", "b": "y"}, {"a": "x"}),
    "a field of another type is dropped": ({"properties": {"a": {"type": "integer"}}}, {"a": "x"}, OMITTED),
    "a map takes any name": ({"additionalProperties": TEXT}, {"a": "x"}, {"a": "x"}),
    "an object without what it requires is nothing": (
        {"properties": {"a": TEXT, "b": TEXT}, "required": ["b"]},
        {"a": "x"},
        OMITTED,
    ),
    "a default replaces a required field": (
        {"properties": {"a": TEXT, "b": {**TEXT, "default": "z"}}, "required": ["b"]},
        {"a": "x"},
        {"a": "x"},
    ),
    "a sentence is cut": ({**TEXT, "maxLength": 8}, "it died of it", "it died…"),
    "a word is not": ({**TEXT, "maxLength": 8}, "resources", OMITTED),
    "an unknown word is dropped": ({**TEXT, "enum": ["A", "B"]}, "C", OMITTED),
    "a text that does not match is dropped": ({**TEXT, "pattern": "^[a-z]+$"}, "OOMKilled", OMITTED),
    "a pattern that cannot be read allows nothing": ({**TEXT, "pattern": "(?=x)"}, "x", OMITTED),
    "a number that is too large is dropped": ({"type": "integer", "maximum": 127}, 137, OMITTED),
    "zero is a number": ({"type": "integer", "minimum": 0}, 0, 0),
    "a number or a text": ({"x-kubernetes-int-or-string": True}, 137, 137),
    "a boolean is no number": ({"type": "integer"}, True, OMITTED),
    "a list is cut": ({"type": "array", "maxItems": 2, "items": TEXT}, ["a", "b", "c"], ["a", "b"]),
    "a set has each once": (
        {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
        ["a", "b", "a"],
        ["a", "b"],
    ),
    "a map by key has each key once": (
        {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["a"],
            "items": {"type": "object", "properties": {"a": TEXT, "b": TEXT}},
        },
        [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}, {"a": "1", "b": "z"}],
        [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}],
    ),
    "what keeps anything keeps it as it is": (kinds.ANYTHING, {"a": [{"b": 1}]}, {"a": [{"b": 1}]}),
}


@pytest.mark.parametrize(("schema", "value", "kept"), FITS.values(), ids=FITS.keys())
def test_pruning_leaves_what_the_schema_keeps_and_accepts(schema: Any, value: Any, kept: Any) -> None:
    assert prune(schema, value) == kept


OURS = {"type": "coroner.dev/Failing", "status": "True"}
THEIRS = {"type": "Ready", "status": "False"}


def test_fields_of_other_writers_do_not_matter() -> None:
    assert is_applied({"failure": {"a": 1}}, {"phase": "x", "failure": {"a": 1, "default": 2}})
    assert not is_applied({"failure": {"a": 1}}, {"phase": "x", "failure": {"a": 2}})
    assert not is_applied({"failure": {"a": 1}}, {})
    assert is_applied({"conditions": [OURS]}, {"conditions": [THEIRS, OURS]})
    assert not is_applied({"conditions": [OURS]}, {"conditions": [THEIRS]})


def test_a_field_left_from_an_earlier_write_is_noticed() -> None:
    assert is_exactly_applied({"conditions": [OURS]}, {"conditions": [THEIRS, OURS]})
    assert not is_exactly_applied({"conditions": [OURS]}, {"conditions": [OURS], "failure": {"a": 1}})
    assert not is_exactly_applied({"failure": {"a": 1}}, {"failure": {"a": 1, "b": 2}})
    assert not is_exactly_applied({}, {"conditions": [OURS]})
    assert is_exactly_applied({}, {"conditions": [THEIRS]})


def test_overwrites_are_reset_after_a_while_without_one() -> None:
    sync = StatusSync(workload := sample_reports.failing().workload, workload.key)
    assert [sync.was_overwritten(float(at)) for at in range(MAX_OVERWRITES)] == [False] * MAX_OVERWRITES
    assert not sync.was_overwritten(MAX_OVERWRITES + OVERWRITE_RESET_SECONDS + 1)
    assert [sync.was_overwritten(MAX_OVERWRITES + OVERWRITE_RESET_SECONDS + 2 + at) for at in range(MAX_OVERWRITES)][-1]


def test_check_intervals_grow_up_to_a_minute() -> None:
    sync = StatusSync(workload := sample_reports.failing().workload, workload.key)
    waits = []
    for _ in range(10):
        waits.append(sync.next_check)
        sync.checks += 1
    assert waits[:4] == [0.5, 1, 2, 4]
    assert waits[-1] == 60
