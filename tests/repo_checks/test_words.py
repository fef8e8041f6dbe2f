"""Words of an earlier, private vocabulary do not come back, neither in prose nor as a part of a name."""

import re
from pathlib import Path

import pytest

from tests.repo_checks.tracked import ROOT, text_of, tracked_files

WORDS = r"a[n]ew|m[e]nd|m[e]nded|m[e]nds|a[c]cuse[ds]?|l[a]st.?words|t[o]ld|d[e]sk|h[u]sh|d[o]omed|f[o]r ever"
OWN_WORD = re.compile(rf"(?<![A-Za-z])(?:{WORDS})(?![a-z])", re.IGNORECASE)
RECORDED = re.compile("l[a]st words on stderr|`l[a]stWords`|-t[o]ld-by-job`")
"""Of a recorded pod; old names in the table of the CHANGELOG."""


def is_recorded(file: Path, line: str) -> bool:
    """Recorded texts stand in fixtures, where only comments and documents are ours."""
    of_fixture = "fixtures" in file.parts and file.suffix != ".md" and not line.lstrip().startswith("#")
    return of_fixture or RECORDED.search(line) is not None


def test_no_word_of_the_old_vocabulary_is_left() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for file in tracked_files()
        if file.suffix in (".py", ".yaml", ".md")
        for number, line in enumerate((text_of(file) or "").splitlines(), 1)
        if OWN_WORD.search(line) and not is_recorded(file, line)
    ]
    assert found == []


@pytest.mark.parametrize("text", ["it is t" + "old", "def m" + "end_it()", "_t" + "old", "L" + "ast words"])
def test_such_a_word_is_found(text: str) -> None:
    assert OWN_WORD.search(text)


@pytest.mark.parametrize("text", ["recommend", "threshold", "desktop", "amends", "forever"])
def test_other_words_are_accepted(text: str) -> None:
    assert not OWN_WORD.search(text)
