"""500 generated cases with the answers of Armada's own classifier (docs/armada-rules.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import coroner_categorizer as cc

CASES = (Path(__file__).parents[1] / "fixtures" / "armada-cases.jsonl").read_text().splitlines()


def decide(case: dict[str, Any]) -> dict[str, str]:
    try:
        categorizer = cc.load(case["configYaml"])
    except cc.ConfigError:
        return {"error": ""}
    verdict = categorizer.classify(case["pod"], case.get("events", ()), pod_error=case.get("podError", ""))
    if verdict is None:
        return {"category": "", "subcategory": "", "hint": ""}
    return {"category": verdict.category, "subcategory": verdict.subcategory, "hint": verdict.hint}


def test_all_cases_are_there() -> None:
    assert len(CASES) == 500


@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_bare_armada_block_decides_as_armada_decides(number: int) -> None:
    case = json.loads(CASES[number])
    expected = case["expect"] if "error" not in case["expect"] else {"error": ""}
    assert decide(case) == expected
