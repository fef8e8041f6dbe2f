"""Workloads that fail without a pod that shows it: their pods cannot be created, or are deleted before anyone looked.

Both are known from Warning events about the workload. The work queues hold the workloads themselves.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol, TypeAlias

from coroner_categorizer import Event
from coroner_operator.controller.classification import Classifier
from coroner_operator.controller.job_failures import GRACE, JOB_FAILURE_REASONS, JobFailures
from coroner_operator.controller.recovery import Recovery
from coroner_operator.kube.owner_resolver import OwnerResolver
from coroner_operator.kube.paths import is_object_name
from coroner_operator.kube.workqueue import WorkQueue
from coroner_operator.model.observation import Observation
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef
from coroner_operator.reports.writer import ReportWriter

log = logging.getLogger("coroner.workload_failures")

CREATE_FAILURE_REASONS = frozenset({"FailedCreate", "FailedResourceClaimCreation"})
NEVER_CREATED_LIMIT = 1_000  # workloads, ~300 bytes each
WORKERS = 100  # workloads at one time; one whose owner cannot be read keeps its place

_Process: TypeAlias = Callable[[WorkloadRef], Awaitable[float | None]]
"""Processes one workload; seconds until it is to be processed again."""


class ErrorCounts(Protocol):
    def count_error(self) -> None:
        """A pod or workload could not be handled: an exception was raised."""
        ...


class WorkloadFailures:
    def __init__(
        self,
        *,
        classifier: Classifier,
        owners: OwnerResolver,
        job_failures: JobFailures,
        writer: ReportWriter,
        recovery: Recovery,
        errors: ErrorCounts,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._classifier = classifier
        self._owners = owners
        self._job_failures = job_failures
        self._writer = writer
        self._recovery = recovery
        self._errors = errors
        self._now = now
        self._never_created: OrderedDict[WorkloadKey, WorkloadRef] = OrderedDict()
        """Controllers whose pods could not be created."""
        self._to_reclassify: set[WorkloadRef] = set()
        self._creations: WorkQueue[WorkloadRef] = WorkQueue(
            self._guarded(self._process_never_created),
            name="pods not created",
            workers=WORKERS,
            group=lambda ref: ref.namespace,
            group_workers=WORKERS // 2,
        )
        self._jobs: WorkQueue[WorkloadRef] = WorkQueue(
            self._guarded(self._process_failed_job),
            name="failed jobs",
            workers=WORKERS,
            group=lambda ref: ref.namespace,
            group_workers=WORKERS // 2,
        )

    def start(self) -> None:
        self._creations.start()
        self._jobs.start()

    async def drain(self, within: float) -> None:
        """End the work under way within that many seconds.

        A failed Job is left to the next start: classified now, it would come before the failures of its own pods.
        """
        await self._jobs.close()
        await self._creations.drain(within)
        await self._creations.close()

    def on_event(self, event: Event) -> None:
        """A warning about anything but a pod or a node."""
        involved = event.involved
        if not (involved.uid and is_object_name(involved.name)):
            return
        ref = WorkloadRef(involved.apiVersion, involved.kind, event.metadata.namespace, involved.name, involved.uid)
        if event.reason in CREATE_FAILURE_REASONS:
            self._creations.add(ref)
        elif involved.kind == "Job" and event.reason in JOB_FAILURE_REASONS:
            self._jobs.add_after(ref, GRACE)

    def resync(self, namespace: str) -> None:
        """Report again which pods in the namespace could not be created."""
        for ref in self._never_created.values():
            if ref.namespace == namespace:
                self._creations.add(ref)

    def reclassify_all(self) -> None:
        """The rules have changed."""
        self._to_reclassify.update(self._never_created.values())
        for ref in self._never_created.values():
            self._creations.add(ref)

    def _guarded(self, process: _Process) -> _Process:
        """What is wrong with one workload must not reach another, and is not tried again: the next event will be."""

        async def guarded(ref: WorkloadRef) -> float | None:
            try:
                return await process(ref)
            except Exception:
                self._errors.count_error()
                log.exception("%s/%s: its failure could not be classified", ref.namespace, ref)
                return None

        return guarded

    async def _process_never_created(self, ref: WorkloadRef) -> None:
        reclassified = ref in self._to_reclassify
        self._to_reclassify.discard(ref)
        classification = await self._classifier.classify_never_created(ref)
        rules = self._classifier.categorizer.hash
        if not classification.failures:
            self._never_created.pop(ref.key, None)
            return
        self._never_created[ref.key] = ref
        while len(self._never_created) > NEVER_CREATED_LIMIT:
            self._never_created.popitem(last=False)
        workload = await self._owners.top_controller(ref)
        observed_at = self._now()
        self._writer.add(
            workload,
            [Observation("", "", "", failure, observed_at, rules, reclassified) for failure in classification.failures],
        )
        if classification.verdict is not None:
            self._recovery.on_pods_not_created(workload, classification.failures[0].at or observed_at)

    async def _process_failed_job(self, ref: WorkloadRef) -> float | None:
        """Seconds until the next try; None: it is processed."""
        if self._job_failures.must_wait(ref):
            return GRACE
        found = await self._job_failures.classify(ref)
        if found is None:
            return None
        workload, failures = found
        observed_at = self._now()
        rules = self._classifier.categorizer.hash
        self._writer.add(workload, [Observation("", "", "", failure, observed_at, rules) for failure in failures])
        self._recovery.on_pods_not_created(workload, failures[0].at or observed_at)
        return None
