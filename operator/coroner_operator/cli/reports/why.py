"""``coroner why``: why workloads failed, from what the operator has reported; where it has not, from the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, get_args

import click

import coroner_categorizer as cc
from coroner_operator.cli.errors import BAD_INPUT, BadInput, OneLineCommand
from coroner_operator.cli.explanations import Explanation
from coroner_operator.cli.inputs.cluster_reader import Target, may_be_kind
from coroner_operator.cli.lines import print_line
from coroner_operator.cli.render import print_text
from coroner_operator.cli.render.text import standard_output
from coroner_operator.cli.render.words import safe_name
from coroner_operator.cli.reports.live_classification import explain_namespace, explain_target, reports_of
from coroner_operator.cli.reports.plain_reports import reports_as_json, reports_as_yaml
from coroner_operator.cli.reports.report_reader import Found, read_selection, read_target, resource_name
from coroner_operator.cli.reports.report_text import print_report
from coroner_operator.cli.reports.selection import Selection, selection, selection_options
from coroner_operator.cli.reports.table import print_reports
from coroner_operator.cli.rules_argument import load_rules
from coroner_operator.model.report import Report

Output = Literal["text", "wide", "json", "yaml", "name"]

_TABLE_WIDTH = 1000  # columns; a table is as wide as the terminal


@click.command(cls=OneLineCommand, short_help="Say why workloads failed.")
@click.argument("what", metavar="[KIND/NAME|POD]...", nargs=-1)
@selection_options
@click.option("-o", "--output", type=click.Choice(get_args(Output)), default="text", show_default=True, help="Format.")
@click.option("--history", is_flag=True, help="With the timeline: failures, which pod was first, recoveries.")
@click.option("-w", "--watch", is_flag=True, help="Keep the list up to date until Ctrl-C.")
@click.option("--rules", metavar="FILE", help="Rules for workloads without a report. Default: the default pack.")
@click.pass_context
def why(
    ctx: click.Context,
    /,
    *,
    what: tuple[str, ...],
    output: Output,
    history: bool,
    watch: bool,
    rules: str | None,
    **options: Any,
) -> None:
    """Say why workloads failed.

    \b
    Reads the FailureReports that the operator keeps, also of pods and workloads that
    are deleted by now. KIND is a kind or its short name; a bare name is a pod.
        coroner why job/train -n ml
        coroner why job/train -n ml --history
        coroner why train-x7k2p -n ml

    \b
    Without a name: what fails in the namespace, one line a workload, newest first.
        coroner why -A --category resources --since 24h
        coroner why -n ml --watch

    Where there is no report, the objects are read with your own rights and classified now.

    \b
    Exit status: 0  nothing has failed
                 1  something has (Failing, Failed, or deleted without a recovery)
                 2  bad usage, or it cannot be read: one line on standard error;
                    also if a report was left out and nothing else has failed
    """
    chosen = selection(**options)
    if what:
        _check_named(ctx, chosen, watch=watch)
        ctx.exit(_explain_each(chosen, what, output, rules, history=history))
    if history:
        raise BadInput(ctx.command_path, "--history needs a name", f'e.g. "{ctx.command_path} job/train --history"')
    if watch:
        if output not in ("text", "wide"):
            raise BadInput(ctx.command_path, f"--watch cannot print {output}", "leave out -o, or use -o wide")
        # Imported late: nothing else needs it.
        from coroner_operator.cli.reports.watch import watch_reports  # noqa: PLC0415

        watch_reports(chosen, standard_output(_TABLE_WIDTH), wide=output == "wide")
        return
    ctx.exit(_list(chosen, output, rules))


def _check_named(ctx: click.Context, chosen: Selection, *, watch: bool) -> None:
    if watch:
        raise BadInput(ctx.command_path, "--watch shows a whole namespace", "leave out the names")
    if chosen.all_namespaces:
        raise BadInput(ctx.command_path, "a name is in one namespace", "use -n instead of -A")


def _explain_each(chosen: Selection, what: Sequence[str], output: Output, rules: str | None, *, history: bool) -> int:
    """The exit status."""
    shown: list[Report] = []
    failing, left_out = False, False
    loaded = lru_cache(load_rules)  # once, and only where there is no report
    for number, argument in enumerate(what):
        target = _target(argument)
        found = read_target(chosen, target)
        left_out |= found.left_out > 0
        if output == "text" and number:
            click.echo()
        if found.reports:
            shown.append(found.reports[0])
            failing |= found.reports[0].current is not None
            if output == "text":
                _print_one(found.reports, history=history)
            continue
        explanations = _explained(chosen, target, found, loaded(rules))
        _note(argument, found, explanations)
        failing |= any(explanation.is_failing for explanation in explanations)
        shown += reports_of(explanations)
        if output == "text":
            print_text(explanations, standard_output())
    if output != "text":
        _print_all(shown, output, namespaces=False)
    return _status(failing=failing, left_out=left_out)


def _explained(chosen: Selection, target: Target, found: Found, rules: cc.Categorizer) -> list[Explanation]:
    """From the objects. Raises BadInput, also with what there may be in reports that cannot be read."""
    try:
        return explain_target(chosen, target, rules)
    except BadInput as error:
        obstacle = found.obstacle or found.omission
        if not obstacle:
            raise
        fault = f"{error.fault}, and whether a report says why is unknown: {obstacle}"
        raise BadInput(error.where, fault, error.remedy) from error


def _status(*, failing: bool, left_out: bool) -> int:
    """The exit status: that something has failed is certain, that nothing has is not if a report was left out."""
    return 1 if failing else BAD_INPUT if left_out else 0


def _print_one(reports: Sequence[Report], *, history: bool) -> None:
    """The newest; the others are about earlier workloads of the name."""
    print_report(reports[0], standard_output(), datetime.now(UTC), history=history)
    for earlier in reports[1:]:
        seen = f", last seen failing {earlier.last_seen:%Y-%m-%d %H:%M:%S}Z" if earlier.last_seen else ""
        _say(f"an earlier one has a report too: {resource_name(earlier)}{seen}")


def _list(chosen: Selection, output: Output, rules: str | None) -> int:
    """The exit status."""
    found = read_selection(chosen)
    reports = found.reports
    if found.obstacle:
        if chosen.all_namespaces or chosen.labels:
            raise BadInput("coroner why", found.obstacle)
        reports = chosen.select(reports_of(explain_namespace(chosen, load_rules(rules))))
        _note("", found, [])
    if found.omission:
        _say(BadInput("coroner why", found.omission).message)
        if not reports:
            return BAD_INPUT
    if not reports and output in ("text", "wide"):
        place = f"in namespace {found.namespace}" if found.namespace else "in any namespace"
        _say(f"Nothing {'matches' if _is_narrowed(chosen) else 'has failed'} {place}.")
    else:
        _print_all(reports, output, namespaces=chosen.all_namespaces)
    failing = any(report.current is not None for report in reports)
    return _status(failing=failing, left_out=found.left_out > 0)


def _is_narrowed(chosen: Selection) -> bool:
    return bool(chosen.labels or chosen.category or chosen.newer_than)


def _print_all(reports: Sequence[Report], output: Output, *, namespaces: bool) -> None:
    match output:
        case "json":
            click.echo(reports_as_json(reports), nl=False)
        case "yaml":
            click.echo(reports_as_yaml(reports), nl=False)
        case "name":
            click.echo("".join(f"{resource_name(report)}\n" for report in reports), nl=False)
        case _:
            if reports:
                console = standard_output(_TABLE_WIDTH)
                print_reports(reports, console, datetime.now(UTC), namespaces=namespaces, wide=output == "wide")


def _target(argument: str) -> Target:
    kind, slash, name = argument.partition("/")
    if not slash and argument:
        return Target("pod", argument, f"pod/{argument}")
    if not name or "/" in name or not may_be_kind(kind):
        raise BadInput(argument, "not of the form KIND/NAME", "name a POD or KIND/NAME, e.g. job/train")
    return Target(kind, name, argument)


def _note(argument: str, found: Found, explanations: Sequence[Explanation]) -> None:
    """That what follows was not reported by the operator, and why; of a single pod, also its workload."""
    reason = found.obstacle or found.omission or "no FailureReport"
    _say(BadInput(argument, f"{reason}; classified now{_owner(explanations)}").message)


def _owner(explanations: Sequence[Explanation]) -> str:
    """That a single pod is one of a Job, where the text is about the pod; "" = it has no owner."""
    members = explanations[0].members if len(explanations) == 1 else None
    if members is None or explanations[0].kind != "Pod" or members.workload.kind == "Pod":
        return ""
    return f", as a pod of {safe_name(members.workload.kind)}/{safe_name(members.workload.name)}"


def _say(line: str) -> None:
    """On standard error."""
    print_line(line, err=True)
