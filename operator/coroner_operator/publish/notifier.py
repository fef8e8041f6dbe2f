"""What follows a report: first the workload itself, then an Event; neither waits for the other's success."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from coroner_operator.model.report import FailureRecord, Report, WorkloadRef
from coroner_operator.publish.event_recorder import Recorder
from coroner_operator.publish.event_series import Regarding
from coroner_operator.publish.target_kinds import WorkloadKinds
from coroner_operator.publish.workload_status import OnWorkload

REMEMBERED = 10_000  # workloads, of which the failure that was told last is known

_CLUSTER_WIDE = frozenset({("v1", "Node")})
"""Owners of pods that have no namespace, custom kinds aside: a static pod belongs to its node."""


class Telling:
    def __init__(self, on_workload: OnWorkload, recorder: Recorder, kinds: WorkloadKinds) -> None:
        self._on_workload = on_workload
        self._recorder = recorder
        self._kinds = kinds
        self._told: OrderedDict[str, str] = OrderedDict()
        """UID of a workload → ID of the failure of which an Event has told."""

    def tell(self, before: Report, after: Report) -> None:
        """The report has become ``after``, or should have: a report that cannot be written hides no failure."""
        workload, failure = after.workload, after.current
        known = self._told.get(workload.uid) or (before.current.id if before.current else "")
        if failure is None:
            self._told.pop(workload.uid, None)
        if failure is None or failure.id == known:
            self._on_workload.put(after)
            return
        self._told[workload.uid] = failure.id
        self._told.move_to_end(workload.uid)
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        self._on_workload.put(after, then=partial(self._record, workload, failure))

    def yielded(self, workload: WorkloadRef, sentence: str) -> None:
        """Another writer insists on the workload's status."""
        self._recorder.warn(self.regarding(workload), "StatusOverwritten", sentence)

    def regarding(self, workload: WorkloadRef) -> Regarding:
        kind = self._kinds.of(workload)
        cluster_wide = (workload.api_version, workload.kind) in _CLUSTER_WIDE or (kind and not kind.namespaced)
        return Regarding(
            workload.api_version,
            workload.kind,
            "" if cluster_wide else workload.namespace,
            workload.name,
            workload.uid,
        )

    def _record(self, workload: WorkloadRef, failure: FailureRecord) -> None:
        verdict = failure.verdict
        name = "/".join(filter(None, (verdict.category, verdict.subcategory)))
        self._recorder.record(
            self.regarding(workload),
            verdict.reason or "FailureWithoutReason",
            f"{verdict.message} [{name}]" if name else verdict.message,
            advice=verdict.hint,
            action="Categorized",
        )
