"""The list of what fails, kept up to date: in place on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from coroner_operator.cli.connection import connect
from coroner_operator.cli.reports.report_reader import list_reports
from coroner_operator.cli.reports.selection import Selection
from coroner_operator.cli.reports.table import report_lines
from coroner_operator.kube.list_watch import ListWatch
from coroner_operator.kube.resources import REPORT
from coroner_operator.model.report import Report
from coroner_operator.model.report_codec import from_object

REFRESH_INTERVAL = 1.0  # s; ages are shown in seconds


def watch_reports(selection: Selection, console: Console, *, wide: bool) -> None:
    """Ends by Ctrl-C only. Raises BadInput where the reports cannot be read."""
    asyncio.run(_watch(selection, console, wide=wide))


async def _watch(selection: Selection, console: Console, *, wide: bool) -> None:
    async with connect(selection.connection, "coroner why") as connection:
        namespace = "" if selection.all_namespaces else selection.namespace or connection.namespace
        path = REPORT.path(namespace)
        await list_reports(connection.client, namespace, selection.label_selector)  # says what is missing, once
        kind = ScreenList if console.is_terminal else PrintedList
        shown = kind(selection, console, namespace, wide=wide)
        # Only the user's own labels: a report that leaves the selection is to be seen once more, and then goes.
        labels = {"labelSelector": selection.labels} if selection.labels else None
        watch: ListWatch[Any] = ListWatch(
            connection.client, "FailureReport", path, dict, consumer=shown, metrics=_Uncounted(), selector=labels
        )
        running = asyncio.create_task(watch.run())
        try:
            await watch.synced.wait()
            await shown.run()
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


class _Reports:
    """The reports as they are now."""

    def __init__(self, selection: Selection, console: Console, namespace: str, *, wide: bool) -> None:
        self.selection = selection
        self.console = console
        self.namespace = namespace
        self.wide = wide
        self.reports: dict[str, Report] = {}
        """By the UID of the FailureReport."""
        self.changed = asyncio.Event()
        self.on_change: Callable[[Report], None] = lambda _: None

    def on_update(self, obj: dict[str, Any], /) -> None:
        uid = obj.get("metadata", {}).get("uid", "")
        try:
            report = from_object(obj)
        except ValueError:
            self.reports.pop(uid, None)
            return
        before = self.reports.get(uid)
        self.reports[uid] = report
        self.changed.set()
        if report != before:
            self.on_change(report)

    def on_delete(self, obj: dict[str, Any], /) -> None:
        self.reports.pop(obj.get("metadata", {}).get("uid", ""), None)
        self.changed.set()

    def on_list(self, namespace: str | None, uids: set[str], /) -> None:
        self.reports = {uid: report for uid, report in self.reports.items() if uid in uids}
        self.changed.set()

    def lines(self, reports: list[Report]) -> list[Text]:
        now, namespaces = datetime.now(UTC), self.selection.all_namespaces
        return list(report_lines(reports, self.console, now, namespaces=namespaces, wide=self.wide))


class ScreenList(_Reports):
    """In place, as much as the terminal has lines for."""

    async def run(self) -> None:
        with Live(self.screen(), console=self.console, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                self.changed.clear()
                live.update(self.screen(), refresh=True)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), REFRESH_INTERVAL)

    def screen(self) -> Group:
        selected = self.selection.select(list(self.reports.values()))
        place = f"namespace {self.namespace}" if self.namespace else "all namespaces"
        head = Text(f"{len(selected)} in {place}, {datetime.now(UTC):%H:%M:%S} UTC. Ctrl-C ends.", style="dim")
        rows = self.lines(selected) if selected else []
        room = max(self.console.height - 3, 2)  # the head, what is left out, and the line of the cursor
        left = len(rows) - room
        rest = [Text(f"… and {left} more", style="dim")] if left > 0 else []
        return Group(head, *rows[:room], *rest)


class PrintedList(_Reports):
    """All of it once, then a line for each change."""

    async def run(self) -> None:
        self.print_changes()
        await asyncio.Event().wait()

    def print_changes(self) -> None:
        """Prints what there is; from now on each change is printed when it comes."""
        for line in self.lines(self.selection.select(list(self.reports.values()))):
            self.console.print(line, soft_wrap=True)
        self.on_change = self._print_change

    def _print_change(self, report: Report) -> None:
        if self.selection.matches(report) or report.state == "Recovered":
            self.console.print(self.lines([report])[-1], soft_wrap=True)


class _Uncounted:
    """A person's command has no metrics."""

    def event_received(self, kind: str, /) -> None:
        pass

    def restarted(self, kind: str, reason: str, /) -> None:
        pass

    def too_large(self, kind: str, /) -> None:
        pass
