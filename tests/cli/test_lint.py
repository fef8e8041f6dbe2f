"""``coroner lint``: a line a mistake."""

import re
from pathlib import Path

import pytest

from tests.cli.conftest import RULES, Coroner

TEN_MISTAKES = """
apiVersion: coroner.dev/v1alpha1
kind: Categorizer
categories:
  - name: ""
    rules: []
  - name: same
    rules:
      - onExitCodes: {operator: Is, values: [1]}
      - onExitCodes: {operator: In, values: []}
      - onTerminationMessage: {pattern: "("}
      - onConditions: [Sleepy]
      - onPodEvents: {regexp: "x", type: warning}
  - name: same
    rules:
      - subcategory: no-matcher
      - onExitCodes: {operator: In, values: [1]}
        retry: Never
      - onExitCodez: {operator: In, values: [1]}
"""


def test_good_rules_are_one_line(coroner: Coroner, rules: Path) -> None:
    assert coroner("lint", rules) == (0, f"{rules}: ok (3 rules in 3 categories)\n", "")


def test_the_bare_form_is_counted_too(coroner: Coroner) -> None:
    bare = "categories: [{name: a, rules: [{onConditions: [OOMKilled]}]}]"
    assert coroner("lint", "-", stdin=bare) == (0, "stdin: ok (1 rule in 1 category)\n", "")
    under_its_key = "errorCategories: {" + bare + "}"
    assert coroner("lint", "-", stdin=under_its_key) == (0, "stdin: ok (1 rule in 1 category)\n", "")


def test_every_mistake_is_a_line_with_file_and_path(coroner: Coroner, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(TEN_MISTAKES)
    ran = coroner("lint", path)
    lines = ran.stdout.splitlines()
    assert len(lines) >= 10
    for line in lines:
        assert re.match(rf"{re.escape(str(path))}: categories\[\d\]\S*: .+; .+", line), line
    assert ran.stderr == f"{len(lines)} mistakes in 1 of 1 file\n"
    assert ran.exit_code == 2


def test_each_file_is_looked_at_whatever_the_others_are(coroner: Coroner, tmp_path: Path, rules: Path) -> None:
    (tmp_path / "empty.yaml").touch()
    (tmp_path / "wrong.yaml").write_text("categories: [{name: a, rules: []}]")
    ran = coroner("lint", tmp_path / "empty.yaml", tmp_path / "wrong.yaml", tmp_path / "absent.yaml", rules)
    assert [line.split(": ")[0] for line in ran.stdout.splitlines()] == [f"{tmp_path}/wrong.yaml", str(rules)]
    assert [line.split(": ")[0] for line in ran.stderr.splitlines()] == [
        f"{tmp_path}/empty.yaml",
        f"{tmp_path}/absent.yaml",
        "3 mistakes in 3 of 4 files",
    ]
    assert ran.exit_code == 2


UNREADABLE = {
    "empty": ("", r"stdin: empty; .+"),
    "comments": ("# nothing\n", r"stdin: empty; .+"),
    "two documents": (f"{RULES}---\na: 1\n", r"stdin: line \d+: a second YAML document begins; .+"),
    "not YAML": ("categories: [\n", r"stdin: line \d, column \d+: neither JSON nor YAML: .+; .+"),
    "NULs": (b"\0\0\0", r"stdin: neither JSON nor YAML: unacceptable character #x0000: .+; .+"),
    "deep": ("[" * 100_000, r"stdin: line 1, column 101: nested more than 100 deep; .+"),
    "aliases": (
        "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        + "\n".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)),
        r"stdin: line \d+, column \d+: its aliases stand for too much; .+",
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_is_no_rule_file_is_one_line(coroner: Coroner, case: str) -> None:
    stdin, line = UNREADABLE[case]
    ran = coroner("lint", "-", stdin=stdin)
    first, *rest = ran.stderr.splitlines()
    assert re.fullmatch(line, first)
    assert rest == ["1 mistake in 1 of 1 file"]
    assert (ran.exit_code, ran.stdout) == (2, "")


@pytest.mark.parametrize("text", ["5", "text", "[]", "categories: 5", "[[[]]]", "a: b", "kind: Cat"])
def test_yaml_that_is_no_rule_set_is_a_mistake_not_a_traceback(coroner: Coroner, text: str) -> None:
    ran = coroner("lint", "-", stdin=text)
    assert ran.exit_code == 2
    assert ran.stdout.startswith("stdin: ")


def test_without_a_file_it_says_so(coroner: Coroner) -> None:
    line = "coroner lint: Missing argument 'RULES.yaml...'; see \"coroner lint --help\"\n"
    assert coroner("lint") == (2, "", line)
