"""One line a workload: what fails, why, how often, and when last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from coroner_categorizer.redaction.sanitize import one_line
from coroner_operator.cli.render.text import verdict_style
from coroner_operator.cli.render.words import ago, safe_name
from coroner_operator.model import initiator
from coroner_operator.model.report import Report

_GAP = "  "  # between columns
_NARROWEST_MESSAGE = 24  # columns; where there are fewer, the message is left out
_MESSAGE_LIMIT = 1024  # characters
_STATE_STYLES = {"Recovered": "green", "Deleted": "dim"}


class Cell(NamedTuple):
    text: str
    style: str = ""


Row = list[Cell]


def print_reports(reports: Sequence[Report], console: Console, now: datetime, *, namespaces: bool, wide: bool) -> None:
    """``namespaces``: with a column of them. ``wide``: with all that there is, however long the lines get."""
    for line in report_lines(reports, console, now, namespaces=namespaces, wide=wide):
        console.print(line, soft_wrap=True)


def report_lines(
    reports: Sequence[Report], console: Console, now: datetime, *, namespaces: bool, wide: bool
) -> Iterator[Text]:
    head = [*(["NAMESPACE"] if namespaces else []), "WORKLOAD", "STATE", "COUNT", "LAST", "FAILURE"]
    head += ["RETRY", "CONFIDENCE", "POD", "NODE", "MESSAGE", "HINT"] if wide else ["MESSAGE"]
    rows = [_row(report, now, namespaces=namespaces, wide=wide) for report in reports]
    width = console.width if console.is_terminal and not wide else None
    yield from lines([[Cell(title) for title in head], *rows], width)


def lines(rows: Sequence[Row], width: int | None) -> Iterator[Text]:
    """Columns as wide as their longest cell. Of the last one as much as fits in ``width``; None: all."""
    widths = [max(Text(row[column].text).cell_len for row in rows) for column in range(len(rows[0]))]
    rest = None if width is None else width - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1)
    if rest is not None and rest < min(_NARROWEST_MESSAGE, widths[-1]):
        rows, widths, rest = [row[:-1] for row in rows], widths[:-1], None  # the line itself is cut below
    for row in rows:
        line = Text(no_wrap=True)
        for cell, size in zip(row[:-1], widths, strict=False):
            line.append(cell.text, style=cell.style).append(" " * (size - Text(cell.text).cell_len)).append(_GAP)
        last = Text(row[-1].text, style=row[-1].style)
        if rest is not None:
            last.truncate(rest, overflow="ellipsis")
        line.append_text(last)
        line.rstrip()
        if width is not None:
            line.truncate(width, overflow="ellipsis")
        yield line


def _row(report: Report, now: datetime, *, namespaces: bool, wide: bool) -> Row:
    workload, current = report.workload, report.current
    verdict = current.verdict if current else None
    style = verdict_style(verdict) if verdict is not None and report.state != "Deleted" else ""
    message = initiator.message(current, report.followers) if current else ""
    pod = current.pod if current else None
    row = [Cell(safe_name(workload.namespace))] if namespaces else []
    row += [
        Cell(safe_name(str(workload)), "bold"),
        Cell(report.state, _STATE_STYLES.get(report.state, style)),
        Cell(counted(report)),
        Cell(ago(report.last_seen, now) if report.last_seen else ""),
        Cell((one_line(verdict.name, _MESSAGE_LIMIT) or "no category") if verdict else "", style),
    ]
    if wide:
        row += [Cell(verdict.retry if verdict else ""), Cell(verdict.confidence if verdict else "")]
        row += [Cell(safe_name(pod.name) if pod else ""), Cell(safe_name(pod.node) if pod else "")]
    row.append(Cell(one_line(message, _MESSAGE_LIMIT)))
    if wide:
        row.append(Cell(one_line(verdict.hint, _MESSAGE_LIMIT) if verdict else ""))
    return row


def counted(report: Report) -> str:
    """The number of failures; with a plus where there may have been more."""
    return f"{report.failures}{'+' if report.ledger.incomplete else ''}"
