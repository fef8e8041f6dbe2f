"""Pods that Kueue stops: it suspends their Job, or deletes a pod that has none. Fixtures: kueue1, kueue2."""

from __future__ import annotations

from typing import Any

import pytest

import coroner_categorizer as cc
from tests.categorizer.test_fixtures import recorded
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import condition, event, failed, job, pod, waiting

Json = dict[str, Any]

CREATED = "2026-11-21T21:15:00Z"
DELETED = "2026-11-21T21:16:19Z"  # 30 s after the request
STOPPED_AT = "2026-11-21T21:15:51Z"
PREEMPTED = "Preempted to accommodate a workload (UID: w, JobUID: j) due to prioritization in the ClusterQueue"
QUEUE = {"kueue.x-k8s.io/queue-name": "q"}
SUSPENDED = condition("Suspended", "True", "JobSuspended", "Job suspended")
RESUMED = condition("Suspended", "False", "JobResumed", "Job resumed")


def queued(*conditions: Json, labels: Json = QUEUE, suspend: bool = False) -> Json:
    subject = job(*conditions)
    subject["metadata"]["labels"] = labels
    subject["spec"]["suspend"] = suspend
    return subject


def stopped(
    message: str = PREEMPTED, at: str = STOPPED_AT, component: str = "batch/job-kueue-controller", uid: str = "uid-job"
) -> Json:
    return event("Stopped", message, type_="Normal", at=at, kind="Job", uid=uid) | {"reportingComponent": component}


def killed(labels: Json | None = None, exit_code: int = 137) -> Json:
    subject = pod(failed(exit_code, at="2026-11-21T21:16:19Z"), created=CREATED, deleted=DELETED)
    subject["metadata"]["labels"] = labels or {}
    return subject


# (rule, pod, its Job, events, category/subcategory and confidence)
CASES: list[tuple[str, Json, Json, list[Json], str]] = [
    ("an event says that Kueue preempted the Job", killed(), queued(SUSPENDED), [stopped()], "disruption/preempted Confirmed"),
    ("which may be resumed by then", killed(), queued(RESUMED), [stopped()], "disruption/preempted Confirmed"),
    ("the event may come before the pod has ended", killed(), queued(RESUMED), [stopped(at="2026-11-21T21:15:49Z")], "disruption/preempted Confirmed"),
    ("Kueue has other reasons", killed(), queued(SUSPENDED), [stopped("Exceeded the PodsReady timeout ctl/job-j")], "disruption/queue-evicted Confirmed"),
    ("before the event, the Job's suspension tells", killed(), queued(SUSPENDED), [], "disruption/queue-evicted Likely"),
    ("which its spec shows first", killed(), queued(RESUMED, suspend=True), [], "disruption/queue-evicted Likely"),
    ("the Job of a JobSet has no queue, its pods have", killed({"kueue.x-k8s.io/podset": "main"}), queued(SUSPENDED, labels={}), [], "disruption/queue-evicted Likely"),
    ("a pod that ended by itself keeps its verdict", killed(exit_code=3), queued(SUSPENDED), [stopped()], "user-code/error-exit Likely"),
    ("a person suspends a Job without a queue", killed(), queued(SUSPENDED, labels={}), [], "cancelled/deleted Confirmed"),
    ("a person deletes a pod of a Job in a queue", killed(), queued(RESUMED), [], "cancelled/deleted Confirmed"),
    ("the Job was stopped before the pod was created", killed(), queued(RESUMED), [stopped(at="2026-11-21T21:14:30Z")], "cancelled/deleted Confirmed"),
    ("the Job was stopped after the pod had gone", killed(), queued(RESUMED), [stopped(at="2026-11-21T21:20:00Z")], "cancelled/deleted Confirmed"),
    ("another controller stopped the Job", killed(), queued(RESUMED), [stopped(component="stopwatch")], "cancelled/deleted Confirmed"),
    ("another Job was stopped", killed(), queued(RESUMED), [stopped(uid="uid-other")], "cancelled/deleted Confirmed"),
    ("the Job had failed", killed(), queued(condition("Failed", "True", "BackoffLimitExceeded")), [stopped()], "cancelled/deleted Confirmed"),
    ("the Job's deadline had passed", killed(), queued(condition("Failed", "True", "DeadlineExceeded")), [stopped()], "resources/deadline-exceeded Confirmed"),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "owner", "events", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_pod_of_a_job_that_kueue_may_have_stopped(
    subject: Json, owner: Json, events: list[Json], expected: str
) -> None:
    verdict = CATEGORIZER.classify(subject, events, owner=owner)
    assert verdict is not None
    assert f"{verdict.category}/{verdict.subcategory} {verdict.confidence}" == expected


def test_the_recorded_preemption_of_a_job_names_what_preempted_it() -> None:
    subject, own_events = recorded("kueue2-low-nbk4l")
    owner, job_events = recorded("job-kueue2-low")
    verdict = CATEGORIZER.classify(subject, own_events + job_events, owner=owner)
    assert verdict is not None
    assert (verdict.category, verdict.subcategory, verdict.retry) == ("disruption", "preempted", "MayRecover")
    assert "Preempted to accommodate a workload (UID: 72b8f7ed-167c-4b51-9e6c-91fa6ed4fd78" in verdict.message
    assert "Job low events[Stopped]" in [evidence.source for evidence in verdict.evidence]


def test_the_event_that_comes_late_changes_the_verdict_not_the_failure() -> None:
    subject, owner = cc.parse_pod(killed()), cc.parse_workload(queued(SUSPENDED))
    early = CATEGORIZER.classify_pod(subject, [], owner).failures
    late = CATEGORIZER.classify_pod(subject, [cc.parse_event(stopped())], owner).failures
    assert [(f.key, f.at) for f in early] == [(f.key, f.at) for f in late]


def test_a_pod_that_could_not_start_says_why() -> None:
    pulling = waiting("ImagePullBackOff", 'Back-off pulling image "nope": not found')
    subject = killed() | {"status": pod(pulling)["status"] | {"phase": "Failed"}}
    subject["status"]["containerStatuses"][0]["state"] = {"terminated": {"exitCode": 137, "reason": "Error"}}
    subject["status"]["containerStatuses"][0]["lastState"] = {}
    pull = event("Failed", 'Failed to pull image "nope": not found', "main")
    verdict = CATEGORIZER.classify(subject, [pull, stopped("Exceeded the PodsReady timeout")], owner=queued(SUSPENDED))
    assert verdict is not None
    assert "not found" in verdict.message
