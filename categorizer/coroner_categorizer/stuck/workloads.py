"""Workloads that stay as they are, according to their own status and to the events about them."""

from __future__ import annotations

from collections.abc import Sequence

from coroner_categorizer.findings.finding import Excerpt, FailureRank, Finding
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.times import newest
from coroner_categorizer.objects.workload import Workload
from coroner_categorizer.verdict import FailureKey

# Warnings of the CronJob controller when it starts no Job (pkg/controller/cronjob/cronjob_controllerv2.go, 1.21+).
BAD_SCHEDULE_REASONS = frozenset({"InvalidSchedule", "UnknownTimeZone", "UnparseableSchedule"})
MISSED = "MissSchedule"
GIVEN_UP = "FailedNeedsStart"  # cronjob_controller.go, before 1.21: more than 100 missed runs, none started since
NOT_STARTED_REASONS = BAD_SCHEDULE_REASONS | {MISSED, GIVEN_UP}
_MISSED_RUNS = 2  # in a row; a single one is missed whenever the controller is restarted


def no_progress(deployment: Workload) -> Finding | None:
    """A Deployment that has exceeded its progressDeadlineSeconds, as its controller says (n2)."""
    condition = deployment.condition("Progressing")
    if deployment.kind != "Deployment" or deployment.spec.paused or not condition:
        return None
    if condition.status != "False" or condition.reason != "ProgressDeadlineExceeded":
        return None
    deadline = deployment.spec.progressDeadlineSeconds
    return Finding(
        names=("NeverReady", condition.reason),
        rank=FailureRank.POD,
        source="status.conditions[Progressing]",
        key=FailureKey(deployment.metadata.uid, "", "NeverReady"),
        at=condition.lastTransitionTime,
        text=condition.message,
        facts={"workload": deployment.title} | ({"progressDeadline": f"{deadline} s"} if deadline else {}),
        max_confidence="Likely",
        waiting=True,
        overdue=True,
    )


def not_started(cron_job: Workload, events: Sequence[Event]) -> Finding | None:
    """Why a CronJob starts no Job, from its controller's events; None where it has started one since, or is suspended.

    Missed runs count if two were missed in a row: each has an event with its time.
    """
    if cron_job.kind != "CronJob" or cron_job.spec.suspend or cron_job.metadata.deletionTimestamp:
        return None
    started = newest(
        [cron_job.status.lastScheduleTime, *(e.last_seen for e in events if e.reason == "SuccessfulCreate")]
    )
    since = [
        e
        for e in events
        if e.reason in NOT_STARTED_REASONS and not (started and e.last_seen and e.last_seen <= started)
    ]
    if not since:
        return None
    last = since[-1]
    missed = {e.text for e in since if e.reason == MISSED}
    if last.reason == MISSED and len(missed) < _MISSED_RUNS:
        return None
    facts = {"workload": cron_job.title}
    if cron_job.spec.startingDeadlineSeconds is not None:
        facts["startingDeadline"] = f"{cron_job.spec.startingDeadlineSeconds} s"
    return Finding(
        names=("CronJobNotStarted", last.reason),
        rank=FailureRank.POD,
        source=f"events[{last.reason}]",
        key=FailureKey(cron_job.metadata.uid, "", "CronJobNotStarted"),
        at=last.last_seen,
        text=last.text,
        facts=facts,
        max_confidence="Likely",
        waiting=True,
        supporting=tuple(Excerpt(f"events[{e.reason}]", e.text) for e in since[:-1]),
    )
