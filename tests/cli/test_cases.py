"""``coroner test``: recorded objects and the verdicts that they must get."""

import json
from pathlib import Path

import pytest

from tests.cli.builders import list_of, pod
from tests.cli.conftest import Coroner

FIXTURES = Path(__file__).parents[1] / "fixtures"
KILLED = list_of(pod("train", exit_code=137, reason="OOMKilled"))
RIGHT = "{verdicts: [resources/oom-killed], retry: NeedsChange, container: main, exitCode: 137}"


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """A file of cases to be written, beside the objects of ``killed`` and ``well``."""
    (tmp_path / "killed.json").write_text(json.dumps(KILLED))
    (tmp_path / "well.yaml").write_text(json.dumps(pod("web")))
    (tmp_path / "two.json").write_text(json.dumps(list_of(*KILLED["items"], pod("other", exit_code=3))))
    return tmp_path / "cases.yaml"


def test_the_public_cases_get_their_verdicts(coroner: Coroner) -> None:
    ran = coroner("test", "--cases", FIXTURES / "public.yaml")
    assert ran == (0, "68 of 68 cases as expected\n", "")


def test_cases_in_several_files_and_folders(coroner: Coroner, cases: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "third.json").write_text(json.dumps(KILLED))
    (tmp_path / "more.yaml").write_text("third: {category: resources, subcategory: [oom-killed, other]}\n")
    cases.write_text(f"killed: {RIGHT}\nwell: null\n")
    ran = coroner("test", "-v", "--cases", cases, "--cases", tmp_path / "more.yaml")
    assert ran == (0, "ok killed\nok well\nok third\n3 of 3 cases as expected\n", "")


def test_objects_may_be_in_the_case_or_in_a_file_that_it_names(coroner: Coroner, cases: Path) -> None:
    inline = json.dumps({"verdicts": ["user-code/*"], "objects": [pod("here", exit_code=3)]})
    cases.write_text(f"a: {inline}\nb: {{file: killed.json, rule: default/resources/oom-killed}}\n")
    assert coroner("test", "--cases", cases) == (0, "2 of 2 cases as expected\n", "")


def test_the_rules_are_those_that_are_given(coroner: Coroner, cases: Path, rules: Path) -> None:
    cases.write_text("killed: {rule: memory, says: [more memory]}\n")
    assert coroner("test", rules, "--cases", cases).exit_code == 0
    assert coroner("test", "--cases", cases).exit_code == 1


DIFFERENT = {
    "well: {verdicts: [resources/oom-killed]}": "expected a verdict, but nothing is failing, or no rule matched",
    "killed: null": "expected that nothing is failing, got resources/oom-killed (rule default/resources/oom-killed)",
    "killed: {verdicts: []}": "expected that nothing is failing, got resources/oom-killed (rule default/",
    "killed: {verdicts: [user-code/a, user-code/*]}": "verdict: expected user-code/a or user-code/*, got resources/oom",
    "killed: {confidence: Likely}": "confidence: expected Likely, got Confirmed",
    "killed: {maxConfidence: Likely}": "confidence: expected at most Likely, got Confirmed",
    "killed: {exitCode: 1}": "exitCode: expected 1, got 137",
    "killed: {says: [GPU]}": 'message and hint do not say "GPU": container "main" was OOM-killed',
    "killed: {silent: [OOM]}": 'message and hint must not say "OOM": container "main" was OOM-killed',
    "two: {category: resources}": "2 objects are failing (resources/oom-killed (rule default/resources/oom-killed), ",
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_a_case_that_differs_is_printed_with_how(coroner: Coroner, cases: Path, case: str) -> None:
    cases.write_text(case)
    ran = coroner("test", "--cases", cases)
    first, second, last = ran.stdout.splitlines()
    assert (ran.exit_code, ran.stderr) == (1, "")
    assert first == f"FAIL {case.partition(':')[0]}"
    assert second.startswith(f"      {DIFFERENT[case]}")
    assert last == "0 of 1 case as expected, 1 not"


def test_a_case_may_choose_one_of_its_objects(coroner: Coroner, cases: Path) -> None:
    cases.write_text("two: {category: resources, object: Pod/train}\n")
    assert coroner("test", "--cases", cases).exit_code == 0


BAD = {
    "": "cases.yaml: has no case; write NAME: ",
    "[]": "cases.yaml: expected a mapping from names of cases to verdicts, found a list; write NAME: {verdicts: ",
    "killed: 5": "cases.yaml: killed: expected a mapping, found the number 5; write NAME: ",
    "killed: {}": "cases.yaml: killed: nothing is expected; write NAME: ",
    "killed: {source: somewhere}": "cases.yaml: killed: nothing is expected; write NAME: ",
    "killed: {verdict: [a/b]}": 'cases.yaml: killed.verdict: unknown key; did you mean "verdicts"?',
    "killed: {verdicts: a/b}": 'cases.yaml: killed.verdicts: expected a list, found the string "a/b"; ',
    "killed: {verdicts: [a/b/c]}": 'cases.yaml: killed.verdicts: the string "a/b/c" is no verdict; ',
    "killed: {retry: Never}": 'cases.yaml: killed.retry: unknown value "Never"; use MayRecover, NeedsChange, Unknown',
    "killed: {says: ['(']}": 'cases.yaml: killed.says: not a pattern: "(": missing ): (; use RE2 syntax',
    "absent: {category: a}": "cases.yaml: absent: no objects: there is no ",
    "../killed: {category: a}": "cases.yaml: ../killed: no objects: there is no ",
    "killed: {category: a, file: no.json}": "no.json: cannot be read: No such file or directory; ",
    "killed: {category: a, objects: [{a: 1}]}": 'cases.yaml: killed.objects: [0]: no "kind" and "apiVersion": ',
    "killed: {category: a, object: Job/x}": 'cases.yaml: killed.object: no object "Job/x" with a verdict; ',
    "killed: [": "cases.yaml: line ",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_file_of_cases_is_one_line(coroner: Coroner, cases: Path, text: str) -> None:
    cases.write_text(text)
    ran = coroner("test", "--cases", cases)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"{cases.parent}/{BAD[text]}")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("", '"": is no file\'s name; name a file'),
        (".", ".: is a directory; name the files in it"),
        ("/", "/: is a directory; name the files in it"),
        ("..", "..: is a directory; name the files in it"),
    ],
)
def test_what_is_no_file_of_cases_is_one_line(coroner: Coroner, name: str, line: str) -> None:
    assert coroner("test", "--cases", name) == (2, "", f"{line}\n")


def test_it_says_which_option_is_missing(coroner: Coroner) -> None:
    ran = coroner("test")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == "coroner test: Missing option '--cases'; see \"coroner test --help\"\n"
