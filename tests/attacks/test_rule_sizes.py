"""Rules files whose patterns are small to write and huge when compiled (F17)."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

LIMIT = 600 * 2**20


def rules(patterns: list[str]) -> str:
    rules = [{"onTerminationMessage": {"pattern": pattern}} for pattern in patterns]
    return yaml.safe_dump({"categories": [{"name": "huge", "rules": rules}]})


def redaction(patterns: list[str]) -> str:
    return yaml.safe_dump([{"name": f"p{number}", "pattern": pattern} for number, pattern in enumerate(patterns)])


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))


def lint(*arguments: str) -> subprocess.CompletedProcess[str]:
    """``coroner lint`` in a process that may have 600 MiB; with small files it needs 150."""
    return subprocess.run(
        [sys.executable, "-m", "coroner_operator", "lint", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        preexec_fn=limit_memory,
    )


LETTERS = "abcdefghij" * 25
LARGE = f"(?:{LETTERS}){{1000}}"  # 263 characters; 4 MB as a program of RE2, which refuses a single one from 5 MB on
HUGE = {
    "more than a set may have": [f"{LARGE}{number}" for number in range(20)],
    "more than the process may have": [rf"(?:{LETTERS[:100]}){{1000}}x{number}" for number in range(150)],
}


@pytest.mark.parametrize("name", HUGE)
def test_rules_that_compile_to_gigabytes_are_refused_like_any_other_mistake(tmp_path: Path, name: str) -> None:
    """F17: a traceback, and on reload one kill for want of memory after the other."""
    file = tmp_path / "rules.yaml"
    file.write_text(rules(HUGE[name]))
    done = lint(str(file))
    assert done.returncode == 2, done.stderr[-2000:]
    assert "Traceback" not in done.stdout + done.stderr
    assert "categories" in done.stdout + done.stderr


def test_the_same_holds_for_redaction_patterns(tmp_path: Path) -> None:
    file = tmp_path / "redaction.yaml"
    file.write_text(redaction([f"{LARGE}{number}" for number in range(150)]))
    done = lint("--redaction", str(file))
    assert done.returncode == 2, done.stderr[-2000:]
    assert "Traceback" not in done.stdout + done.stderr
