"""Confirmed is what a field says: never what a program printed, nor a text that no rule knows."""

from __future__ import annotations

import pytest

import coroner_categorizer as cc
from coroner_categorizer.rules.matchers import OnReasons
from tests.categorizer.test_message_cases import MESSAGES, PUBLIC
from tests.categorizer.test_pattern_sources import PROGRAM_TEXTS, is_over_programs_text
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import (
    Json,
    crash_looping,
    create_failed,
    disrupted,
    event,
    failed,
    job,
    pod,
    unschedulable,
    waiting,
)

UNKNOWN = "flux capacitor is not charged"
SAY_IT_ALL = {"RegistryUnavailable", "Shutdown"}  # the kubelet's reason is the cause, whatever its text adds

PRINTED = [
    *(case["text"] for cases in PROGRAM_TEXTS.values() for case in cases),
    *(case["message"] for case in MESSAGES["ended"]),
    *(case["message"] for cases in PUBLIC.values() for case in cases if case["where"] == "ended"),
]


def test_no_rule_that_reads_what_a_program_prints_says_confirmed() -> None:
    reading = [
        rule
        for rule in CATEGORIZER.rules
        if is_over_programs_text(rule) and any(matcher.patterns for matcher in rule.matchers)
    ]
    assert len(reading) >= 40
    assert [rule.id for rule in reading if rule.confidence == "Confirmed"] == []


@pytest.mark.parametrize("code", [1, 2, 126, 127, 134, 137, 139, 143, 247, 255])
def test_a_text_never_makes_a_verdict_confirmed(code: int) -> None:
    """Where a verdict is Confirmed, it is so without the text, and the same one."""

    def confirmed(subject: Json) -> str | None:
        verdict = CATEGORIZER.classify(subject)
        return verdict.subcategory if verdict and verdict.confidence == "Confirmed" else None

    for container in (failed, crash_looping):
        silent = confirmed(pod(container(code)))
        said = {text: confirmed(pod(container(code, message=text))) for text in PRINTED}
        assert {text: given for text, given in said.items() if given not in (None, silent)} == {}


def _reasons(*, with_pattern: bool) -> set[str]:
    return {
        reason
        for rule in CATEGORIZER.rules
        if not with_pattern or any(matcher.patterns for matcher in rule.matchers)
        for matcher in rule.matchers
        if isinstance(matcher, OnReasons)
        for reason in matcher.reasons
    }


def _given_reason(reason: str, text: str) -> list[tuple[Json, list[Json]]]:
    """A pod with this reason wherever one can be."""
    return [
        (pod(waiting(reason, text)), []),
        (pod(failed(1, reason, text)), []),
        (pod(failed(128, reason, text)), []),
        (pod(phase="Failed", reason=reason, message=text), []),
        (pod(waiting("ContainerCreating")), [event(reason, text)]),
        (pod(failed(143), conditions=(disrupted(reason, text),)), []),
    ]


def test_a_text_that_no_rule_knows_is_never_confirmed_where_the_text_decides() -> None:
    read = _reasons(with_pattern=True) - {"Error"}
    assert len(read) >= 15
    confirmed = {
        reason
        for reason in read
        for subject, events in _given_reason(reason, UNKNOWN)
        if (verdict := CATEGORIZER.classify(subject, events)) and verdict.confidence == "Confirmed"
    }
    assert confirmed == SAY_IT_ALL


def test_an_event_alone_is_never_confirmed() -> None:
    found = [
        CATEGORIZER.classify(pod(waiting("ContainerCreating")), [event(reason, UNKNOWN)])
        for reason in _reasons(with_pattern=False)
    ]
    assert [verdict.rule for verdict in found if verdict and verdict.confidence == "Confirmed"] == []


def test_what_could_not_be_created_or_scheduled_for_an_unknown_cause_is_unknown() -> None:
    uncreated = CATEGORIZER.classify_workload(
        cc.parse_workload(job()), [cc.parse_event(create_failed(f"Error creating: {UNKNOWN}"))]
    ).verdict
    unplaced = CATEGORIZER.classify(unschedulable(f"0/3 nodes are available: 3 {UNKNOWN}."))
    assert [verdict and verdict.confidence for verdict in (uncreated, unplaced)] == ["Unknown", "Unknown"]
