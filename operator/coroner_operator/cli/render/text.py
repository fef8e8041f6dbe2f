"""Explanations as text for a person.

The texts of a verdict are redacted and sanitized already; names of objects are sanitized here. Nothing is interpreted
as rich markup.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.text import Text

from coroner_categorizer.objects.times import rfc3339
from coroner_categorizer.verdict import Verdict
from coroner_operator.cli.explanations import Explanation
from coroner_operator.cli.explanations.workload_summary import WorkloadSummary
from coroner_operator.cli.render.words import (
    CONFIDENCE_TEXT,
    NOTHING_TO_EXPLAIN,
    RETRY_TEXT,
    WIDTH_LIMIT,
    category_name,
    duration,
    failed_label,
    in_order,
    safe_name,
)
from coroner_operator.model import initiator
from coroner_operator.model.failure_record import FailureRecord, PodRef

_INDENT = "  "
_LABEL_WIDTH = len("Also matched") + 2
_NARROWEST = 20  # columns of text, however narrow the terminal is


def print_text(explanations: Sequence[Explanation], console: Console) -> None:
    """Failing objects as blocks with a blank line between, the others as one line each.

    A workload comes before its pods, which follow in the order of time.
    """
    page = Page(console)
    if not explanations:
        page.line(Text(NOTHING_TO_EXPLAIN))
        return
    after_block = False
    for index, item in enumerate(in_order(explanations)):
        is_block = isinstance(item, WorkloadSummary) or item.verdict is not None
        if index and (after_block or is_block):
            page.line(Text())
        if isinstance(item, WorkloadSummary):
            _render_workload(item, page)
        else:
            _render(item, page)
        after_block = is_block
    if len(explanations) > 1:
        failing = sum(explanation.is_failing for explanation in explanations)
        page.line(Text())
        page.line(Text(f"{failing} of {len(explanations)} failing", style="bold"))


def standard_output(width_limit: int = WIDTH_LIMIT) -> Console:
    """Standard output: colour on a terminal only, NO_COLOR and FORCE_COLOR respected."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that is not UTF-8 gets "?" instead of a traceback
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, width_limit) if console.is_terminal else width_limit
    return console


