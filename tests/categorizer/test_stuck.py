"""What is normal for a while, and a failure if it lasts; and what looks like it and never is one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

import coroner_categorizer as cc
from coroner_categorizer.objects.times import shifted
from tests.categorizer.test_fixtures import recorded
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import (
    ENDED,
    LATER,
    Json,
    completed,
    condition,
    crash_looping,
    event,
    failed,
    pod,
    running,
    status,
    waiting,
)

STARTED = datetime.fromisoformat(LATER)
DELETED = "2026-11-21T21:16:30Z"
NOT_READY = condition("Ready", "False", "ContainersNotReady", "containers with unready status: [main]")
PROBE = event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", "main")


def deployment(**spec: Any) -> Json:
    metadata = {"name": "web", "namespace": "default", "uid": "uid-web"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 1, **spec}}


def unready(*conditions: Json, **more: Any) -> Json:
    return pod(running(ready=False), restart_policy="Always", conditions=conditions or (NOT_READY,), **more)


def classified(
    subject: Json,
    events: list[Json] | None = None,
    owner: Json | None = None,
    *,
    after: float,
    since: datetime = STARTED,
) -> cc.Classification:
    """``after``: seconds after ``since``."""
    parsed = [cc.parse_event(e) for e in events or ()]
    above = cc.parse_workload(owner) if owner else None
    now = since + timedelta(seconds=after)
    return CATEGORIZER.classify_pod(cc.parse_pod(subject), parsed, above, now=now)


def classified_late(subject: Json, events: list[Json], owner: Json | None, by: cc.Categorizer) -> cc.Classification:
    parsed = [cc.parse_event(e) for e in events]
    above = cc.parse_workload(owner) if owner else None
    return by.classify_pod(cc.parse_pod(subject), parsed, above, now=STARTED + timedelta(days=1))


def verdict(*args: Any, **kwargs: Any) -> str | None:
    found = classified(*args, **kwargs).verdict
    return found.name if found else None


# (what goes on, pod, events, owner, since when, patience in seconds, verdict after it)
WAITS: list[tuple[str, Json, list[Json], Json | None, str, float, str]] = [
    ("a pod that is never ready", unready(), [PROBE], None, LATER, 600, "user-config/never-ready"),
    ("its Deployment is less patient", unready(), [], deployment(progressDeadlineSeconds=20), LATER, 20, "user-config/never-ready"),
    ("its Deployment is more patient", unready(), [], deployment(progressDeadlineSeconds=3600), LATER, 3600, "user-config/never-ready"),
    ("a pod whose containers do not end", pod(running(), deleted=DELETED), [], None, DELETED, 120, "platform/stuck-terminating"),
    ("a pod that has ended and stays", pod(completed(), deleted=DELETED), [], None, DELETED, 120, "platform/stuck-terminating"),
    ("a Job's pod with a proxy", pod(completed(), running("istio-proxy")), [], None, ENDED, 300, "user-config/sidecar-runs-on"),
    ("several containers and sidecars", pod(completed("a"), completed("b"), running("fluent-bit"), running("linkerd-proxy"), restart_policy="OnFailure"), [], None, ENDED, 300, "user-config/sidecar-runs-on"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("subject", "events", "owner", "since", "patience", "name"), [w[1:] for w in WAITS], ids=[w[0] for w in WAITS]
)
def test_what_lasts_longer_than_its_patience_is_a_failure_and_not_before(
    subject: Json, events: list[Json], owner: Json | None, since: str, patience: float, name: str
) -> None:
    began = datetime.fromisoformat(since)
    early = classified(subject, events, owner, after=patience - 1, since=began)
    assert (early.verdict, early.failing, early.failures) == (None, False, ())
    assert early.wait is not None
    assert (early.wait.since, early.wait.due) == (began, shifted(began, patience))
    late = classified(subject, events, owner, after=patience, since=began)
    assert late.verdict is not None
    assert (late.verdict.name, late.verdict.confidence, late.wait) == (name, "Likely", None)
    assert [failure.overdue for failure in late.failures if failure.current] == [True]
    assert CATEGORIZER.classify(subject, events, owner=owner) is None, "without a time nothing lasts too long"


# (what looks like it, pod, events, owner, verdict a year later)
LOOKALIKES: list[tuple[str, Json, list[Json], Json | None, str | None]] = [
    ("a pod that has become ready", pod(running(), restart_policy="Always", conditions=(condition("Ready", "True"),)), [PROBE], None, None),
    ("a pod that was ready and is not now", unready(condition("Ready", "False", "ContainersNotReady", at="2026-11-21T22:00:00Z")), [PROBE], None, None),
    ("a pod of a paused Deployment", unready(), [PROBE], deployment(paused=True, progressDeadlineSeconds=20), None),
    ("a Deployment without a deadline", unready(), [PROBE], deployment(progressDeadlineSeconds=2147483647), None),
    ("a pod that is to end", pod(running(ready=False), conditions=(NOT_READY,)), [PROBE], None, None),
    ("a pod without a Ready condition", pod(running(ready=False), restart_policy="Always"), [], None, None),
    ("one container has not started yet", pod(running("a", ready=False), waiting("ContainerCreating", name="b"), restart_policy="Always", conditions=(NOT_READY,)), [], None, None),
    ("a crash loop is the cause", pod(crash_looping(3), restart_policy="Always", conditions=(NOT_READY,)), [], None, "user-code/error-exit"),
    ("a second program that works on", pod(completed("load"), running("train")), [], None, None),
    ("a program called like its product", pod(completed("main"), running("proxyscan")), [], None, None),
    ("only sidecars, one of which has ended", pod(completed("vault-agent"), running("istio-proxy")), [], None, None),
    ("a native sidecar ends with the pod", pod(completed("main"), phase="Running", sidecars=(running("istio-proxy"),)), [], None, None),
    ("a Job whose program failed beside its proxy", pod(failed(3), running("istio-proxy")), [], None, "user-code/error-exit"),
    ("a container that is always restarted", pod(completed("main"), running("istio-proxy"), restart_policy="Always"), [], None, None),
    ("a pod that had failed by itself before it was deleted", pod(failed(3), deleted="2026-11-21T21:20:30Z"), [], None, "user-code/error-exit"),
    ("a gated pod", pod(conditions=(condition("PodScheduled", "False", "SchedulingGated"),)), [], None, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("subject", "events", "owner", "name"), [case[1:] for case in LOOKALIKES], ids=[case[0] for case in LOOKALIKES]
)
def test_what_only_looks_like_it_is_none_however_long_it_lasts(
    subject: Json, events: list[Json], owner: Json | None, name: str | None
) -> None:
    assert verdict(subject, events, owner, after=365 * 86400) == name


def test_a_recorded_pod_that_its_finalizer_keeps_names_it() -> None:
    """s6: the kubelet has reported the end of all containers, the recording's finalizer kept the object."""
    subject, events = recorded("s6-node-unreachable-taint-eviction")
    found = classified(subject, events, after=3600).verdict
    assert found is not None
    assert found.message == (
        "the pod was to be removed by 2026-11-21T21:26:00Z; its containers have ended,"
        ' and finalizer "example.com/hold" keeps it'
    )
    assert "metadata.finalizers" in [evidence.source for evidence in found.evidence]


