"""What every rule of the default pack keeps to."""

from __future__ import annotations

import coroner_categorizer as cc
from coroner_categorizer.rules.matchers import OnFindings, OnMessage, OnReasons, OnTerminationMessage
from coroner_categorizer.rules.rule import Rule
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import event, failed, killing, pod

*RULES, FALLBACK = CATEGORIZER.rules


def _admits_the_end_of_a_program(rule: Rule) -> bool:
    """Whether the rule can match a container that ended with reason Error."""
    reasons = [m.reasons for m in rule.matchers if isinstance(m, OnReasons)]
    findings = [m.names for m in rule.matchers if isinstance(m, OnFindings)]
    return all("Error" in names for names in reasons) and all(
        {"ProgramExited", "UncaughtException"} & set(names) for names in findings
    )


def test_every_rule_over_the_text_of_a_program_asks_whether_the_program_ended_by_itself() -> None:
    over_text = [r for r in RULES if any(isinstance(m, OnMessage | OnTerminationMessage) for m in r.matchers)]
    over_program_text = [rule for rule in over_text if _admits_the_end_of_a_program(rule)]
    assert len(over_program_text) >= 20
    assert [r.id for r in over_program_text if OnFindings(("ProgramExited",)) not in r.matchers] == []


def test_only_the_last_rule_takes_any_text() -> None:
    assert FALLBACK.category == "unknown"
    assert [m.key for m in FALLBACK.matchers] == ["onMessage"]


def test_a_program_that_was_ended_by_somebody_else_has_not_exited_by_itself() -> None:
    rules = "kind: Categorizer\ncategories: [{name: own, rules: [{onFindings: [ProgramExited]}]}]"
    categorizer = cc.load(rules)
    probe = [event("Unhealthy", "Liveness probe failed: HTTP 500", "main"), killing()]
    hook = [event("FailedPostStartHook", "PostStartHook failed", "main")]
    assert [categorizer.classify(pod(failed(code))) is not None for code in (1, 127, 134, 139, 255)] == [True] * 5
    assert [categorizer.classify(pod(failed(code))) for code in (130, 137, 143)] == [None] * 3
    assert [categorizer.classify(pod(failed(1)), events) for events in (probe, hook)] == [None, None]
    assert categorizer.classify(pod(failed(128, "StartError"))) is None
