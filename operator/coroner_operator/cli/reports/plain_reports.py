"""Reports for a program: as FailureReport objects in JSON or YAML, or by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coroner_categorizer.redaction.sanitize import safe_text
from coroner_operator.cli.render.plain import json_document, yaml_document
from coroner_operator.model.report import Report
from coroner_operator.model.report_codec import to_object, to_status

_TEXT_LIMIT = 4096  # characters; more than any text of a report


def reports_as_json(reports: Sequence[Report]) -> bytes:
    """A List of FailureReports, without the ledger, which is for the operator only."""
    return json_document(_list(reports))


def reports_as_yaml(reports: Sequence[Report]) -> bytes:
    """The same, as YAML."""
    return yaml_document(_list(reports))


def _list(reports: Sequence[Report]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": [_plain(report) for report in reports]}


def _plain(report: Report) -> Any:
    status = {field: value for field, value in to_status(report).items() if field != "ledger"}
    return safe({**to_object(report), "status": status})


def safe(value: Any) -> Any:
    """With every text redacted and without control characters: what is stored may have been edited."""
    match value:
        case str():
            return safe_text(value, _TEXT_LIMIT)
        case dict():
            return {key: safe(each) for key, each in value.items()}
        case list():
            return [safe(each) for each in value]
        case _:
            return value
