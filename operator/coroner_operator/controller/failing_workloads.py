"""The workloads that fail now, found by any of their pods and controllers; and what is known of their pods."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from coroner_categorizer.objects.pod import Pod
from coroner_operator.controller.recovery_state import FailedPod, PodState, WorkloadRecovery
from coroner_operator.kube.owner_resolver import controller_of, workload_path
from coroner_operator.model.current_failure import NOTHING_KNOWN, FailingPods
from coroner_operator.model.workload_ref import WorkloadRef


class ReportedFailures(Protocol):
    """What the reports show: ``ReportCache``."""

    def failed_at(self, workload: WorkloadRef) -> datetime | None:
        """When the workload failed last, if it fails now."""
        ...

    def reported_pod_uid(self, workload: WorkloadRef) -> str:
        """UID of the pod whose failure the report shows; "" where it names none."""
        ...


class FailingWorkloads:
    def __init__(self, reported: ReportedFailures) -> None:
        self._reported = reported
        self._workloads: dict[str, WorkloadRecovery] = {}
        self._by_controller: dict[str, str] = {}
        """UID of a pod's own controller → UID of the failing workload above it."""
        self._by_pod: dict[str, str] = {}
        self._by_pods_only: Counter[str] = Counter()
        """Namespaces with failing workloads of kinds that cannot be read: any pod there may belong to them."""

    def __len__(self) -> int:
        return len(self._workloads)

    def __iter__(self) -> Iterator[WorkloadRecovery]:
        return iter(tuple(self._workloads.values()))

    def __contains__(self, recovery: WorkloadRecovery) -> bool:
        """Whether it is followed still."""
        return self._workloads.get(recovery.workload.uid) is recovery

    def get(self, workload_uid: str) -> WorkloadRecovery | None:
        return self._workloads.get(workload_uid)

    def of_pod(self, pod_uid: str) -> WorkloadRecovery | None:
        """The failing workload to which the pod matters."""
        return self._workloads.get(self._by_pod.get(pod_uid, ""))

    def pods(self) -> tuple[tuple[str, WorkloadRecovery | None], ...]:
        """UIDs of all pods that matter to a failing workload, with the workload; None: it does not fail any more."""
        return tuple((pod, self._workloads.get(workload)) for pod, workload in self._by_pod.items())

    def failing_pods(self, workload: WorkloadRef) -> FailingPods:
        """What is known of the workload's pods now, for the choice of the failure that its report shows."""
        recovery = self._workloads.get(workload.uid)
        if recovery is None:
            return NOTHING_KNOWN
        now = asyncio.get_running_loop().time()
        return FailingPods(tuple(recovery.observations.values()), lambda pod_uid: recovery.has_stopped(pod_uid, now))

    def may_matter(self, pod: Pod) -> bool:
        """Whether a pod that shows no failure may matter to a failing workload. Cheap."""
        if not self._workloads:
            return False
        if pod.metadata.uid in self._by_pod or pod.metadata.namespace in self._by_pods_only:
            return True
        controller = controller_of(pod.metadata)
        return (controller.uid if controller else pod.metadata.uid) in self._by_controller

    def track(self, workload: WorkloadRef) -> WorkloadRecovery:
        """Follow the workload; it fails."""
        recovery = self._workloads.get(workload.uid)
        return self._add(workload) if recovery is None else recovery

    def add_pod(self, recovery: WorkloadRecovery, pod: Pod) -> None:
        """The pod belongs to the workload, and so does its controller."""
        self._by_pod[pod.metadata.uid] = recovery.workload.uid
        controller = controller_of(pod.metadata)
        if controller is not None:
            self._add_controller(recovery, controller.uid)

    def add_healthy_pod(self, recovery: WorkloadRecovery, pod_uid: str) -> None:
        self._by_pod[pod_uid] = recovery.workload.uid

    def remove_pod(self, pod_uid: str) -> None:
        self._by_pod.pop(pod_uid, None)

    def remove(self, recovery: WorkloadRecovery) -> None:
        """The workload does not fail any more, or will never recover."""
        workload = recovery.workload
        self._workloads.pop(workload.uid, None)
        for uid in (workload.uid, *recovery.failed_pods, *recovery.healthy_pods):
            self._by_pod.pop(uid, None)
        for uid in recovery.controllers:
            self._by_controller.pop(uid, None)
        if _is_known_by_pods_only(workload):
            self._by_pods_only -= Counter([workload.namespace])  # drops what falls to 0

    def _add(self, workload: WorkloadRef) -> WorkloadRecovery:
        recovery = self._workloads[workload.uid] = WorkloadRecovery(workload)
        self._add_controller(recovery, workload.uid)
        if workload.kind == "Pod":
            self._by_pod[workload.uid] = workload.uid
        elif _is_known_by_pods_only(workload):
            self._by_pods_only[workload.namespace] += 1
        recovery.failed_at = self._reported.failed_at(workload)
        if recovery.failed_at is None:
            return recovery
        if pod_uid := self._reported.reported_pod_uid(workload):
            # It may be deleted, or healthy, since the report was written.
            recovery.failed_pods[pod_uid] = FailedPod(PodState.UNOBSERVED)
            self._by_pod[pod_uid] = workload.uid
        else:
            recovery.create_failed_at = recovery.failed_at
        return recovery

    def _add_controller(self, recovery: WorkloadRecovery, controller_uid: str) -> None:
        recovery.controllers.add(controller_uid)
        self._by_controller[controller_uid] = recovery.workload.uid


def _is_known_by_pods_only(workload: WorkloadRef) -> bool:
    return workload.kind != "Pod" and workload_path(workload) is None
