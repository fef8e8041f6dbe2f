"""The shape of a FailureReport as the API server holds it, with the limits that the code keeps to when it writes one.

What is stored is input: whoever may write ``failurereports/status`` has perhaps written it, and the CRD's own limits
may have been removed. ``read`` accepts what this code can have written, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, field

from coroner_categorizer.objects.times import rfc3339
from coroner_categorizer.verdict import Confidence, Evidence, Retry, Verdict
from coroner_operator.model import failure_record as limits
from coroner_operator.model import observation
from coroner_operator.model.failure_record import FailureRecord, PodRef, is_label_value
from coroner_operator.model.fold import HISTORY_LIMIT
from coroner_operator.model.initiator import FOLLOWER_NAMES_LIMIT, Followers
from coroner_operator.model.ledger_builder import NAMES_LIMIT
from coroner_operator.model.ledger_codec import COUNT_LIMIT, STRING_LIMIT, STRINGS_LIMIT
from coroner_operator.model.observation import MEMBER_DIGITS, Member, from_epoch, whole_seconds
from coroner_operator.model.report import OWNERS_LIMIT, RULES_LIMIT, State
from coroner_operator.model.workload_ref import NAME_LIMIT

ID_LIMIT = 64  # a failure's name in the ledger

Name: TypeAlias = Annotated[str, Meta(max_length=limits.NAME_LIMIT)]
Label: TypeAlias = Annotated[str, Meta(max_length=limits.LABEL_LIMIT)]
Text: TypeAlias = Annotated[str, Meta(max_length=limits.TEXT_LIMIT)]
ExitCode: TypeAlias = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
MemberNumber: TypeAlias = Annotated[int, Meta(ge=0, lt=10**MEMBER_DIGITS)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=COUNT_LIMIT)]


class Metadata(msgspec.Struct, frozen=True):
    name: str
    namespace: str


class Workload(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str
    kind: str
    name: Annotated[str, Meta(max_length=NAME_LIMIT)]
    uid: str


class Owner(Workload, frozen=True, rename="camel"):
    failing: bool = False


class Spec(msgspec.Struct, frozen=True):
    workload: Workload


class Pod(msgspec.Struct, frozen=True, rename="camel"):
    name: Name = ""
    uid: Annotated[str, Meta(max_length=limits.UID_LIMIT)] = ""
    node: Name = ""
    created_at: datetime | None = None
    index: MemberNumber | None = None
    rank: MemberNumber | None = None
    restart_attempt: MemberNumber = 0

    def ref(self, latest: datetime) -> PodRef:
        """Raises ValueError for a time after ``latest``."""
        created = None if self.created_at is None else checked(self.created_at, latest)
        return PodRef(self.name, self.uid, self.node, created, Member(self.index, self.rank, self.restart_attempt))


class EvidenceItem(msgspec.Struct, frozen=True):
    source: Annotated[str, Meta(max_length=limits.SOURCE_LIMIT)]
    text: Annotated[str, Meta(max_length=limits.EVIDENCE_TEXT_LIMIT)]


class Failure(msgspec.Struct, frozen=True, rename="camel"):
    """An entry of the history; the fields of the current failure are the same, and the last five."""

    failed_at: datetime
    retry: Retry
    confidence: Confidence
    id: Annotated[str, Meta(max_length=ID_LIMIT)] = field(name="failureID")
    seen_at: datetime | None = None
    category: Label = ""
    subcategory: Label = ""
    reason: Annotated[str, Meta(max_length=limits.REASON_LIMIT)] = ""
    message: Text = ""
    container: Name | None = None
    exit_code: ExitCode | None = None
    signal: Annotated[str, Meta(max_length=limits.SIGNAL_LIMIT)] | None = None
    pod: Pod | None = None
    categories: Annotated[tuple[Label, ...], Meta(max_length=limits.CATEGORIES_LIMIT)] = ()
    hint: Text = ""
    evidence: Annotated[tuple[EvidenceItem, ...], Meta(max_length=limits.EVIDENCE_LIMIT)] = ()
    rule: Annotated[str, Meta(max_length=limits.RULE_LIMIT)] | None = None
    termination_message: Text | None = None
    consequence: bool = False
    pod_message: Text | None = None
    """The verdict's own message, where ``message`` tells of other pods too."""

    def __post_init__(self) -> None:
        if not all(map(is_label_value, (self.category, self.subcategory, *self.categories))):
            raise ValueError("a category that is no label's value")

    def record(self, latest: datetime) -> FailureRecord:
        """Raises ValueError for a time after ``latest``."""
        return FailureRecord(
            id=self.id,
            at=checked(self.failed_at, latest),
            seen_at=None if self.seen_at is None else checked(self.seen_at, latest),
            pod=None if self.pod is None else self.pod.ref(latest),
            consequence=self.consequence,
            verdict=Verdict(
                category=self.category,
                subcategory=self.subcategory,
                categories=self.categories,
                reason=self.reason,
                message=self.message if self.pod_message is None else self.pod_message,
                hint=self.hint,
                retry=self.retry,
                confidence=self.confidence,
                container=self.container,
                exit_code=self.exit_code,
                evidence=tuple(Evidence(item.source, item.text) for item in self.evidence),
                rule=self.rule,
                signal=self.signal,
                termination_message=self.termination_message,
            ),
        )


