"""The JSON Schema of rules files accepts what the parser accepts, and refuses what an editor can see is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

import coroner_categorizer as cc
from coroner_categorizer.rules.json_schema import rules_schema
from coroner_categorizer.rules.matchers import MATCHERS
from coroner_categorizer.rules.parser import parse

ROOT = Path(__file__).parents[2]
PACK = ROOT / "categorizer" / "coroner_categorizer" / "rules" / "default.yaml"
ARMADA = ROOT / "tests" / "fixtures" / "armada-cases.jsonl"
COPY = ROOT / "docs" / "rules.schema.json"
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
VALIDATOR: Any = jsonschema.Draft7Validator(rules_schema())

ONLY_THE_PARSER_SEES = r"not YAML: |not a pattern: "
"""Of Armada's own error cases, what is wrong with those that the schema accepts."""


def faults(text: str) -> list[str]:
    """Where the schema refuses the document."""
    return ["/".join(map(str, error.absolute_path)) for error in VALIDATOR.iter_errors(yaml.load(text, LOADER))]


def is_loaded(text: str) -> bool:
    try:
        parse(text)
    except cc.ConfigError:
        return False
    return True


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(rules_schema())


def test_the_copy_in_docs_is_up_to_date() -> None:
    """After a change: coroner rules schema > docs/rules.schema.json."""
    assert json.loads(COPY.read_text()) == rules_schema()


def test_it_accepts_the_default_pack() -> None:
    assert faults(PACK.read_text()) == []


def test_it_accepts_each_armada_block_that_loads_and_refuses_those_that_do_not() -> None:
    refused = 0
    for line in ARMADA.read_text(encoding="utf-8").split("\n")[:150]:
        text = json.loads(line)["configYaml"] if line else "categories: []"
        try:
            parse(text)
        except cc.ConfigError as invalid:
            if re.search(ONLY_THE_PARSER_SEES, str(invalid)):
                continue
            refused += 1
            assert faults(text) != [], text
        else:
            assert faults(text) == [], text
    assert refused > 10


def yaml_blocks(file: str) -> list[str]:
    text = (ROOT / file).read_text()
    return [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "categories:" in block]


@pytest.mark.parametrize("file", ["README.md", "docs/armada-rules.md"])
def test_it_accepts_the_examples_of_the_docs(file: str) -> None:
    blocks = yaml_blocks(file)
    assert blocks
    assert [fault for block in blocks for fault in faults(block)] == []


RULE = "kind: Categorizer\ncategories: [{name: a, rules: [{%s}]}]"
PLANTED: dict[str, tuple[str, str]] = {
    "unknown key": (RULE % "onReasons: [Evicted], hints: x", "categories/0/rules/0"),
    "no matcher": (RULE % "hint: x", "categories/0/rules/0"),
    "unknown finding": (RULE % "onFindings: [ProgramExitted]", "categories/0/rules/0/onFindings/0"),
    "unknown signal": (RULE % "onSignals: [SIGSEV]", "categories/0/rules/0/onSignals/0"),
    "wrong operator": (
        RULE % "onExitCodes: {operator: Is, values: [1]}",
        "categories/0/rules/0/onExitCodes/operator",
    ),
    "quoted code": (
        RULE % 'onExitCodes: {operator: In, values: ["1"]}',
        "categories/0/rules/0/onExitCodes/values/0",
    ),
    "no codes": (RULE % "onExitCodes: {operator: In, values: []}", "categories/0/rules/0/onExitCodes/values"),
    "unknown retry": (RULE % "onReasons: [Evicted], retry: Never", "categories/0/rules/0/retry"),
    "reason in lower case": (RULE % "onReasons: [Evicted], reason: evicted", "categories/0/rules/0/reason"),
    "no type of events": (RULE % "onPodEvents: {regexp: x}", "categories/0/rules/0/onPodEvents"),
    "empty exception": (RULE % "onReasons: [Evicted], unless: {}", "categories/0/rules/0/unless"),
    "long name": (RULE % f"onReasons: [Evicted], subcategory: {'x' * 64}", "categories/0/rules/0/subcategory"),
    "no kind": ("extends: default", ""),
    "wrong kind": ("kind: Categoriser", "kind"),
    "two matchers in a block of Armada": (
        "categories: [{name: a, rules: [{onConditions: [Evicted], onPodError: {pattern: x}}]}]",
        "categories/0/rules/0",
    ),
    "no name": (
        "errorCategories: {categories: [{rules: [{onConditions: [Evicted]}]}]}",
        "errorCategories/categories/0",
    ),
    "no rules": ("categories: [{name: a, rules: []}]", "categories/0/rules"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_it_refuses_a_planted_fault_where_it_is(name: str) -> None:
    text, place = PLANTED[name]
    assert place in faults(text)
    assert not is_loaded(text)


LOADED = [
    "kind: Categorizer\nextends: default",
    RULE % "onReasons: [Evicted], hint: , retry: null",
    RULE % "onConditions: [Evicted], onPodError: {pattern: x}",
    RULE % "onPodConditions: {type: Ready, status: False}, message: [a, b]",
    "categories: [{name: a, rules: [{onConditions: [Evicted], onPodError: {pattern: x}, retry: MayRecover}]}]",
    "errorCategories: {enabled: false, categories: [{name: a, action: Delete, rules: [{onConditions: [Evicted]}]}]}",
]


@pytest.mark.parametrize("text", LOADED)
def test_it_accepts_what_loads(text: str) -> None:
    assert is_loaded(text)
    assert faults(text) == []


def test_every_matcher_is_described() -> None:
    described = rules_schema()["definitions"]["matchers"]
    assert set(described) == {matcher.key for matcher in MATCHERS}
    assert all(described[key]["description"] for key in described)
