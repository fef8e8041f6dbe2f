"""Each way through each pattern for texts of programs finds a text that has a source.

So a pattern is what a library or a program prints, and not what somebody expected it to print. The sources are those of
``program_texts.yaml`` (from the code and the documentation of what prints them), of ``public_texts.yaml`` and of the
public cases, and what real programs printed on a real cluster.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import re2
import yaml

from coroner_categorizer.rules.matchers import OnFindings, OnReasons
from coroner_categorizer.rules.rule import Rule
from tests.categorizer.test_message_cases import PUBLIC
from tests.support.default_pack import CATEGORIZER

FIXTURES = Path(__file__).parents[1] / "fixtures"
PROGRAM_TEXTS: dict[str, list[dict[str, str]]] = yaml.safe_load(
    (Path(__file__).parent / "program_texts.yaml").read_text()
)
WITHOUT_SOURCE = ("no report", "not recorded")
PRINTED_BY_A_SCRIPT = ("built-", "z", "y22", "y23", "y24")  # of the recorded cases: tests/fixtures/README.md
_GROUP = re.compile(r"\((?:\?P<\w+>|\?[a-zA-Z]*:)?")
_CLASS_START = re.compile(r"\^?\]?")  # a bracket there closes nothing
_FLAGS = re.compile(r"\(\?[a-zA-Z]+\)")


def alternations(pattern: str) -> list[tuple[int, list[int], int]]:
    """Of each alternation: where it begins, its bars, and where it ends."""
    found: list[tuple[int, list[int], int]] = []
    open_groups: list[tuple[int, list[int]]] = [(0, [])]
    i, in_class = 0, False
    while i < len(pattern):
        char = pattern[i]
        if char == "\\":
            i += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
            first = _CLASS_START.match(pattern, i + 1)
            i += len(first[0]) if first else 0
        elif flags := _FLAGS.match(pattern, i):
            i = flags.end() - 1
        elif group := _GROUP.match(pattern, i):
            open_groups.append((group.end(), []))
            i = group.end() - 1
        elif char == ")":
            start, bars = open_groups.pop()
            found += [(start, bars, i)] if bars else []
        elif char == "|":
            open_groups[-1][1].append(i)
        i += 1
    start, bars = open_groups.pop()
    return [*found, *([(start, bars, i)] if bars else [])]


def ways(pattern: str) -> Iterator[str]:
    """The pattern with one alternative of each alternation that lies on the way, each alternative once at least."""
    found = alternations(pattern)
    outermost = [a for a in found if not any(b[0] <= a[0] and a[2] <= b[2] and b != a for b in found)]
    if not outermost:
        yield pattern
    for start, bars, end in outermost:
        cuts = [start - 1, *bars, end]
        for before, after in pairwise(cuts):
            for way in ways(pattern[before + 1 : after]):
                yield pattern[:start] + way + pattern[end:]


def test_the_ways_through_a_pattern() -> None:
    assert list(ways(r"a(?:b|c[|)]\|)d")) == ["a(?:b)d", r"a(?:c[|)]\|)d"]
    assert list(ways("(?i)x|y(?P<n>1|(?:2|3))|[^]|]z")) == [
        "(?i)x",
        "y(?P<n>1)",
        "y(?P<n>(?:2))",
        "y(?P<n>(?:3))",
        "[^]|]z",
    ]
    assert list(ways("plain")) == ["plain"]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def sourced_texts() -> list[str]:
    texts = [case["text"] for cases in PROGRAM_TEXTS.values() for case in cases]
    texts += [c["message"] for cases in PUBLIC.values() for c in cases if not c["source"].startswith(WITHOUT_SOURCE)]
    files = [
        file
        for folder in ("public", "public_second", "public_third", "pods")
        for file in (FIXTURES / folder).glob("*.json")
    ]
    for file in files:
        if not file.stem.removeprefix("job-").startswith(PRINTED_BY_A_SCRIPT):
            items = json.loads(file.read_text())["items"]
            texts += [text for item in items for text in _strings([item.get("status"), item.get("message")])]
    return texts


TEXTS = [text.encode() for text in sourced_texts()]


def is_over_programs_text(rule: Rule) -> bool:
    """Whether the rule can match a container that ended with reason Error."""
    reasons = [m.reasons for m in rule.matchers if isinstance(m, OnReasons)]
    findings = [m.names for m in rule.matchers if isinstance(m, OnFindings)]
    return all("Error" in names for names in reasons) and all(
        {"ProgramExited", "UncaughtException"} & set(names) for names in findings
    )


PATTERNS = [
    pytest.param(pattern, id=f"{rule.id}{' unless' if matcher in rule.unless else ''}")
    for rule in CATEGORIZER.rules[:-1]  # the last takes any text
    if is_over_programs_text(rule)
    for matcher in (*rule.matchers, *rule.unless)
    for _, pattern in matcher.patterns
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_way_through_a_pattern_finds_a_text_that_has_a_source(pattern: str) -> None:
    unsourced = [way for way in ways(pattern) if not any(re2.search(way.encode(), text) for text in TEXTS)]
    assert unsourced == []


def test_there_are_patterns_and_every_text_names_its_source() -> None:
    assert len(PATTERNS) >= 40
    addressed = re.compile(r"https://|[\w.-]+/[\w.-]+(?:#\d| [\w./-]+)|musl ")
    sources = [case["source"] for cases in PROGRAM_TEXTS.values() for case in cases]
    assert [source for source in sources if not addressed.search(source)] == []


def test_every_text_of_a_program_is_needed() -> None:
    """Else this would become a list of what nothing looks for."""
    patterns = [re2.compile(str(param.values[0]).encode()) for param in PATTERNS]
    texts = [case["text"] for cases in PROGRAM_TEXTS.values() for case in cases]
    assert [text for text in texts if not any(p.search(text.encode()) for p in patterns)] == []
