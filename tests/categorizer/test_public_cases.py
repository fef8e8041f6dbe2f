"""Failures from public reports (``tests/fixtures/public``): the verdict, and what its sentences must and must not say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import coroner_categorizer as cc
from tests.support.default_pack import CATEGORIZER

FIXTURES = Path(__file__).parents[1] / "fixtures"
CASES: dict[str, dict[str, Any]] = yaml.safe_load((FIXTURES / "public.yaml").read_text())


def public_verdicts(name: str) -> list[cc.Verdict]:
    """The verdicts on the objects of a case, each with the case's own events."""
    items = json.loads((FIXTURES / "public" / f"{name}.json").read_text())["items"]
    events = [cc.parse_event(item) for item in items if item["kind"] == "Event"]
    subjects = [item for item in items if item["kind"] != "Event"]
    found = [
        CATEGORIZER.classify_pod(cc.parse_pod(subject), events).verdict
        if subject["kind"] == "Pod"
        else CATEGORIZER.classify_workload(cc.parse_workload(subject), events).verdict
        for subject in subjects
    ]
    return [verdict for verdict in found if verdict]


def test_every_case_has_its_objects_and_its_source() -> None:
    assert sorted(path.stem for path in (FIXTURES / "public").glob("*.json")) == sorted(CASES)
    assert [name for name, case in CASES.items() if not case["source"]] == []


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_publicly_reported_failure_gets_its_verdict_and_its_words(name: str) -> None:
    case, verdicts = CASES[name], public_verdicts(name)
    if not case["verdicts"]:
        assert verdicts == []
        return
    (verdict,) = verdicts
    assert f"{verdict.category}/{verdict.subcategory}" in case["verdicts"]
    for field in ("retry", "confidence", "container"):
        assert field not in case or getattr(verdict, field) == case[field]
    text = f"{verdict.message} {verdict.hint}"
    assert [pattern for pattern in case.get("says", ()) if not re.search(pattern, text)] == []
    assert [pattern for pattern in case.get("silent", ()) if re.search(pattern, text)] == []
