"""Explanations as JSON or YAML, for a program.

The texts of a verdict are redacted and sanitized already; names of objects are sanitized here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import yaml

from coroner_categorizer.verdict import Verdict
from coroner_operator.cli.explanations import Explanation
from coroner_operator.cli.explanations.workload_summary import WorkloadSummary
from coroner_operator.cli.render.words import WIDTH_LIMIT, safe_name

_WORKLOAD_FIELDS = (
    *("state", "category", "subcategory", "reason", "message", "hint", "retry", "confidence"),
    *("consequence", "initiator", "followers"),
)


def as_json(explanations: Sequence[Explanation]) -> bytes:
    """A JSON array, one element an explanation, with a line break at its end."""
    return json_document(_plain(explanations))


def as_yaml(explanations: Sequence[Explanation]) -> bytes:
    """The same as ``as_json``, as YAML."""
    return yaml_document(_plain(explanations))


def json_document(value: Any) -> bytes:
    """A value for a program, with a line break at its end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def yaml_document(value: Any) -> bytes:
    """The same as ``json_document``, as YAML."""
    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True, width=WIDTH_LIMIT)
    return text.encode()


def _plain(explanations: Sequence[Explanation]) -> list[dict[str, Any]]:
    return [
        {
            "object": {
                "kind": safe_name(explanation.kind),
                "namespace": safe_name(explanation.namespace),
                "name": safe_name(explanation.name),
            },
            "verdict": explanation.verdict and _plain_verdict(explanation.verdict),
            **({"unexplained": True} if explanation.unexplained else {}),
            **({"waiting": explanation.waiting._asdict()} if explanation.waiting else {}),
            **({"restartsByRule": explanation.restarts_by_rule} if explanation.restarts_by_rule else {}),
            **({"workload": _plain_workload(explanation.workload)} if explanation.workload else {}),
        }
        for explanation in explanations
    ]


def _plain_verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "category": verdict.category,
        "subcategory": verdict.subcategory,
        "categories": list(verdict.categories),
        "reason": verdict.reason,
        "message": verdict.message,
        "hint": verdict.hint,
        "retry": verdict.retry,
        "confidence": verdict.confidence,
        "container": verdict.container and safe_name(verdict.container),
        "exitCode": verdict.exit_code,
        "evidence": [{"source": evidence.source, "text": evidence.text} for evidence in verdict.evidence],
        "rule": verdict.rule,
    }


def _plain_workload(summary: WorkloadSummary) -> dict[str, Any]:
    """Its verdict in the form of a FailureReport's status; no verdict where nothing is failing."""
    workload, status = summary.workload, summary.status()
    return {
        "kind": safe_name(workload.kind),
        "namespace": safe_name(workload.namespace),
        "name": safe_name(workload.name),
        "pods": summary.pods,
        "failing": summary.failing,
        **({"removed": len(summary.removed)} if summary.removed else {}),
        **({field: status[field] for field in _WORKLOAD_FIELDS if field in status} if summary.report.failures else {}),
    }
