"""Bad input to ``coroner explain``: one clear line and exit status 2, or a right answer; never a traceback."""

import json
import os
from pathlib import Path

import pytest

from tests.cli.builders import list_of, pod
from tests.cli.conftest import Coroner

BROKEN = json.dumps(pod("broken", exit_code=3))

REFUSED: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "stdin: empty; "),
    "blank": (" \n\t\n", "stdin: empty; "),
    "comments only": ("# nothing\n---\n# here\n", "stdin: contains no object, only comments or empty documents; "),
    "cut off": (BROKEN[:200], "stdin: line 1, column 201: the JSON is truncated here; write the complete file"),
    "cut off between objects": (BROKEN + "\n{", "stdin: line 2, column 2: the JSON is truncated here; "),
    "a comma too many": ('{\n "kind": "Pod",\n}', "stdin: line 3, column 1: not JSON: "),
    "junk after an object": (BROKEN + "\nand so on", "stdin: line 2, column 1: not JSON: "),
    "a table": ("NAME   READY\ntrain  0/1\n", "stdin: not a Kubernetes object; "),
    "text with colons": ("Name: train\nStatus: Failed: very\n", "stdin: line 2, column 15: neither JSON nor YAML: "),
    "a number": ("5", "stdin: not a Kubernetes object; "),
    "JSON without a kind": ('{"a": 1}', 'stdin: no "kind" and "apiVersion": not a Kubernetes object; '),
    "YAML without a kind": ("a: 1\n", 'stdin: no "kind" and "apiVersion": not a Kubernetes object; '),
    "a kind that is a number": ('{"kind": 5, "apiVersion": "v1"}', 'stdin: no "kind" and "apiVersion": not'),
    "a kind without apiVersion": ('{"kind": "Cat"}', 'stdin: no "apiVersion": not a Kubernetes object; '),
    "a wrong second document": (BROKEN + "[5]", "stdin: document 2: [0]: not a Kubernetes object; "),
    "a wrong item": (json.dumps(list_of(pod("a"), {"b": 1})), 'stdin: items[1]: no "kind" and "apiVersion": not a'),
    "items that are no list": (
        '{"kind": "List", "apiVersion": "v1", "items": 5}',
        "stdin: items: not a list of ",
    ),
    "NULs": (b"\0" * 1000, "stdin: neither JSON nor YAML: unacceptable character #x0000: control characters are not"),
    "ANSI": ("\x1b[31mred\x1b[0m", "stdin: neither JSON nor YAML: unacceptable character #x001b: control characters"),
    "random bytes": (bytes(range(256)) * 40, "stdin: neither JSON nor YAML: "),
    "JSON nested too deeply": ("[" * 100_000, "stdin: nested too deeply; "),
    "YAML nested too deeply": ("- " * 100_000 + "a", "stdin: line 1, column 201: nested more than 100 deep; "),
    "lists within lists": (
        '{"kind":"List","apiVersion":"v1","items":[' * 30 + "]}" * 30,
        "stdin: items[0]: " + "items[0]: " * 20 + "items: more than 20 lists within lists; ",
    ),
    "an alias to itself": ("a: &a [*a]", 'stdin: line 1, column 8: the alias "*a" has no complete anchor'),
    "a number too large": (BROKEN.replace('"app:1"', "1e999"), "stdin: cannot be read: Number out of range"),
    "a number of many digits": ('{"kind": "\0", "n": ' + "9" * 5000 + "}", "stdin: cannot be read as JSON: "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_one_line_with_its_place(coroner: Coroner, case: str) -> None:
    stdin, line = REFUSED[case]
    ran = coroner("explain", "-o", "json", "-", stdin=stdin)
    assert ran.stderr.startswith(line)
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.isprintable() or ran.stderr.rstrip("\n").isprintable()
    assert (ran.exit_code, ran.stdout) == (2, "")


def test_aliases_that_multiply_are_rejected_before_they_expand(coroner: Coroner) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    ran = coroner("explain", "-", stdin="\n".join(levels))
    assert ran.exit_code == 2
    assert "its aliases expand to too many values" in ran.stderr


def test_a_few_aliases_are_fine(coroner: Coroner, rules: Path) -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- &p {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- *p\n"
    assert coroner("explain", "--rules", rules, "-o", "json", "-", stdin=text).names == ["a", "a"]


def test_large_yaml_is_rejected_at_once_with_the_remedy(coroner: Coroner) -> None:
    ran = coroner("explain", "-", stdin=b"\0" * (11 * 1024 * 1024))
    line = 'stdin: not JSON, and larger than the limit of 10 MiB for YAML; use "kubectl ... -o json"\n'
    assert ran == (2, "", line)


def test_much_json_is_read(coroner: Coroner, rules: Path, tmp_path: Path) -> None:
    filler = pod("filler", annotations={"note": "x" * 100_000})
    (tmp_path / "pods.json").write_text(json.dumps(list_of(*[filler] * 300, pod("broken", exit_code=3))))
    ran = coroner("explain", "--rules", rules, "-o", "json", tmp_path / "pods.json")
    assert (len(ran.names), ran.names[-1], ran.exit_code) == (301, "broken", 1)


HOSTILE_BUT_READABLE = {
    "raw control characters in a string": BROKEN.replace("busybox", "\0\x1b[31m\x07"),
    "bytes that are not UTF-8": BROKEN.encode().replace(b"busybox", b"\xff\xfe\x80"),
    "a lone surrogate": BROKEN.replace("busybox", "\\ud800"),
    "not a number": BROKEN.replace('"busybox"', "NaN"),
    "a NUL, escaped": BROKEN.replace("busybox", "\\u0000"),
}


@pytest.mark.parametrize("case", HOSTILE_BUT_READABLE)
def test_a_hostile_text_in_a_pod_does_not_stop_the_verdict(coroner: Coroner, rules: Path, case: str) -> None:
    ran = coroner("explain", "--rules", rules, "-o", "json", "-", stdin=HOSTILE_BUT_READABLE[case])
    assert (ran.exit_code, ran.names, ran.stderr) == (1, ["broken"], "")


def test_files_that_cannot_be_read_are_named(coroner: Coroner, tmp_path: Path) -> None:
    assert coroner("explain", tmp_path) == (2, "", f"{tmp_path}: is a directory; name the files in it\n")
    absent = coroner("explain", tmp_path / "absent.json")
    assert absent.exit_code == 2
    assert absent.stderr == (
        f"{tmp_path}/absent.json: no such file, and not of the form KIND/NAME; name a file, a POD or KIND/NAME, e.g. job/train\n"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(coroner: Coroner, tmp_path: Path) -> None:
    (tmp_path / "secret.json").touch(mode=0)
    ran = coroner("explain", tmp_path / "secret.json")
    assert ran == (2, "", f"{tmp_path}/secret.json: cannot be read: Permission denied; name a file that you may read\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--frob"], "coroner explain: No such option '--frob'; see \"coroner explain --help\"\n"),
        (
            ["-o", "xml"],
            "coroner explain: Invalid value for '-o' / '--output': 'xml' is not one of 'text', 'json', ",
        ),
        (["--rules"], "coroner explain: Option '--rules' requires an argument; see \"coroner explain --help\"\n"),
    ],
)
def test_wrong_usage_is_one_line(coroner: Coroner, arguments: list[str], line: str) -> None:
    ran = coroner("explain", *arguments)
    assert ran.stderr.startswith(line)
    assert (ran.exit_code, ran.stderr.count("\n"), ran.stdout) == (2, 1, "")


def test_wrong_rules_are_one_line_that_names_the_first_error(coroner: Coroner, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("categories: [{name: a, rules: [{onExitCodes: {operator: Is, values: []}}]}]")
    ran = coroner("explain", "--rules", rules, "-", stdin=BROKEN)
    assert (ran.exit_code, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert ran.stderr.startswith(f"{rules}:1: categories[0].rules[0].onExitCodes")
    assert f'run "coroner lint {rules}" to see all of them' in ran.stderr


def test_a_file_name_cannot_write_to_the_terminal(coroner: Coroner, tmp_path: Path) -> None:
    (tmp_path / "\x1b[31mred.json").write_text("{")
    ran = coroner("explain", tmp_path / "\x1b[31mred.json")
    assert ran.exit_code == 2
    assert "\x1b" not in ran.stderr
