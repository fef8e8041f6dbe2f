"""``coroner rules``: the rules in effect, with their sources, and the schema of rules files."""

import json
from pathlib import Path

from coroner_categorizer.rules.json_schema import rules_schema
from coroner_operator.cli.rules_argument import load_rules
from tests.cli.conftest import RULES, Coroner

PACK = Path(__file__).parents[2] / "categorizer" / "coroner_categorizer" / "rules" / "default.yaml"

LISTED = """\
stdin: 3 rules, precedence Rules
  LINE  RULE      VERDICT               LOOKS AT
     7  memory    resources/oom-killed  onConditions
    14  refused   policy/forbidden      onPodEvents
    19  any-code  user-code             onExitCodes

If no rule matches: no category
"""


def test_the_rules_of_a_file_are_listed_with_their_lines(coroner: Coroner) -> None:
    assert coroner("rules", "--rules", "-", stdin=RULES) == (0, LISTED, "")


def test_rules_of_the_default_pack_follow_where_they_are_extended(coroner: Coroner, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("extends: default\n" + RULES.lstrip())
    listed = json.loads(coroner("rules", "-o", "json", "--rules", file).stdout)
    assert [each["rule"] for each in listed] == [rule.id for rule in load_rules(str(file)).rules]
    assert listed[0]["source"] == {"file": str(file), "line": 7, "path": "categories[0].rules[0]"}
    assert {each["source"]["file"] for each in listed[3:]} == {"default pack"}
    text = coroner("rules", "--rules", file).stdout
    assert text.startswith(f"{file}: 3 rules, precedence Rules\n")
    assert text.endswith("If no rule matches: unknown/uncategorized (default pack)\n")


def test_each_line_is_that_of_its_rule(coroner: Coroner) -> None:
    lines = PACK.read_text().splitlines()
    listed = json.loads(coroner("rules", "-o", "json").stdout)
    assert len(listed) > 250
    for each in listed:
        assert lines[each["source"]["line"] - 1].strip() == f"- name: {each['rule']}"


def test_the_schema_is_printed(coroner: Coroner) -> None:
    assert json.loads(coroner("rules", "schema").stdout) == rules_schema()


def test_wrong_usage_and_rules_are_one_line(coroner: Coroner) -> None:
    assert coroner("rules", "list") == (2, "", "coroner rules: No such command 'list'; see \"coroner rules --help\"\n")
    wrong = coroner("rules", "--rules", "-", stdin="categories: [{name: a, rules: []}]")
    assert wrong == (2, "", "stdin:1: categories[0].rules: no rule given; give the category at least one rule\n")
