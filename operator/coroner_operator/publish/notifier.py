"""For each changed report: first the workload's status, then an Event, whether or not the status was written."""

from __future__ import annotations

from functools import partial

from cachetools import LRUCache

from coroner_operator.model.failure_record import FailureRecord
from coroner_operator.model.report import Report
from coroner_operator.model.workload_ref import WorkloadRef
from coroner_operator.publish.event_recorder import Recorder
from coroner_operator.publish.event_series import Regarding
from coroner_operator.publish.target_kinds import TargetKinds
from coroner_operator.publish.workload_status import WorkloadStatusWriter

CACHE_SIZE = 10_000  # workloads whose last announced failure is known

_CLUSTER_SCOPED = frozenset({("v1", "Node")})
"""Built-in owners of pods that have no namespace: a static pod is owned by its node."""


class Notifier:
    def __init__(self, status_writer: WorkloadStatusWriter, recorder: Recorder, kinds: TargetKinds) -> None:
        self._status_writer = status_writer
        self._recorder = recorder
        self._kinds = kinds
        self._announced: LRUCache[str, str] = LRUCache(CACHE_SIZE)
        """UID of a workload → ID of the failure that an Event was recorded for."""

    def notify(self, before: Report, after: Report) -> None:
        """The report was changed to ``after``, or could not be written: even then the failure is announced."""
        workload, failure = after.workload, after.current
        known = self._announced.get(workload.uid) or (before.current.id if before.current else "")
        if failure is None:
            self._announced.pop(workload.uid, None)
        if failure is None or failure.id == known:
            self._status_writer.put(after)
            return
        self._announced[workload.uid] = failure.id
        self._status_writer.put(after, on_attempted=partial(self._record_event, workload, failure))

    def on_gave_up(self, workload: WorkloadRef, reason: str) -> None:
        """Another writer insists on the workload's status: record an Event about it."""
        self._recorder.warn(self.regarding(workload), "StatusOverwritten", reason)

    def regarding(self, workload: WorkloadRef) -> Regarding:
        kind = self._kinds.kind_of(workload)
        cluster_scoped = (workload.api_version, workload.kind) in _CLUSTER_SCOPED or (kind and not kind.namespaced)
        return Regarding(
            workload.api_version,
            workload.kind,
            "" if cluster_scoped else workload.namespace,
            workload.name,
            workload.uid,
        )

    def _record_event(self, workload: WorkloadRef, failure: FailureRecord) -> None:
        verdict = failure.verdict
        name = "/".join(filter(None, (verdict.category, verdict.subcategory)))
        self._recorder.record(
            self.regarding(workload),
            verdict.reason or "FailureWithoutReason",
            f"{verdict.message} [{name}]" if name else verdict.message,
            hint=verdict.hint,
            action="Categorized",
        )
