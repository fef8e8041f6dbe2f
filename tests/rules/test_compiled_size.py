"""Patterns that are small to write and huge when compiled are errors like any other (F17)."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
import yaml

import coroner_categorizer as cc
from coroner_categorizer.rules.field_path import ERRORS_LIMIT
from coroner_operator.config.rules_files import SITE_PATTERNS_LIMIT, parse_redaction


def rules(patterns: Iterable[str]) -> str:
    matchers = [{"onTerminationMessage": {"pattern": pattern}} for pattern in patterns]
    return yaml.safe_dump({"categories": [{"name": "huge", "rules": matchers}]}, allow_unicode=True)


def redaction(patterns: Iterable[str]) -> bytes:
    return yaml.safe_dump([{"name": f"p{n}", "pattern": pattern} for n, pattern in enumerate(patterns)]).encode()


def errors_of(text: str) -> list[str]:
    with pytest.raises(cc.ConfigError) as refused:
        cc.load(text)
    return [str(error) for error in refused.value.errors]


def test_one_pattern_that_is_too_large_is_named_with_what_to_do() -> None:
    assert errors_of(rules(["fine", r"\pL{400}", "fine too"])) == [
        r"categories[0].rules[1].onTerminationMessage.pattern: too large when compiled; use smaller repetition counts, "
        r"and [A-Za-z] instead of \pL"
    ]


@pytest.mark.parametrize(
    "patterns",
    [
        [rf"x{number}\pL{{30}}" for number in range(400)],
        [rf"{number}[^x]{{900}}" for number in range(3000)],
        [rf"{number}\pL{{400}}" for number in range(3000)],
        [f"x{{60}}{number}" for number in range(8_000)],
    ],
    ids=["any letter", "any but one", "each too large", "many small ones"],
)
def test_patterns_that_are_too_large_together_are_one_error_at_the_pattern_that_exceeds_it(patterns: list[str]) -> None:
    began = time.monotonic()
    *single, last = errors_of(rules(patterns))
    assert last.startswith("categories[0].rules[")
    assert last.endswith(
        "].onTerminationMessage.pattern: the patterns up to here are too large together when compiled, the later ones were "
        "not checked; use fewer patterns, or smaller repetition counts"
    )
    assert len(single) < 10
    assert time.monotonic() - began < 20  # 3 s; before, each was compiled


def test_large_and_many_patterns_as_sites_write_them_are_accepted() -> None:
    texts = [rf"(?i)error {number}: .*failed with (?P<code>\d{{1,5}}) in [\w.-]{{1,63}}" for number in range(500)]
    cc.load(rules([*texts, r"\pL{1,10}", ".{1,1000}"]))


def test_redaction_patterns_have_the_same_bounds() -> None:
    for patterns in ([r"\pL{400}"], [rf"x{number}\pL{{30}}" for number in range(100)]):
        with pytest.raises(cc.ConfigError) as refused:
            parse_redaction(redaction(patterns))
        assert "too large" in str(refused.value.errors[-1])
        assert len(refused.value.errors) == 1
    parse_redaction(redaction(rf"acme{number}-[0-9a-f]{{32}}" for number in range(SITE_PATTERNS_LIMIT)))
    with pytest.raises(
        cc.ConfigError, match=f"{SITE_PATTERNS_LIMIT + 1} patterns; write at most {SITE_PATTERNS_LIMIT}"
    ):
        parse_redaction(redaction(f"acme{number}" for number in range(SITE_PATTERNS_LIMIT + 1)))


def test_a_file_of_nothing_but_errors_reports_the_first_ones() -> None:
    found = errors_of("categories:\n" + "- 1\n" * 20_000)
    assert len(found) == ERRORS_LIMIT + 1
    assert found[-1] == "document: more errors than these; correct them first"
