"""Whoever writes a text into the cluster cannot make the categorizer slow: patterns are RE2, and texts are bounded."""

from __future__ import annotations

import ast
from pathlib import Path

import msgspec
import pytest

import coroner_categorizer as cc
from coroner_categorizer.objects.event import TEXT_LIMIT
from tests.support.pods import create_failed, event, failed, job, killing, pod, unschedulable, waiting

PACKAGE = Path(cc.__file__).parent
# All code but that which reads the rules' own text, and redaction, which has tests of its own.
RULES_TEXT = {PACKAGE / "rules" / "parser.py", PACKAGE / "rules" / "template.py"}
READERS = sorted(p for p in {*PACKAGE.rglob("*.py")} - RULES_TEXT if "redaction" not in p.relative_to(PACKAGE).parts)
LONG = 200_000


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", READERS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_reads_text_from_the_cluster_uses_no_backtracking_patterns(path: Path) -> None:
    assert "re" not in _imports(path)


# Texts that made backtracking patterns run for minutes: the front of a match, again and again, without its end.
HOSTILE = {
    "a quota": "exceeded quota: q, " + "requested: a=1, used: " * (LONG // 22),
    "amounts": "exceeded quota: q, requested: " + "a" * LONG + ", used: 1, limited: " + "b=" * 9,
    "a creation": "create Pod " * (LONG // 11),
    "a volume": 'volume "' * (LONG // 8),
    "a call": "rpc error: code = " * (LONG // 18),
    "a webhook": 'failed calling webhook "' * (LONG // 24),
    "numbers": ", 1 " * (LONG // 4),
    "spaces": " " * LONG,
    "one word": "x" * LONG,
    "errors": "Error in x : " * (LONG // 13),
    "dots": "a." * (LONG // 2),
    "names": "Aa" * (LONG // 2) + "Error",
    "levels": "w" * LONG + " W",
    "a traceback": "Traceback (most recent call last" * (LONG // 32),
    "a pull": 'Back-off pulling image "' * (LONG // 24),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_classified_all_the_same(text: str) -> None:
    categorizer = cc.default()
    stuck = pod(waiting("ContainerCreating"))
    assert categorizer.classify(stuck, [event("FailedMount", text)]) is not None
    assert categorizer.classify(
        pod(failed(137)), [event("Unhealthy", f"Liveness probe failed: {text}", "main"), killing()]
    )
    assert categorizer.classify_workload(cc.parse_workload(job()), [cc.parse_event(create_failed(text))]).verdict
    assert categorizer.classify(unschedulable(f"0/9 nodes are available: {text}")) is not None
    assert categorizer.classify(pod(failed(1, message=text))) is not None
    assert categorizer.classify(pod(waiting("ErrImagePull", text))) is not None


def test_the_text_of_an_event_is_cut_where_it_is_read_and_between_words() -> None:
    words = "ghp_0123456789abcdefghijABCDEFGHIJ012345 " * 1000
    for key in ("message", "note"):
        read = cc.parse_event({"reason": "FailedMount", key: words})
        decoded = msgspec.json.decode(msgspec.json.encode({"reason": "FailedMount", key: words}), type=cc.Event)
        assert read == decoded
        assert TEXT_LIMIT - 60 < len(read.text) <= TEXT_LIMIT
        assert set(read.text.split()) == set(words.split())
    assert cc.parse_event({"message": "x" * TEXT_LIMIT}).text == "x" * TEXT_LIMIT
    assert cc.parse_event({"message": "x" * LONG}).text == ""
