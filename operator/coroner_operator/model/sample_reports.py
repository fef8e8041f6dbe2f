"""Reports in which everything that a report can say is said: what the code writes, for comparison with a schema."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from coroner_categorizer.verdict import Evidence, Failure, FailureKey, Verdict
from coroner_operator.model.fold import fold
from coroner_operator.model.initiator import Followers
from coroner_operator.model.observation import Member, Observation
from coroner_operator.model.report import (
    Report,
    RuleRestarts,
    count_restarts,
    end_in_failure,
    mark_deleted,
    recover,
)
from coroner_operator.model.workload_ref import WorkloadRef

_T0 = datetime(2026, 1, 1, tzinfo=UTC)


def failing() -> Report:
    """Every field of a failing report is set."""
    after_recovery = recover(fold(_EMPTY, [_seen(_OOM, 0)]), _T0 + timedelta(hours=1))
    report = fold(after_recovery, [_seen(_OOM_AGAIN, 2), _seen(_PULL, 3), _DELETED])
    report = count_restarts(report, [RuleRestarts(_POD_UID, 2, _T0 + timedelta(hours=3))])
    return msgspec.structs.replace(report, ledger=msgspec.structs.replace(report.ledger, incomplete=True))


def ended_from_outside() -> Report:
    """No pod was seen to fail by itself, and not all that ended like it could be distinguished."""
    report = fold(_EMPTY, [_DELETED])
    names = ((("cancelled", "deleted"), 4096),)
    return msgspec.structs.replace(report, followers=Followers(4096, names, lower_bound=True))


def recovered() -> Report:
    """The same, recovered."""
    return recover(failing(), _T0 + timedelta(hours=4))


def failed() -> Report:
    """The same, ended in failure."""
    return msgspec.structs.replace(end_in_failure(failing(), _T0 + timedelta(hours=4)), final=True)


def deleted() -> Report:
    """The same, deleted some time after it had ended in failure."""
    return mark_deleted(failed(), _T0 + timedelta(hours=5))


_EMPTY = Report(WorkloadRef("batch/v1", "Job", "team-a", "train-llm", "3f2a9c1b-7d0e-4a52-9b1c-0f6f3d2e8a47"))

_JOB_SET = WorkloadRef(
    "jobset.x-k8s.io/v1alpha2", "JobSet", "team-a", "train-llm", "9c0d1e2f-1111-4a52-9b1c-0f6f3d2e8a47"
)

_VERDICT = Verdict(
    category="resources",
    subcategory="oom-killed",
    categories=("resources",),
    reason="OOMKilled",
    message='container "main" used more than its memory limit of 4Gi and was killed (exit code 137)',
    hint="Raise resources.limits.memory above 4Gi or lower the batch size.",
    retry="NeedsChange",
    confidence="Confirmed",
    container="main",
    exit_code=137,
    evidence=(Evidence("status.containerStatuses[main].state.terminated", "OOMKilled, exit code 137"),),
    rule="default/resources/oom-killed",
    signal="SIGKILL",
    termination_message="step 812: loss 1.93",
)

_POD_UID = "6b1d1f0e-52c8-4f0e-9d2b-6f4f6a0c1a11"
_OOM = Failure(FailureKey(_POD_UID, "main", "containerd://1"), _VERDICT, at=_T0, current=True, ended_instances=1)
# the fourth end where one was seen before: two are known from their numbers only
_OOM_AGAIN = msgspec.structs.replace(_OOM, at=_T0 + timedelta(hours=2), ended_instances=4)
_PULL = Failure(
    FailureKey(_POD_UID, "main", "image"), _VERDICT, at=_T0 + timedelta(hours=3), current=True, waiting=True
)


_OTHER_POD_UID = "c0a8f6c4-1e0b-4d52-8f0a-95f1f1a1b2c3"
_DELETION = msgspec.structs.replace(_VERDICT, category="cancelled", subcategory="deleted", reason="Deleted")


def _seen(failure: Failure, hour: int) -> Observation:
    observed_at = _T0 + timedelta(hours=hour, minutes=1)
    member = Member(index=3, rank=24, attempt=2)
    return Observation(
        "train-llm-x7k2p",
        _POD_UID,
        "gpu-17",
        failure,
        observed_at,
        "5f3a9c1b",
        owners=(_JOB_SET,),
        pod_created=_T0,
        member=member,
    )


_DELETED = Observation(
    "train-llm-b4m9d",
    _OTHER_POD_UID,
    "gpu-18",
    Failure(
        FailureKey(_OTHER_POD_UID, "", "DeletedWhileRunning"),
        _DELETION,
        at=_T0 + timedelta(hours=3),
        current=True,
        consequence=True,
    ),
    _T0 + timedelta(hours=3, minutes=1),
    "5f3a9c1b",
    pod_created=_T0,
)
