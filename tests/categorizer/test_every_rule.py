"""Every rule of the default pack decides at least one case in this folder."""

from __future__ import annotations

from collections.abc import Iterator

import coroner_categorizer as cc
from coroner_categorizer.rules.matchers import Matcher, OnFindings, OnReasons
from tests.categorizer.test_device_health import CASES as DEVICE_CASES
from tests.categorizer.test_fixtures import EXPECTED, recorded
from tests.categorizer.test_lookalikes import (
    CONFIDENCE_CASES,
    CREATE_FAILURES,
    JOB_CONDITIONS,
    LOOKALIKES,
    SCHEDULER_MESSAGES,
)
from tests.categorizer.test_message_cases import MESSAGES, PUBLIC, classified
from tests.categorizer.test_public_cases import CASES, public_verdicts
from tests.categorizer.test_public_searches import CASES as SEARCHED_CASES
from tests.categorizer.test_public_searches import verdicts_of
from tests.categorizer.test_stuck import CRON_JOBS, WAITS, classified_late, no_progress
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import create_failed, job, unschedulable


def verdicts(categorizer: cc.Categorizer) -> Iterator[cc.Verdict | None]:
    for name in EXPECTED:
        obj, events = recorded(name)
        parsed = [cc.parse_event(event) for event in events]
        if obj["kind"] == "Pod":
            classification = categorizer.classify_pod(cc.parse_pod(obj), parsed)
        else:
            classification = categorizer.classify_workload(cc.parse_workload(obj), parsed)
        yield from (classification.verdict, *(failure.verdict for failure in classification.failures))
    for where, cases in MESSAGES.items():
        yield from (classified(where, case, categorizer) for case in cases)
    for kind in PUBLIC:
        yield from (classified(case["where"], case, categorizer) for case in PUBLIC[kind])
    for name in CASES:
        yield from public_verdicts(name)
    for name in SEARCHED_CASES:
        yield from verdicts_of(name)
    for _, subject, events, owner, _ in LOOKALIKES:
        yield categorizer.classify(subject, events, owner=owner)
    for _, subject, events, *_ in (*CONFIDENCE_CASES, *DEVICE_CASES):
        yield categorizer.classify(subject, events)
    for message, _ in SCHEDULER_MESSAGES:
        yield categorizer.classify(unschedulable(message))
    for text, _ in CREATE_FAILURES:
        yield categorizer.classify_workload(cc.parse_workload(job()), [cc.parse_event(create_failed(text))]).verdict
    for failed_job, _ in JOB_CONDITIONS:
        yield categorizer.classify_job(cc.parse_workload(failed_job)).verdict
    for _, subject, events, owner, *_ in WAITS:
        yield classified_late(subject, events, owner, categorizer).verdict
    for _, cron_job, about, _ in CRON_JOBS:
        yield categorizer.classify_workload(cron_job, about).verdict
    yield categorizer.classify_rollout(no_progress()).verdict


def test_every_rule_decides_a_case() -> None:
    categorizer = CATEGORIZER
    deciding = {verdict.rule for verdict in verdicts(categorizer) if verdict}
    assert sorted(rule.id for rule in categorizer.rules if rule.id not in deciding) == []


def test_every_subcategory_of_the_default_pack_has_a_case() -> None:
    shown = {(verdict.category, verdict.subcategory) for verdict in verdicts(CATEGORIZER) if verdict}
    assert {(rule.category, rule.subcategory) for rule in CATEGORIZER.rules} - shown == set()


def _names(matcher: Matcher) -> tuple[str, ...]:
    if isinstance(matcher, OnReasons):
        return matcher.reasons
    return matcher.names if isinstance(matcher, OnFindings) else ()


_SAID_BY_THE_REASON = {"default/platform/registry-unavailable-reason-only"}  # the kubelet's own reason for it
_PROGRAMS_TEXT = {"ProgramExited", "UncaughtException"}


def test_no_rule_is_confirmed_by_a_programs_text_or_by_a_catch_all() -> None:
    """A catch-all has no pattern, and stands behind rules that read the text of all its reasons."""
    confirmed_by_text, confirmed_catch_alls = [], []
    read: set[str] = set()
    for rule in CATEGORIZER.rules:
        names = {name for m in rule.matchers for name in _names(m)}
        patterns = [pattern for m in rule.matchers for pattern in m.patterns]
        is_program_text = any(field == "termination message" for field, _ in patterns) or names & _PROGRAMS_TEXT
        if rule.confidence == "Confirmed" and is_program_text:
            confirmed_by_text.append(rule.id)
        only_names = all(isinstance(m, OnReasons | OnFindings) for m in rule.matchers)
        if (
            rule.confidence == "Confirmed"
            and only_names
            and names
            and names <= read
            and rule.id not in _SAID_BY_THE_REASON
        ):
            confirmed_catch_alls.append(rule.id)
        if patterns:
            read |= names
    assert (confirmed_by_text, confirmed_catch_alls) == ([], [])