class Page:
    """Lines of the console's width, without spaces at their ends (rich's own tables pad them)."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, text: Text) -> None:
        """One paragraph from the left edge."""
        self.wrapped(text, Text())

    def paragraph(self, text: Text) -> None:
        self.wrapped(text, Text(_INDENT))

    def field(self, label: str, text: Text, *, deeper: bool = False) -> None:
        """A paragraph beside its label; ``deeper``: belongs to the field before."""
        start = Text(_INDENT).append(label.ljust(_LABEL_WIDTH), style="dim")
        self.wrapped(text, start.append(_INDENT if deeper else ""))

    def wrapped(self, text: Text, start: Text) -> None:
        """A paragraph after ``start``, and as far from the edge."""
        width = max(self._console.width - start.cell_len, _NARROWEST)
        lines = text.wrap(self._console, width)
        for line in lines or [Text()]:
            line.rstrip()
            whole = start.copy().append_text(line)
            whole.rstrip()
            self._console.print(whole, soft_wrap=True)  # already wrapped
            start = Text(" " * start.cell_len)


def _render_workload(summary: WorkloadSummary, page: Page) -> None:
    workload, current = summary.workload, summary.current
    title = object_title(workload.kind, workload.namespace, workload.name)
    if current is None:
        page.line(_without_failure(title, summary))
        if summary.report.history:
            page.field("Last failure", Text(_last_failure(summary.report.history[0])))
    else:
        verdict = current.verdict
        page.line(title.append(category_name(verdict), style=verdict_style(verdict)))
        page.paragraph(Text(initiator.message(current, summary.report.followers) or verdict.reason))
        if current.pod is not None:
            label = failed_label(current, summary.report.followers)
            page.field(label, Text(described_pod(current.pod, summary.report.pod_failing_since or current.at)))
        if verdict.hint:
            page.field("What to do", Text(verdict.hint, style="cyan"))
        page.field("Retry", Text(RETRY_TEXT[verdict.retry]))
        if summary.outcome == "failed":
            page.field("Ended", Text(f"in failure, by the status of the {safe_name(workload.kind)}"))
    removed = f", {len(summary.removed)} removed by their controller" if summary.removed else ""
    page.field("Pods", Text(f"{summary.failing} of {summary.pods} with a failure{removed}, in the order of time:"))


def _without_failure(title: Text, summary: WorkloadSummary) -> Text:
    if summary.unexplained:
        return title.append("failing, and no rule matched", "bold red")
    before = summary.report.failures
    number = f"{before} failure{'' if before == 1 else 's'}"
    if summary.outcome == "succeeded":
        return title.append(f"succeeded{f', after {number}' if before else ''}", "green")
    return title.append(f"nothing is failing{f' any more, after {number}' if before else ''}", "green")


def _last_failure(record: FailureRecord) -> str:
    pod = f", pod {safe_name(record.pod.name)}" if record.pod is not None else ""
    return f"{category_name(record.verdict)}{pod}, at {rfc3339(record.at)}"


def described_pod(pod: PodRef, at: datetime) -> str:
    """What tells the pod from the others, and when it failed."""
    numbers = (("index", pod.member.index), ("rank", pod.member.rank))
    facts = [f"{label} {number}" for label, number in numbers if number is not None]
    facts += [f"node {safe_name(pod.node)}"] if pod.node else []
    named = f"{safe_name(pod.name)} ({', '.join(facts)})" if facts else safe_name(pod.name)
    return f"{named} at {rfc3339(at)}"


def object_title(kind: str, namespace: str, name: str) -> Text:
    place = "/".join(part for part in (safe_name(namespace), safe_name(name)) if part)
    return Text.assemble((safe_name(kind), "dim"), " ", (place or "(no name)", "bold"), "  ")


def verdict_style(verdict: Verdict) -> str:
    return "bold yellow" if verdict.retry == "MayRecover" else "bold red"


def _render(explanation: Explanation, page: Page) -> None:
    title = object_title(explanation.kind, explanation.namespace, explanation.name)
    verdict, removed = explanation.verdict, explanation.is_removed
    restarts = explanation.restarts_by_rule
    if verdict is None:
        if explanation.unexplained:
            title.append("failing, and no rule matched", "bold red")
        elif (waiting := explanation.waiting) is not None and not removed:
            lasting = "" if waiting.seconds is None else f" for {duration(waiting.seconds)}"
            title.append(f"waiting{lasting}: {waiting.text}", "yellow")
        else:
            title.append("nothing is failing", "green").append("; its controller removed it" if removed else "")
        page.line(title.append(f"; restarts by its restartPolicyRules: {restarts}" if restarts else ""))
        return
    page.line(title.append(category_name(verdict), style=verdict_style(verdict)))
    page.paragraph(Text(verdict.message or verdict.reason))
    if explanation.workload is not None and explanation.current is not None and explanation.current.at is not None:
        page.field("At", Text(rfc3339(explanation.current.at)))
    if not explanation.follows:  # the hint is shown with its workload
        if verdict.hint:
            page.field("What to do", Text(verdict.hint, style="cyan"))
        page.field("Retry", Text(RETRY_TEXT[verdict.retry]))
    page.field("Confidence", Text(CONFIDENCE_TEXT[verdict.confidence]))
    for index, evidence in enumerate(verdict.evidence):
        page.field("" if index else "Evidence", Text(evidence.source, style="dim"))
        if evidence.text:
            page.field("", Text(evidence.text), deeper=True)
    if restarts:
        page.field("Restarts", Text(f"{restarts} by its restartPolicyRules"))
    others = [category for category in verdict.categories if category != verdict.category]
    if others:
        page.field("Also matched", Text(", ".join(others)))
    page.field("Rule", Text(verdict.rule or "none: the default category"))
