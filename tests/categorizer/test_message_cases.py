"""Texts of other clusters, runtimes and programs: which cause they name, and which they do not.

``message_cases.yaml`` has them by where they are found, ``public_texts.yaml`` by the kind of fault, each with its source.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import coroner_categorizer as cc
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import condition, create_failed, event, failed, job, pod, waiting

Json = dict[str, Any]

MESSAGES: dict[str, list[Json]] = yaml.safe_load((Path(__file__).parent / "message_cases.yaml").read_text())
PUBLIC: dict[str, list[Json]] = yaml.safe_load((Path(__file__).parent / "public_texts.yaml").read_text())
CASES = [pytest.param(where, case, id=f"{where}: {case['what']}") for where in MESSAGES for case in MESSAGES[where]]
PUBLIC_CASES = [pytest.param(case, id=f"{kind}: {case['what']}") for kind in PUBLIC for case in PUBLIC[kind]]


def classified(where: str, case: Json, categorizer: cc.Categorizer) -> cc.Verdict | None:
    reason, message = case.get("reason", ""), case["message"]
    match where:
        case "ended":
            return categorizer.classify(pod(failed(case["exitCode"], reason, message, case.get("container", "main"))))
        case "waiting":
            return categorizer.classify(pod(waiting(reason, message)))
        case "unscheduled":
            return categorizer.classify(pod(conditions=(condition("PodScheduled", "False", reason, message),)))
        case "rejected":
            return categorizer.classify(pod(phase="Failed", reason=reason, message=message))
        case "stuck":
            return categorizer.classify(pod(waiting("ContainerCreating")), [event(reason, message)])
        case "uncreated":
            events = [cc.parse_event(create_failed(message))]
            return categorizer.classify_workload(cc.parse_workload(job()), events).verdict
        case _:
            raise ValueError(where)


@pytest.fixture(scope="module")
def categorizer() -> cc.Categorizer:
    return CATEGORIZER


@pytest.mark.parametrize(("where", "case"), CASES)
def test_the_cause_in_a_text_is_recognized(where: str, case: Json, categorizer: cc.Categorizer) -> None:
    check(case, classified(where, case, categorizer))


@pytest.mark.parametrize("case", PUBLIC_CASES)
def test_a_text_of_a_public_report_is_recognized(case: Json, categorizer: cc.Categorizer) -> None:
    assert case["source"]
    check(case, classified(case["where"], case, categorizer))


def check(case: Json, verdict: cc.Verdict | None) -> None:
    assert verdict is not None
    assert f"{verdict.category}/{verdict.subcategory}" == case["verdict"]
    text = f"{verdict.message} {verdict.hint}"
    assert case.get("says", "") in text
    assert "silent" not in case or case["silent"] not in text


def test_any_number_of_mirrors_may_have_been_tried(categorizer: cc.Categorizer) -> None:
    mirrors = " ".join(f"[m{n}.example/app:1: manifest unknown]" for n in range(5_000))
    asked = waiting("ErrImagePull", f"(Mirrors also failed: {mirrors}): r.example/app:1: dial tcp: i/o timeout")
    unfinished = waiting("ErrImagePull", f"(Mirrors also failed: {mirrors}")
    subcategories = [v.subcategory for p in (asked, unfinished) if (v := categorizer.classify(pod(p)))]
    assert subcategories == ["registry-unavailable", "image-not-found"]
