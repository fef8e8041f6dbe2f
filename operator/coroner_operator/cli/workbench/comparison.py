"""Recorded failures under two sets of rules: what the new one changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import coroner_categorizer as cc
from coroner_categorizer.verdict import Verdict
from coroner_operator.cli.explanations import Explanation, explain_objects
from coroner_operator.cli.workbench.recordings import RecordedReport, Recordings, agrees, rebuilt

NO_FAILURE = "(no failure)"
NO_RULE = "(no rule matches)"

_DETAILS: tuple[tuple[str, Callable[[Verdict], str]], ...] = (
    ("retry", lambda verdict: verdict.retry),
    ("confidence", lambda verdict: verdict.confidence),
    ("reason", lambda verdict: verdict.reason),
    ("categories", lambda verdict: ", ".join(verdict.categories)),
)
"""Compared where the name is the same."""


class Change(NamedTuple):
    """How a verdict differs."""

    field: str
    """``name`` (category and subcategory), one of the details, or ``message or hint``."""
    old: str
    new: str


class Group(NamedTuple):
    """Failures that change in the same way."""

    change: Change
    names: Sequence[str]


class NotReplayed(NamedTuple):
    reports: int = 0
    """Reports from which the old rules do not get the report's own verdict: what it keeps is not enough."""
    history: int = 0
    without_failure: int = 0


class Comparison(NamedTuple):
    failures: int
    """All that were classified with both."""
    of_reports: int
    truncated_or_redacted: int
    """Of those from reports: with texts that were truncated or redacted."""
    groups: Sequence[Group]
    """The most frequent first, names before details."""
    not_replayed: NotReplayed

    @property
    def recategorized(self) -> int:
        return sum(len(group.names) for group in self.groups if group.change.field == "name")

    @property
    def other_changes(self) -> int:
        return sum(len(group.names) for group in self.groups if group.change.field != "name")


class _Pair(NamedTuple):
    name: str
    old: str
    new: str
    old_verdict: Verdict | None
    new_verdict: Verdict | None


def compare(recordings: Recordings, old: cc.Categorizer, new: cc.Categorizer) -> Comparison:
    """Each failure that is one by the old or the new rules, once: a report of a pod that is given too is left out."""
    pairs = list(_of_objects(recordings, old, new))
    given = {subject.metadata.uid for subject in recordings.subjects if subject.metadata.uid}
    reports = [report for report in recordings.reports if report.pod_uid not in given]
    of_reports = [(report, pair) for report in reports if (pair := _of_report(report, old, new)) is not None]
    all_pairs = [*pairs, *(pair for _, pair in of_reports)]
    return Comparison(
        len(all_pairs),
        len(of_reports),
        sum(report.is_truncated_or_redacted for report, _ in of_reports),
        _groups(all_pairs),
        NotReplayed(len(reports) - len(of_reports), recordings.history, recordings.without_failure),
    )


def _of_objects(recordings: Recordings, old: cc.Categorizer, new: cc.Categorizer) -> Iterator[_Pair]:
    before = {_key(each): each for each in explain_objects(recordings, old)}
    after = {_key(each): each for each in explain_objects(recordings, new)}
    for key in dict.fromkeys((*before, *after)):
        one, other = before.get(key), after.get(key)
        if (one is not None and one.is_failing) or (other is not None and other.is_failing):
            name = "/".join(filter(None, (key[1], key[2])))
            yield _Pair(name, _verdict_name(one), _verdict_name(other), one and one.verdict, other and other.verdict)


def _key(explanation: Explanation) -> tuple[str, str, str, str]:
    return explanation.kind, explanation.namespace, explanation.name, explanation.uid


def _verdict_name(explanation: Explanation | None) -> str:
    if explanation is None or not explanation.is_failing:
        return NO_FAILURE
    return explanation.verdict.name if explanation.verdict is not None and explanation.verdict.name else NO_RULE


def _of_report(report: RecordedReport, old: cc.Categorizer, new: cc.Categorizer) -> _Pair | None:
    """None: what the report keeps is not enough."""
    pod, events = rebuilt(report)
    before = old.classify_pod(pod, events).verdict
    if not agrees(report, before):
        return None
    after = new.classify_pod(pod, events).verdict
    name = NO_RULE if after is None or not after.name else after.name
    return _Pair(f"{report.namespace}/{report.name}", report.verdict_name, name, before, after)


def _groups(pairs: Sequence[_Pair]) -> list[Group]:
    found: dict[Change, list[str]] = {}
    for pair in pairs:
        if (change := _change(pair)) is not None:
            found.setdefault(change, []).append(pair.name)
    groups = [Group(change, names) for change, names in found.items()]
    return sorted(groups, key=lambda group: (group.change.field != "name", -len(group.names), group.change))


def _change(pair: _Pair) -> Change | None:
    """The most important difference; None: there is none."""
    if pair.old != pair.new:
        return Change("name", pair.old, pair.new)
    old, new = pair.old_verdict, pair.new_verdict
    if old is None or new is None:
        return None
    for field, read in _DETAILS:
        if read(old) != read(new):
            return Change(field, f"{pair.old}: {read(old)}", read(new))
    if (old.message, old.hint) != (new.message, new.hint):
        return Change("message or hint", pair.old, pair.new)
    return None
