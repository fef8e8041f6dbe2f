"""A report as the FailureReport object that the API server keeps, and back.

Absent is said by absence: a field that does not hold is not in the object, so that a server-side apply removes it.
No empty text, no null and no zero stands for "not set".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from coroner_categorizer.verdict import Evidence, Verdict
from coroner_operator.model import ledger_codec
from coroner_operator.model.failure_record import FailureRecord, PodRef, label_value
from coroner_operator.model.ledger import Count, Ledger, Name
from coroner_operator.model.observation import from_epoch, whole_seconds
from coroner_operator.model.report import Report
from coroner_operator.model.workload_ref import WorkloadRef, report_name

GROUP = "coroner.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "FailureReport"
PLURAL = "failurereports"

FAILING, RECOVERED = "Failing", "Recovered"
"""The values of status.state; also the condition's type, and its reason once the workload is well."""

_NOT_IN_A_REASON = re.compile(r"[^A-Za-z0-9_,:]+")
_NO_ANSWER = "FailureWithoutReason"  # a condition must have a reason


def to_object(report: Report) -> dict[str, Any]:
    """All but the status: what is applied on the resource itself."""
    workload = report.workload
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": report_name(workload), "namespace": workload.namespace, "labels": labels(report)},
        "spec": {
            "workload": {
                "apiVersion": workload.api_version,
                "kind": workload.kind,
                "name": workload.name,
                "uid": workload.uid,
                "display": str(workload),
            }
        },
    }


def labels(report: Report) -> dict[str, str]:
    """What ``kubectl get fr -l`` can ask for. Of a recovered workload the category is gone."""
    verdict = report.current.verdict if report.current else None
    return _present(
        {
            f"{GROUP}/category": verdict and verdict.category,
            f"{GROUP}/subcategory": verdict and verdict.subcategory,
            f"{GROUP}/state": FAILING if verdict else RECOVERED,
            f"{GROUP}/workload-kind": label_value(report.workload.kind),
        }
    )


def to_status(report: Report) -> dict[str, Any]:
    """The status: what is applied on the status subresource."""
    tallies = report.ledger.counts()
    return _present(
        {
            "state": FAILING if report.current else RECOVERED,
            **(_current(report.current) if report.current else {}),
            "firstSeen": _time(report.first_seen),
            "lastSeen": _time(report.last_seen),
            "recoveredAt": _time(report.recovered_at),
            "failures": sum(tally.total for tally in tallies.values()),
            "unseen": report.ledger.unobserved or None,
            "lowerBound": report.ledger.incomplete or None,
            "counts": _counts(tallies),
            "history": [_record(record) for record in report.history],
            "rules": report.rules,
            "ledger": list(ledger_codec.to_text(report.ledger)),
            "conditions": _conditions(report),
        }
    )