class NameCount(msgspec.Struct, frozen=True, rename="camel"):
    count: Count
    category: Label = ""
    subcategory: Label = ""
    last_seen: datetime | None = None

    def __post_init__(self) -> None:
        if not (is_label_value(self.category) and is_label_value(self.subcategory)):
            raise ValueError("a category that is no label's value")


class FollowerCount(msgspec.Struct, frozen=True):
    count: Count
    category: Label = ""
    subcategory: Label = ""

    def __post_init__(self) -> None:
        if not (is_label_value(self.category) and is_label_value(self.subcategory)):
            raise ValueError("a category that is no label's value")


class StoredFollowers(msgspec.Struct, frozen=True, rename="camel"):
    pods: Count
    counts: Annotated[tuple[FollowerCount, ...], Meta(max_length=FOLLOWER_NAMES_LIMIT)] = ()
    lower_bound: bool = False

    def value(self) -> Followers:
        names = tuple(((entry.category, entry.subcategory), entry.count) for entry in self.counts)
        return Followers(self.pods, names, self.lower_bound)


class Status(msgspec.Struct, frozen=True, rename="camel"):
    """Without the fields of the current failure, which are those of ``Failure``."""

    state: State | Literal[""] = ""
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    failing_since: datetime | None = None
    recovered_at: datetime | None = None
    ended_at: datetime | None = None
    deleted_at: datetime | None = None
    final: bool = False
    pod_failing_since: datetime | None = None
    followers: StoredFollowers | None = None
    unseen: Count = 0
    restarts_by_rule: Count = 0
    counts: Annotated[tuple[NameCount, ...], Meta(max_length=NAMES_LIMIT)] = ()
    history: Annotated[tuple[Failure, ...], Meta(max_length=HISTORY_LIMIT)] = ()
    owners: Annotated[tuple[Owner, ...], Meta(max_length=OWNERS_LIMIT)] = ()
    rules: Annotated[str, Meta(max_length=RULES_LIMIT)] = ""
    ledger: Annotated[tuple[Annotated[str, Meta(max_length=STRING_LIMIT)], ...], Meta(max_length=STRINGS_LIMIT)] = ()


class StoredReport(msgspec.Struct, frozen=True):
    metadata: Metadata
    spec: Spec
    status: Status = Status()
    current: Failure | None = None
    """The fields of the current failure in the status; None: nothing fails, or the workload had recovered."""


def read(obj: object) -> StoredReport:
    """Raises ValueError, with the path of the field that is wrong."""
    if not isinstance(obj, Mapping):
        raise ValueError(f"Expected `object`, got `{type(obj).__name__}`")
    try:
        report = msgspec.convert({**obj, "status": obj.get("status") or {}, "current": None}, StoredReport)
        state, failure_id = report.status.state, obj["status"].get("failureID") if report.status.state else None
        if state in ("", "Recovered") or (state == "Deleted" and failure_id is None):
            return report
        return msgspec.structs.replace(report, current=msgspec.convert(obj["status"], Failure))
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def checked(time: datetime, latest: datetime) -> datetime:
    """In UTC and cut to the second. Raises ValueError for a time after ``latest``."""
    time = whole_seconds(time)
    if time > latest:
        raise ValueError(f"{rfc3339(time)} is in the future")
    return time


END_OF_TIME = from_epoch(observation.END_OF_TIME)
