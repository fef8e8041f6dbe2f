"""The categorizer: findings of a pod → rules → verdict. Pure: the same pod, events and rules give the same verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from coroner_categorizer.findings.collect import read_findings
from coroner_categorizer.findings.finding import Finding, Seen, Standing
from coroner_categorizer.findings.job_condition import job_failed
from coroner_categorizer.findings.startup_events import never_created
from coroner_categorizer.objects.event import Event, parse_event
from coroner_categorizer.objects.pod import Metadata, Pod, parse_pod
from coroner_categorizer.objects.workload import Workload, parse_workload
from coroner_categorizer.redaction.redactor import DEFAULT_REDACTOR, Redactor
from coroner_categorizer.rules.match_context import Domain, Scene, pod_texts
from coroner_categorizer.rules.parser import RuleSet, parse
from coroner_categorizer.rules.pattern_set import PatternSet
from coroner_categorizer.rules.rule import Match
from coroner_categorizer.verdict import Failure, Identity, Judgement, Verdict
from coroner_categorizer.verdict_builder import make_verdict

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_DOMAINS: tuple[Domain, ...] = ("termination message", "message", "pod error", "event")


class Categorizer:
    """Compiled rules: the document's own first, then the default pack's if it extends that."""

    def __init__(self, rule_sets: Sequence[RuleSet], text_hash: str, redactor: Redactor = DEFAULT_REDACTOR) -> None:
        self.redactor = redactor
        self._rule_sets = [s for s in rule_sets if s.enabled]
        self.rules = tuple(rule for s in self._rule_sets for rule in s.rules)
        self.hash = text_hash
        """First 12 hex digits of the rules' SHA-256: tells which pack decided."""
        wanted: dict[Domain, list[str]] = {domain: [] for domain in _DOMAINS}
        for rule in self.rules:
            for matcher in (*rule.matchers, *rule.exceptions):
                for domain, pattern in matcher.patterns:
                    wanted[domain].append(pattern)
        self._patterns = {domain: PatternSet(patterns) for domain, patterns in wanted.items()}

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
        return self.judge(
            pod if isinstance(pod, Pod) else parse_pod(pod),
            [e if isinstance(e, Event) else parse_event(e) for e in events or ()],
            owner if isinstance(owner, Workload) or owner is None else parse_workload(owner),
            pod_error,
        ).verdict

    def judge(
        self, pod: Pod, events: Sequence[Event] = (), owner: Workload | None = None, pod_error: str | None = None
    ) -> Judgement:
        """The verdict on a pod together with every failure that it shows, the one that speaks for it first."""
        mine = _in_order(e for e in events if _is_about(e, pod.metadata) or e.about.kind == "Node")
        findings = read_findings(pod, mine, owner)
        if pod_error and not any(f.current for f in findings):
            findings.insert(0, _told_by_the_caller(pod, pod_error))
        mine = [e for e in mine if e.about.kind != "Node"]
        return self._judge(Scene(pod, findings, mine, pod_texts(pod, pod_error), self._patterns, self.redactor))

    def judge_workload(self, workload: Workload, events: Sequence[Event]) -> Judgement:
        """Why a workload's pods were never created, from the FailedCreate events about it."""
        mine = _in_order(e for e in events if _is_about(e, workload.metadata))
        return self._judge_workload(workload, never_created(workload, mine), mine)

    def judge_job(self, job: Workload) -> Judgement:
        """Why a Job failed by its own condition, for a Job none of whose pods was seen to fail."""
        return self._judge_workload(job, job_failed(job), ())

    def _judge_workload(self, workload: Workload, finding: Finding | None, events: Sequence[Event]) -> Judgement:
        pod = Pod(metadata=Metadata(namespace=workload.metadata.namespace))
        texts = [Seen(finding.source, finding.text)] if finding else []
        return self._judge(Scene(pod, [finding] if finding else [], events, texts, self._patterns, self.redactor))

    def _judge(self, scene: Scene) -> Judgement:
        failing = any(f.current and not f.covered for f in scene.findings)
        if not self._rule_sets:
            return Judgement(None, (), failing)
        verdict, speaker = self._decide(scene)
        failures = []
        for finding in scene.findings:
            if finding.covered:
                continue
            own = verdict if finding is speaker else self._decide_one(finding, scene)
            if own:
                failures.append(_failure(finding, own, current=finding is speaker))
        failures.sort(key=lambda f: not f.current)
        return Judgement(verdict, tuple(failures), failing)

    def _decide(self, scene: Scene) -> tuple[Verdict | None, Finding | None]:
        """The verdict on the pod, and the finding that it speaks of."""
        current = [f for f in scene.findings if f.current and not f.covered]
        if not current:
            return None, None
        newest = [f for f in scene.findings if f.newest]
        first: Match | None = None
        categories: set[str] = set()
        for rule_set in self._rule_sets:
            for match in self._matches(rule_set, current, newest, scene):
                first = first or match
                categories.add(match.rule.category)
        speaker = (first.finding if first else None) or current[0]
        if speaker.covered or not speaker.current:
            speaker = current[0]
        return self._verdict(first, speaker, scene, categories), speaker

    def _matches(
        self, rule_set: RuleSet, current: Sequence[Finding], newest: Sequence[Finding], scene: Scene
    ) -> Iterable[Match]:
        if rule_set.precedence == "Rules":
            for rule in rule_set.rules:
                if match := rule.match_any(newest, scene):
                    yield match
        else:
            for finding in current:
                if found := next((m for r in rule_set.rules if (m := r.match_one(finding, scene))), None):
                    yield found

    def _decide_one(self, finding: Finding, scene: Scene) -> Verdict | None:
        """The verdict on one failure by itself, for counts and history."""
        for rule_set in self._rule_sets:
            for rule in rule_set.rules:
                if match := rule.match_one(finding, scene):
                    return self._verdict(match, finding, scene, {rule.category})
        return self._verdict(None, finding, scene, set())

    def _verdict(self, match: Match | None, speaker: Finding, scene: Scene, categories: set[str]) -> Verdict | None:
        if match:
            return make_verdict(match, speaker, scene, categories)
        chosen = next((s for s in self._rule_sets if s.default_category), None)
        if not chosen:
            return None
        category, subcategory = chosen.default_category, chosen.default_subcategory
        return make_verdict(None, speaker, scene, {category}, default=(category, subcategory))


