"""Explanations as text for a person, or as JSON or YAML for a program.

The texts of a verdict are redacted and sanitized already; names of objects are sanitized here. Nothing is interpreted
as rich markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import yaml
from rich.console import Console
from rich.text import Text

from coroner_categorizer.redaction.sanitize import one_line
from coroner_categorizer.verdict import Confidence, Retry, Verdict
from coroner_operator.cli.explanations import Explanation

WIDTH_LIMIT = 100  # columns; longer lines of prose are hard to read

_NAME_LIMIT = 253  # characters; the longest name that Kubernetes allows

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
            **({"restartsByRule": explanation.restarts_by_rule} if explanation.restarts_by_rule else {}),
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


def _name(text: str) -> str:
    return one_line(text, _NAME_LIMIT)


def print_text(explanations: Sequence[Explanation], console: Console) -> None:
    """Failing objects as blocks with a blank line between, the others as one line each."""
    page = _Page(console)
    if not explanations:
        page.line(Text("Nothing to explain: no pods, and no workload whose pods could not be created."))
        return
    after_block = False
    for index, explanation in enumerate(explanations):
        is_block = explanation.verdict is not None
        if index and (after_block or is_block):
            page.line(Text())
        _render(explanation, page)
        after_block = is_block
    if len(explanations) > 1:
        failing = sum(explanation.is_failing for explanation in explanations)
        page.line(Text())
        page.line(Text(f"{failing} of {len(explanations)} failing", style="bold"))


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


def _render(explanation: Explanation, page: _Page) -> None:
    place = "/".join(part for part in (_name(explanation.namespace), _name(explanation.name)) if part)
    title = Text.assemble((_name(explanation.kind), "dim"), " ", (place or "(no name)", "bold"), "  ")
    verdict = explanation.verdict
    restarts = explanation.restarts_by_rule
    if verdict is None:
        if explanation.unexplained:
            title.append("failing, and no rule matched", "bold red")
        else:
            title.append("nothing is failing", "green")
        page.line(title.append(f"; restarts by its restartPolicyRules: {restarts}" if restarts else ""))
        return
    page.line(title.append(_category(verdict), style="bold yellow" if verdict.retry == "MayRecover" else "bold red"))
    page.paragraph(Text(verdict.message or verdict.reason))
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
