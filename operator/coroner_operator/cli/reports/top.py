"""``coroner top``: how many workloads fail and how often, by cause, namespace, kind or node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, get_args

import click

from coroner_categorizer.redaction.sanitize import one_line
from coroner_operator.cli.errors import BAD_INPUT, BadInput, OneLineCommand
from coroner_operator.cli.lines import print_line
from coroner_operator.cli.render.plain import json_document
from coroner_operator.cli.render.text import standard_output
from coroner_operator.cli.render.words import ago, category_name
from coroner_operator.cli.reports.report_reader import read_selection
from coroner_operator.cli.reports.selection import Selection, selection, selection_options
from coroner_operator.cli.reports.table import Cell, lines
from coroner_operator.model.observation import from_epoch
from coroner_operator.model.report import Report

By = Literal["category", "subcategory", "namespace", "kind", "node"]

_NAME_LIMIT = 253  # characters
_WIDTH_LIMIT = 1000  # columns
_NO_NODE = "(no node)"


class Part(NamedTuple):
    """What one report adds to one line."""

    name: str
    failures: int
    last_at: datetime | None


class Line(NamedTuple):
    name: str
    workloads: int
    failing: int
    """Of the workloads: those whose current failure this is."""
    failures: int
    last_at: datetime | None


@click.command(cls=OneLineCommand, short_help="Count failures by cause, namespace, kind or node.")
@click.argument("by", type=click.Choice(get_args(By)), default="subcategory", metavar=f"[{'|'.join(get_args(By))}]")
@selection_options
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output format."
)
@click.pass_context
def top(ctx: click.Context, /, *, by: By, output: str, **options: Any) -> None:
    """Count failures by cause (the default), namespace, workload kind or node, from the FailureReports.

    \b
    WORKLOADS  workloads that had this failure
    FAILING    workloads whose current failure it is
    FAILURES   number of failures, each counted once; by node, only those still
               in the report (at most 20 per workload)

    --since and --category choose workloads, not single failures. Use --state to include workloads that have
    recovered or are deleted.

    \b
    Exit status: 0  counted
                 2  bad usage, or it cannot be read: one line on standard error;
                    also if a report was left out of what is counted
    """
    chosen = selection(**options)
    found = read_selection(chosen)
    if found.obstacle:
        raise BadInput("coroner top", found.obstacle)
    counted = count(found.reports, by)
    if found.omission:
        print_line(f"coroner top: {found.omission}", err=True)
        if not counted:
            ctx.exit(BAD_INPUT)
    if output == "json":
        click.echo(_json(counted), nl=False)
    else:
        _print(counted, by, chosen, found.namespace)
    ctx.exit(BAD_INPUT if found.left_out else 0)


def count(reports: Sequence[Report], by: By) -> list[Line]:
    """The most workloads first."""
    found: dict[str, Line] = {}
    for report in reports:
        now = _now(report, by)
        for part in _PARTS[by](report):
            line = found.get(part.name, Line(part.name, 0, 0, 0, None))
            found[part.name] = Line(
                part.name,
                line.workloads + 1,
                line.failing + (part.name == now),
                line.failures + part.failures,
                max(filter(None, (line.last_at, part.last_at)), default=None),
            )
    return sorted(found.values(), key=lambda line: (-line.failing, -line.workloads, -line.failures, line.name))


def _by_category(report: Report) -> Iterator[Part]:
    yield from _merged(Part(name[0] or "no category", total, at) for name, total, at in _causes(report))


def _by_subcategory(report: Report) -> Iterator[Part]:
    yield from _merged(
        Part("/".join(filter(None, name)) or "no category", total, at) for name, total, at in _causes(report)
    )


def _causes(report: Report) -> Iterator[tuple[tuple[str, str], int, datetime | None]]:
    for name, counts in report.ledger.counts().items():
        yield name, counts.total, None if counts.last_at is None else from_epoch(counts.last_at)


def _by_namespace(report: Report) -> Iterator[Part]:
    yield Part(report.workload.namespace, report.failures, report.last_seen)


def _by_kind(report: Report) -> Iterator[Part]:
    yield Part(report.workload.kind, report.failures, report.last_seen)


def _by_node(report: Report) -> Iterator[Part]:
    """Of what is kept: counts do not say on which node a failure was."""
    records = {record.id: record for record in (report.current, *report.history) if record is not None}
    yield from _merged(
        Part((record.pod.node if record.pod else "") or _NO_NODE, 1, record.at) for record in records.values()
    )


_PARTS: dict[By, Callable[[Report], Iterator[Part]]] = {
    "category": _by_category,
    "subcategory": _by_subcategory,
    "namespace": _by_namespace,
    "kind": _by_kind,
    "node": _by_node,
}


def _merged(parts: Iterator[Part]) -> Iterator[Part]:
    """One of each name: a workload counts once."""
    found: dict[str, Part] = {}
    for part in parts:
        before = found.get(part.name, Part(part.name, 0, None))
        last_at = max(filter(None, (before.last_at, part.last_at)), default=None)
        found[part.name] = Part(part.name, before.failures + part.failures, last_at)
    yield from found.values()


def _now(report: Report, by: By) -> str | None:
    """The line of its current failure; None: nothing fails now."""
    current = report.current
    if current is None or report.state == "Deleted":
        return None
    match by:
        case "category":
            return current.verdict.category or "no category"
        case "subcategory":
            return category_name(current.verdict)
        case "namespace":
            return report.workload.namespace
        case "kind":
            return report.workload.kind
        case "node":
            return (current.pod.node if current.pod else "") or _NO_NODE


def _json(counted: Sequence[Line]) -> bytes:
    plain = [
        {"name": one_line(line.name, _NAME_LIMIT), "workloads": line.workloads, "failing": line.failing}
        | {"failures": line.failures, "lastSeen": line.last_at}
        for line in counted
    ]
    return json_document(plain)


def _print(counted: Sequence[Line], by: By, chosen: Selection, namespace: str) -> None:
    if not counted:
        place = f"in namespace {namespace}" if namespace else "in any namespace"
        click.echo(f"Nothing to count {place}: no workload is {' or '.join(chosen.states)}.", err=True)
        return
    console, now = standard_output(_WIDTH_LIMIT), datetime.now(UTC)
    title = "FAILURE" if by == "subcategory" else by.upper()
    rows = [[Cell(text) for text in (title, "WORKLOADS", "FAILING", "FAILURES", "LAST SEEN")]]
    for line in counted:
        numbers = [Cell(str(number)) for number in (line.workloads, line.failing, line.failures)]
        name = Cell(one_line(line.name, _NAME_LIMIT), "bold" if line.failing else "")
        rows.append([name, *numbers, Cell(ago(line.last_at, now) if line.last_at else "")])
    for text in lines(rows, console.width if console.is_terminal else None):
        console.print(text, soft_wrap=True)
