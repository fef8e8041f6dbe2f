"""What a person reads: message and hint of every recorded failure, as one golden file that is read in review.

``make golden`` writes it anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import yaml

import coroner_categorizer as cc
from tests.categorizer.test_fixtures import EXPECTED, verdict_on

GOLDEN = Path(__file__).parent / "verdict_snapshots.yaml"


def sentences() -> str:
    categorizer = cc.default()
    told = {}
    for name in sorted(EXPECTED):
        if verdict := verdict_on(categorizer, name):
            told[name] = {
                "verdict": f"{verdict.category}/{verdict.subcategory}, {verdict.confidence}, {verdict.retry}",
                "message": verdict.message,
                "hint": verdict.hint,
                "evidence": [f"{e.source}: {e.text}" for e in verdict.evidence],
            }
    return yaml.safe_dump(told, sort_keys=True, width=140, allow_unicode=True)


def test_the_sentences_are_the_ones_that_were_read_and_approved() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(sentences())
    assert sentences() == GOLDEN.read_text()
