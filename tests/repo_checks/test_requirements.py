"""The lock files contain exact versions with hashes, and no package index."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.repo_checks.tracked import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
REQUIREMENT = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;]+)(?: ; [^\\]+?)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def pinned(lock: Path) -> dict[str, set[str]]:
    """Name -> versions (several if they differ by platform)."""
    versions: dict[str, set[str]] = {}
    for line in lock.read_text().splitlines():
        if found := REQUIREMENT.match(line):
            versions.setdefault(found[1], set()).add(found[2])
    return versions


def normal(requirement: str) -> str:
    """The name of a requirement, normalized as in lock files."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def test_there_are_two_lock_files() -> None:
    assert [lock.name for lock in LOCKS] == ["dev.txt", "run.txt"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_line_is_a_comment_an_exact_version_or_a_hash(lock: Path) -> None:
    lines = [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not REQUIREMENT.match(line) and not HASH.match(line)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_requirement_has_a_hash(lock: Path) -> None:
    lines = lock.read_text().splitlines()
    pairs = zip(lines, [*lines[1:], ""], strict=True)
    assert [line for line, following in pairs if REQUIREMENT.match(line) and not HASH.match(following)] == []


def test_every_requirement_of_pyproject_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    build = {normal(each) for each in project["build-system"]["requires"]}
    run = build | {normal(each) for each in project["project"]["dependencies"]}
    dev = run | {normal(each) for each in project["project"]["optional-dependencies"]["dev"]}
    assert run - pinned(ROOT / "requirements" / "run.txt").keys() == set()
    assert dev - pinned(ROOT / "requirements" / "dev.txt").keys() == set()


def test_tests_use_the_versions_that_users_get() -> None:
    run, dev = pinned(ROOT / "requirements" / "run.txt"), pinned(ROOT / "requirements" / "dev.txt")
    assert {name: versions for name, versions in run.items() if dev.get(name) != versions} == {}
