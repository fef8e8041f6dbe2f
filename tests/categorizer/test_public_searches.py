"""The second and third search in public reports (``tests/fixtures/public_second``, ``public_third``), by the kind of fault.

A field of an answer is a value or a list of equally honest values; ``verdicts: []`` means that nothing is failing. ``maxConfidence`` is
the highest honest confidence.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

import coroner_categorizer as cc
from coroner_operator.cli.explanations import explain_objects
from coroner_operator.cli.inputs.input_bytes import InputBytes
from coroner_operator.cli.inputs.input_objects import InputObjects
from tests.support.default_pack import CATEGORIZER

FIXTURES = Path(__file__).parents[1] / "fixtures"
FOLDERS = ("public_second", "public_third")
CASES: dict[str, dict[str, Any]] = {
    f"{folder}/{name}": case
    for folder in FOLDERS
    for file in sorted((FIXTURES / folder).glob("kind-*.yaml"))
    for name, case in yaml.safe_load(file.read_text()).items()
}
"""By folder and name of the objects' file."""

MUCH_LATER = datetime(2026, 6, 3, 9, tzinfo=UTC)
"""A day after what the cases of kind 14 record."""
CONFIDENCE = ("Unknown", "Likely", "Confirmed")
"""From the lowest."""


def verdicts_of(name: str) -> list[cc.Verdict]:
    """The verdicts on the objects of a case, each with the case's own events; of kind 13, those of ``coroner explain``.

    What is stuck (kind 14) is so a day later.
    """
    text = (FIXTURES / f"{name}.json").read_bytes()
    if "/kind-13-" in name:
        objects = InputObjects()
        objects.add_input(InputBytes(name, text))
        return [found.verdict for found in explain_objects(objects, CATEGORIZER) if found.verdict]
    items = json.loads(text)["items"]
    events = [cc.parse_event(item) for item in items if item["kind"] == "Event"]
    found = [
        CATEGORIZER.classify_pod(cc.parse_pod(item), events, now=MUCH_LATER if "/kind-14-" in name else None).verdict
        if item["kind"] == "Pod"
        else CATEGORIZER.classify_workload(cc.parse_workload(item), events).verdict
        for item in items
        if item["kind"] != "Event"
    ]
    return [verdict for verdict in found if verdict]


def differences(case: dict[str, Any], verdicts: list[cc.Verdict]) -> list[str]:
    """What the verdicts have that the answer does not allow, and what they lack; empty: they agree."""
    if not case["verdicts"]:
        return [f"unexpected: {verdict.category}/{verdict.subcategory}" for verdict in verdicts]
    if len(verdicts) != 1:
        return [f"{len(verdicts)} verdicts"]
    (verdict,) = verdicts
    fields = {
        "verdicts": f"{verdict.category}/{verdict.subcategory}",
        "confidence": verdict.confidence,
        "retry": verdict.retry,
        "container": verdict.container,
    }
    text = f"{verdict.message} {verdict.hint}"
    return (
        [f"{field}: {found}" for field, found in fields.items() if field in case and not _allows(case[field], found)]
        + ([f"too sure: {verdict.confidence}"] if _is_above(verdict.confidence, case.get("maxConfidence")) else [])
        + [f"does not say {pattern}" for pattern in case.get("says", ()) if not re.search(pattern, text)]
        + [f"says {pattern}" for pattern in case.get("silent", ()) if re.search(pattern, text)]
    )


def _allows(answer: object, found: object) -> bool:
    """``category/*`` is any subcategory."""
    if isinstance(answer, list):
        return found in answer or f"{str(found).partition('/')[0]}/*" in answer
    return found == answer


def _is_above(confidence: str, highest: str | None) -> bool:
    return highest is not None and CONFIDENCE.index(confidence) > CONFIDENCE.index(highest)


def test_every_case_has_its_objects_and_its_source() -> None:
    objects = [f"{folder}/{path.stem}" for folder in FOLDERS for path in (FIXTURES / folder).glob("kind-*.json")]
    assert sorted(objects) == sorted(CASES)
    assert [name for name, case in CASES.items() if not case["source"].startswith("https://")] == []


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_publicly_reported_failure_gets_its_verdict_and_its_words(name: str) -> None:
    assert differences(CASES[name], verdicts_of(name)) == []
