"""Explanations as text for a person, or as JSON or YAML for a program.

The texts of a verdict are redacted and sanitized already; names of objects are sanitized here. Nothing is interpreted
as rich markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import yaml
from rich.console import Console
from rich.text import Text

from coroner_categorizer.objects.times import rfc3339
from coroner_categorizer.redaction.sanitize import one_line
from coroner_categorizer.verdict import Confidence, Retry, Verdict
from coroner_operator.cli.explanations import Explanation
from coroner_operator.cli.explanations.workload_summary import WorkloadSummary
from coroner_operator.model import initiator
from coroner_operator.model.failure_record import FailureRecord, PodRef
from coroner_operator.model.workload_ref import WorkloadKey

WIDTH_LIMIT = 100  # columns; longer lines of prose are hard to read

_NAME_LIMIT = 253  # characters; the longest name that Kubernetes allows

_LATEST = datetime.max.replace(tzinfo=UTC)
_INDENT = "  "
_LABEL_WIDTH = len("Also matched") + 2
_NARROWEST = 20  # columns of text, however narrow the terminal is

_RETRY_TEXT: dict[Retry, str] = {
    "MayRecover": "MayRecover: a retry may succeed without changes",
    "NeedsChange": "NeedsChange: a retry fails again until something changes",
    "Unknown": "Unknown: it is not known whether a retry would succeed",
}
_CONFIDENCE_TEXT: dict[Confidence, str] = {
    "Confirmed": "Confirmed: the cluster recorded this cause",
    "Likely": "Likely: inferred from what the cluster recorded",
    "Unknown": "Unknown: the cause is not recorded",
}


_WORKLOAD_FIELDS = (
    *("state", "category", "subcategory", "reason", "message", "hint", "retry", "confidence"),
    *("consequence", "initiator", "followers"),
)


def as_json(explanations: Sequence[Explanation]) -> bytes:
    """A JSON array, one element an explanation, with a line break at its end."""
    return msgspec.json.format(msgspec.json.encode(_plain(explanations)), indent=2) + b"\n"


def as_yaml(explanations: Sequence[Explanation]) -> bytes:
    """The same as ``as_json``, as YAML."""
    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(_plain(explanations), Dumper=dumper, sort_keys=False, allow_unicode=True, width=WIDTH_LIMIT)
    return text.encode()


def _plain(explanations: Sequence[Explanation]) -> list[dict[str, Any]]:
    return [
        {
            "object": {
                "kind": _name(explanation.kind),
                "namespace": _name(explanation.namespace),
                "name": _name(explanation.name),
            },
            "verdict": explanation.verdict and _plain_verdict(explanation.verdict),
            **({"unexplained": True} if explanation.unexplained else {}),
            **({"waiting": explanation.waiting._asdict()} if explanation.waiting else {}),
            **({"restartsByRule": explanation.restarts_by_rule} if explanation.restarts_by_rule else {}),
            **({"workload": _plain_workload(explanation.workload)} if explanation.workload else {}),
        }
        for explanation in explanations
    ]


def _plain_verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "category": verdict.category,
        "subcategory": verdict.subcategory,
        "categories": list(verdict.categories),
        "reason": verdict.reason,
        "message": verdict.message,
        "hint": verdict.hint,
        "retry": verdict.retry,
        "confidence": verdict.confidence,
        "container": verdict.container,
        "exitCode": verdict.exit_code,
        "evidence": [{"source": evidence.source, "text": evidence.text} for evidence in verdict.evidence],
        "rule": verdict.rule,
    }


def _plain_workload(summary: WorkloadSummary) -> dict[str, Any]:
    """Its verdict in the form of a FailureReport's status; no verdict where nothing is failing."""
    workload, status = summary.workload, summary.status()
    return {
        "kind": _name(workload.kind),
        "namespace": _name(workload.namespace),
        "name": _name(workload.name),
        "pods": summary.pods,
        "failing": summary.failing,
        **({"removed": len(summary.removed)} if summary.removed else {}),
        **({field: status[field] for field in _WORKLOAD_FIELDS if field in status} if summary.report.failures else {}),
    }


def _name(text: str) -> str:
    return one_line(text, _NAME_LIMIT)


def print_text(explanations: Sequence[Explanation], console: Console) -> None:
    """Failing objects as blocks with a blank line between, the others as one line each.

    A workload comes before its pods, which follow in the order of time.
    """
    page = _Page(console)
    if not explanations:
        page.line(Text("Nothing to explain: no pods, and no workload whose pods could not be created."))
        return
    after_block = False
    for index, item in enumerate(_in_order(explanations)):
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


def _in_order(explanations: Sequence[Explanation]) -> Iterator[Explanation | WorkloadSummary]:
    """Each workload where the first of its pods is."""
    members: dict[WorkloadKey, list[Explanation]] = {}
    for explanation in explanations:
        if explanation.workload is not None:
            members.setdefault(explanation.workload.key, []).append(explanation)
    for explanation in explanations:
        if explanation.workload is None:
            yield explanation
        elif found := members.pop(explanation.workload.key, None):
            yield explanation.workload
            yield from sorted(found, key=_time)


