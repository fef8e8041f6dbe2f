"""A report as the FailureReport object that the API server keeps, and back.

Absent is said by absence: a field that does not hold is not in the object, so that a server-side apply removes it.
No empty text, no null and no zero stands for "not set".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from coroner_categorizer.objects.times import rfc3339
from coroner_operator.model import ledger_codec, stored_report
from coroner_operator.model.failure_record import FailureRecord, PodRef
from coroner_operator.model.initiator import Followers, is_initiator, message
from coroner_operator.model.ledger import UNOBSERVED, Count, Ledger, Name
from coroner_operator.model.ledger_builder import PRUNED_RESTARTS_LIMIT
from coroner_operator.model.observation import from_epoch, to_epoch
from coroner_operator.model.report import ListedOwner, Report, State
from coroner_operator.model.stored_report import END_OF_TIME, Status, StoredReport, checked
from coroner_operator.model.workload_ref import WorkloadRef, name_as_label, report_name

GROUP = "coroner.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "FailureReport"
PLURAL = "failurereports"

CLOCK_SKEW = timedelta(days=1)  # between the clocks of the replicas, one of which wrote the report

FAILING: State = "Failing"
FAILED: State = "Failed"
RECOVERED: State = "Recovered"
DELETED: State = "Deleted"
"""The values of status.state, and the types of the conditions: the one of the state is True, the others are False."""

_NOT_IN_A_REASON = re.compile(r"[^A-Za-z0-9_,:]+")
_NO_REASON = "FailureWithoutReason"  # a condition must have a reason


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
    """What ``kubectl get fr -l`` can ask for. They change with the verdict and the state only, not with each failure.

    A recovered workload has no verdict.
    """
    verdict = report.current.verdict if report.current else None
    return _present(
        {
            f"{GROUP}/category": verdict and verdict.category,
            f"{GROUP}/subcategory": verdict and verdict.subcategory,
            f"{GROUP}/retry": verdict and verdict.retry,
            f"{GROUP}/confidence": verdict and verdict.confidence,
            f"{GROUP}/state": report.state,
            f"{GROUP}/workload-kind": name_as_label(report.workload.kind),
            f"{GROUP}/workload-name": name_as_label(report.workload.name),
            f"{GROUP}/workload-uid": name_as_label(report.workload.uid),
        }
    )


def to_status(report: Report) -> dict[str, Any]:
    """The status: what is applied on the status subresource."""
    counts = report.ledger.counts()
    return _present(
        {
            "state": report.state,
            **(_current(report.current, report.followers) if report.current else {}),
            **(_origin(report.current, report) if report.current else {}),
            **_finality(report),
            "firstSeen": _time(report.first_seen),
            "lastSeen": _time(report.last_seen),
            "failingSince": _time(report.failing_since),
            "recoveredAt": _time(report.recovered_at),
            "endedAt": _time(report.ended_at),
            "deletedAt": _time(report.deleted_at),
            "failures": sum(count.total for count in counts.values()),
            "unseen": report.ledger.unobserved or None,
            "lowerBound": report.ledger.incomplete or None,
            "restartsByRule": report.ledger.restarts_by_rule or None,
            "counts": _counts(counts),
            "history": [_record(record) for record in report.history],
            "owners": [_owner(owner) for owner in report.owners],
            "rules": report.rules,
            "ledger": list(ledger_codec.to_text(report.ledger)),
            "conditions": _conditions(report),
        }
    )


def from_object(obj: object, now: datetime | None = None) -> Report:
    """The report that ``to_object`` and ``to_status`` wrote. ValueError: the object is none, or was edited badly.

    ``now``: times that are more than ``CLOCK_SKEW`` later cannot have been written; None: any time can.
    """
    try:
        return _report(stored_report.read(obj), END_OF_TIME if now is None else now + CLOCK_SKEW)
    except (ValueError, OverflowError) as error:  # OverflowError: a time that no calendar has
        raise ValueError(f"not a {KIND}: {error}") from error


def condition_reason(reason: str) -> str:
    """As metav1.Condition asks for it: ``OutOfephemeral-storage`` -> ``OutOfephemeral_storage``."""
    words = _NOT_IN_A_REASON.sub("_", reason).strip("_,:")
    if words and not words[0].isalpha():
        words = "Reason_" + words
    return words or _NO_REASON


def _owner(owner: ListedOwner) -> dict[str, Any]:
    ref = owner.ref
    return _present(
        {
            "apiVersion": ref.api_version,
            "kind": ref.kind,
            "name": ref.name,
            "uid": ref.uid,
            "failing": owner.failing or None,
        }
    )


def _current(record: FailureRecord, followers: Followers | None) -> dict[str, Any]:
    verdict = record.verdict
    return {
        "failure": verdict.name,
        **_record(record),
        "message": message(record, followers),
        "podMessage": verdict.message if followers else None,
        "pod": _pod(record.pod) if record.pod else None,
        "categories": list(verdict.categories),
        "hint": verdict.hint,
        "evidence": [{"source": e.source, "text": e.text} for e in verdict.evidence],
        "rule": verdict.rule,
        "terminationMessage": verdict.termination_message,
    }


def _finality(report: Report) -> dict[str, Any]:
    if not report.final or report.current is None or report.current.pod is None:
        return {}
    pod = report.current.pod
    return {"final": True, "observedPod": _present({"name": pod.name, "uid": pod.uid})}


def _pod(pod: PodRef) -> dict[str, Any]:
    member = pod.member
    return _present(
        {
            "name": pod.name,
            "uid": pod.uid,
            "node": pod.node,
            "createdAt": _time(pod.created_at),
            "index": member.index,
            "rank": member.rank,
            "restartAttempt": member.attempt or None,
        }
    )


def _origin(record: FailureRecord, report: Report) -> dict[str, Any]:
    """Which pod failed first, since when, and how many others ended because of it."""
    since, pod, followers = report.pod_failing_since or record.at, record.pod, report.followers
    origin: dict[str, Any] = {"podFailingSince": _time(since) if since != record.at else None}
    if pod is not None and is_initiator(record):
        member = pod.member
        origin["initiator"] = _present(
            {"pod": pod.name, "index": member.index, "rank": member.rank, "node": pod.node, "at": _time(since)}
        )
    if followers is not None:
        counts = [
            _present({"category": category, "subcategory": subcategory, "count": count})
            for (category, subcategory), count in followers.names
        ]
        origin["followers"] = _present(
            {"pods": followers.pods, "lowerBound": followers.lower_bound or None, "counts": counts}
        )
    return origin


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
            "consequence": record.consequence or None,
            "pod": _present({"name": pod.name, "uid": pod.uid, "node": pod.node}) if pod else None,
        }
    )


def _counts(counts: Mapping[Name, Count]) -> list[dict[str, Any]]:
    """The most frequent first."""
    return [
        _present(
            {
                "category": category,
                "subcategory": subcategory,
                "count": count.total,
                "lastSeen": None if count.last_at is None else _time(from_epoch(count.last_at)),
            }
        )
        for (category, subcategory), count in sorted(counts.items(), key=lambda item: (-item[1].total, item[0]))
    ]


def _conditions(report: Report) -> list[dict[str, Any]]:
    """One for each state; Failing is the first. The time of a transition moves only when the status does."""
    state, first = report.state, report.first_seen
    if first is None:  # nothing has happened yet
        return []
    # What is not failing any more is so since it recovered, ended or was deleted, whichever came first.
    was_failing = _was_failing(report)
    not_failing_since = (report.ended_at or report.deleted_at) if was_failing else report.recovered_at
    since: dict[State, datetime | None] = {
        FAILING: report.failing_since if state == FAILING else not_failing_since,
        FAILED: report.ended_at if state == FAILED else report.ended_at and report.deleted_at,
        RECOVERED: report.recovered_at and (report.failing_since or report.recovered_at),
        DELETED: report.deleted_at,
    }
    if state == DELETED and not was_failing:
        since[RECOVERED] = report.deleted_at
    return [
        {
            "type": type_,
            "status": str(type_ == state),
            "reason": state,
            "message": _DESCRIPTIONS[state],
            **(_cause(report) if type_ in (FAILING, FAILED) else {}),
            "lastTransitionTime": _time(time or first),
        }
        for type_, time in since.items()
    ]


def _was_failing(report: Report) -> bool:
    """Whether the workload fails, or did when it ended or was deleted."""
    began, deleted_at = report.failing_since, report.deleted_at
    return report.current is not None and (began is None or deleted_at is None or began <= deleted_at)


_DESCRIPTIONS: dict[State, str] = {
    FAILING: "a pod of the workload is failing",
    FAILED: "the workload has ended in failure",
    RECOVERED: "no pod of the workload is failing",
    DELETED: "the workload does not exist any more",
}


def _cause(report: Report) -> dict[str, str]:
    """Reason and message of the conditions that say how the workload fails, or has failed."""
    if report.current is None or report.state == DELETED:
        return {}
    verdict = report.current.verdict
    return {"reason": condition_reason(verdict.reason), "message": message(report.current, report.followers)}


def _report(stored: StoredReport, latest: datetime) -> Report:
    workload, status = stored.spec.workload, stored.status
    ref = WorkloadRef(workload.api_version, workload.kind, stored.metadata.namespace, workload.name, workload.uid)
    if stored.metadata.name != report_name(ref):
        raise ValueError(f"a report on {ref} has another name")

    def time(time: datetime | None) -> datetime | None:
        return None if time is None else checked(time, latest)

    current = stored.current.record(latest) if stored.current else None
    ended_at, deleted_at = time(status.ended_at), time(status.deleted_at)
    return Report(
        workload=ref,
        current=current,
        history=tuple(failure.record(latest) for failure in status.history),
        ledger=_ledger(status, latest),
        first_seen=time(status.first_seen),
        last_seen=time(status.last_seen),
        failing_since=time(status.failing_since) if stored.current else None,
        pod_failing_since=time(status.pod_failing_since) or current.at if current else None,
        followers=status.followers.value() if status.followers and current else None,
        recovered_at=time(status.recovered_at),
        ended_at=ended_at if stored.current and status.state in (FAILED, DELETED) else None,
        deleted_at=deleted_at if status.state == DELETED else None,
        final=status.final and stored.current is not None and stored.current.pod is not None,
        rules=status.rules,
        owners=tuple(
            ListedOwner(WorkloadRef(o.api_version, o.kind, ref.namespace, o.name, o.uid), o.failing)
            for o in status.owners
        ),
    )


def _ledger(status: Status, latest: datetime) -> Ledger:
    """Where the ledger itself is missing, what the counts say is kept: a number may not fall."""
    read = ledger_codec.from_text(status.ledger, to_epoch(latest))
    if read is not None:
        return read
    compacted = {
        (entry.category, entry.subcategory): Count(
            entry.count, None if entry.last_seen is None else to_epoch(checked(entry.last_seen, latest))
        )
        for entry in status.counts
    }
    unobserved = compacted.get(UNOBSERVED, Count(0, None)).total
    return Ledger(
        compacted=compacted,
        compacted_unobserved=min(status.unseen, unobserved),
        pruned_restarts_by_rule=min(status.restarts_by_rule, PRUNED_RESTARTS_LIMIT),
    )


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what says nothing. A number that is 0 says something."""
    return {name: value for name, value in fields.items() if value is not None and value not in ("", [], {})}


def _time(time: datetime | None) -> str | None:
    return None if time is None else rfc3339(time)
