"""What ``coroner lint`` finds in rules: each planted fault is found, and what only looks like it is not."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

import coroner_categorizer as cc
from coroner_categorizer.rules.line_numbers import with_lines
from coroner_categorizer.rules.parser import parse
from coroner_categorizer.rules.pattern_set import PatternSet
from coroner_categorizer.rules.review import review
from coroner_categorizer.rules.review.patterns import matches_every_text, pattern_implies

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
PACK = ROOT / "categorizer" / "coroner_categorizer" / "rules" / "default.yaml"

HEAD = "apiVersion: coroner.dev/v1alpha1\nkind: Categorizer\ncategories:\n  - name: site\n    rules:\n"


def rules(*lines: str) -> str:
    """A document of one category with these rules, from line 6 on, one a line."""
    return HEAD + "".join(f"      - {{{line}}}\n" for line in lines)


def findings(text: str) -> list[str]:
    """Errors, or else warnings, as ``LINE PATH: DETAIL; REMEDY``."""
    try:
        rule_set = parse(text)
    except cc.ConfigError as invalid:
        return [f"{error.line} {error}" for error in invalid.errors]
    return [f"{error.line} {error}" for error in with_lines(text, review(rule_set))]


class Planted(NamedTuple):
    faulty: str
    finding: str
    """How the only finding begins."""
    lookalike: str


ANY_CODE = "onExitCodes: {operator: NotIn, values: [0]}"
PLANTED: dict[str, Planted] = {
    "a misspelled key": Planted(
        rules("onReason: [Evicted], onConditions: [Evicted]"),
        '6 categories[0].rules[0].onReason: unknown key; did you mean "onReasons"?',
        rules("onReasons: [Evicted]"),
    ),
    "a misspelled finding": Planted(
        rules("onFindings: [ProgramExitted]"),
        '6 categories[0].rules[0].onFindings[0]: unknown value "ProgramExitted"; did you mean "ProgramExited"?',
        rules("onFindings: [ProgramExited]"),
    ),
    "a misspelled reason": Planted(
        rules("onReasons: [OOMKiled]"),
        '6 categories[0].rules[0].onReasons[0]: "OOMKiled" is not a known reason; did you mean "OOMKilled"?',
        rules("onReasons: [OutOfgpu]"),  # a device of the site's own; OutOfcpu is Kubernetes'
    ),
    "a misspelled condition": Planted(
        rules("onPodConditions: {type: DisruptionTargets}"),
        '6 categories[0].rules[0].onPodConditions.type: "DisruptionTargets" is not a known pod condition type',
        rules("onPodConditions: {type: example.com/Readiness}"),
    ),
    "exit code 0": Planted(
        rules("onExitCodes: {operator: In, values: [0, 3]}"),
        "6 categories[0].rules[0].onExitCodes.values: 0 never matches",
        rules("onExitCodes: {operator: NotIn, values: [0, 3]}"),
    ),
    "a pattern that matches nothing at all": Planted(
        rules('onMessage: {pattern: "(cuda error)?"}'),
        "6 categories[0].rules[0].onMessage.pattern: matches every text, because it can match nothing at all",
        rules('onMessage: {pattern: "(cuda error)+"}'),
    ),
    "an alternative that is empty": Planted(
        rules('onMessage: {pattern: "disk full|quota|"}'),
        "6 categories[0].rules[0].onMessage.pattern: matches every text, because it can match nothing at all",
        rules('onMessage: {pattern: "^(disk full|quota|)$"}'),  # of that, only the first two
    ),
    "a pattern for every text": Planted(
        rules('onReasons: [Failed], onMessage: {pattern: ".*"}'),
        "6 categories[0].rules[0].onMessage.pattern: matches every text but the empty one",
        rules('onPodEvents: {regexp: ".*", type: Warning, reason: FailedMount}'),
    ),
    "a pattern for every text, alone": Planted(
        rules("onTerminationMessage: {pattern: .}", "onReasons: [Evicted]"),
        "6 categories[0].rules[0].onTerminationMessage.pattern: matches every text but the empty one; give a text",
        rules("onReasons: [Failed], onTerminationMessage: {pattern: .}", "onReasons: [Evicted]"),
    ),
    "a pattern that is found in no text": Planted(
        rules('onMessage: {pattern: "^$"}'),
        "6 categories[0].rules[0].onMessage.pattern: is found in the empty text only",
        rules('onMessage: {pattern: "(?m)^$"}'),
    ),
    "a category that is no label": Planted(
        rules("onReasons: [Evicted]").replace("name: site", "name: GPU errors"),
        '4 categories[0].name: "GPU errors" is not a valid label value',
        rules("onReasons: [Evicted]").replace("name: site", "name: GPU_errors-2.b"),
    ),
    "a subcategory that is no label": Planted(
        rules("onReasons: [Evicted], subcategory: -evicted"),
        '6 categories[0].rules[0].subcategory: "-evicted" is not a valid label value',
        rules("onReasons: [Evicted], subcategory: evicted_v1.2"),
    ),
    "a default that is no label": Planted(
        "defaultCategory: not known\n" + rules("onReasons: [Evicted]"),
        '1 defaultCategory: "not known" is not a valid label value',
        "defaultCategory: not-known\n" + rules("onReasons: [Evicted]"),
    ),
    "a container that is not looked at": Planted(
        rules("containerName: main, onConditions: [Evicted]"),
        "6 categories[0].rules[0].containerName: has no effect: onConditions is about the pod",
        rules("containerName: main, onConditions: [Evicted, OOMKilled]"),
    ),
    "two matchers without a code in common": Planted(
        rules("onSignals: [SIGKILL], onExitCodes: {operator: In, values: [143]}"),
        "6 categories[0].rules[0]: never matches: onExitCodes and onSignals have no exit code in common",
        rules("onSignals: [SIGKILL, SIGTERM], onExitCodes: {operator: In, values: [143]}"),
    ),
    "an exception for all that matches": Planted(
        rules("onExitCodes: {operator: In, values: [3]}, unless: {onExitCodes: {operator: In, values: [3, 4]}}"),
        "6 categories[0].rules[0]: never matches: unless.onExitCodes excludes whatever the rule matches",
        rules("onExitCodes: {operator: In, values: [3, 5]}, unless: {onExitCodes: {operator: In, values: [3, 4]}}"),
    ),
    "a rule after one for all its codes": Planted(
        rules("name: a, onExitCodes: {operator: In, values: [3, 4]}", "onExitCodes: {operator: In, values: [4]}"),
        '7 categories[0].rules[1]: never decides: rule "a" comes first and matches whatever this one matches',
        rules("name: a, onExitCodes: {operator: In, values: [3, 4]}", "onExitCodes: {operator: In, values: [4, 5]}"),
    ),
    "a rule after one for any code": Planted(
        rules(f"name: a, {ANY_CODE}", "onTerminationMessage: {pattern: disk}"),
        '7 categories[0].rules[1]: never decides: rule "a" comes first',
        rules(f"name: a, containerName: main, {ANY_CODE}", "onTerminationMessage: {pattern: disk}"),
    ),
    "a rule after one for a waiting container too": Planted(
        rules(f"name: a, {ANY_CODE}", "onSignals: [SIGSEGV]"),
        '7 categories[0].rules[1]: never decides: rule "a" comes first',
        rules(f"name: a, {ANY_CODE}", "onMessage: {pattern: disk}"),  # also of containers that never started
    ),
    "a rule after one with an exception": Planted(
        rules("name: a, onReasons: [Evicted, Failed]", "onFindings: [NeverReady], onReasons: [Failed]"),
        '7 categories[0].rules[1]: never decides: rule "a" comes first',
        rules("name: a, onReasons: [Evicted, Failed], unless: {onFindings: [NeverReady]}", "onReasons: [Failed]"),
    ),
    "a rule after one for more texts": Planted(
        rules("name: a, onMessage: {pattern: (?i)disk|quota}", "onMessage: {pattern: Disk full}"),
        '7 categories[0].rules[1]: never decides: rule "a" comes first',
        rules("name: a, onMessage: {pattern: disk|quota}", "onMessage: {pattern: Disk full}"),
    ),
    "a rule after one for more conditions": Planted(
        rules("name: a, onConditions: [Evicted, OOMKilled]", "onConditions: [OOMKilled]"),
        '7 categories[0].rules[1]: never decides: rule "a" comes first',
        rules("name: a, onConditions: [Evicted]", "onConditions: [OOMKilled, Evicted]"),
    ),
    "a rule after one for more events": Planted(
        rules(
            "name: a, onPodEvents: {regexp: timed out, type: Warning}",
            "onPodEvents: {regexp: mount timed out, type: Warning, reason: FailedMount}",
        ),
        '7 categories[0].rules[1]: never decides: rule "a" comes first',
        rules(
            "name: a, onPodEvents: {regexp: timed out, type: Warning, reason: FailedMount}",
            "onPodEvents: {regexp: mount timed out, type: Warning}",
        ),
    ),
}


def test_there_are_at_least_twelve() -> None:
    assert len(PLANTED) >= 12


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_with_its_line_and_nothing_else_is(name: str) -> None:
    (found,) = findings(PLANTED[name].faulty)
    assert found.startswith(PLANTED[name].finding)


@pytest.mark.parametrize("name", PLANTED)
def test_what_only_looks_like_it_is_not_reported(name: str) -> None:
    assert findings(PLANTED[name].lookalike) == []


def test_of_another_category_the_rule_still_adds_the_category() -> None:
    text = rules(f"name: a, {ANY_CODE}") + "  - name: more\n    rules: [{onSignals: [SIGSEGV]}]\n"
    (found,) = findings(text)
    assert 'never decides: rule "a" comes first' in found
    assert 'it only adds "more" to the verdict\'s categories' in found


def test_rules_of_ones_own_may_come_before_all_of_the_default_pack() -> None:
    assert findings("extends: default\n" + rules(ANY_CODE)) == []


def test_an_armada_block_has_lines_too() -> None:
    text = "errorCategories:\n  categories:\n  - name: a b\n    rules:\n    - onConditions: [Sleepy]\n"
    assert findings(text)[0].startswith("5 errorCategories.categories[0].rules[0].onConditions[0]: unknown value")
    text = text.replace("Sleepy", "Evicted")
    assert findings(text)[0].startswith('3 errorCategories.categories[0].name: "a b" is not a valid label value')


def test_what_is_missing_is_in_the_line_of_what_it_is_missing_from() -> None:
    text = HEAD + "      - onPodEvents:\n          type: Warning\n      -\n        subcategory: x\n"
    found = findings(text)
    assert found[0].startswith("6 categories[0].rules[0].onPodEvents.regexp: missing")
    assert found[1].startswith("9 categories[0].rules[1]: no matcher")


def test_nothing_is_found_in_the_default_pack() -> None:
    assert findings(PACK.read_text()) == []


def reasons(value: Any) -> Iterator[str]:
    """Every reason in an object."""
    if isinstance(value, dict):
        found = value.get("reason")
        yield from [found] if isinstance(found, str) and found else []
        for below in value.values():
            yield from reasons(below)
    elif isinstance(value, list):
        for below in value:
            yield from reasons(below)


def test_no_reason_that_was_recorded_is_taken_for_a_misspelling() -> None:
    recorded = {reason for file in FIXTURES.glob("*/*.json") for reason in reasons(json.loads(file.read_text()))} - {""}
    assert len(recorded) > 100
    document = {"kind": "Categorizer", "categories": [{"name": "a", "rules": [{"onReasons": sorted(recorded)}]}]}
    assert findings(yaml.safe_dump(document)) == []


def armada_cases() -> list[dict[str, Any]]:
    lines = (FIXTURES / "armada-cases.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


def test_no_rule_is_called_dead_that_decides_in_one_of_armadas_cases() -> None:
    """Of generated documents, which hold many rules that shadow others: none that decides must be reported."""
    reported = 0
    for case in armada_cases()[:200]:
        try:
            rule_set = parse(case["configYaml"])
        except cc.ConfigError:
            continue
        dead = {error.path for error in review(rule_set) if error.detail.startswith(("never", "0 never"))}
        reported += len(dead)
        if not dead:
            continue
        verdict = cc.load(case["configYaml"]).classify(
            case["pod"], case.get("events") or (), pod_error=case.get("podError", "")
        )
        assert verdict is None or verdict.rule not in dead, case["configYaml"]
    assert reported > 5


WORDS: tuple[str, ...] = (
    "a",
    "ab",
    "b",
    "A",
    "\\.",
    "a.b",
    "(?i)a",
    "a|b",
    "a|",
    "a*",
    "^a",
    "a$",
    "^",
    "$",
    "(?m)^$",
    "^.*$",
    ".",
    ".+",
)
WORDS += (".*", "(?s)^.*$", "\\b", "\\Ba*", "(?s).", "a?b?", "(a|b)?", "[^a]", "(?i)ab|b", "ab|ba", "\\z", "\\Ab*")


@pytest.mark.parametrize("wide", WORDS)
def test_what_is_claimed_of_patterns_holds_for_random_texts(wide: str) -> None:
    random_ = random.Random(wide)
    texts = ["".join(random_.choices("abAB.\n é", k=random_.randint(1, 6))) for _ in range(200)]
    found = {pattern: {text for text in texts if PatternSet([pattern]).found_in(text)} for pattern in WORDS}
    if matches_every_text(wide):
        assert found[wide] == set(texts)
    for narrow in WORDS:
        if pattern_implies(narrow, wide):
            assert found[narrow] <= found[wide], narrow
