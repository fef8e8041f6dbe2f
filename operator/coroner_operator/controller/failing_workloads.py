"""The workloads that fail now, found by any of their pods and controllers; and what is known of their pods."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from coroner_categorizer.objects.pod import Pod
from coroner_operator.config.lifetimes import keeps_pods_running
from coroner_operator.controller.recovery_state import FailedPod, PodState, WorkloadRecovery
from coroner_operator.kube.owner_resolver import controller_key, workload_path
from coroner_operator.model.current_failure import NOTHING_KNOWN, FailingPods
from coroner_operator.model.workload_ref import PodKey, WorkloadKey, WorkloadRef, pod_key


class ReportedFailures(Protocol):
    """What the reports show: ``ReportCache``."""

    def failed_at(self, workload: WorkloadRef) -> datetime | None:
        """When the workload failed last, if it fails now."""
        ...

    def reported_pod_uid(self, workload: WorkloadRef) -> str:
        """UID of the pod whose failure the report shows; "" where it names none."""
        ...

    def longest_interval(self, workload: WorkloadRef) -> float:
        """Seconds between the failures of two pods of a failing workload, at most; longer ones are left out."""
        ...

    def over_since(self, workload: WorkloadRef) -> datetime | None:
        """When the workload was found to have ended in failure, or to be deleted; None: neither."""
        ...


class FailingWorkloads:
    def __init__(self, reported: ReportedFailures) -> None:
        self._reported = reported
        self._workloads: dict[WorkloadKey, WorkloadRecovery] = {}
        self._controllers: Counter[WorkloadKey] = Counter()
        """Of how many failing workloads each has pods."""
        self._by_pod: dict[PodKey, WorkloadKey] = {}
        self._failed: dict[PodKey, WorkloadRef] = {}
        """Workloads that have ended in failure, by the pod that their report shows: if it is deleted, they may be."""
        self._by_pods_only: Counter[str] = Counter()
        """Namespaces with failing workloads of kinds that cannot be read: any pod there may belong to them."""

    def __len__(self) -> int:
        return len(self._workloads)

    def __iter__(self) -> Iterator[WorkloadRecovery]:
        return iter(tuple(self._workloads.values()))

    def __contains__(self, recovery: WorkloadRecovery) -> bool:
        """Whether it is followed still."""
        return self._workloads.get(recovery.workload.key) is recovery

    def get(self, workload: WorkloadKey) -> WorkloadRecovery | None:
        return self._workloads.get(workload)

    def of_pod(self, pod: PodKey) -> WorkloadRecovery | None:
        """The failing workload to which the pod matters."""
        workload = self._by_pod.get(pod)
        return None if workload is None else self._workloads.get(workload)

    def failed_of_pod(self, pod: PodKey) -> WorkloadRef | None:
        """The workload that has ended in failure by the pod."""
        return self._failed.get(pod)

    def pods(self) -> tuple[PodKey, ...]:
        """All that matter to a failing or failed workload, or did."""
        return (*self._by_pod, *self._failed)

    def failing_pods(self, workload: WorkloadRef) -> FailingPods:
        """What is known of the workload's pods now, for the choice of the failure that its report shows."""
        recovery, long_running = self._workloads.get(workload.key), keeps_pods_running(workload.group, workload.kind)
        if recovery is None:
            return NOTHING_KNOWN._replace(long_running=long_running)
        now = asyncio.get_running_loop().time()
        return FailingPods(
            tuple(recovery.observations.values()),
            lambda pod_uid: recovery.has_stopped(pod_uid, now),
            recovery.is_deleted,
            long_running,
        )

    def may_matter(self, pod: Pod) -> bool:
        """Whether a pod that shows no failure may matter to a failing workload. Cheap."""
        if not self._workloads:
            return False
        if pod_key(pod) in self._by_pod or pod.metadata.namespace in self._by_pods_only:
            return True
        return controller_key(pod.metadata) in self._controllers

    def track(self, workload: WorkloadRef) -> WorkloadRecovery:
        """Follow the workload; it fails."""
        recovery = self._workloads.get(workload.key)
        return self._add(workload) if recovery is None else recovery

    def add_pod(self, recovery: WorkloadRecovery, pod: Pod) -> None:
        """The pod belongs to the workload, and so does its controller."""
        self._by_pod[pod_key(pod)] = recovery.workload.key
        controller = controller_key(pod.metadata)
        if controller is not None:
            self._add_controller(recovery, controller)

    def add_healthy_pod(self, recovery: WorkloadRecovery, pod: Pod) -> None:
        self._by_pod[pod_key(pod)] = recovery.workload.key

    def add_failed(self, workload: WorkloadRef, pod_uid: str) -> None:
        """The workload has ended in failure; its report shows this pod."""
        if pod_uid:
            self._failed[PodKey(workload.namespace, pod_uid)] = workload

    def remove_pod(self, pod: PodKey) -> None:
        self._by_pod.pop(pod, None)
        self._failed.pop(pod, None)

    def remove(self, recovery: WorkloadRecovery) -> None:
        """The workload does not fail any more, or will never recover."""
        workload = recovery.workload
        self._workloads.pop(workload.key, None)
        for uid in (workload.uid, *recovery.failed_pods, *recovery.healthy_pods):
            self._by_pod.pop(PodKey(workload.namespace, uid), None)
        self._controllers -= Counter(recovery.controllers)  # drops what falls to 0
        if _is_known_by_pods_only(workload):
            self._by_pods_only -= Counter([workload.namespace])  # drops what falls to 0

    def _add(self, workload: WorkloadRef) -> WorkloadRecovery:
        recovery = self._workloads[workload.key] = WorkloadRecovery(workload)
        self._add_controller(recovery, workload.key)
        if workload.kind == "Pod":
            self._by_pod[PodKey(workload.namespace, workload.uid)] = workload.key
        elif _is_known_by_pods_only(workload):
            self._by_pods_only[workload.namespace] += 1
        recovery.longest_run = self._reported.longest_interval(workload)
        recovery.failed_at = self._reported.failed_at(workload)
        if recovery.failed_at is None:
            return recovery
        if pod_uid := self._reported.reported_pod_uid(workload):
            # It may be deleted, or healthy, since the report was written.
            recovery.failed_pods[pod_uid] = FailedPod(PodState.UNOBSERVED)
            self._by_pod[PodKey(workload.namespace, pod_uid)] = workload.key
        else:
            recovery.create_failed_at = recovery.failed_at
        return recovery

    def _add_controller(self, recovery: WorkloadRecovery, controller: WorkloadKey) -> None:
        if controller not in recovery.controllers:
            recovery.controllers.add(controller)
            self._controllers[controller] += 1


def _is_known_by_pods_only(workload: WorkloadRef) -> bool:
    return workload.kind != "Pod" and workload_path(workload) is None
