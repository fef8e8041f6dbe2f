"""``coroner lint``: one line per error."""

import re
from pathlib import Path

import pytest

from coroner_categorizer.redaction.sanitize import one_line
from coroner_operator.config.rules_files import InvalidRules, RuleFiles
from tests.cli.conftest import RULES, Coroner

TEN_ERRORS = """
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


def test_every_error_is_a_line_with_file_and_path(coroner: Coroner, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(TEN_ERRORS)
    ran = coroner("lint", path)
    lines = ran.stdout.splitlines()
    assert len(lines) >= 10
    for line in lines:
        assert re.match(rf"{re.escape(str(path))}:\d+: categories\[\d\]\S*: .+; .+", line), line
    assert ran.stderr == f"{len(lines)} errors in 1 of 1 file\n"
    assert ran.exit_code == 2


@pytest.mark.parametrize("option", [[], ["--redaction"]])
@pytest.mark.parametrize(("name", "line"), [("", '"": is no file\'s name; name a file'), ("/", "/: Is a directory")])
def test_a_single_file_that_cannot_be_read_is_one_line(
    coroner: Coroner, option: list[str], name: str, line: str
) -> None:
    assert coroner("lint", *option, name) == (2, "", f"{line}\n")


def test_each_file_is_checked_whatever_the_others_are(coroner: Coroner, tmp_path: Path, rules: Path) -> None:
    (tmp_path / "empty.yaml").touch()
    (tmp_path / "wrong.yaml").write_text("categories: [{name: a, rules: []}]")
    ran = coroner("lint", tmp_path / "empty.yaml", tmp_path / "wrong.yaml", tmp_path / "absent.yaml", rules)
    assert [line.split(": ")[0] for line in ran.stdout.splitlines()] == [
        f"{tmp_path}/empty.yaml",
        f"{tmp_path}/wrong.yaml:1",
        str(rules),
    ]
    assert [line.split(": ")[0] for line in ran.stderr.splitlines()] == [
        f"{tmp_path}/absent.yaml",
        "3 errors in 3 of 4 files",
    ]
    assert ran.exit_code == 2


NO_RULES_FILE: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", r"stdin: is empty; .+"),
    "comments": ("# nothing\n", r"stdin: is empty; .+"),
    "two documents": (f"{RULES}---\na: 1\n", r"stdin: holds 2 documents; .+"),
    "not YAML": ("categories: [\n", r"stdin: line \d, column \d+: not YAML: .+; .+"),
    "NULs": (b"\0\0\0", r"stdin: not YAML: unacceptable character #x0000: .+; .+"),
    "deep": ("[" * 100_000, r"stdin: line 1, column \d+: not YAML: nested too deeply; .+"),
    "aliases": (
        "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        + "\n".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)),
        r"stdin: line \d+, column \d+: not YAML: aliases are not supported; .+",
    ),
    "a key twice": (
        "categories: []\ncategories: []\n",
        r'stdin: line 2, column 1: not YAML: duplicate key "categories"; .+',
    ),
    "Latin-1": ("# für dich\n".encode("latin-1") + RULES.encode(), r"stdin: not UTF-8: byte 3; save it as UTF-8"),
    "UTF-16": (RULES.encode("utf-16"), r"stdin: not UTF-8: byte 0; save it as UTF-8"),
}


@pytest.mark.parametrize("case", NO_RULES_FILE)
def test_what_is_no_rules_file_is_one_line(coroner: Coroner, case: str) -> None:
    stdin, line = NO_RULES_FILE[case]
    ran = coroner("lint", "-", stdin=stdin)
    assert re.fullmatch(line, ran.stdout.rstrip("\n"))
    assert (ran.exit_code, ran.stderr) == (2, "1 error in 1 of 1 file\n")


TOO_LARGE = (RULES + "#" * 5 * 2**20 + "\n").encode()


@pytest.mark.parametrize("where", ["file", "stdin"])
def test_a_file_that_is_too_large_for_the_operator_is_rejected(coroner: Coroner, tmp_path: Path, where: str) -> None:
    (tmp_path / "rules.yaml").write_bytes(TOO_LARGE)
    name = "stdin" if where == "stdin" else str(tmp_path / "rules.yaml")
    argument, stdin = ("-", TOO_LARGE) if where == "stdin" else (name, b"")
    ran = coroner("lint", argument, stdin=stdin)
    assert ran == (2, "", f"{name}: larger than 4 MiB\n")


FILES: dict[str, bytes] = {
    "good": RULES.encode(),
    "too large": TOO_LARGE,
    "wrong": TEN_ERRORS.encode(),
    **{name: text if isinstance(text, bytes) else text.encode() for name, (text, _) in NO_RULES_FILE.items()},
}


@pytest.mark.parametrize("case", FILES)
def test_lint_explain_and_the_operator_accept_the_same_files(coroner: Coroner, tmp_path: Path, case: str) -> None:
    file = tmp_path / "rules.yaml"
    file.write_bytes(FILES[case])
    try:
        RuleFiles(file).read().compile()
    except InvalidRules as invalid:
        errors = [one_line(error, 1000) for error in invalid.errors]
    else:
        errors = []
    linted = coroner("lint", file)
    explained = coroner("explain", "--rules", file, "-", stdin='{"kind": "List", "apiVersion": "v1", "items": []}')
    assert (linted.exit_code, explained.exit_code) == ((2, 2) if errors else (0, 0))
    if case == "too large":
        assert linted.stderr.startswith(errors[0])
    elif errors:
        assert linted.stdout.splitlines() == errors
        assert explained.stderr.startswith(errors[0].partition("; ")[0])


def test_a_redaction_file_is_checked(coroner: Coroner, rules: Path, tmp_path: Path) -> None:
    patterns = tmp_path / "redaction.yaml"
    patterns.write_text("- {name: acme, pattern: 'acme_[0-9]{4}'}\n- {name: badge, pattern: 'badge-[0-9]+'}\n")
    assert coroner("lint", "--redaction", patterns) == (0, f"{patterns}: ok (2 patterns)\n", "")
    ok = f"{rules}: ok (3 rules in 3 categories)\n{patterns}: ok (2 patterns)\n"
    assert coroner("lint", rules, "--redaction", patterns) == (0, ok, "")


NO_REDACTION_FILE: dict[str, tuple[str | bytes, list[str]]] = {
    "rules": (RULES, [r": expected a list of patterns, found a mapping; .+"]),
    "every entry": (
        "- {name: A b, pattern: x}\n- {name: b}\n- {name: c, pattern: '['}\n- 1\n",
        [
            r":1: \[0\]: .+; .+",
            r":2: \[1\]: expected `name` and `pattern`.+; .+",
            r":3: \[2\]: .+; .+",
            r":4: \[3\]: expected .+; .+",
        ],
    ),
    "a key twice": ("- {name: a, name: b, pattern: x}", [r': line 1, column \d+: not YAML: duplicate key "name"; .+']),
    "not YAML": ("[", [r": line \d, column \d: not YAML: .+; .+"]),
    "Latin-1": ("# für dich\n".encode("latin-1"), [r": not UTF-8: byte 3; save it as UTF-8"]),
    "two documents": ("- {name: a, pattern: x}\n---\n- {name: b, pattern: x}\n", [r": holds 2 documents; .+"]),
    "nested": ("- " * 100_000 + "a", [r": line 1, column \d+: not YAML: nested too deeply; .+"]),
}


@pytest.mark.parametrize("case", NO_REDACTION_FILE)
def test_every_error_of_a_redaction_file_is_a_line(coroner: Coroner, tmp_path: Path, case: str) -> None:
    content, lines = NO_REDACTION_FILE[case]
    file = tmp_path / "redaction.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    ran = coroner("lint", "--redaction", file)
    found = ran.stdout.splitlines()
    assert len(found) == len(lines)
    for text, line in zip(found, lines, strict=True):
        assert re.fullmatch(rf"{re.escape(str(file))}{line}", text), text
    assert ran.exit_code == 2
    with pytest.raises(InvalidRules) as invalid:
        RuleFiles(None, file).read().compile()
    assert list(invalid.value.errors) == found


@pytest.mark.parametrize("content", ["", "# none yet\n", "[]\n"])
def test_a_redaction_file_without_patterns_is_allowed(coroner: Coroner, tmp_path: Path, content: str) -> None:
    file = tmp_path / "redaction.yaml"
    file.write_text(content)
    assert coroner("lint", "--redaction", file) == (0, f"{file}: ok (0 patterns)\n", "")
    RuleFiles(None, file).read().compile()


@pytest.mark.parametrize("text", ["5", "text", "[]", "categories: 5", "[[[]]]", "a: b", "kind: Cat"])
def test_yaml_that_is_no_rule_set_is_an_error_not_a_traceback(coroner: Coroner, text: str) -> None:
    ran = coroner("lint", "-", stdin=text)
    assert ran.exit_code == 2
    assert re.match(r"stdin(:\d+)?: ", ran.stdout)


WARNED = """
categories:
  - name: site
    rules:
      - onExitCodes: {operator: In, values: [0, 74]}
      - onExitCodes: {operator: In, values: [74]}
        subcategory: lease
