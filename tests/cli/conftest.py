"""The commands as a person runs them, without a process for each test."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from click.testing import CliRunner

from coroner_operator.cli.explain import explain
from coroner_operator.cli.reports.top import top
from coroner_operator.cli.reports.why import why
from coroner_operator.cli.workbench import check_cases, effective_rules, replay
from coroner_operator.cli.workbench.lint import lint
from tests.cli.few_pages import FewPages, serving

RULES = """
apiVersion: coroner.dev/v1alpha1
kind: Categorizer
categories:
  - name: resources
    rules:
      - name: memory
        onConditions: [OOMKilled]
        subcategory: oom-killed
        retry: NeedsChange
        hint: Give it more memory.
  - name: policy
    rules:
      - name: refused
        onPodEvents: {regexp: "forbidden", type: Warning, reason: FailedCreate}
        subcategory: forbidden
  - name: user-code
    rules:
      - name: any-code
        onExitCodes: {operator: NotIn, values: [0]}
"""
"""A site's own rules, for tests that are not about the default pack."""


class Ran(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str

    @property
    def answers(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.stdout)

    @property
    def names(self) -> list[str]:
        """Of the objects that were judged, in order."""
        return [answer["object"]["name"] for answer in self.answers]


Coroner = Callable[..., Ran]


@pytest.fixture
def coroner() -> Coroner:
    """``coroner("explain", "-o", "json", "-", stdin="...")``: exit code, standard output, standard error."""

    def run(*arguments: str | Path, stdin: str | bytes = "", env: dict[str, str] | None = None) -> Ran:
        commands: dict[str, click.Command] = {
            "explain": explain,
            "lint": lint,
            "replay": replay.replay,
            "rules": effective_rules.rules,
            "test": check_cases.test,
            "top": top,
            "why": why,
        }
        group = click.Group("coroner", commands=commands)
        result = CliRunner().invoke(group, [str(a) for a in arguments], input=stdin, env=env, prog_name="coroner")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The file with RULES."""
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture
def recorded() -> Callable[[str], Path]:
    """The file of a recorded case: a List of the object and its events."""
    return lambda name: Path(__file__).parents[1] / "fixtures" / "pods" / f"{name}.json"


@pytest.fixture
def api() -> Iterator[FewPages]:
    with serving() as pages:
        yield pages
