"""When a failing workload is healthy again: none of its pods fails, and its own status or its pods say so.

The newest pod is not enough (in a StatefulSet an older member may be the one that crashes), nor is an instant: pods
must have been Ready for a while, see ``stabilization_seconds``. As long as other pods fail, one that is healthy or
deleted only means that the report may show another failure.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from itertools import islice
from typing import Literal, Protocol

from coroner_categorizer.objects.pod import Pod
from coroner_operator.controller.failing_workloads import FailingWorkloads, ReportedFailures
from coroner_operator.controller.pod_filters import is_healthy
from coroner_operator.controller.recovery_state import WorkloadRecovery, probation_seconds, stabilization_seconds
from coroner_operator.controller.workload_health import HealthReader, WorkloadHealth
from coroner_operator.kube.errors import ApiError
from coroner_operator.kube.workqueue import WorkQueue
from coroner_operator.model.observation import Observation
from coroner_operator.model.workload_ref import PodKey, WorkloadKey, WorkloadRef

log = logging.getLogger("coroner.recovery")

CHECK_DELAY = 0.2  # s; a burst of changes of one workload's pods costs one check
FIRST_RECHECK = 1.0  # s; a rollout is complete some seconds after the last old pod is deleted
LAST_RECHECK = 60.0  # s; what no pod event shows: a Deployment whose new pods are in a new ReplicaSet, a CronJob
CONCURRENT_CHECKS = 4
FAILED_PODS_LIMIT = 16  # pods of a failed workload whose deletion is a reason to look for it


class ReportUpdates(Protocol):
    """What follows from a check: ``ReportWriter``."""

    def change_state(self, workload: WorkloadRef, to: Literal["Failed", "Recovered", "Deleted"]) -> None:
        """The workload is in this state."""
        ...

    def reselect(self, workload: WorkloadRef) -> None:
        """Another failure than the one that its report shows may be the current one."""
        ...


class Recovery:
    """``track()`` failing workloads, ``on_pod_…()`` after each change of a pod of one, ``start()`` after the LIST."""

    def __init__(
        self,
        health: HealthReader,
        failing: FailingWorkloads,
        reported: ReportedFailures,
        updates: ReportUpdates,
        *,
        recovery_after: float,
    ) -> None:
        """``recovery_after``: seconds for which a workload must be healthy, at least."""
        self._health = health
        self._failing = failing
        self._reported = reported
        self._updates = updates
        self._recovery_after = recovery_after
        self._checks: WorkQueue[WorkloadKey] = WorkQueue(
            self._check,
            name="recovery",
            workers=CONCURRENT_CHECKS,
            group=lambda key: key.namespace,
            group_workers=CONCURRENT_CHECKS - 1,
        )
        self._deletions: WorkQueue[WorkloadRef] = WorkQueue(
            self._check_deletion,
            name="deletions of failed workloads",
            workers=CONCURRENT_CHECKS,
            group=lambda workload: workload.namespace,
            group_workers=CONCURRENT_CHECKS - 1,
        )
        self._started = False

    def track(self, workload: WorkloadRef) -> None:
        """The workload fails, as its report says."""
        self._failing.track(workload)

    def track_failed(self, workload: WorkloadRef) -> None:
        """The workload has ended in failure, as its report says: it may be deleted, or was while nobody looked."""
        self._failing.add_failed(workload, self._reported.reported_pod_uid(workload))
        if workload.kind != "Pod":  # the LIST of pods shows those
            self._deletions.add(workload)

    def is_failing(self, workload: WorkloadRef) -> bool:
        """Whether the workload fails, or has ended in failure."""
        return self._failing.get(workload.key) is not None or self._reported.over_since(workload) is not None

    def start(self) -> None:
        """All pods have been listed: from now on the absence of failing pods means something."""
        self._started = True
        self._checks.start()
        self._deletions.start()
        for recovery in self._failing:
            self._check_soon(recovery)

    async def close(self) -> None:
        await self._checks.close()
        await self._deletions.close()

    def may_matter(self, pod: Pod) -> bool:
        """Whether a pod that shows no failure may matter to a failing workload. Cheap."""
        return self._failing.may_matter(pod)

    def on_pod_failing(self, workload: WorkloadRef, pod: Pod, observation: Observation) -> None:
        """The pod fails; this is by what."""
        has_ended = pod.status.phase == "Failed"
        recovery = self._failing.track(workload)
        recovery.set_failed_at(observation.failure.at or datetime.now(UTC))
        recovery.set_failing(pod, observation, has_ended=has_ended)
        self._failing.add_pod(recovery, pod)
        if has_ended and workload.uid == pod.metadata.uid:
            self._end_in_failure(recovery)
        elif has_ended and self._started and workload.key not in self._checks:
            # Not at once: in a burst its siblings fail in the same second, and one check of the workload does for all.
            self._checks.add_after(workload.key, FIRST_RECHECK)

    def on_pods_not_created(self, workload: WorkloadRef, failed_at: datetime) -> None:
        """The workload's pods cannot be created."""
        recovery = self._failing.track(workload)
        recovery.set_failed_at(failed_at)
        recovery.create_failed_at = failed_at
        self._check_soon(recovery)

    def on_pod_not_failing(self, workload: WorkloadRef, pod: Pod) -> None:
        """The pod exists and nothing is failing in it."""
        recovery = self._failing.get(workload.key)
        if recovery is None:
            return
        uid, created = pod.metadata.uid, pod.metadata.creationTimestamp
        if recovery.create_failed_at and created and created > recovery.create_failed_at:
            recovery.create_failed_at = None
        if not is_healthy(pod):
            recovery.set_unready(uid)
            return
        recovery.set_healthy(pod, _now() + stabilization_seconds(pod, self._recovery_after, recovery.longest_run))
        if uid in recovery.failed_pods or uid in recovery.healthy_pods:
            self._failing.add_healthy_pod(recovery, pod)
        self._check_soon(recovery)

    def on_pod_deleted(self, pod: PodKey) -> None:
        recovery, failed = self._failing.of_pod(pod), self._failing.failed_of_pod(pod)
        self._failing.remove_pod(pod)
        if failed is not None and failed.uid == pod.uid:
            self.on_deleted(failed)
        elif failed is not None:
            self._deletions.add_after(failed, CHECK_DELAY)
        if recovery is None:
            return
        if recovery.workload.uid == pod.uid:  # a bare pod
            self.on_deleted(recovery.workload)
        elif recovery.remove(pod.uid):
            self._check_soon(recovery)

    def on_deleted(self, workload: WorkloadRef) -> None:
        """The workload does not exist any more."""
        recovery = self._failing.get(workload.key)
        if recovery is not None:
            self._end(recovery)
        self._updates.change_state(workload, "Deleted")

    def check_soon(self, workload: WorkloadRef) -> None:
        """Something has happened to the workload itself."""
        recovery = self._failing.get(workload.key)
        if recovery is not None:
            self._check_soon(recovery)

    def on_pods_listed(self, namespace: str | None, pod_uids: set[str]) -> None:
        """In the namespace (None: in all) only these pods exist."""
        for pod in self._failing.pods():
            if pod.uid not in pod_uids and namespace in (None, pod.namespace):
                self.on_pod_deleted(pod)

    def _check_soon(self, recovery: WorkloadRecovery) -> None:
        """Something has happened to the workload's pods: find out soon what follows from it."""
        recovery.checks = 0
        recovery.changes += 1
        if self._started:
            self._checks.add_after(recovery.workload.key, CHECK_DELAY)

    async def _check(self, workload: WorkloadKey) -> float | None:
        """Seconds until the next check; None: something that happens to a pod will cause it."""
        recovery = self._failing.get(workload)
        if recovery is None:
            return None
        if recovery.has_failing_pod:
            return self._reselect(recovery)
        changes = recovery.changes
        health = await self._read_health(recovery)
        if recovery not in self._failing or recovery.changes != changes:
            return None  # the next check is due already
        return self._reselect(recovery) if recovery.has_failing_pod else self._conclude(recovery, health)

    def _reselect(self, recovery: WorkloadRecovery) -> float | None:
        now, workload = _now(), recovery.workload
        is_reported = self._reported.failed_at(workload) is not None
        if is_reported and recovery.has_stopped(self._reported.reported_pod_uid(workload), now):
            self._updates.reselect(workload)
        next_healthy = recovery.next_healthy(now)
        return None if next_healthy is None else next_healthy - now

    async def _read_health(self, recovery: WorkloadRecovery) -> WorkloadHealth:
        workload = recovery.workload
        try:
            return await self._health.read(workload, recovery.failed_at)
        except ApiError as error:
            log.info("%s/%s: cannot read whether it is healthy: %s", workload.namespace, workload, error)
            return WorkloadHealth.UNHEALTHY
        except Exception:
            log.exception("%s/%s: cannot make sense of its status", workload.namespace, workload)
            return WorkloadHealth.UNKNOWN

    def _conclude(self, recovery: WorkloadRecovery, health: WorkloadHealth) -> float | None:
        now = _now()
        match health:
            case WorkloadHealth.FAILED:
                self._end_in_failure(recovery)
                return None
            case WorkloadHealth.DELETED:
                self.on_deleted(recovery.workload)
                return None
            case WorkloadHealth.UNHEALTHY:
                recovery.healthy_since = None
                return _recheck_wait(recovery)
            case WorkloadHealth.COMPLETED:
                due = now
            case WorkloadHealth.HEALTHY:
                due = self._end_of_probation(recovery, now)
            case WorkloadHealth.UNKNOWN if recovery.has_only_healthy_pods:
                due = self._end_of_probation(recovery, now)
            case WorkloadHealth.RUNNING | WorkloadHealth.UNKNOWN:
                if not recovery.healthy_pods or recovery.has_unreplaced_pod:
                    # Its status shows when it ends; where it does not, what happens to a pod causes the next check.
                    return _recheck_wait(recovery) if health is WorkloadHealth.RUNNING else None
                due = max(min(recovery.healthy_pods.values()), recovery.pods_healthy_from)
        if due > now:
            return due - now
        log.info("%s/%s: recovered: %s", recovery.workload.namespace, recovery.workload, health.value)
        self._end(recovery)
        self._updates.change_state(recovery.workload, "Recovered")
        return None

    def _end_of_probation(self, recovery: WorkloadRecovery, now: float) -> float:
        """Loop time until which it must stay as healthy as it is."""
        recovery.healthy_since = recovery.healthy_since or now
        probation = max(self._recovery_after, probation_seconds(recovery.longest_run))
        return max(recovery.healthy_since + probation, recovery.pods_healthy_from)

    async def _check_deletion(self, workload: WorkloadRef) -> None:
        """Whether a workload that has ended in failure is deleted. Raises ApiError."""
        if await self._health.read(workload, None) is WorkloadHealth.DELETED:
            self.on_deleted(workload)

    def _end_in_failure(self, recovery: WorkloadRecovery) -> None:
        """Nothing will retry the workload: all that is still to come is its deletion."""
        workload = recovery.workload
        self._end(recovery)
        self._updates.change_state(workload, "Failed")
        pods = {*recovery.failed_pods, self._reported.reported_pod_uid(workload)}
        for pod_uid in islice(pods, FAILED_PODS_LIMIT):
            self._failing.add_failed(workload, pod_uid)

    def _end(self, recovery: WorkloadRecovery) -> None:
        self._failing.remove(recovery)
        self._checks.remove(recovery.workload.key)


def _recheck_wait(recovery: WorkloadRecovery) -> float:
    wait: float = min(FIRST_RECHECK * 2**recovery.checks, LAST_RECHECK)
    recovery.checks = min(recovery.checks + 1, 16)
    return wait


def _now() -> float:
    return asyncio.get_running_loop().time()
