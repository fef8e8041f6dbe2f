"""The categorizer: findings of a pod → rules → verdict. Pure: the same pod, events and rules give the same verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import Any

import msgspec

from coroner_categorizer.findings.collect import collect
from coroner_categorizer.findings.finding import Excerpt, FailureRank, Finding
from coroner_categorizer.findings.intended_restarts import restarts_by_rule
from coroner_categorizer.findings.job_condition import job_failure
from coroner_categorizer.findings.startup_events import create_failure
from coroner_categorizer.objects.event import Event, parse_event
from coroner_categorizer.objects.pod import Metadata, Pod, parse_pod
from coroner_categorizer.objects.workload import Workload, parse_workload
from coroner_categorizer.redaction.redactor import DEFAULT_REDACTOR, Redactor
from coroner_categorizer.redaction.sanitize import one_line
from coroner_categorizer.rules.match_context import MatchContext, TextField, pod_texts
from coroner_categorizer.rules.parser import RuleSet, parse
from coroner_categorizer.rules.pattern_set import PatternSet
from coroner_categorizer.rules.rule import Match, Rule
from coroner_categorizer.stuck.patience import DEFAULT_PATIENCE, Patience
from coroner_categorizer.stuck.pods import Lasting, lasting, starting
from coroner_categorizer.stuck.workloads import no_progress, not_started
from coroner_categorizer.verdict import Classification, Failure, FailureKey, Verdict, Wait
from coroner_categorizer.verdict_builder import build_verdict

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_NAMES_REMEMBERED = 512  # sets of names of findings; clusters show few, whoever writes statuses can make up more
_NAME_LENGTH = 128
_WAIT_LENGTH = 480
_TEXT_FIELDS: tuple[TextField, ...] = ("termination message", "message", "pod error", "event")


class Categorizer:
    """Compiled rules: the document's own first, then the default pack's if it extends that."""

    def __init__(self, rule_sets: Sequence[RuleSet], text_hash: str, redactor: Redactor = DEFAULT_REDACTOR) -> None:
        self.redactor = redactor
        self._rule_sets = [s for s in rule_sets if s.enabled]
        self.rules = tuple(rule for s in self._rule_sets for rule in s.rules)
        self.names = frozenset(
            {(rule.category, rule.subcategory) for rule in self.rules}
            | {(s.default_category, s.default_subcategory) for s in self._rule_sets if s.default_category}
        )
        """Category and subcategory of each verdict that the rules can give."""
        self._consequences = frozenset(rule.id for rule in self.rules if rule.consequence)
        self.hash = text_hash
        """First 12 hex digits of the rules' SHA-256: identifies the rules that decided."""
        wanted: dict[TextField, list[str]] = {field: [] for field in _TEXT_FIELDS}
        for rule in self.rules:
            for matcher in (*rule.matchers, *rule.unless):
                for field, pattern in matcher.patterns:
                    wanted[field].append(pattern)
        self._rules_by_names: dict[tuple[int, tuple[str, ...]], tuple[Rule, ...]] = {}
        self._patterns = {field: PatternSet(patterns) for field, patterns in wanted.items()}

    def classify(
        self,
        pod: Mapping[str, Any] | Pod,
        events: Iterable[Mapping[str, Any] | Event] = (),
        pod_error: str | None = None,
        owner: Mapping[str, Any] | Workload | None = None,
    ) -> Verdict | None:
        """The verdict on a pod; None where nothing is failing or no rule matches. Never raises on any JSON shape.

        ``pod_error`` is the pod-level text for ``onPodError``: None = read it from the pod, "" = there is none.
        """
        return self.classify_pod(
            pod if isinstance(pod, Pod) else parse_pod(pod),
            [e if isinstance(e, Event) else parse_event(e) for e in events or ()],
            owner if isinstance(owner, Workload) or owner is None else parse_workload(owner),
            pod_error,
        ).verdict

    def classify_pod(
        self,
        pod: Pod,
        events: Sequence[Event] = (),
        owner: Workload | None = None,
        pod_error: str | None = None,
        *,
        now: datetime | None = None,
        patience: Patience = DEFAULT_PATIENCE,
    ) -> Classification:
        """The verdict on a pod, and every failure that it shows, the primary one first.

        ``events``: about the pod, its node and its owner. ``now``: a time at which the pod was as it is; None = not
        known, so that nothing is a failure because of how long it has lasted.
        """
        own_events = _in_order(e for e in events if e.is_about(pod.metadata) or e.is_about_node)
        findings = collect(pod, own_events, owner, _about_owner(owner, events))
        if pod_error and not any(f.current for f in findings):
            findings.insert(0, _given_by_caller(pod, pod_error))
        goes_on = None if _fails(findings) else lasting(pod, own_events, owner, patience)
        if goes_on and now and now >= goes_on.due:
            findings = [goes_on.finding, *(msgspec.structs.replace(f, current=False) for f in findings)]
        own_events = [e for e in own_events if e.involved.kind != "Node"]
        classification = self._classify(
            MatchContext(pod, findings, own_events, pod_texts(pod, pod_error), self._patterns, self.redactor)
        )
        wait = self._wait(pod, own_events, goes_on, classification)
        return msgspec.structs.replace(classification, restarts_by_rule=restarts_by_rule(pod), wait=wait)

    def _wait(
        self, pod: Pod, events: Sequence[Event], goes_on: Lasting | None, classification: Classification
    ) -> Wait | None:
        if goes_on:
            is_over = any(failure.overdue for failure in classification.failures)
            text = one_line(goes_on.text, _WAIT_LENGTH, self.redactor)
            return None if is_over else Wait(text, goes_on.since, goes_on.due)
        found = None if classification.failing else starting(pod, events)
        return Wait(one_line(found[0], _WAIT_LENGTH, self.redactor), found[1]) if found else None

    def classify_workload(self, workload: Workload, events: Sequence[Event]) -> Classification:
        """Why a workload's pods were never created, or why a CronJob starts no Job: from the events about it."""
        own_events = _in_order(e for e in events if e.is_about(workload.metadata))
        finding = create_failure(workload, own_events) or not_started(workload, own_events)
        return self._classify_workload(workload, finding, own_events)

    def classify_rollout(self, deployment: Workload) -> Classification:
        """Whether a Deployment makes no progress according to its own condition, for one none of whose pods fails."""
        return self._classify_workload(deployment, no_progress(deployment), ())

    def classify_job(self, job: Workload) -> Classification:
        """Why a Job failed according to its own condition, for a Job none of whose pods was seen to fail."""
        return self._classify_workload(job, job_failure(job), ())

    def _classify_workload(
        self, workload: Workload, finding: Finding | None, events: Sequence[Event]
    ) -> Classification:
        pod = Pod(metadata=Metadata(namespace=workload.metadata.namespace))
        texts = [Excerpt(finding.source, finding.text)] if finding else []
        return self._classify(
            MatchContext(pod, [finding] if finding else [], events, texts, self._patterns, self.redactor)
        )

    def _classify(self, context: MatchContext) -> Classification:
        failing = any(f.current and not f.explained_by_pod for f in context.findings)
        if not self._rule_sets:
            return Classification(None, (), failing)
        verdict, primary = self._decide(context)
        failures = []
        for finding in context.findings:
            if finding.explained_by_pod:
                continue
            own = verdict if finding is primary else self._decide_one(finding, context)
            if own:
                is_consequence = finding.consequence or own.rule in self._consequences
                failures.append(_failure(finding, own, current=finding is primary, consequence=is_consequence))
        failures.sort(key=lambda f: not f.current)
        return Classification(verdict, tuple(failures), failing)

    def _decide(self, context: MatchContext) -> tuple[Verdict | None, Finding | None]:
        """The verdict on the pod, and its primary finding."""
        current = [f for f in context.findings if f.current and not f.explained_by_pod]
        if not current:
            return None, None
        newest = [f for f in context.findings if f.is_latest_instance]
        first: Match | None = None
        categories: set[str] = set()
        for rule_set in self._rule_sets:
            for match in self._matches(rule_set, current, newest, context):
                first = first or match
                categories.add(match.rule.category)
        primary = (first.finding if first else None) or current[0]
        if primary.explained_by_pod or not primary.current:
            primary = current[0]
        return self._verdict(first, primary, context, categories), primary

    def _matches(
        self, rule_set: RuleSet, current: Sequence[Finding], newest: Sequence[Finding], context: MatchContext
    ) -> Iterable[Match]:
        if rule_set.precedence == "Rules":
            for rule in rule_set.rules:
                if match := rule.match_any(newest, context):
                    yield match
        else:
            for finding in current:
                rules = self._rules_for(rule_set, finding)
                if found := next((m for r in rules if (m := r.match_one(finding, context))), None):
                    yield found

    def _rules_for(self, rule_set: RuleSet, finding: Finding) -> tuple[Rule, ...]:
        """The rules that a finding with these names can match, in their order: most are for other names."""
        key = (id(rule_set), finding.names)
        found = self._rules_by_names.get(key)
        if found is None:
            if len(self._rules_by_names) >= _NAMES_REMEMBERED:
                self._rules_by_names.clear()
            found = tuple(rule for rule in rule_set.rules if rule.may_match(finding.names))
            if all(len(name) <= _NAME_LENGTH for name in finding.names):
                self._rules_by_names[key] = found
        return found

    def _decide_one(self, finding: Finding, context: MatchContext) -> Verdict | None:
        """The verdict on one finding by itself, for counts and history."""
        for rule_set in self._rule_sets:
            for rule in self._rules_for(rule_set, finding):
                if match := rule.match_one(finding, context):
                    return self._verdict(match, finding, context, {rule.category})
        return self._verdict(None, finding, context, set())

    def _verdict(
        self, match: Match | None, primary: Finding, context: MatchContext, categories: set[str]
    ) -> Verdict | None:
        if match:
            return build_verdict(match, primary, context, categories)
        chosen = next((s for s in self._rule_sets if s.default_category), None)
        if not chosen:
            return None
        category, subcategory = chosen.default_category, chosen.default_subcategory
        return build_verdict(None, primary, context, {category}, default=(category, subcategory))


