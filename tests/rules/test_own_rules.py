"""A site's own rules: they come before the default pack, and can use or overrule each of its findings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import coroner_categorizer as cc
from coroner_categorizer.rules.template_facts import BASE_FACTS, FINDING_FACTS
from tests.support.pods import condition, disrupted, event, failed, killing, pod, running, unschedulable, waiting

Json = dict[str, Any]

OWN = """
apiVersion: coroner.dev/v1alpha1
kind: Categorizer
extends: default
categories:
  - name: site
    rules:
      - {matcher}
        name: site/rule
        subcategory: mine
        retry: MayRecover
        message: 'seen in ${container} of ${pod}'
        hint: ask the site
"""
POD_ERROR = pod(failed(1), phase="Failed", reason="Evicted", message="because of the weather")

MATCHERS: list[tuple[str, str, Json, list[Json]]] = [
    ("exit codes", "onExitCodes: {operator: In, values: [74, 75]}", pod(failed(74)), []),
    ("termination message", "onTerminationMessage: {pattern: 'disk on (?P<what>fire|strike)'}", pod(failed(1, message="disk on fire")), []),
    ("conditions", "onConditions: [OOMKilled]", pod(failed(137, "OOMKilled")), []),
    ("pod error", "onPodError: {pattern: weather}", POD_ERROR, []),
    ("pod error, the waiting message", "onPodError: {pattern: 'no such host'}", pod(waiting("ErrImagePull", "no such host")), []),
    ("pod error, the scheduler's words", "onPodError: {pattern: 'Insufficient cpu'}", unschedulable("0/1 nodes are available: 1 Insufficient cpu."), []),
    ("events", "onPodEvents: {regexp: 'Liveness', type: Warning, reason: Unhealthy}", pod(failed(137)), [event("Unhealthy", "Liveness probe failed", "main")]),
    ("reasons of a waiting container", "onReasons: [CreateContainerConfigError]", pod(waiting("CreateContainerConfigError", "x")), []),
    ("reasons of the pod", "onReasons: [Evicted]", POD_ERROR, []),
    ("findings", "onFindings: [KilledByLivenessProbe]", pod(failed(137)), [event("Unhealthy", "Liveness probe failed", "main"), killing()]),
    ("pod conditions", "onPodConditions: {type: DisruptionTarget, status: 'True', reason: PreemptionByScheduler}", pod(failed(137), conditions=(disrupted("PreemptionByScheduler"),)), []),
    ("signals", "onSignals: [SIGSEGV]", pod(failed(139)), []),
    ("message", "onMessage: {pattern: 'nowhere'}", pod(waiting("ErrImagePull", "nowhere: not found")), []),
]  # fmt: skip


@pytest.mark.parametrize(("matcher", "subject", "events"), [m[1:] for m in MATCHERS], ids=[m[0] for m in MATCHERS])
def test_each_matcher_overrules_the_default_pack(matcher: str, subject: Json, events: list[Json]) -> None:
    categorizer = cc.load(OWN.replace("{matcher}", matcher))
    verdict = categorizer.classify(subject, events)
    assert verdict is not None
    assert (verdict.category, verdict.subcategory, verdict.rule) == ("site", "mine", "site/rule")
    assert verdict.retry == "MayRecover"
    assert categorizer.classify(pod(running()), events) is None


def test_the_default_pack_decides_what_the_site_does_not() -> None:
    text = "kind: Categorizer\nextends: default\ncategories: [{name: a, rules: [{onExitCodes: {operator: In, values: [74]}}]}]"
    verdict = cc.load(text).classify(pod(failed(139)))
    assert verdict is not None
    assert (verdict.category, verdict.rule) == ("user-code", "default/user-code/segfault")


def test_every_category_that_a_rule_matched_is_kept() -> None:
    text = """
kind: Categorizer
categories:
  - {name: z, rules: [{onExitCodes: {operator: In, values: [3]}, subcategory: first}]}
  - {name: a, rules: [{onTerminationMessage: {pattern: disk}}]}
  - {name: m, rules: [{onTerminationMessage: {pattern: other}}]}
"""
    verdict = cc.load(text).classify(pod(failed(3, message="disk")))
    assert verdict is not None
    assert (verdict.category, verdict.subcategory, verdict.categories) == ("z", "first", ("a", "z"))


def test_a_disabled_document_classifies_nothing() -> None:
    rules = "categories: [{name: a, rules: [{onExitCodes: {operator: In, values: [3]}}]}]"
    assert cc.load(rules).classify(pod(failed(3))) is not None
    assert cc.load("enabled: false\n" + rules).classify(pod(failed(3))) is None


def test_a_container_scope_is_kept_to() -> None:
    text = "categories: [{name: a, rules: [{onExitCodes: {operator: In, values: [3]}, containerName: trainer}]}]"
    assert cc.load(text).classify(pod(failed(3, name="main"))) is None
    assert cc.load(text).classify(pod(failed(3, name="trainer"))) is not None


def test_the_hash_tells_one_rule_set_from_another() -> None:
    one = cc.load("categories: [{name: a, rules: [{onConditions: [OOMKilled]}]}]")
    other = cc.load("categories: [{name: b, rules: [{onConditions: [OOMKilled]}]}]")
    assert len({one.hash, other.hash, cc.default().hash}) == 3
    assert cc.default().hash == cc.default().hash


def test_every_rule_of_the_default_pack_has_its_words_and_a_name_of_the_vocabulary() -> None:
    from pathlib import Path

    vocabulary = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text()
    for rule in cc.default().rules:
        assert rule.id.startswith(f"default/{rule.category}/"), rule.id
        assert rule.subcategory in vocabulary, rule.id
        assert rule.messages, rule.id
        assert rule.hints, rule.id


def test_a_condition_that_is_absent_matches_no_status() -> None:
    text = "kind: Categorizer\ncategories: [{name: a, rules: [{onPodConditions: {type: Ready}}]}]"
    categorizer = cc.load(text)
    assert categorizer.classify(pod(failed(1))) is None
    assert categorizer.classify(pod(failed(1), conditions=(condition("Ready", "False"),))) is not None


def test_an_exception_keeps_a_rule_from_holding() -> None:
    rule = "{onExitCodes: {operator: In, values: [3]}, unless: {onTerminationMessage: {pattern: harmless}}}"
    categorizer = cc.load(f"kind: Categorizer\ncategories: [{{name: a, rules: [{rule}]}}]")
    assert categorizer.classify(pod(failed(3, message="bad"))) is not None
    assert categorizer.classify(pod(failed(3, message="harmless"))) is None


def test_every_fact_is_documented() -> None:
    documented = (Path(__file__).parents[2] / "docs/rules.md").read_text()
    assert [fact for fact in sorted({*BASE_FACTS, *FINDING_FACTS}) if f"`${{{fact}}}`" not in documented] == []
