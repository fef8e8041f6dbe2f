"""The recorded failures have the format of kubectl, and every expected verdict belongs to one of them."""

import json
from pathlib import Path

import pytest
import yaml

from tests.repo_checks.tracked import ROOT

FIXTURES = ROOT / "tests" / "fixtures"
PODS = sorted((FIXTURES / "pods").glob("*.json"))


@pytest.mark.parametrize("file", PODS, ids=lambda file: file.stem)
def test_a_case_is_a_list_of_an_object_and_its_events(file: Path) -> None:
    document = json.loads(file.read_text())
    first, *events = document["items"]
    assert (document["apiVersion"], document["kind"]) == ("v1", "List")
    case = file.stem.removeprefix(f"{first['kind'].lower()}-")
    name = first["metadata"]["name"]  # a controller appends a suffix to the name of the case
    assert case == name or case.endswith(name) or name.startswith(case)
    assert "managedFields" not in first["metadata"]
    assert {event["kind"] for event in events} <= {"Event"}
    node = first.get("spec", {}).get("nodeName")  # events about a pod's node are listed with those about the pod
    about = {event["involvedObject"]["uid"] for event in events if event["involvedObject"].get("name") != node}
    assert about <= {first["metadata"]["uid"]}


def test_every_expected_verdict_belongs_to_a_recorded_case() -> None:
    expected = yaml.safe_load((FIXTURES / "expected.yaml").read_text())
    assert set(expected) - {file.stem for file in PODS} == set()


def test_every_recorded_pod_has_an_expected_verdict() -> None:
    expected = yaml.safe_load((FIXTURES / "expected.yaml").read_text())
    pods = {file.stem for file in PODS if json.loads(file.read_text())["items"][0]["kind"] == "Pod"}
    assert pods - set(expected) == set()


def test_there_are_500_armada_cases() -> None:
    lines = (FIXTURES / "armada-cases.jsonl").read_text(encoding="utf-8").split("\n")
    cases = [json.loads(line) for line in lines if line]
    assert len(cases) == 500
    assert all({"configYaml", "pod", "expect"} <= set(case) for case in cases)