def load(text: str, redactor: Redactor = DEFAULT_REDACTOR) -> Categorizer:
    """Rules in YAML → Categorizer. Raises ConfigError, whose ``mistakes`` are all that is wrong with the document.

    ``redactor``: what verdicts pass; give one of your own to hide a site's own secrets too.
    """
    rule_set = parse(text)
    if not rule_set.extends_default:
        return Categorizer([rule_set], _hash(text), redactor)
    pack = _default_text()
    return Categorizer([rule_set, parse(pack)], _hash(text + pack), redactor)


def default(redactor: Redactor = DEFAULT_REDACTOR) -> Categorizer:
    """The default pack that ships with the package (``rules/default.yaml``)."""
    pack = _default_text()
    return Categorizer([parse(pack)], _hash(pack), redactor)


def _default_text() -> str:
    return resources.files("coroner_categorizer").joinpath("rules/default.yaml").read_text("utf-8")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _in_order(events: Iterable[Event]) -> list[Event]:
    """Oldest first, so that a verdict does not depend on the order in which the API lists them."""
    return sorted(events, key=lambda e: (e.last_seen or _EARLIEST, e.reason, e.text))


def _is_about(event: Event, metadata: Metadata) -> bool:
    """Names are reused, so an event is bound by UID (trap 11); one without a UID was already chosen by the caller."""
    return not event.about.uid or not metadata.uid or event.about.uid == metadata.uid


def _told_by_the_caller(pod: Pod, pod_error: str) -> Finding:
    """A caller that gives a pod-level text says that the pod failed."""
    return Finding(
        names=("PodError",),
        standing=Standing.POD,
        source="pod error",
        identity=Identity(pod.metadata.uid, "", "PodError"),
        text=pod_error,
        ceiling="Likely",
    )


def _failure(finding: Finding, verdict: Verdict, *, current: bool) -> Failure:
    return Failure(
        identity=finding.identity,
        verdict=verdict,
        at=finding.at,
        current=current,
        ended_instances=finding.ended_instances,
        waiting=finding.waiting,
        permanent=finding.permanent,
    )