def test_the_node_that_does_not_answer_is_named() -> None:
    """As in s6 before the node came back: the node controller's event is about the pod."""
    subject, events = recorded("s6-node-unreachable-taint-eviction")
    lost = subject["status"]["containerStatuses"][0]
    lost["state"] = {"running": {"startedAt": "2026-11-21T21:23:55Z"}}
    subject["metadata"] |= {"deletionGracePeriodSeconds": 30}
    subject["status"] |= {"phase": "Running"}
    found = classified(subject, events, after=3600).verdict
    assert found is not None
    assert found.message == (
        "the pod was to be removed by 2026-11-21T21:26:00Z, but node node1 has not reported the end of"
        ' container "main": Node is not ready'
    )
    assert found.hint.startswith("Check whether node node1 is reachable")


def test_a_pod_that_its_finalizer_keeps_after_its_deletion_has_a_past_deletion() -> None:
    subject = pod(failed(137), deleted="2026-11-21T21:16:10Z")
    assert verdict(subject, after=60) == "cancelled/deleted"
    found = classified(subject, after=3600)
    shown = [(failure.verdict.name, failure.current) for failure in found.failures]
    assert shown == [("platform/stuck-terminating", True), ("cancelled/deleted", False)]


def test_the_recorded_pod_that_is_never_ready_waits_for_its_probe() -> None:
    """q4 was to end; with the restartPolicy of a service it is one that never becomes ready."""
    subject, events = recorded("q4-readiness-never-ready")
    assert classified(subject, events, after=86400).wait is None
    subject["spec"]["restartPolicy"] = "Always"
    late = classified(subject, events, after=86400).verdict
    assert late is not None
    assert (late.name, late.container) == ("user-config/never-ready", "main")
    early = classified(subject, events, after=1, since=datetime.fromisoformat("2026-11-21T21:15:47Z")).wait
    assert early is not None
    assert early.text == 'container "main" to become ready'


