"""What a report is called."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coroner_operator.model.report import Report
from coroner_operator.model.report_codec import to_object
from coroner_operator.model.workload_ref import WorkloadRef, name_as_label, report_name
from tests.report_model.schemas import faults, is_label_value, is_name

UID = "3f2a9c1b-7d0e-4a52-9b1c-0f6f3d2e8a47"


def named(kind: str, name: str, uid: str = UID) -> str:
    return report_name(WorkloadRef("v1", kind, "team-a", name, uid))


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("Job", "train-llm", "job-train-llm-3f2a9c1b"),
        ("RayJob", "sweep.v2", "rayjob-sweep.v2-3f2a9c1b"),
        ("Job", "a." * 100 + "b" * 60, "job-" + ("a." * 100 + "b" * 60)[:240] + "-3f2a9c1b"),
        ("Role", "system:node", "role-system-node-3f2a9c1b"),
        ("Job", "x" * 239 + ".y", "job-" + "x" * 239 + "-3f2a9c1b"),
    ],
)
def test_a_report_is_named_after_its_workload(kind: str, name: str, expected: str) -> None:
    assert named(kind, name) == expected
    assert is_name(expected)


def test_a_name_that_is_used_again_has_another_report() -> None:
    assert named("Job", "a") != named("Job", "a", "4" + UID[1:])
    assert named("Pod", "x" * 253) != named("Pod", "x" * 253, "mirror pods have other UIDs")


@given(st.text(), st.text(), st.text())
def test_every_name_is_a_valid_object_name(kind: str, name: str, uid: str) -> None:
    assert is_name(named(kind, name, uid))


def test_a_workload_that_no_api_server_checked_is_cut_to_what_a_report_accepts() -> None:
    """An ownerReference may hold anything."""
    workload = WorkloadRef("v" * 999, "K" * 999, "team-a", "n" * 9999, "u" * 999)
    assert faults(to_object(Report(workload)) | {"status": {"state": "Recovered"}}) == []


@pytest.mark.parametrize("name", ["train-llm", "sweep.v2", "x" * 63, "0", "RayJob", UID, ""])
def test_a_name_that_can_be_a_label_is_the_label(name: str) -> None:
    assert name_as_label(name) == name


@pytest.mark.parametrize(
    "name", ["x" * 64, "a" * 62 + ".b", "system:node", "train_llm", "-a", "a.", "a\n", "ä", "\ud800"]
)
def test_a_name_that_can_be_no_label_is_hashed(name: str) -> None:
    digest = sha256(name.encode("utf-8", "replace")).hexdigest()
    assert name_as_label(name) == f"sha256_{digest[:56]}"
    assert len(name_as_label(name)) == 63


def test_no_name_looks_like_the_hash_of_another() -> None:
    """An owner reference may claim any UID."""
    hashed = name_as_label("x" * 64)
    assert not is_name(hashed)
    assert name_as_label(hashed) != hashed


@given(st.text(), st.text())
def test_every_name_is_a_label_and_different_ones_are_different_labels(one: str, other: str) -> None:
    assert is_label_value(name_as_label(one))
    assert (name_as_label(one) == name_as_label(other)) == (one == other)