def _time(explanation: Explanation) -> tuple[bool, datetime]:
    """When it failed; those that do not fail come last, in the order of their creation."""
    current = explanation.current
    at = current.at if current is not None else explanation.subject and explanation.subject.metadata.creationTimestamp
    return current is None, at or _LATEST


class _Page:
    """Lines of the console's width, without spaces at their ends (rich's own tables pad them)."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, text: Text) -> None:
        """One paragraph from the left edge."""
        self._wrapped(text, Text())

    def paragraph(self, text: Text) -> None:
        self._wrapped(text, Text(_INDENT))

    def field(self, label: str, text: Text, *, deeper: bool = False) -> None:
        """A paragraph beside its label; ``deeper``: belongs to the field before."""
        start = Text(_INDENT).append(label.ljust(_LABEL_WIDTH), style="dim")
        self._wrapped(text, start.append(_INDENT if deeper else ""))

    def _wrapped(self, text: Text, start: Text) -> None:
        width = max(self._console.width - start.cell_len, _NARROWEST)
        lines = text.wrap(self._console, width)
        for line in lines or [Text()]:
            line.rstrip()
            whole = start.copy().append_text(line)
            whole.rstrip()
            self._console.print(whole, soft_wrap=True)  # already wrapped
            start = Text(" " * start.cell_len)


def _render_workload(summary: WorkloadSummary, page: _Page) -> None:
    workload, current = summary.workload, summary.current
    title = _title(workload.kind, workload.namespace, workload.name)
    if current is None:
        page.line(_without_failure(title, summary))
        if summary.report.history:
            page.field("Last failure", Text(_last_failure(summary.report.history[0])))
    else:
        verdict = current.verdict
        page.line(title.append(_category(verdict), style=_style(verdict)))
        page.paragraph(Text(initiator.message(current, summary.report.followers) or verdict.reason))
        if current.pod is not None:
            first = "Failed first" if initiator.is_initiator(current) else "Seen first"
            label = first if summary.report.followers is not None else "Failed"
            page.field(label, Text(_pod(current.pod, summary.report.pod_failing_since or current.at)))
        if verdict.hint:
            page.field("What to do", Text(verdict.hint, style="cyan"))
        page.field("Retry", Text(_RETRY_TEXT[verdict.retry]))
        if summary.outcome == "failed":
            page.field("Ended", Text(f"in failure, by the status of the {_name(workload.kind)}"))
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
    pod = f", pod {_name(record.pod.name)}" if record.pod is not None else ""
    return f"{_category(record.verdict)}{pod}, at {rfc3339(record.at)}"


def _pod(pod: PodRef, at: datetime) -> str:
    """What tells the pod from the others, and when it failed."""
    numbers = (("index", pod.member.index), ("rank", pod.member.rank))
    facts = [f"{label} {number}" for label, number in numbers if number is not None]
    facts += [f"node {_name(pod.node)}"] if pod.node else []
    named = f"{_name(pod.name)} ({', '.join(facts)})" if facts else _name(pod.name)
    return f"{named} at {rfc3339(at)}"


def _title(kind: str, namespace: str, name: str) -> Text:
    place = "/".join(part for part in (_name(namespace), _name(name)) if part)
    return Text.assemble((_name(kind), "dim"), " ", (place or "(no name)", "bold"), "  ")


def _style(verdict: Verdict) -> str:
    return "bold yellow" if verdict.retry == "MayRecover" else "bold red"


def _render(explanation: Explanation, page: _Page) -> None:
    title = _title(explanation.kind, explanation.namespace, explanation.name)
    verdict, removed = explanation.verdict, explanation.is_removed
    restarts = explanation.restarts_by_rule
    if verdict is None:
        if explanation.unexplained:
            title.append("failing, and no rule matched", "bold red")
        elif (waiting := explanation.waiting) is not None and not removed:
            lasting = "" if waiting.seconds is None else f" for {waiting.seconds} s"
            title.append(f"waiting{lasting}: {waiting.text}", "yellow")
        else:
            title.append("nothing is failing", "green").append("; its controller removed it" if removed else "")
        page.line(title.append(f"; restarts by its restartPolicyRules: {restarts}" if restarts else ""))
        return
    page.line(title.append(_category(verdict), style=_style(verdict)))
    page.paragraph(Text(verdict.message or verdict.reason))
    if explanation.workload is not None and explanation.current is not None and explanation.current.at is not None:
        page.field("At", Text(rfc3339(explanation.current.at)))
    if not explanation.follows:  # what to do about it stands at its workload
        if verdict.hint:
            page.field("What to do", Text(verdict.hint, style="cyan"))
        page.field("Retry", Text(_RETRY_TEXT[verdict.retry]))
    page.field("Confidence", Text(_CONFIDENCE_TEXT[verdict.confidence]))
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


def _category(verdict: Verdict) -> str:
    return verdict.name or "no category"