def test_the_probes_answer_is_in_the_sentence() -> None:
    late = classified(unready(), [PROBE], deployment(progressDeadlineSeconds=20), after=21).verdict
    assert late is not None
    assert late.message == (
        "the pod runs, but has not become ready within 20 s, the progressDeadlineSeconds of Deployment web: the readiness"
        ' probe of container "main" failed: HTTP probe failed with statuscode: 503'
    )


def test_a_secret_in_what_a_pod_waits_for_is_redacted() -> None:
    probe = event("Unhealthy", "Readiness probe failed: password=hunter2hunter2", "main")
    wait = classified(unready(), [probe], after=1).wait
    assert wait is not None
    assert "hunter2" not in wait.text


@pytest.mark.parametrize(
    ("subject", "events", "text"),
    [
        (pod(waiting("ContainerCreating")), [], 'container "main" to start (ContainerCreating)'),
        (pod(waiting("PodInitializing"), init=(status("setup", {"running": {"startedAt": LATER}}),)), [], 'init container "setup" to end'),
        (pod(waiting("ContainerCreating")), [event("FailedMount", 'MountVolume.SetUp failed for volume "t" : failed to sync secret cache: timed out waiting for the condition')], 'MountVolume.SetUp failed for volume "t" : failed to sync secret cache: timed out waiting for the condition'),
        (pod(conditions=(condition("PodScheduled", "False", ""),)), [], "a node"),
    ],
)  # fmt: skip
def test_a_pod_that_starts_says_what_it_waits_for(subject: Json, events: list[Json], text: str) -> None:
    found = classified(subject, events, after=5)
    assert found.verdict is None
    assert found.wait is not None
    assert (found.wait.text, found.wait.due) == (text, None)


@pytest.mark.parametrize(
    "name", ["d1-success", "j4-scheduling-gated", "s11-healthy-after-warnings", "h7-recovered-with-probe"]
)
def test_recorded_pods_that_wait_for_nothing(name: str) -> None:
    assert classified(*recorded(name), after=365 * 86400).wait is None


SCHEDULE = "2026-11-21T21:20:00Z"


def cron_job(suspend: bool = False, started: str | None = None, **spec: Any) -> cc.Workload:
    status: Json = {"lastScheduleTime": started} if started else {}
    metadata = {"name": "nightly", "namespace": "default", "uid": "uid-cron"}
    return cc.parse_workload(
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": metadata,
            "spec": {"suspend": suspend, **spec},
            "status": status,
        }
    )


def said(reason: str, message: str, at: str = SCHEDULE, type_: str = "Warning") -> cc.Event:
    about = {"kind": "CronJob", "namespace": "default", "name": "nightly", "uid": "uid-cron"}
    return cc.parse_event(event(reason, message, at=at, type_=type_) | {"involvedObject": about})


