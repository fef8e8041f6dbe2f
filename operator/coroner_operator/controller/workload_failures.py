"""Workloads that fail without a pod that shows it: their pods cannot be created, or are deleted before anyone looked.

Both are known from Warning events about the workload, which anybody may write: they are a reason to read the workload,
and count only if it is found. The work queues hold the workloads themselves.

Controllers try again, often with success: that a pod could not be created is reported after a grace period, if it still
holds then. Like those of pods, it is timed by the process: after a restart it begins again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Set
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Protocol, TypeAlias

from coroner_categorizer import Event, Failure
from coroner_categorizer.stuck.workloads import NOT_STARTED_REASONS
from coroner_operator.controller.classification import Classifier
from coroner_operator.controller.classification_interval import ClassificationInterval
from coroner_operator.controller.job_failures import GRACE, JOB_FAILURE_REASONS, JobFailures
from coroner_operator.controller.opt_out import OptOut
from coroner_operator.controller.recovery import Recovery
from coroner_operator.kube.errors import TooManyRequests, Transient
from coroner_operator.kube.owner_resolver import OwnerResolver, workload_path
from coroner_operator.kube.resources import find_by_kind
from coroner_operator.kube.workqueue import WorkQueue
from coroner_operator.model.observation import Observation
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef
from coroner_operator.reports.writer import ReportWriter

log = logging.getLogger("coroner.workload_failures")

CREATE_FAILURE_REASONS = frozenset({"FailedCreate", "FailedResourceClaimCreation"})
NEVER_CREATED_LIMIT = 1_000  # workloads of a namespace, ~300 bytes each
WAITING_LIMIT = 200  # workloads of a namespace that wait to be read; of more the events are read again
REREAD_DELAY = 30.0  # s until then
CONCURRENT_REREADS = 4  # namespaces
WORKERS = 100  # workloads at one time; one whose owner cannot be read keeps its place

_Process: TypeAlias = Callable[[WorkloadRef], Awaitable[float | None]]
"""Processes one workload; seconds until it is to be processed again."""

DeferReason = Literal["queue_full", "no_answer", "too_many_states"]


class ErrorCounts(Protocol):
    def count_error(self) -> None:
        """A pod or workload could not be handled: an exception was raised."""
        ...

    def count_deferred(self, reason: DeferReason, /) -> None:
        """A pod or workload could not be processed now: too much waits, or there was no answer. It will be later."""
        ...


class _FailedTry(NamedTuple):
    """A pod could not be created; the controller of the workload tries again."""

    due: float
    """Loop time at which the grace period ends."""
    at: datetime | None
    """Time of the newest event about it when the grace period began."""


class WorkloadFailures:
    def __init__(
        self,
        *,
        grace_period: float,
        classifier: Classifier,
        owners: OwnerResolver,
        job_failures: JobFailures,
        writer: ReportWriter,
        recovery: Recovery,
        errors: ErrorCounts,
        opt_out: OptOut | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """``grace_period``: seconds for which a pod may fail to be created before that is reported."""
        self._grace_period = grace_period
        self._classifier = classifier
        self._owners = owners
        self._job_failures = job_failures
        self._writer = writer
        self._recovery = recovery
        self._errors = errors
        self._opt_out = opt_out or OptOut()
        self._now = now
        self._never_created: defaultdict[str, OrderedDict[WorkloadRef, WorkloadKey]] = defaultdict(OrderedDict)
        """By namespace, controllers whose pods could not be created, and the workloads above them."""
        self._tries: dict[WorkloadRef, _FailedTry] = {}
        """Those whose grace period has not ended."""
        self._intervals: ClassificationInterval[WorkloadRef] = ClassificationInterval()
        self._waiting: defaultdict[str, set[WorkloadRef]] = defaultdict(set)
        """By namespace, what events have arrived about and is not processed yet."""
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
        self._rereads: WorkQueue[str] = WorkQueue(self._reread, name="events", workers=CONCURRENT_REREADS)
        """By namespace."""

    def start(self) -> None:
        self._creations.start()
        self._jobs.start()
        self._rereads.start()

    async def drain(self, within: float) -> None:
        """End the work under way within that many seconds.

        A failed Job is left to the next start: classified now, it would come before the failures of its own pods.
        """
        await self._rereads.close()
        await self._jobs.close()
        for ref in self._tries:
            self._creations.remove(ref)  # it waits, and would go on waiting
        await self._creations.drain(within)
        await self._creations.close()

    def on_event(self, event: Event) -> None:
        """A warning about anything but a pod or a node."""
        process = self._process_of(event)
        if process is None:
            return
        ref, waiting = _subject(event), self._waiting[event.metadata.namespace]
        if ref not in waiting and len(waiting) >= WAITING_LIMIT:
            self._errors.count_deferred("queue_full")
            self._rereads.add_after(ref.namespace, REREAD_DELAY)
            return
        waiting.add(ref)
        if process == self._process_failed_job:
            self._jobs.add_after(ref, GRACE)
        else:
            self._classifier.add_workload_event(event)
            self._creations.add_after(ref, self._intervals.seconds_left(ref))

    def resync(self, workloads: Set[WorkloadKey]) -> None:
        """Report again which pods of these workloads could not be created."""
        for namespace in {workload.namespace for workload in workloads}:
            for ref, workload in self._never_created.get(namespace, {}).items():
                if workload in workloads:
                    self._creations.add(ref)

    def reclassify_all(self) -> None:
        """The rules have changed."""
        for refs in self._never_created.values():
            self._to_reclassify.update(refs)
            for ref in refs:
                self._creations.add(ref)

    def _process_of(self, event: Event) -> _Process | None:
        """What processes the subject of the event; None where it says nothing of a workload that can be read."""
        ref = _subject(event)
        if not ref.uid or workload_path(ref) is None:
            return None
        if event.reason in CREATE_FAILURE_REASONS or (ref.kind == "CronJob" and event.reason in NOT_STARTED_REASONS):
            return self._process_never_created
        return self._process_failed_job if ref.kind == "Job" and event.reason in JOB_FAILURE_REASONS else None

    async def _reread(self, namespace: str) -> None:
        """Process, one after the other, what there was no room for when its event arrived. Raises ApiError."""
        async with aclosing(self._classifier.warnings(namespace)) as events:
            async for event in events:
                process = self._process_of(event)
                if process is not None and event.metadata.namespace == namespace:
                    await self._process_reread(event, process)

    async def _process_reread(self, event: Event, process: _Process) -> None:
        """Of many events about one workload the queue makes few reads. Raises ApiError."""
        ref = _subject(event)
        self._classifier.add_workload_event(event)
        wait = self._intervals.seconds_left(ref) or await self._guarded(process)(ref)
        if wait:
            queue = self._jobs if process == self._process_failed_job else self._creations
            queue.add_after(ref, wait)

    def _guarded(self, process: _Process) -> _Process:
        """What is wrong with one workload must not reach another. Raises ApiError where a retry may succeed."""

        async def guarded(ref: WorkloadRef) -> float | None:
            self._intervals.begin(ref)
            again: float | None = None
            try:
                again = await process(ref)
            except (Transient, TooManyRequests):
                self._errors.count_deferred("no_answer")
                raise
            except Exception:
                self._errors.count_error()
                log.exception("%s/%s: its failure could not be classified", ref.namespace, ref)
            if again is None:
                self._processed(ref)
            return again

        return guarded

    def _processed(self, ref: WorkloadRef) -> None:
        waiting = self._waiting[ref.namespace]
        waiting.discard(ref)
        if not waiting:
            del self._waiting[ref.namespace]

    async def _process_never_created(self, ref: WorkloadRef) -> float | None:
        """Seconds until its grace period ends; None: it is processed."""
        failed = self._tries.get(ref)
        if failed is not None and (left := failed.due - _clock()) > 0:
            return left
        reclassified = ref in self._to_reclassify
        self._to_reclassify.discard(ref)
        classification = await self._classifier.classify_never_created(ref, has_retried=failed is not None)
        rules = self._classifier.categorizer.hash
        if classification is None or not classification.failures:
            self._forget(ref)
            return None
        if not self._is_reportable(ref, classification.failures[0]):
            return self._grace_period if ref in self._tries else None
        owners = await self._owners.owners_above(ref)
        if self._opt_out.ignored_owner(ref.key) is not None:
            self._forget(ref)
            return None
        workload = owners.workload
        known = self._never_created[ref.namespace]
        known[ref] = workload.key
        while len(known) > NEVER_CREATED_LIMIT:
            known.popitem(last=False)
        observed_at = self._now()
        self._writer.add(
            workload,
            [
                Observation("", "", "", failure, observed_at, rules, reclassified, owners.listed)
                for failure in classification.failures
            ],
        )
        if classification.verdict is not None:
            self._recovery.on_pods_not_created(workload, classification.failures[0].at or observed_at)
        return None

    def _is_reportable(self, ref: WorkloadRef, failure: Failure) -> bool:
        """Whether its pods still cannot be created after the grace period, which begins here.

        The status of a custom kind need not show whether they exist by now: there it counts whether another try failed.
        """
        failed = self._tries.pop(ref, None)
        if failure.permanent or self._grace_period <= 0 or ref in self._never_created.get(ref.namespace, {}):
            return True
        if failed is None:
            self._tries[ref] = _FailedTry(_clock() + self._grace_period, failure.at)
            return False
        return find_by_kind(ref.api_version, ref.kind) is not None or failure.at != failed.at

    def _forget(self, ref: WorkloadRef) -> None:
        self._tries.pop(ref, None)
        known = self._never_created[ref.namespace]
        known.pop(ref, None)
        if not known:
            del self._never_created[ref.namespace]

    async def _process_failed_job(self, ref: WorkloadRef) -> float | None:
        """Seconds until the next try; None: it is processed."""
        if self._job_failures.must_wait(ref):
            return GRACE
        found = await self._job_failures.classify(ref)
        if found is None:
            self._recovery.check_soon((await self._owners.owners_above(ref)).workload)
            return None
        owners, failures = found
        if self._opt_out.ignored_owner(ref.key) is not None:
            return None
        observed_at = self._now()
        rules = self._classifier.categorizer.hash
        self._writer.add(
            owners.workload,
            [Observation("", "", "", failure, observed_at, rules, owners=owners.listed) for failure in failures],
        )
        self._recovery.on_pods_not_created(owners.workload, failures[0].at or observed_at)
        return None


def _subject(event: Event) -> WorkloadRef:
    """What the event is about, in the event's own namespace."""
    involved = event.involved
    return WorkloadRef(involved.apiVersion, involved.kind, event.metadata.namespace, involved.name, involved.uid)


def _clock() -> float:
    return asyncio.get_running_loop().time()
