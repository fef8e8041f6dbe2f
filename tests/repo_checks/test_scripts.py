"""Every shell script is executable and parsed by bash without an error."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.repo_checks.tracked import ROOT, text_of, tracked_files

SCRIPTS = [file for file in tracked_files() if (text_of(file) or "").startswith("#!/usr/bin/env bash")]


def test_the_scripts_that_other_files_call_exist() -> None:
    names = {str(file.relative_to(ROOT)) for file in SCRIPTS}
    assert {".ci/run", "tests/cluster/build", "tests/cluster/up", "tests/cluster/down", "tests/cluster/hold"} <= names


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_is_executable_and_parses(script: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    assert os.access(script, os.X_OK)
    parsed = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert parsed.stderr == ""
