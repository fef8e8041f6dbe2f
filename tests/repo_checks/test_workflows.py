"""The GitHub workflows run make targets that exist, with few rights, and actions that cannot be changed under them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.repo_checks.tracked import ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yaml"))
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
MAKE = re.compile(r"\bmake((?: [A-Z_]+=\S+| [a-z0-9-]+)+)")
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
USES = re.compile(r"^\s*(?:- )?uses: (\S+)(.*)$", re.MULTILINE)
VERSION = re.compile(r" # v\d+\.\d+\.\d+")
WRITE_RIGHTS = {"release.yaml": {"packages", "id-token", "attestations", "contents"}}
"""Workflow → what its jobs may write. All others only read."""


def document(workflow: Path) -> dict[Any, Any]:
    loaded = yaml.safe_load(workflow.read_text())
    assert isinstance(loaded, dict)
    return loaded


def jobs(workflow: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from document(workflow)["jobs"].items()


def commands(workflow: Path) -> list[str]:
    return [step["run"] for _, job in jobs(workflow) for step in job["steps"] if "run" in step]


def test_there_are_the_four_workflows() -> None:
    assert [workflow.stem for workflow in WORKFLOWS] == ["check", "e2e", "nightly", "release"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_every_make_target_exists(workflow: Path) -> None:
    called = [word for run in commands(workflow) for found in MAKE.findall(run) for word in found.split()]
    targets = {word for word in called if "=" not in word}
    assert targets
    assert targets - TARGETS == set()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_every_action_is_pinned_to_a_commit_with_its_version(workflow: Path) -> None:
    used = USES.findall(workflow.read_text())
    assert len(used) == sum("uses" in step for _, job in jobs(workflow) for step in job["steps"])
    assert [name for name, _ in used if not PINNED.fullmatch(name)] == []
    assert [name for name, rest in used if not VERSION.fullmatch(rest)] == []


def test_one_action_has_one_commit_everywhere() -> None:
    commits: dict[str, set[str]] = {}
    for workflow in WORKFLOWS:
        for name, rest in USES.findall(workflow.read_text()):
            action, _, commit = name.partition("@")
            commits.setdefault(action, set()).add(commit + rest)
    assert {action: found for action, found in commits.items() if len(found) > 1} == {}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_rights_are_given_to_jobs_and_as_few_as_possible(workflow: Path) -> None:
    assert document(workflow)["permissions"] == {}
    allowed = WRITE_RIGHTS.get(workflow.name, set())
    for name, job in jobs(workflow):
        rights = job["permissions"]
        assert set(rights.values()) <= {"read", "write"}, name
        assert {right for right, value in rights.items() if value == "write"} <= allowed, name


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_runs_replace_or_wait_for_each_other_and_end(workflow: Path) -> None:
    assert {"group", "cancel-in-progress"} <= document(workflow)["concurrency"].keys()
    assert [name for name, job in jobs(workflow) if "timeout-minutes" not in job] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_no_command_contains_text_that_others_write(workflow: Path) -> None:
    """`${{ … }}` is pasted into the shell: only variables of the environment are used there."""
    assert [run for run in commands(workflow) if "${{" in run] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_no_checkout_leaves_its_token_behind(workflow: Path) -> None:
    checkouts = [s for _, job in jobs(workflow) for s in job["steps"] if "checkout@" in s.get("uses", "")]
    assert [step for step in checkouts if step["with"]["persist-credentials"] is not False] == []


def test_only_pull_requests_of_this_repository_get_secrets() -> None:
    for workflow in WORKFLOWS:
        assert "pull_request_target" not in document(workflow)[True]  # YAML 1.1 reads the key `on` as true