def load(text: str, redactor: Redactor = DEFAULT_REDACTOR) -> Categorizer:
    """Rules in YAML → Categorizer. Raises ConfigError, whose ``errors`` are everything that is wrong with the document.

    ``redactor``: applied to every text of a verdict; pass your own to hide a site's own secrets too.
    """
    rule_set = parse(text)
    if not rule_set.extends_default:
        return Categorizer([rule_set], _hash(text), redactor)
    pack = default_text()
    return Categorizer([rule_set, parse(pack)], _hash(text + pack), redactor)


@lru_cache(maxsize=2)  # compiling takes 40 ms; of one process's redactors only the last is in use
def default(redactor: Redactor = DEFAULT_REDACTOR) -> Categorizer:
    """The default pack that ships with the package (``rules/default.yaml``). The same object at each call."""
    pack = default_text()
    return Categorizer([parse(pack)], _hash(pack), redactor)


def default_text() -> str:
    """The default pack as it is written."""
    return resources.files("coroner_categorizer").joinpath("rules/default.yaml").read_text("utf-8")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _in_order(events: Iterable[Event]) -> list[Event]:
    """Oldest first, so that a verdict does not depend on the order in which the API lists them."""
    return sorted(events, key=lambda e: (e.last_seen or _EARLIEST, e.reason, e.text))


