"""The table of docs/command-line.md is what ``coroner why`` prints of recorded failures."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from rich.console import Console

from coroner_operator.cli.explanations import explain_objects
from coroner_operator.cli.inputs.input_bytes import InputBytes
from coroner_operator.cli.inputs.input_objects import InputObjects
from coroner_operator.cli.reports.live_classification import reports_of
from coroner_operator.cli.reports.table import print_reports
from coroner_operator.model.report import end_in_failure
from demo.scenarios import SCENARIOS
from tests.support.default_pack import CATEGORIZER

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGES = {"frontend": 42, "cache-warmer": 56, "search": 57, "mailer": 190}
"""s since the last failure, the newest first. The recordings are of different days."""


def printed() -> str:
    objects = InputObjects()
    for scenario in SCENARIOS:
        for file in scenario.files:
            text = (ROOT / "tests/fixtures/pods" / f"{file}.json").read_text()
            for recorded, name in scenario.rename.items():
                text = text.replace(recorded, name)
            if scenario.workload.removeprefix("Pod/") in AGES:
                objects.add_input(InputBytes(file, text.encode()))
    reports = {report.workload.name: report for report in reports_of(explain_objects(objects, CATEGORIZER))}
    # Nothing replaces an evicted pod: the operator says that it has ended, a single look at it does not.
    reports["cache-warmer"] = end_in_failure(reports["cache-warmer"], NOW)
    dated = [
        msgspec.structs.replace(reports[name], last_seen=NOW - timedelta(seconds=age)) for name, age in AGES.items()
    ]
    console = Console(file=io.StringIO(), width=1000, highlight=False)
    print_reports(dated, console, NOW, namespaces=False, wide=False)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_is_what_is_printed() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text()
    assert f"$ coroner why -n shop\n{printed()}```\n" in page