def from_object(obj: Mapping[str, Any]) -> Report:
    """The report that ``to_object`` and ``to_status`` wrote. ValueError: the object is none, or was edited badly."""
    try:
        workload, status = obj["spec"]["workload"], obj.get("status") or {}
        failing = next((c for c in status.get("conditions", ()) if c["type"] == FAILING), None)
        is_failing = status.get("state") == FAILING
        return Report(
            workload=WorkloadRef(
                api_version=workload["apiVersion"],
                kind=workload["kind"],
                namespace=obj["metadata"]["namespace"],
                name=workload["name"],
                uid=workload["uid"],
            ),
            current=_read_record(status) if is_failing else None,
            history=tuple(_read_record(entry) for entry in status.get("history", ())),
            ledger=_read_ledger(status),
            first_seen=_read_time(status.get("firstSeen")),
            last_seen=_read_time(status.get("lastSeen")),
            failing_since=_read_time(failing["lastTransitionTime"]) if failing and is_failing else None,
            recovered_at=_read_time(status.get("recoveredAt")),
            rules=status.get("rules", ""),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a {KIND}: {type(error).__name__}: {error}") from error


def condition_reason(reason: str) -> str:
    """As metav1.Condition asks for it: ``OutOfephemeral-storage`` -> ``OutOfephemeral_storage``."""
    words = _NOT_IN_A_REASON.sub("_", reason).strip("_,:")
    if words and not words[0].isalpha():
        words = "Reason_" + words
    return words or _NO_ANSWER


def _current(record: FailureRecord) -> dict[str, Any]:
    verdict = record.verdict
    return {
        **_record(record),
        "categories": list(verdict.categories),
        "hint": verdict.hint,
        "evidence": [{"source": e.source, "text": e.text} for e in verdict.evidence],
        "rule": verdict.rule,
        "terminationMessage": verdict.termination_message,
    }


def _record(record: FailureRecord) -> dict[str, Any]:
    verdict, pod = record.verdict, record.pod
    return _present(
        {
            "failureID": record.id,
            "failedAt": _time(record.at),
            "seenAt": _time(record.seen_at),
            "category": verdict.category,
            "subcategory": verdict.subcategory,
            "reason": verdict.reason,
            "message": verdict.message,
            "retry": verdict.retry,
            "confidence": verdict.confidence,
            "container": verdict.container,
            "exitCode": verdict.exit_code,
            "signal": verdict.signal,
            "pod": _present({"name": pod.name, "uid": pod.uid, "node": pod.node}) if pod else None,
        }
    )


def _counts(tallies: Mapping[Name, Count]) -> list[dict[str, Any]]:
    """The most frequent first."""
    return [
        _present(
            {
                "category": category,
                "subcategory": subcategory,
                "count": tally.total,
                "lastSeen": None if tally.last_at is None else _time(from_epoch(tally.last_at)),
            }
        )
        for (category, subcategory), tally in sorted(tallies.items(), key=lambda item: (-item[1].total, item[0]))
    ]


def _conditions(report: Report) -> list[dict[str, Any]]:
    """The time of the transition is that of the failure or the recovery: it moves only when the status does."""
    if report.current:
        verdict, since = report.current.verdict, report.failing_since
        said = ("True", condition_reason(verdict.reason), verdict.message)
    else:
        since = report.recovered_at or report.first_seen
        said = ("False", RECOVERED, "no pod of the workload is failing")
    if since is None:  # nothing has happened yet
        return []
    status, reason, message = said
    return [
        {"type": FAILING, "status": status, "reason": reason, "message": message, "lastTransitionTime": _time(since)}
    ]


def _read_record(entry: Mapping[str, Any]) -> FailureRecord:
    pod = entry.get("pod")
    return FailureRecord(
        id=entry["failureID"],
        at=whole_seconds(datetime.fromisoformat(entry["failedAt"])),
        seen_at=_read_time(entry.get("seenAt")),
        pod=PodRef(pod.get("name", ""), pod.get("uid", ""), pod.get("node", "")) if pod else None,
        verdict=Verdict(
            category=entry.get("category", ""),
            subcategory=entry.get("subcategory", ""),
            categories=tuple(entry.get("categories", ())),
            reason=entry.get("reason", ""),
            message=entry.get("message", ""),
            hint=entry.get("hint", ""),
            retry=entry["retry"],
            confidence=entry["confidence"],
            container=entry.get("container"),
            exit_code=entry.get("exitCode"),
            evidence=tuple(Evidence(e["source"], e["text"]) for e in entry.get("evidence", ())),
            rule=entry.get("rule"),
            signal=entry.get("signal"),
            termination_message=entry.get("terminationMessage"),
        ),
    )


def _read_ledger(status: Mapping[str, Any]) -> Ledger:
    """Where the ledger itself is missing, what the counts say is kept: a number may not fall."""
    read = ledger_codec.from_text(status.get("ledger", ()))
    if read is not None:
        return read
    settled: dict[Name, Count] = {}
    for entry in status.get("counts", ()):
        at = _read_time(entry.get("lastSeen"))
        last_at = None if at is None else int(at.timestamp())
        settled[entry.get("category", ""), entry.get("subcategory", "")] = Count(entry["count"], last_at)
    return Ledger(compacted=settled, compacted_unobserved=status.get("unseen", 0))


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what says nothing. A number that is 0 says something."""
    return {name: value for name, value in fields.items() if value is not None and value not in ("", [], {})}


def _time(time: datetime | None) -> str | None:
    return None if time is None else time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _read_time(text: str | None) -> datetime | None:
    return None if text is None else whole_seconds(datetime.fromisoformat(text))
