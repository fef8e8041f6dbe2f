"""The list of ``coroner why --watch``: what is shown after each change."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from coroner_operator.cli.reports.watch import PrintedList, ScreenList
from coroner_operator.model import sample_reports
from coroner_operator.model.report import Report
from tests.cli.test_why import ANY, about, stored


def listed(uid: str, report: Report) -> dict[str, Any]:
    (obj,) = stored(report)
    return {**obj, "metadata": {**obj["metadata"], "uid": uid}}


def screen(shown: ScreenList) -> str:
    console = Console(file=io.StringIO(), width=200, height=24)
    console.print(shown.screen())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_screen_has_what_fails_now() -> None:
    shown = ScreenList(ANY, Console(file=io.StringIO(), width=200, height=24), "ml", wide=False)
    assert screen(shown).startswith("0 in namespace ml, ")
    shown.on_update(listed("1", about(sample_reports.failing(), "a")))
    shown.on_update(listed("2", about(sample_reports.failing(), "b")))
    assert shown.changed.is_set()
    assert ("Job/a" in screen(shown), "Job/b" in screen(shown)) == (True, True)
    shown.on_update(listed("1", about(sample_reports.recovered(), "a")))
    assert ("Job/a" in screen(shown), "Job/b" in screen(shown)) == (False, True)
    shown.on_delete(listed("2", about(sample_reports.failing(), "b")))
    assert screen(shown).startswith("0 in namespace ml, ")
    shown.on_update(listed("3", about(sample_reports.failing(), "c")))
    shown.on_list(None, {"4"})
    assert "Job/c" not in screen(shown)


def test_a_list_that_is_longer_than_the_screen_says_how_much_is_left_out() -> None:
    shown = ScreenList(ANY, Console(file=io.StringIO(), width=200, height=10), "ml", wide=False)
    for number in range(20):
        shown.on_update(listed(str(number), about(sample_reports.failing(), f"job-{number}")))
    lines = screen(shown).splitlines()
    assert len(lines) == 9
    assert lines[-1] == "… and 14 more"


def test_elsewhere_than_on_a_terminal_each_change_is_a_line() -> None:
    console = Console(file=io.StringIO(), width=200)
    shown = PrintedList(ANY, console, "ml", wide=False)
    shown.on_update(listed("1", about(sample_reports.failing(), "a")))
    shown.print_changes()
    shown.on_update(listed("1", about(sample_reports.failing(), "a")))  # listed again: nothing has changed
    shown.on_update(listed("1", about(sample_reports.recovered(), "a")))
    shown.on_update({"metadata": {"uid": "2"}})  # not a report
    assert isinstance(console.file, io.StringIO)
    printed = [line.split()[:2] for line in console.file.getvalue().splitlines()]
    assert printed == [["WORKLOAD", "STATE"], ["Job/a", "Failing"], ["Job/a", "Recovered"]]
