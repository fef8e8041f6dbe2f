"""One report in full: the cause, what to do, the evidence, how often; and the timeline of what is kept of the past."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from coroner_categorizer.objects.times import rfc3339
from coroner_categorizer.redaction.sanitize import one_line, safe_text
from coroner_operator.cli.render.text import Page, described_pod, object_title, verdict_style
from coroner_operator.cli.render.words import CONFIDENCE_TEXT, RETRY_TEXT, ago, failed_label, safe_name
from coroner_operator.cli.reports.report_reader import resource_name
from coroner_operator.model import initiator
from coroner_operator.model.failure_record import FailureRecord
from coroner_operator.model.report import Report

_FOLLOWED = "followed"
_LIMIT = 1024  # characters of a text, as in the report


def print_report(report: Report, console: Console, now: datetime, *, history: bool) -> None:
    """``history``: with the timeline."""
    page, workload, current = Page(console), report.workload, report.current
    title = object_title(workload.kind, workload.namespace, workload.name)
    if current is None:
        page.line(title.append("recovered", "bold green"))
        if report.history:
            page.field("Last failure", Text(_past(report.history[0])))
    else:
        verdict = current.verdict
        page.line(title.append(one_line(verdict.name, _LIMIT) or "no category", style=verdict_style(verdict)))
        page.paragraph(Text(one_line(initiator.message(current, report.followers) or verdict.reason, _LIMIT)))
        _print_cause(report, current, page)
    page.field("State", Text(_state(report)))
    page.field("Failures", Text(_counts(report, now)))
    if report.ledger.restarts_by_rule:
        page.field("Restarts", Text(f"{report.ledger.restarts_by_rule} by its restartPolicyRules"))
    page.field("Report", Text(resource_name(report), style="dim"))
    if history:
        _print_history(report, page)


def _print_cause(report: Report, current: FailureRecord, page: Page) -> None:
    verdict = current.verdict
    if current.pod is not None:
        label = failed_label(current, report.followers)
        page.field(label, Text(described_pod(current.pod, report.pod_failing_since or current.at)))
    if verdict.hint:
        page.field("What to do", Text(one_line(verdict.hint, _LIMIT), style="cyan"))
    page.field("Retry", Text(RETRY_TEXT[verdict.retry]))
    page.field("Confidence", Text(CONFIDENCE_TEXT[verdict.confidence]))
    for index, evidence in enumerate(verdict.evidence):
        page.field("" if index else "Evidence", Text(one_line(evidence.source, _LIMIT), style="dim"))
        if evidence.text:
            page.field("", Text(safe_text(evidence.text, _LIMIT)), deeper=True)
    page.field("Rule", Text(one_line(verdict.rule or "none: the default category", _LIMIT)))


def _state(report: Report) -> str:
    match report.state:
        case "Failing":
            since = f" since {rfc3339(report.failing_since)}" if report.failing_since else ""
            return f"Failing{since}"
        case "Failed":
            return f"Failed: it has ended in failure{_at(report.ended_at)}, and nothing retries it"
        case "Deleted":
            return f"Deleted: the {safe_name(report.workload.kind)} does not exist any more{_since(report.deleted_at)}"
        case "Recovered":
            return f"Recovered{_at(report.recovered_at)}"


def _at(time: datetime | None) -> str:
    return f" at {rfc3339(time)}" if time else ""


def _since(time: datetime | None) -> str:
    return f", as found at {rfc3339(time)}" if time else ""


def _counts(report: Report, now: datetime) -> str:
    counts = sorted(report.ledger.counts().items(), key=lambda item: (-item[1].total, item[0]))
    each = ", ".join(f"{count.total} {one_line('/'.join(filter(None, name)), _LIMIT)}" for name, count in counts)
    last = report.last_seen
    more = f"; the last one {ago(last, now)} ago" if last else ""
    unobserved = report.ledger.unobserved
    more += f"; {unobserved} known by the restart count only" if unobserved else ""
    least = "at least " if report.ledger.incomplete else ""
    return f"{least}{each}{more}" if len(counts) == 1 else f"{least}{report.failures}: {each}{more}"


class _Moment(NamedTuple):
    at: datetime
    what: str
    style: str
    text: str


def _print_history(report: Report, page: Page) -> None:
    moments = sorted(_moments(report), key=lambda moment: (moment.at, moment.what == _FOLLOWED))
    page.line(Text())
    page.line(Text("History", style="bold"))
    missing = report.failures - len(report.history)
    if missing > 0:
        page.paragraph(Text(f"{missing} earlier or unobserved failures are counted only", style="dim"))
    size = max((len(moment.what) for moment in moments), default=0)
    for moment in moments:
        start = Text("  ").append(rfc3339(moment.at), "dim").append("  ")
        page.wrapped(Text(moment.text), start.append(moment.what.ljust(size), moment.style).append("  "))


def _moments(report: Report) -> Iterator[_Moment]:
    """What a report keeps of the past: its newest failures, and the last change to each other state."""
    for record in report.history:
        is_first = report.followers is not None and _is_first(record, report)
        what = "failed first" if is_first else _FOLLOWED if record.consequence else "failed"
        yield _Moment(record.at, what, "yellow" if record.consequence else verdict_style(record.verdict), _past(record))
    if report.recovered_at is not None:
        yield _Moment(report.recovered_at, "recovered", "green", "no pod of the workload is failing")
    if report.ended_at is not None:
        yield _Moment(report.ended_at, "ended", "bold red", "the workload has ended in failure")
    if report.deleted_at is not None:
        yield _Moment(report.deleted_at, "deleted", "dim", "the workload does not exist any more")


def _is_first(record: FailureRecord, report: Report) -> bool:
    """Whether the workload began to fail by it: by the first failure of the pod that the report shows."""
    current = report.current
    if current is None or current.pod is None or record.pod is None or not initiator.is_initiator(current):
        return False
    return record.pod.uid == current.pod.uid and record.at == (report.pod_failing_since or current.at)


def _past(record: FailureRecord) -> str:
    pod = record.pod
    node = f" on {safe_name(pod.node)}" if pod is not None and pod.node else ""
    who = f", pod {safe_name(pod.name)}{node}" if pod is not None else ""
    name = one_line(record.verdict.name, _LIMIT) or "no category"
    return f"{name}{who}: {one_line(record.verdict.message or record.verdict.reason, _LIMIT)}"
