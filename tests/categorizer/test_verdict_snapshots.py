"""Message, hint and evidence of every recorded failure, as one golden file that is read in review.

``make golden`` rewrites it.
"""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from tests.categorizer.test_fixtures import EXPECTED, verdict_on
from tests.support.default_pack import CATEGORIZER

GOLDEN = Path(__file__).parent / "verdict_snapshots.yaml"


def snapshots() -> str:
    categorizer = CATEGORIZER
    verdicts = {}
    for name in sorted(EXPECTED):
        if verdict := verdict_on(categorizer, name):
            verdicts[name] = {
                "verdict": f"{verdict.category}/{verdict.subcategory}, {verdict.confidence}, {verdict.retry}",
                "message": verdict.message,
                "hint": verdict.hint,
                "evidence": [f"{e.source}: {e.text}" for e in verdict.evidence],
            }
    return yaml.safe_dump(verdicts, sort_keys=True, width=140, allow_unicode=True)


def test_the_verdicts_are_the_ones_that_were_reviewed() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(snapshots())
    assert snapshots() == GOLDEN.read_text()
