"""What makes two references the same workload."""

from __future__ import annotations

import msgspec
import pytest

from coroner_categorizer.objects.pod import Metadata
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef

JOB = WorkloadRef("batch/v1", "Job", "ml", "train", "3f2a9c1b-0000")


def test_the_key_is_namespace_group_kind_name_and_uid() -> None:
    assert JOB.key == WorkloadKey("ml", "batch", "Job", "train", "3f2a9c1b-0000")
    assert msgspec.structs.replace(JOB, api_version="v1").key.group == ""


def test_the_version_of_a_reference_is_no_part_of_the_identity() -> None:
    assert msgspec.structs.replace(JOB, api_version="batch/v1beta1").key == JOB.key


@pytest.mark.parametrize(
    ("part", "other"),
    [("namespace", "web"), ("api_version", "batch.example/v1"), ("kind", "CronJob"), ("name", "x"), ("uid", "1")],
)
def test_every_part_counts(part: str, other: str) -> None:
    assert msgspec.structs.replace(JOB, **{part: other}).key != JOB.key


def test_an_object_is_the_workload_only_in_its_namespace_with_its_name_and_uid() -> None:
    assert JOB.identifies(Metadata(name="train", namespace="ml", uid="3f2a9c1b-0000"))
    assert not JOB.identifies(Metadata(name="train", namespace="web", uid="3f2a9c1b-0000"))
    assert not JOB.identifies(Metadata(name="other", namespace="ml", uid="3f2a9c1b-0000"))
    assert not JOB.identifies(Metadata(name="train", namespace="ml", uid="9c1b3f2a-0000"))
