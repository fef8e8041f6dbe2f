"""A document is parsed into rules, or rejected with every error at once: where, what, and what to do."""

from __future__ import annotations

import pytest

import coroner_categorizer as cc

TEN_ERRORS = """
apiVersion: coroner.dev/v1alpha1
kind: Categorizer
extends: defaults
categories:
  - rules:
      - onExitCodes: {operator: Is, values: []}
      - onExitCodes: {operator: In, values: ["74"]}
      - onTerminationMessage: {pattern: "(?!x)"}
  - name: gpu
    action: Restart
    rules:
      - onCondition: [OOMKilled]
      - onConditions: [Preempted]
        retry: Maybe
      - onReasons: [Evicted]
        hint: "use ${memory}"
"""


def errors_of(text: str) -> list[str]:
    with pytest.raises(cc.ConfigError) as refused:
        cc.load(text)
    return [str(m) for m in refused.value.errors]


def test_every_error_is_reported_with_path_detail_and_remedy() -> None:
    found = errors_of(TEN_ERRORS)
    expected = {
        'extends: unknown value "defaults"; use "default"',
        "categories[0].name: missing; give the category a name",
        'categories[0].rules[0].onExitCodes.operator: unknown value "Is"; use "In" or "NotIn"',
        "categories[0].rules[0].onExitCodes.values: no exit code given; list at least one",
        'categories[0].rules[1].onExitCodes.values[0]: expected a whole number, found the string "74"; write it without quotes',
        "categories[0].rules[2].onTerminationMessage.pattern: not a pattern: invalid perl operator: (?!; use RE2 syntax (no look-around, no back-references)",
        'categories[1].action: unknown value "Restart"; use "Retain" or "Delete"',
        'categories[1].rules[0].onCondition: unknown key; did you mean "onConditions"?',
        'categories[1].rules[1].onConditions[0]: unknown value "Preempted"; use "OOMKilled", "Evicted" or "DeadlineExceeded"',
        'categories[1].rules[1].retry: unknown value "Maybe"; use "MayRecover", "NeedsChange" or "Unknown"',
    }  # fmt: skip
    assert expected <= set(found)
    assert any(f.startswith("categories[1].rules[2].hint: unknown fact ${memory}; known here: ") for f in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "document: is empty; write one document with `categories:`"),
        ("- 1\n", "document: expected a mapping, found a list; write `key: value` pairs here"),
        ("categories: [\n", "line 2, column 1: not YAML: "),
        ("a: 1\na: 2\n", 'line 2, column 1: not YAML: duplicate key "a"; correct the syntax there'),
        ("a: &x 1\nb: *x\n", "line 2, column 4: not YAML: aliases are not supported; correct the syntax there"),
        ("a: 1\n---\nb: 1\n", "document: holds 2 documents; write one document with `categories:`"),
        ("categories: []\nwhat: 1\n", "what: unknown key; known here: enabled, "),
        ("kind: Pod\n", 'kind: unknown value "Pod"; use "Categorizer"'),
        ("categories: [{name: a, rules: [{onPodEvents: {regexp: x, type: warning}}]}]", 'categories[0].rules[0].onPodEvents.type: unknown value "warning"; use "Normal" or "Warning"'),
        ("categories: [{name: a, rules: [{hint: x}]}]", "categories[0].rules[0]: no matcher; add one of "),
        ('a: 1\nenabled: !!bool "x"\n', 'line 2, column 10: not YAML: the string "x" cannot be read as !!bool; write it without a tag, a text in quotes'),
        ("enabled: !site 1\n", "line 1, column 10: not YAML: could not determine a constructor for the tag '!site'; write it without a tag"),
        ("enabled: 2024-13-45\n", 'line 1, column 10: not YAML: the string "2024-13-45" cannot be read as !!timestamp; '),
        ("enabled: " + ":".join(["1"] * 200) + ".5\n", "line 1, column 10: not YAML: the string \"1:1:"),
        ("defaultCategory: 0x" + "f" * 5_000 + "\n", "line 1, column 18: not YAML: the string \"0xfff"),
        ("enabled: 3\n", "enabled: expected true or false; write true or false"),
        ("\x00", "document: not YAML: "),
        ("- " * 100_000 + "a", "line 1, column 65: not YAML: nested too deeply; correct the syntax there"),
    ],
)  # fmt: skip
def test_an_invalid_document_is_rejected_with_one_clear_line(text: str, expected: str) -> None:
    assert [m for m in errors_of(text) if m.startswith(expected)]


TAGS = (
    "bool",
    "int",
    "float",
    "null",
    "str",
    "binary",
    "timestamp",
    "seq",
    "map",
    "set",
    "omap",
    "pairs",
    "merge",
    "value",
)
VALUES = ('"x"', '""', "1", "é", "[a, 1]", "[[a, b]]", "[{a: b}]", "{a: b}", "{=: x}", "{<<: a}", "{? [a] : b}")
PLACES = ("enabled: {}\n", "defaultCategory: {}\n", "categories: {}\n", "{}\n", "{}: a\n", "errorCategories: {}\n")


@pytest.mark.parametrize("tag", [*(f"!!{tag}" for tag in TAGS), "!", "!site", "!!python/name:os.system"])
def test_whatever_a_tag_makes_of_a_value_every_error_is_one_line(tag: str) -> None:
    for text in (place.format(f"{tag} {value}") for place in PLACES for value in VALUES):
        with pytest.raises(cc.ConfigError) as refused:
            cc.load(text + "x: 1\n")  # a fault of its own: none of the texts can be used
        assert refused.value.errors, text


def test_a_value_with_the_tag_that_it_has_anyway_is_read() -> None:
    values = '[!!int 3, !!int "4"]'
    rules = f"categories: !!seq [{{name: !!str 7, rules: [{{onExitCodes: {{operator: In, values: {values}}}}}]}}]"
    pod = {"status": {"containerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 4}}}]}}
    verdict = cc.load(f"enabled: !!bool true\n{rules}\n").classify(pod)
    assert verdict is not None
    assert verdict.category == "7"


TWO = "{onExitCodes: {operator: In, values: [3]}, onTerminationMessage: {pattern: disk}}"


def test_an_armada_block_takes_one_matcher_per_rule() -> None:
    expected = errors_of(f"categories: [{{name: a, rules: [{TWO}]}}]")
    assert expected[0].startswith("categories[0].rules[0]: several matchers: onExitCodes, onTerminationMessage; ")


def test_our_own_documents_ask_for_all_matchers_of_a_rule_on_the_same_container() -> None:
    from tests.support.pods import failed, pod

    categorizer = cc.load(f"kind: Categorizer\ncategories: [{{name: a, rules: [{TWO}]}}]")
    together = pod(failed(3, message="disk on fire"))
    apart = pod(failed(3, name="one"), failed(4, message="disk on fire", name="two"))
    assert categorizer.classify(together) is not None
    assert categorizer.classify(apart) is None


def test_an_armada_hint_is_literal_even_if_it_looks_like_a_fact() -> None:
    from tests.support.pods import failed, pod

    hint = "set ${memoryLimit} and ${nothing}"
    rule = f'{{onExitCodes: {{operator: In, values: [3]}}, hint: "{hint}"}}'
    verdict = cc.load(f"categories: [{{name: a, rules: [{rule}]}}]").classify(pod(failed(3)))
    assert verdict is not None
    assert verdict.hint == hint
