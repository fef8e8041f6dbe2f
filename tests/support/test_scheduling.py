"""Groups of tests stay together when tests run on several workers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest

@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("group", ["even", "odd"])
def test_it(number, group, worker_id):
    with open("workers", "a") as file:
        file.write(f"{group} {worker_id}\\n")
"""
CONFTEST = """
import pytest

pytest_plugins = ["tests.support.scheduling"]

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.callspec.params["number"])  # the groups alternate
    for item in items:
        item.add_marker(pytest.mark.xdist_group(item.callspec.params["group"]))
"""


@pytest.mark.slow
def test_tests_of_one_group_run_on_one_worker(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_groups.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "workers").read_text().splitlines()
    assert len(lines) == 16
    assert len(set(lines)) == 2, "a group ran on two workers"