"""


def test_a_warning_is_a_line_and_the_file_can_be_used(coroner: Coroner) -> None:
    zero = (
        "stdin:5: warning: categories[0].rules[0].onExitCodes.values: 0 never matches: a container that ended with it "
        "has not failed; remove it\n"
    )
    shadowed = (
        'stdin:6: warning: categories[0].rules[1]: never decides: rule "categories[0].rules[0]" comes first and '
        "matches whatever this one matches; move it up, or remove it\n"
    )
    found = (zero + shadowed, "2 warnings in 1 of 1 file\n")
    assert coroner("lint", "-", stdin=WARNED) == (0, *found)
    assert coroner("lint", "--strict", "-", stdin=WARNED) == (1, *found)


def test_an_error_counts_more_than_a_warning(coroner: Coroner, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("categories: [{name: a, rules: []}]")
    ran = coroner("lint", "--strict", "-", tmp_path / "wrong.yaml", stdin=WARNED)
    assert (ran.exit_code, ran.stderr) == (2, "1 error, 2 warnings in 2 of 2 files\n")


def test_without_a_file_it_says_so(coroner: Coroner) -> None:
    line = "coroner lint: Missing argument 'RULES.yaml...'; see \"coroner lint --help\"\n"
    assert coroner("lint") == (2, "", line)
