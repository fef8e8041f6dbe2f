"""`make` without arguments lists the targets."""

import re
import shutil
import subprocess

import pytest

from tests.repo_checks.tracked import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE)
CHECKS = {"check", "lint", "types", "contracts", "test", "test-unit", "test-random", "e2e", "fuzz"}
EXPECTED = CHECKS | {"help", "demo", "format", "chart", "golden", "bench", "bench-cluster", "lock", "clean"}
EXPECTED |= {"dist", "package-test", "image", "image-push", "chart-push", "sign", "release-notes", "workflows"}
EXPECTED |= {"cluster-up", "cluster-down", "permissions", "e2e-controllers", "e2e-kind"}


def test_these_are_the_targets() -> None:
    assert set(TARGETS) == EXPECTED


def test_all_targets_are_phony() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert set(phony.split()) == EXPECTED


def test_make_without_arguments_lists_every_target_with_a_description() -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    listed = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    described = {line.split()[1]: line.split(maxsplit=2)[2] for line in listed.splitlines() if line.startswith("make ")}
    assert set(described) == EXPECTED


def test_a_python_that_is_too_old_is_reported_in_one_line() -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    # another VENV, so that .venv is not changed
    command = ["make", "-C", str(ROOT), "PYTHON=false", "VENV=.venv-that-is-not-there", "test"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    first, _ = done.stderr.splitlines()
    assert first == "Python 3.11 or newer is needed; none of these is: false. Say which: make PYTHON=..."