# The texts of pkg/controller/cronjob/cronjob_controllerv2.go.
MISSED = [
    said(
        "MissSchedule", "Missed scheduled time to start a job: Sat, 21 Nov 2026 21:10:00 +0000", "2026-11-21T21:10:30Z"
    ),
    said("MissSchedule", "Missed scheduled time to start a job: Sat, 21 Nov 2026 21:20:00 +0000"),
]
ZONE = said("UnknownTimeZone", 'invalid timeZone: "Mars/Base": unknown time zone Mars/Base')
UNPARSEABLE = said(
    "UnparseableSchedule", 'unparseable schedule: "every day" : expected exactly 5 fields, found 2: [every day]'
)
INVALID = said(
    "InvalidSchedule", "invalid schedule: 0 0 31 2 * : time difference between two schedules is less than 1 second"
)


# (what goes on, CronJob, events, verdict)
CRON_JOBS: list[tuple[str, cc.Workload, list[cc.Event], str | None]] = [
    ("an unknown time zone", cron_job(), [ZONE], "user-config/invalid-schedule"),
    ("an unparseable schedule", cron_job(), [UNPARSEABLE], "user-config/invalid-schedule"),
    ("an invalid schedule", cron_job(started="2026-11-20T21:00:00Z"), [INVALID], "user-config/invalid-schedule"),
    ("two missed runs", cron_job(startingDeadlineSeconds=5), MISSED, "platform/schedule-missed"),
    ("the controller gave up", cron_job(), [said("FailedNeedsStart", "Cannot determine if job needs to be started: Too many missed start time (> 100). Set or decrease .spec.startingDeadlineSeconds or check clock skew.")], "platform/schedule-missed"),
    ("the next controller goes on", cron_job(), [said("TooManyMissedTimes", "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew")], None),
    ("one missed run", cron_job(startingDeadlineSeconds=5), MISSED[:1], None),
    ("one missed run, noticed twice", cron_job(), [MISSED[1], MISSED[1]], None),
    ("a run between two that were missed", cron_job(started="2026-11-21T21:15:00Z"), MISSED, None),
    ("a run since", cron_job(started="2026-11-21T21:30:00Z"), [*MISSED, ZONE], None),
    ("a Job created since", cron_job(), [ZONE, said("SuccessfulCreate", "Created job nightly-1", "2026-11-21T21:30:00Z", "Normal")], None),
    ("a suspended CronJob", cron_job(suspend=True), [*MISSED, ZONE], None),
    ("the run before is still active", cron_job(), [said("JobAlreadyActive", "Not starting job because prior execution is running and concurrency policy is Forbid", type_="Normal")], None),
    ("a schedule that is not supported, and works", cron_job(), [said("UnsupportedSchedule", 'CRON_TZ or TZ used in schedule "TZ=UTC 0 * * * *" is not officially supported')], None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("subject", "events", "name"), [case[1:] for case in CRON_JOBS], ids=[case[0] for case in CRON_JOBS]
)
def test_a_cron_job_that_starts_nothing(subject: cc.Workload, events: list[cc.Event], name: str | None) -> None:
    found = CATEGORIZER.classify_workload(subject, events).verdict
    assert (found.name if found else None) == name
    assert found is None or found.confidence == "Likely"


def no_progress(**changes: Any) -> cc.Workload:
    """n2, as recorded."""
    subject, _ = recorded("deployment-n2-deployment-no-progress")
    subject["spec"] |= changes.pop("spec", {})
    return cc.parse_workload(subject | changes)


def test_a_deployment_beyond_its_deadline_says_so_itself() -> None:
    found = CATEGORIZER.classify_rollout(no_progress()).verdict
    assert found is not None
    assert (found.name, found.confidence) == ("user-config/never-ready", "Likely")
    assert found.message == (
        "Deployment n2-deployment-no-progress has made no progress within its progressDeadlineSeconds of 10 s:"
        ' ReplicaSet "n2-deployment-no-progress-6584969cd7" has timed out progressing.'
    )


@pytest.mark.parametrize(
    "subject",
    [
        no_progress(spec={"paused": True}),
        no_progress(kind="StatefulSet"),
        *(
            cc.parse_workload(recorded(f"deployment-{name}")[0])
            for name in ("heal3-quota-raised", "n1-deployment-crashes", "n5-rolled-out", "s13-scaled-down")
        ),
    ],
)
def test_other_deployments_make_progress(subject: cc.Workload) -> None:
    assert CATEGORIZER.classify_rollout(subject) == cc.Classification(None, ())