def _about_owner(owner: Workload | None, events: Sequence[Event]) -> list[Event]:
    """An event that does not name the owner by its UID may be about the pod."""
    if owner is None or not owner.metadata.uid:
        return []
    return _in_order(e for e in events if e.involved.uid == owner.metadata.uid and e.is_about(owner.metadata))


def _fails(findings: Sequence[Finding]) -> bool:
    """Whether something fails. The end of what is deleted is none as long as the pod is there."""
    return any(f.current and not f.explained_by_pod and f.key.instance != "DeletedWhileRunning" for f in findings)


def _given_by_caller(pod: Pod, pod_error: str) -> Finding:
    """The finding of a caller who passes a pod-level text: the pod failed."""
    return Finding(
        names=("PodError",),
        rank=FailureRank.POD,
        source="pod error",
        key=FailureKey(pod.metadata.uid, "", "PodError"),
        text=pod_error,
        max_confidence="Likely",
    )


def _failure(finding: Finding, verdict: Verdict, *, current: bool, consequence: bool) -> Failure:
    return Failure(
        key=finding.key,
        verdict=verdict,
        at=finding.at,
        current=current,
        ended_instances=finding.ended_instances,
        waiting=finding.waiting,
        permanent=finding.permanent,
        overdue=finding.overdue,
        consequence=consequence,
    )
