"""pod → judgement → what may be told → sightings of its workload's report, and its recovery.

The streams call in, synchronously; whatever has to wait (owners, events) is done in one short-lived task an object,
in the order of the looks. A healthy pod costs a few comparisons and leaves nothing but its UID in ``living``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any

from coroner_categorizer import Classification, Event, Failure, Pod
from coroner_operator.config.settings import Settings
from coroner_operator.controller.classification import Classifier, node_key
from coroner_operator.controller.job_failures import GRACE as FAILED_JOB_GRACE
from coroner_operator.controller.job_failures import JOB_FAILURE_REASONS, JobFailures
from coroner_operator.controller.pending_timers import PendingTimers
from coroner_operator.controller.pod_cache import FailingPodCache
from coroner_operator.controller.pod_filters import is_starting, may_have_failed
from coroner_operator.controller.pod_uids import ExistingPods
from coroner_operator.controller.recovery import Recovery
from coroner_operator.controller.recovery_state import LONG_RUNNING
from coroner_operator.kube.errors import ApiError
from coroner_operator.kube.event_cache import EventCache
from coroner_operator.kube.owner_resolver import OwnerResolver
from coroner_operator.model.report import Observation, WorkloadRef
from coroner_operator.reports.cache import ReportCache
from coroner_operator.reports.writer import ReportWriter
from coroner_operator.telemetry.metrics import Metrics

log = logging.getLogger("coroner.pipeline")

TASKS_LIMIT = 64  # of one pod that wait for an owner that cannot be read; the oldest are given up
RESYNC_DELAY = 0.5  # s; `kubectl delete failurereports --all` deletes one after the other
READ_RETRY_SECONDS = 5.0  # s, after a pod could not be read
CREATE_FAILURE_REASONS = frozenset({"FailedCreate", "FailedResourceClaimCreation"})
NEVER_CREATED_LIMIT = 1_000  # ~300 bytes each

Task = Callable[[], Coroutine[Any, Any, None]]


class PodController:
    """What the streams are told, until it is in the writer's hands."""

    def __init__(
        self,
        settings: Settings,
        *,
        judging: Classifier,
        events: EventCache,
        owners: OwnerResolver,
        living: ExistingPods,
        suspects: FailingPodCache,
        reports: ReportCache,
        writer: ReportWriter,
        recovery: Recovery,
        metrics: Metrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.pods = PodConsumer(self)
        self.events = EventConsumer(self)
        self._settings = settings
        self._judging = judging
        self._events = events
        self._owners = owners
        self._living = living
        self._suspects = suspects
        self._reports = reports
        self._writer = writer
        self._recovery = recovery
        self._metrics = metrics
        self._now = now
        self._failed_jobs = JobFailures(judging, owners, reports)
        self._unlisted: set[str | None] = {*(settings.namespaces or (None,))}
        self._never_created: OrderedDict[str, WorkloadRef] = OrderedDict()
        """Controllers whose pods could not be created, by UID."""
        self._waits = PendingTimers(settings.grace_periods, self._wake)
        self._queues: dict[str, deque[Task]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False
        self._resyncing: set[str] = set()
        """Namespaces of which a report was deleted just now."""

    async def drain(self, within: float) -> None:
        """Let the looks that are under way come to their end, within that many seconds."""
        self._draining = True
        self._waits.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def on_pod(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        self._living.add(pod)
        if may_have_failed(pod) or is_starting(pod):
            self._suspects.put(pod)
            if is_starting(pod):
                self._waits.has_expired(pod)  # sets the timer
            if may_have_failed(pod):
                anew = bool(self._unlisted)  # the first look of this process, perhaps with other rules than before
                self._enqueue(uid, lambda: self._process_pod(pod, revises=anew))
        elif uid in self._suspects or uid in self._queues or self._recovery.may_matter(pod):
            self._suspects.remove(uid)
            self._waits.clear(uid)
            self._enqueue(uid, lambda: self._process_pod(pod))

    def on_pod_deleted(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        self._living.remove(pod)
        self._waits.clear(uid)
        if may_have_failed(pod) or uid in self._queues or uid in self._suspects:
            self._enqueue(uid, lambda: self._process_pod(pod, last=True))
        else:
            self._forget(uid)

    def on_pods_listed(self, namespace: str | None, uids: set[str]) -> None:
        self._living.on_listed(namespace, uids)
        self._unlisted.discard(namespace)
        for uid in self._suspects.missing(namespace, uids):
            self._waits.clear(uid)
            self._forget(uid)
        self._recovery.on_pods_listed(uids, lambda workload: namespace is None or workload.namespace == namespace)

    def reselect_current(self, pod_uid: str, instead_of: frozenset[str]) -> None:
        """The pod fails, and those others of its workload do not any more."""
        self._enqueue(pod_uid, lambda: self._reprocess(pod_uid, instead_of=instead_of))

    def resync_namespace(self, namespace: str) -> None:
        """What was told of the failures in this namespace may have been lost. Many such words at once are one."""
        if namespace not in self._resyncing:
            self._resyncing.add(namespace)
            asyncio.get_running_loop().call_later(RESYNC_DELAY, self._resync, namespace)

    def _resync(self, namespace: str) -> None:
        self._resyncing.discard(namespace)
        for uid in self._suspects.in_namespace(namespace):
            self._wake(uid)
        for uid, ref in self._never_created.items():
            if ref.namespace == namespace:
                self._enqueue(uid, lambda ref=ref: self._process_never_created(ref))  # type: ignore[misc]

    def reclassify_all(self) -> None:
        """The rules have changed: look again at everything that fails now."""
        for uid in self._suspects:
            self._enqueue(uid, lambda uid=uid: self._reprocess(uid, revises=True))  # type: ignore[misc]
        for uid, ref in self._never_created.items():
            self._enqueue(uid, lambda ref=ref: self._process_never_created(ref, revises=True))  # type: ignore[misc]

    def on_event(self, event: Event) -> None:
        if event.is_from_coroner:  # it would wake what it tells of
            return
        about = event.involved
        if about.kind == "Pod":
            self._events.add(about.uid, event)
            if about.uid in self._suspects and not self._queues.get(about.uid):
                self._wake(about.uid)
        elif about.kind == "Node":
            self._events.add(node_key(about.name), event)
        elif event.reason in CREATE_FAILURE_REASONS and about.uid:
            ref = WorkloadRef(about.apiVersion, about.kind, about.namespace, about.name, about.uid)
            if not self._queues.get(ref.uid):  # one that is under way has asked already, one that waits has not
                self._enqueue(ref.uid, lambda: self._process_never_created(ref))
        elif about.kind == "Job" and event.reason in JOB_FAILURE_REASONS and about.uid:
            job = WorkloadRef(about.apiVersion, about.kind, about.namespace, about.name, about.uid)
            asyncio.get_running_loop().call_later(
                FAILED_JOB_GRACE, self._enqueue, job.uid, lambda: self._process_failed_job(job)
            )

    def _wake(self, pod_uid: str) -> None:
        self._enqueue(pod_uid, lambda: self._reprocess(pod_uid))

    def _enqueue(self, uid: str, look: Task) -> None:
        """Queue a look; looks at one object are taken one after the other. None begins any more once we drain."""
        if self._draining:
            return
        queued = self._queues.get(uid)
        if queued is not None:
            queued.append(look)
            return
        self._queues[uid] = deque([look], maxlen=TASKS_LIMIT)
        task = asyncio.create_task(self._work(uid), name=f"look at {uid}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, uid: str) -> None:
        looks = self._queues[uid]
        try:
            while looks:
                look = looks.popleft()
                try:
                    await look()
                except Exception:  # what one object does to us must not reach another
                    self._metrics.errors.inc()
                    log.exception("object %s could not be judged", uid)
        finally:
            del self._queues[uid]

    async def _reprocess(
        self, pod_uid: str, *, revises: bool = False, instead_of: frozenset[str] = frozenset()
    ) -> None:
        try:
            pod = await self._suspects.get(pod_uid)
        except ApiError as error:
            log.warning("pod %s: cannot be read: %s; again in %.0f s", pod_uid, error, READ_RETRY_SECONDS)
            again = partial(self._reprocess, pod_uid, revises=revises, instead_of=instead_of)
            asyncio.get_running_loop().call_later(READ_RETRY_SECONDS, self._enqueue, pod_uid, again)
            return
        if pod is not None:
            await self._process_pod(pod, revises=revises, instead_of=instead_of)

    async def _process_pod(
        self, pod: Pod, *, last: bool = False, revises: bool = False, instead_of: frozenset[str] = frozenset()
    ) -> None:
        """``last``: the pod was deleted, and this was its last state. ``revises``: perhaps by newer rules."""
        uid = pod.metadata.uid
        place = f"{pod.metadata.namespace}/{pod.metadata.name}"
        try:
            judgement = await self._judging.classify_pod(
                pod, has_waited=is_starting(pod) and self._waits.has_expired(pod)
            )
        except Exception as error:
            error.add_note(f"pod {place}")
            raise
        rules = self._judging.categorizer.hash  # before anything is awaited
        told = self._reportable(pod, judgement, last=last)
        if told or self._recovery.may_matter(pod):
            workload = await self._owners.workload_of(pod)
            told = tuple(
                failure
                for failure in told
                if (failure.current or self._is_recent(failure) or self._reports.has(workload))
                and not (_is_being_replaced(pod, workload) and _is_deletion(failure))
            )
            accused = next((failure for failure in told if failure.current), None)
            if told:
                self._failed_jobs.mark_reported(pod)
                seen_at = self._now()
                revises = revises and workload.uid not in self._reports.classified_by_current_rules
                silent = self._recovery.silent(workload, instead_of)
                self._writer.add(
                    workload,
                    [
                        Observation(pod.metadata.name, uid, pod.spec.nodeName, failure, seen_at, rules, revises, silent)
                        for failure in told
                    ],
                )
            if accused is not None:
                self._recovery.on_pod_failing(workload, pod, accused.at)
            else:
                self._recovery.on_pod_not_failing(workload, pod)
        if last or pod not in self._living:  # deleted while it was being judged
            self._forget(uid)

    async def _process_never_created(self, ref: WorkloadRef, *, revises: bool = False) -> None:
        judgement = await self._judging.classify_never_created(ref)
        rules = self._judging.categorizer.hash
        if not judgement.failures:
            self._never_created.pop(ref.uid, None)
            return
        self._never_created[ref.uid] = ref
        while len(self._never_created) > NEVER_CREATED_LIMIT:
            self._never_created.popitem(last=False)
        workload = await self._owners.top_controller(ref)
        seen_at = self._now()
        self._writer.add(
            workload,
            [Observation("", "", "", failure, seen_at, rules, revises) for failure in judgement.failures],
        )
        if judgement.verdict is not None:
            self._recovery.on_pods_not_created(workload, judgement.failures[0].at or seen_at)

    async def _process_failed_job(self, ref: WorkloadRef) -> None:
        found = await self._failed_jobs.classify(ref)
        if found is None:
            return
        workload, failures = found
        seen_at = self._now()
        rules = self._judging.categorizer.hash
        self._writer.add(workload, [Observation("", "", "", failure, seen_at, rules) for failure in failures])
        self._recovery.on_pods_not_created(workload, failures[0].at or seen_at)

    def _reportable(self, pod: Pod, judgement: Classification, *, last: bool) -> tuple[Failure, ...]:
        """The failures whose time has come; a pod that is gone waits for nothing any more."""
        if last:
            return tuple(failure for failure in judgement.failures if not failure.waiting)
        return self._waits.reportable(pod, judgement.failures)

    def _is_recent(self, failure: Failure) -> bool:
        return failure.at is None or (self._now() - failure.at).total_seconds() < self._settings.retention

    def _forget(self, pod_uid: str) -> None:
        self._suspects.remove(pod_uid)
        self._events.forget(pod_uid)
        self._recovery.on_pod_deleted(pod_uid)


def _is_being_replaced(pod: Pod, workload: WorkloadRef) -> bool:
    """Whether the pod is being deleted by a controller that keeps its pods running: a roll-out or a scale-down."""
    return pod.metadata.deletionTimestamp is not None and workload.kind in LONG_RUNNING


def _is_deletion(failure: Failure) -> bool:
    verdict = failure.verdict
    return (verdict.category, verdict.subcategory) == ("cancelled", "deleted")


class PodConsumer:
    """The pipeline as the consumer of a stream of pods."""

    def __init__(self, pipeline: PodController) -> None:
        self.on_update = pipeline.on_pod
        self.on_delete = pipeline.on_pod_deleted
        self.on_list = pipeline.on_pods_listed


class EventConsumer:
    """The pipeline as the consumer of a stream of warnings. That an event has expired means nothing."""

    def __init__(self, pipeline: PodController) -> None:
        self.on_update = pipeline.on_event

    def on_delete(self, event: Event) -> None: ...

    def on_list(self, namespace: str | None, uids: set[str]) -> None: ...
