"""Explanations as one HTML page that holds all that it shows, to attach to an incident."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from xml.etree.ElementTree import Element

from coroner_categorizer.objects.pod import Pod
from coroner_categorizer.objects.times import rfc3339
from coroner_categorizer.verdict import Verdict
from coroner_operator.cli.explanations import Explanation
from coroner_operator.cli.explanations.workload_summary import WorkloadSummary
from coroner_operator.cli.render.html_elements import document, element
from coroner_operator.cli.render.words import (
    CONFIDENCE_TEXT,
    NOTHING_TO_EXPLAIN,
    RETRY_TEXT,
    category_name,
    duration,
    failed_label,
    in_order,
    safe_name,
)
from coroner_operator.model import initiator
from coroner_operator.model.observation import from_epoch
from coroner_operator.model.report import Report

_TIMELINE_LIMIT = 200  # entries; the counts have all of them


def as_html(explanations: Sequence[Explanation], at: datetime) -> bytes:
    """A workload comes before its pods, which follow in the order of time. ``at``: when the page was made, in UTC."""
    failing = sum(explanation.is_failing for explanation in explanations)
    title = _title(explanations, failing)
    groups = [_group(group) for group in _groups(explanations)]
    content = groups or [element("p", "", NOTHING_TO_EXPLAIN)]
    header = element("header", "", element("h1", "", title), _overview(explanations))
    footer = element("footer", "", "Written by coroner explain at ", _when(at), ".")
    return document(title, header, *content, footer)


def _title(explanations: Sequence[Explanation], failing: int) -> str:
    if len(explanations) == 1:
        (only,) = explanations
        named = f"{safe_name(only.kind)} {_place(only.namespace, only.name)}"
        return f"Why {named} failed" if failing else f"{named} is not failing"
    workloads = {each.workload.key: each.workload.workload for each in explanations if each.workload is not None}
    if len(workloads) == 1 and all(each.workload is not None for each in explanations):
        (ref,) = workloads.values()
        of = f"{safe_name(ref.kind)} {_place(ref.namespace, ref.name)}"
        return f"Why pods of {of} failed" if failing else f"{of} is not failing"
    return f"{failing} of {len(explanations)} failing"


def _overview(explanations: Sequence[Explanation]) -> Element | None:
    """How many of each category, where there are several objects."""
    names = Counter(category_name(each.verdict) for each in explanations if each.verdict is not None)
    if len(explanations) < 2 or not names:
        return None
    rows = [element("li", "", f"{name} ", element("b", "", str(number))) for name, number in names.most_common()]
    return element("ul", "chips", *rows)


class _Group(NamedTuple):
    """What belongs together on the page."""

    summary: WorkloadSummary | None
    """None: one object by itself."""
    members: list[Explanation]


def _groups(explanations: Sequence[Explanation]) -> list[_Group]:
    groups: list[_Group] = []
    for item in in_order(explanations):
        if isinstance(item, WorkloadSummary):
            groups.append(_Group(item, []))
        elif item.workload is not None:
            groups[-1].members.append(item)
        else:
            groups.append(_Group(None, [item]))
    return groups


def _group(group: _Group) -> Element:
    summary = group.summary
    if summary is None:
        return element("section", "card", *_single(group.members[0]))
    ref = summary.workload
    pods = [_member(member) for member in group.members]
    return element(
        "section",
        "card",
        _heading("h2", ref.kind, ref.namespace, ref.name, _workload_badge(summary)),
        *_workload_facts(summary),
        _timeline(group.members, with_names=True),
        _counts(summary.report),
        element("h3", "", f"{summary.failing} of {summary.pods} pods with a failure, in the order of time"),
        *pods,
    )


def _workload_badge(summary: WorkloadSummary) -> Element:
    if summary.current is not None:
        return _verdict_badge(summary.current.verdict)
    if summary.unexplained:
        return _badge("bad", "failing, and no rule matched")
    return _badge("good", "succeeded" if summary.outcome == "succeeded" else "nothing is failing")


def _workload_facts(summary: WorkloadSummary) -> Iterable[Element]:
    current, report = summary.current, summary.report
    if current is None:
        return
    verdict = current.verdict
    yield element("p", "message", initiator.message(current, report.followers) or verdict.reason)
    yield from _hint(verdict)
    facts: list[tuple[str, str | Element]] = []
    if current.pod is not None:
        node = f" on node {safe_name(current.pod.node)}" if current.pod.node else ""
        facts.append((failed_label(current, report.followers), f"{safe_name(current.pod.name)}{node}"))
    facts.append(("Since", _when(report.pod_failing_since or current.at)))
    facts.append(("Retry", RETRY_TEXT[verdict.retry]))
    if summary.outcome == "failed":
        facts.append(("Ended", f"in failure, by the status of the {safe_name(summary.workload.kind)}"))
    if summary.removed:
        facts.append(("Removed", f"{len(summary.removed)} pods by their controller"))
    yield _facts(facts)


def _single(explanation: Explanation) -> Iterable[Element | None]:
    """An object without a workload above it: everything about it is in one place."""
    yield _heading("h2", explanation.kind, explanation.namespace, explanation.name, _object_badge(explanation))
    yield from _object_facts(explanation)
    yield _timeline([explanation], with_names=False)
    yield _counts(explanation.report)


def _member(explanation: Explanation) -> Element:
    """A pod below its workload: closed where the workload has said it already."""
    title = element("span", "name", element("bdi", "", safe_name(explanation.name)))
    current = explanation.current
    when = _when(current.at) if current is not None and current.at is not None else None
    summary = element("summary", "", title, " ", _object_badge(explanation), " ", when)
    is_open = {"open": ""} if explanation.is_failing and not explanation.follows else {}
    return element("details", "", summary, *_object_facts(explanation), **is_open)


def _object_badge(explanation: Explanation) -> Element:
    if explanation.verdict is not None:
        return _verdict_badge(explanation.verdict)
    if explanation.unexplained:
        return _badge("bad", "failing, and no rule matched")
    if explanation.is_removed:
        return _badge("good", "removed by its controller")
    return _badge("wait", "waiting") if explanation.waiting else _badge("good", "nothing is failing")


def _object_facts(explanation: Explanation) -> Iterable[Element]:
    verdict, waiting = explanation.verdict, explanation.waiting
    if waiting is not None and not explanation.is_removed:
        lasting = "" if waiting.seconds is None else f"for {duration(waiting.seconds)}: "
        yield element("p", "message", lasting, waiting.text)
    facts: list[tuple[str, str | Element]] = []
    if verdict is not None:
        yield element("p", "message", verdict.message or verdict.reason)
        if not explanation.follows:  # what to do about it is said at its workload
            yield from _hint(verdict)
        facts += _verdict_facts(explanation, verdict)
    if explanation.restarts_by_rule:
        facts.append(("Restarts", f"{explanation.restarts_by_rule} by its restartPolicyRules"))
    yield _facts(facts)
    if verdict is not None and verdict.evidence:
        yield element("h4", "", "Evidence")
        yield element(
            "ul",
            "evidence",
            *(
                element("li", "", element("code", "", e.source), element("pre", "", e.text) if e.text else None)
                for e in verdict.evidence
            ),
        )
    said = verdict.termination_message if verdict is not None else None
    if said:
        yield element("h4", "", "Termination message")
        yield element("pre", "", said)


def _verdict_facts(explanation: Explanation, verdict: Verdict) -> Iterable[tuple[str, str | Element]]:
    if not explanation.follows and explanation.current is not None and explanation.current.at is not None:
        yield "At", _when(explanation.current.at)
    if isinstance(explanation.subject, Pod) and explanation.subject.spec.nodeName:
        yield "Node", safe_name(explanation.subject.spec.nodeName)
    if verdict.container:
        yield "Container", safe_name(verdict.container)
    if verdict.exit_code is not None:
        yield "Exit code", f"{verdict.exit_code}{f' ({verdict.signal})' if verdict.signal else ''}"
    if not explanation.follows:
        yield "Retry", RETRY_TEXT[verdict.retry]
    yield "Confidence", CONFIDENCE_TEXT[verdict.confidence]
    others = [category for category in verdict.categories if category != verdict.category]
    if others:
        yield "Also matched", ", ".join(others)
    yield "Rule", verdict.rule or "none: the default category"


class _Moment(NamedTuple):
    at: datetime
    who: str
    badge: Element | None
    text: str


def _timeline(members: Sequence[Explanation], *, with_names: bool) -> Element | None:
    """What is known to have happened, and when; nothing where that is less than two moments."""
    moments = sorted(_moments(members, with_names=with_names), key=lambda moment: moment.at)
    if len(moments) < 2:
        return None
    start, shown = moments[0].at, moments[:_TIMELINE_LIMIT]
    rows = [
        element(
            "li",
            "",
            element("span", "when", _when(moment.at), element("span", "after", _after(moment.at, start))),
            element("div", "", element("bdi", "who", moment.who), " ", moment.badge, element("p", "", moment.text)),
        )
        for moment in shown
    ]
    left = len(moments) - len(shown)
    more = element("p", "dim", f"{left} later ones are not shown; the counts include them.") if left else None
    return element("div", "block", element("h3", "", "Timeline"), element("ol", "timeline", *rows), more)


def _moments(members: Sequence[Explanation], *, with_names: bool) -> Iterable[_Moment]:
    created: dict[datetime, list[Explanation]] = {}
    for member in members:
        made_at = member.subject.metadata.creationTimestamp if member.subject is not None else None
        if made_at is not None and member.failures:
            created.setdefault(made_at, []).append(member)
        who = safe_name(member.name) if with_names else ""
        for failure in member.failures:
            if failure.at is not None:
                verdict = failure.verdict
                yield _Moment(failure.at, who, _verdict_badge(verdict), verdict.message or verdict.reason)
    for at, together in created.items():
        only = together[0] if len(together) == 1 else None
        who = safe_name(only.name) if only is not None and with_names else ""
        yield _Moment(
            at, who, None, f"{safe_name(only.kind)} created" if only is not None else f"{len(together)} pods created"
        )


def _counts(report: Report | None) -> Element | None:
    """Every failure once, also those that are known by a restart count only."""
    counts = report.ledger.counts() if report is not None else {}
    if report is None or sum(count.total for count in counts.values()) < 2:
        return None
    ordered = sorted(counts.items(), key=lambda item: (-item[1].total, item[0]))
    rows = [
        element(
            "tr",
            "",
            element("td", "", "/".join(filter(None, name)) or "no category"),
            element("td", "number", str(count.total)),
            element("td", "", "" if count.last_at is None else _when(from_epoch(count.last_at))),
        )
        for name, count in ordered
    ]
    head = element("tr", "", *(element("th", "", text, scope="col") for text in ("Failure", "Count", "Last seen")))
    unobserved = report.ledger.unobserved
    note = element("p", "dim", f"{unobserved} of them are known by the restart count only.") if unobserved else None
    table = element("table", "", element("thead", "", head), element("tbody", "", *rows))
    return element("div", "block", element("h3", "", "Counts"), table, note)


def _heading(tag: str, kind: str, namespace: str, name: str, badge: Element) -> Element:
    return element(
        tag, "", element("span", "kind", safe_name(kind)), " ", element("bdi", "", _place(namespace, name)), " ", badge
    )


def _place(namespace: str, name: str) -> str:
    return "/".join(part for part in (safe_name(namespace), safe_name(name)) if part) or "(no name)"


def _verdict_badge(verdict: Verdict) -> Element:
    return _badge("retry" if verdict.retry == "MayRecover" else "bad", category_name(verdict))


def _badge(class_: str, text: str) -> Element:
    return element("span", f"badge {class_}", text)


def _hint(verdict: Verdict) -> Iterable[Element]:
    if verdict.hint:
        yield element("p", "hint", element("strong", "", "What to do"), verdict.hint)


def _facts(facts: Iterable[tuple[str, str | Element]]) -> Element:
    rows = [element("div", "", element("dt", "", label), element("dd", "", value)) for label, value in facts]
    return element("dl", "", *rows)


def _when(at: datetime) -> Element:
    return element("time", "", f"{at:%Y-%m-%d %H:%M:%S} UTC", datetime=rfc3339(at))


def _after(at: datetime, start: datetime) -> str:
    return f"+{duration(int((at - start).total_seconds()))}" if at > start else ""
