"""Every rule of the default pack decides at least one case in this folder."""

from __future__ import annotations

from collections.abc import Iterator

import coroner_categorizer as cc
from tests.categorizer.test_fixtures import EXPECTED, recorded
from tests.categorizer.test_lookalikes import CLAIMS, DENIALS, JOB_CONDITIONS, REFUSALS, TRAPS
from tests.categorizer.test_message_cases import TEXTS, classified
from tests.support.pods import create_failed, job, unschedulable


def verdicts(categorizer: cc.Categorizer) -> Iterator[cc.Verdict | None]:
    for name in EXPECTED:
        obj, events = recorded(name)
        parsed = [cc.parse_event(event) for event in events]
        if obj["kind"] == "Pod":
            judgement = categorizer.classify_pod(cc.parse_pod(obj), parsed)
        else:
            judgement = categorizer.classify_workload(cc.parse_workload(obj), parsed)
        yield from (judgement.verdict, *(failure.verdict for failure in judgement.failures))
    for where, cases in TEXTS.items():
        yield from (classified(where, case, categorizer) for case in cases)
    for _, subject, events, owner, _ in TRAPS:
        yield categorizer.classify(subject, events, owner=owner)
    for _, subject, events, *_ in CLAIMS:
        yield categorizer.classify(subject, events)
    for message, _ in REFUSALS:
        yield categorizer.classify(unschedulable(message))
    for text, _ in DENIALS:
        yield categorizer.classify_workload(cc.parse_workload(job()), [cc.parse_event(create_failed(text))]).verdict
    for failed_job, _ in JOB_CONDITIONS:
        yield categorizer.classify_job(cc.parse_workload(failed_job)).verdict


def test_every_rule_decides_a_case() -> None:
    categorizer = cc.default()
    deciding = {verdict.rule for verdict in verdicts(categorizer) if verdict}
    assert sorted(rule.id for rule in categorizer.rules if rule.id not in deciding) == []
