"""Every rule of the default pack decides at least one case in this folder."""

from __future__ import annotations

from collections.abc import Iterator

import coroner_categorizer as cc
from tests.categorizer.test_device_health import CASES as DEVICE_CASES
from tests.categorizer.test_fixtures import EXPECTED, recorded
from tests.categorizer.test_lookalikes import (
    CONFIDENCE_CASES,
    CREATE_FAILURES,
    JOB_CONDITIONS,
    LOOKALIKES,
    SCHEDULER_MESSAGES,
)
from tests.categorizer.test_message_cases import MESSAGES, classified
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


def test_every_rule_decides_a_case() -> None:
    categorizer = CATEGORIZER
    deciding = {verdict.rule for verdict in verdicts(categorizer) if verdict}
    assert sorted(rule.id for rule in categorizer.rules if rule.id not in deciding) == []
