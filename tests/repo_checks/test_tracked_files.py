"""No file contains a path of a developer's machine or a package registry."""

import re

import pytest

from tests.repo_checks.tracked import ROOT, text_of, tracked_files

# Split in two, so that this file does not contain them.
REGISTRIES = [
    "pypi." + "org",
    "pythonhosted." + "org",
    "npmjs." + "org",
    "proxy.golang." + "org",
    "sum.golang." + "org",
]
REGISTRIES += ["crates." + "io", "deb.debian." + "org", "registry." + "npmjs"]
REGISTRY = re.compile("|".join(map(re.escape, REGISTRIES)))
# A home folder, or a working folder at the root of the file system; not a path below another folder, nor /sys/fs/cgroup.
MACHINE_PATH = re.compile(r"(?<![\w.$}~*/-])/(?:wor[k]|far[m]|roo[t]|Use[r]s|home/[a-z]\w*)/[\w.]")


def places(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for file in tracked_files()
        for number, line in enumerate((text_of(file) or "").splitlines(), 1)
        if pattern.search(line)
    ]


def test_there_are_files_to_check() -> None:
    assert ROOT / "pyproject.toml" in tracked_files()


def test_no_file_contains_a_package_registry() -> None:
    assert places(REGISTRY) == []


def test_no_file_contains_a_path_of_a_developers_machine() -> None:
    assert places(MACHINE_PATH) == []


@pytest.mark.parametrize("line", ["cd /wor" + "k/main", 'open("/ro' + 'ot/.cache/x")', "see /home/ann" + "a/notes"])
def test_such_a_path_is_detected(line: str) -> None:
    assert MACHINE_PATH.search(line)


@pytest.mark.parametrize(
    "line", ["image.com/wor" + "k/main", "$HOME/wor" + "k/x", "/sys/fs/cgroup/memory", "~/roo" + "t/x"]
)
def test_other_paths_are_accepted(line: str) -> None:
    assert not MACHINE_PATH.search(line)


def test_no_package_shadows_pythons_operator() -> None:
    """`operator` is a module of the standard library; with such a package Python does not start in this folder."""
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert not (ROOT / "tests" / "operator").exists()
