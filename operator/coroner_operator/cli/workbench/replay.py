"""``coroner replay``: what an edit of the rules changes over recorded failures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import click

from coroner_operator.cli.connection import ConnectionOptions, connect
from coroner_operator.cli.errors import BadInput, OneLineCommand
from coroner_operator.cli.inputs.input_bytes import read_input
from coroner_operator.cli.lines import print_line
from coroner_operator.cli.render.plain import json_document
from coroner_operator.cli.rules_argument import counted, load_rules
from coroner_operator.cli.workbench.comparison import Comparison, Group, compare
from coroner_operator.cli.workbench.recordings import Recordings
from coroner_operator.kube import resources
from coroner_operator.kube.errors import ApiError, Unreachable
from coroner_operator.kube.paging import list_items

CLUSTER = "cluster"

_CHANGED = 1
_EXAMPLES = 3
_PAGE_SIZE = 500  # objects a request


@click.command(cls=OneLineCommand, short_help="Show what an edit of the rules changes over recorded failures.")
@click.argument("rules", metavar="RULES.yaml")
@click.option(
    "--from",
    "sources",
    metavar="FILE|cluster",
    multiple=True,
    required=True,
    help="Recorded failures: files (- is standard input), or the cluster. May be repeated.",
)
@click.option("--base", metavar="FILE", help="The rules before the edit. Default: the default pack.")
@click.option("--fail-on-change", is_flag=True, help="Exit with status 1 if any verdict changes.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("-n", "--namespace", metavar="NS", help="In the cluster: only this namespace. Default: all.")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig. Default: its current context.")
@click.option("--kubeconfig", metavar="FILE", help="Default: $KUBECONFIG, else ~/.kube/config.")
@click.pass_context
def replay(
    ctx: click.Context,
    *,
    rules: str,
    sources: tuple[str, ...],
    base: str | None,
    fail_on_change: bool,
    output: Literal["text", "json"],
    namespace: str | None,
    context: str | None,
    kubeconfig: str | None,
) -> None:
    """Classify recorded failures with the rules before an edit (--base) and after it (RULES), and show what differs.

    \b
    Recorded failures are what "coroner explain" reads: pods, workloads and events as
    kubectl prints them; and FailureReports (kubectl get fr -A -o json). Of a report, the
    current failure is replayed if what the report keeps is enough for --base to get the
    report's own verdict; the others are counted as not replayed. In a cluster, its pods
    with their owners and events and its reports are read.

    \b
    Exit status: 0  done, whatever has changed
                 1  a verdict changes (with --fail-on-change only)
                 2  wrong usage, rules or input: one line on standard error
    """
    new, old = load_rules(rules), load_rules(base)
    recordings = Recordings()
    for source in sources:
        if source == CLUSTER:
            asyncio.run(_read_cluster(recordings, ConnectionOptions(context, kubeconfig), namespace or ""))
        else:
            recordings.add_input(read_input(source))
    found = compare(recordings, old, new)
    if output == "json":
        click.echo(json_document(_plain(found)), nl=False)
    else:
        _print_text(found)
    ctx.exit(_CHANGED if fail_on_change and found.groups else 0)


async def _read_cluster(recordings: Recordings, options: ConnectionOptions, namespace: str) -> None:
    """Pods, their owners, events and reports. Raises BadInput where pods cannot be read; says what else cannot."""
    recordings.begin_cluster(datetime.now(UTC))
    async with connect(options, CLUSTER) as connection:
        for resource in (resources.POD, *resources.POD_OWNERS, resources.EVENT, resources.REPORT):
            try:
                async for raw in list_items(connection.client, resource.path(namespace), limit=_PAGE_SIZE):
                    recordings.add_object(raw, resource.kind, resource.group_version)
            except Unreachable:
                raise
            except ApiError as error:
                if resource is resources.POD:
                    raise
                note = BadInput(CLUSTER, f"replayed without {resource.plural} ({error.status}): {error.detail}")
                click.echo(note.format_message(), err=True)


def _print_text(found: Comparison) -> None:
    unchanged = found.failures - found.recategorized - found.other_changes
    reports = f", {found.of_reports} of them from reports" if found.of_reports else ""
    print_line(f"relabels {found.recategorized} of {counted(found.failures, 'recorded failure')}{reports}")
    print_line(f"{found.other_changes} keep category and subcategory but change otherwise, {unchanged} do not change")
    for title, groups in (
        ("CATEGORY OR SUBCATEGORY", [group for group in found.groups if group.change.field == "name"]),
        ("OTHER CHANGES", [group for group in found.groups if group.change.field != "name"]),
    ):
        if groups:
            click.echo(f"\n{title}")
            for group in groups:
                _print_group(group, len(str(len(groups[0].names))))
    notes = list(_notes(found))
    if notes:
        click.echo("\nNOT REPLAYED")
        for number, text in notes:
            click.echo(f"  {number}  {text}")
    if found.truncated_or_redacted:
        note = f"{found.truncated_or_redacted} of the failures from reports have texts that were redacted or cut: "
        click.echo(f"\n{note}a new pattern may not find what it would have found in the pod.")


def _print_group(group: Group, width: int) -> None:
    change = group.change
    if change.field == "name":
        text = f"{change.old} → {change.new}"
    elif change.field == "message or hint":
        text = f"{change.old}: another message or hint"
    else:
        name, _, old = change.old.partition(": ")
        text = f"{name}: {change.field} {old} → {change.new}"
    print_line(text, indent=f"  {str(len(group.names)).rjust(width)}  ")
    print_line(_examples(group.names), indent=" " * (width + 6))


def _examples(names: Sequence[str]) -> str:
    more = len(names) - _EXAMPLES
    return ", ".join(names[:_EXAMPLES]) + (f" and {more} more" if more > 0 else "")


def _notes(found: Comparison) -> list[tuple[int, str]]:
    left = found.not_replayed
    notes = [
        (left.reports, "reports from which --base does not get their own verdict: what they keep is not enough"),
        (left.history, "older failures in the history of reports, of which no evidence is kept"),
        (left.without_failure, "reports without a current failure"),
    ]
    return [(number, text) for number, text in notes if number]


def _plain(found: Comparison) -> dict[str, Any]:
    return {
        "failures": found.failures,
        "fromReports": found.of_reports,
        "truncatedOrRedacted": found.truncated_or_redacted,
        "recategorized": found.recategorized,
        "otherChanges": found.other_changes,
        "changes": [
            {**group.change._asdict(), "count": len(group.names), "examples": list(group.names[:_EXAMPLES])}
            for group in found.groups
        ],
        "notReplayed": {
            "reports": found.not_replayed.reports,
            "history": found.not_replayed.history,
            "withoutFailure": found.not_replayed.without_failure,
        },
    }
