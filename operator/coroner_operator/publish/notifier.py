"""For each changed report: first the workload's status, then an Event, whether or not the status was written.

The same for each other owner of a listed kind whose pod the current failure is about: people describe both.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cachetools import LRUCache

from coroner_operator.config.lifetimes import keeps_pods_running
from coroner_operator.kube.resources import REPORT
from coroner_operator.model.failure_record import FailureRecord, PodRef
from coroner_operator.model.initiator import is_initiator
from coroner_operator.model.report import Report
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef, report_name
from coroner_operator.publish.event_recorder import Recorder
from coroner_operator.publish.event_series import Regarding
from coroner_operator.publish.target_kinds import TargetKinds
from coroner_operator.publish.workload_status import WorkloadStatusWriter

CACHE_SIZE = 10_000  # workloads whose last announced failure is known


class Notifier:
    def __init__(self, status_writer: WorkloadStatusWriter, recorder: Recorder, kinds: TargetKinds) -> None:
        self._status_writer = status_writer
        self._recorder = recorder
        self._kinds = kinds
        self._announced: LRUCache[WorkloadKey, str] = LRUCache(CACHE_SIZE)
        """ID of the failure that an Event was recorded for."""

    def notify(self, before: Report, after: Report) -> None:
        """The report was changed to ``after``, or could not be written: even then the failure is announced."""
        workload, failure = after.workload, after.current
        known = self._announced.get(workload.key) or (before.current.id if before.current else "")
        if failure is None:
            self._announced.pop(workload.key, None)
        if failure is None or failure.id == known:
            self.update_status(after)
            return
        self._announced[workload.key] = failure.id
        for target in self._targets(after):
            self._status_writer.put(after, partial(self._record_event, target, failure), on=target)

    def update_status(self, report: Report) -> None:
        """Show the report in the status of its workload and owners, without an Event."""
        for target in self._targets(report):
            self._status_writer.put(report, on=target)

    def _targets(self, report: Report) -> list[WorkloadRef]:
        """The workload, and the owners of which the report says something new: all of them once it has recovered."""
        owners = (owner.ref for owner in report.owners if owner.failing or report.current is None)
        return [report.workload, *(ref for ref in owners if self._kinds.kind_of(ref) is not None)]

    def renew(self, report: Report) -> None:
        """The workload still fails: its Event is kept, and those of its owners."""
        if report.current is not None:
            for target in self._targets(report):
                self._record_event(target, report.current, self._recorder.renew)

    def on_gave_up(self, workload: WorkloadRef, reason: str) -> None:
        """Another writer insists on the workload's status: record an Event about it."""
        self._recorder.warn(self._regarding(workload), "StatusOverwritten", reason)

    def _regarding(self, workload: WorkloadRef, pod: PodRef | None = None) -> Regarding:
        """What an Event is about: the workload.

        Where that is cluster-scoped and not listed as such, a node for example, its pod or the report: nothing is
        published outside of a namespace because one of its pods says so.
        """
        namespace, is_namespaced = workload.namespace, not self._kinds.is_cluster_scoped(workload)
        if is_namespaced or self._kinds.may_own(workload.group, workload.kind):
            about = namespace if is_namespaced else ""
            return Regarding(workload.api_version, workload.kind, about, workload.name, workload.uid)
        if pod is not None:
            return Regarding("v1", "Pod", namespace, pod.name, pod.uid)
        return Regarding(REPORT.group_version, REPORT.kind, namespace, report_name(workload))

    def _record_event(
        self, workload: WorkloadRef, failure: FailureRecord, record: Callable[..., None] | None = None
    ) -> None:
        """``record``: the recorder's method; by default the one for what happened now."""
        verdict = failure.verdict
        record = record or self._recorder.record
        record(
            self._regarding(workload, failure.pod),
            verdict.reason or "FailureWithoutReason",
            f"{verdict.message} [{verdict.name}]" if verdict.name else verdict.message,
            hint=" ".join(filter(None, (_which_pod(workload, failure), verdict.hint))),
            action="Categorized",
        )


def _which_pod(workload: WorkloadRef, failure: FailureRecord) -> str:
    """The pod that the failure is about, where that is not the workload.

    It comes after the message, where the first one of a series stays: a pod's name in the message would make an Event
    of each pod.
    """
    pod = failure.pod
    if pod is None or pod.uid == workload.uid:
        return ""
    failed_first = is_initiator(failure) and not keeps_pods_running(workload.group, workload.kind)
    return f"Pod {pod.name} failed first." if failed_first else f"Seen on pod {pod.name}."
