"""Failures from public reports (``tests/fixtures/public``): the verdict, and what its sentences must and must not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import coroner_categorizer as cc
from coroner_operator.cli.workbench.cases import CaseFolder, differences, read_cases, verdicts_of
from tests.support.default_pack import CATEGORIZER

FILE = Path(__file__).parents[1] / "fixtures" / "public.yaml"
CASES = {case.name: case for case in read_cases(str(FILE))}
FOLDER = CaseFolder(str(FILE), None)


def public_verdicts(name: str) -> list[cc.Verdict]:
    """The verdicts on the objects of a case, each with the case's own events."""
    return verdicts_of(CASES[name], FOLDER.objects_of(CASES[name]), CATEGORIZER)


def test_every_case_has_its_objects_and_its_source() -> None:
    answers: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())
    assert sorted(path.stem for path in (FILE.parent / "public").glob("*.json")) == sorted(CASES)
    assert [name for name, answer in answers.items() if not answer["source"]] == []


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_publicly_reported_failure_gets_its_verdict_and_its_words(name: str) -> None:
    assert differences(CASES[name], public_verdicts(name)) == []
