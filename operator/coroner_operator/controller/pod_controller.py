"""pod → classification → what may be reported → observations for its workload's report, and its recovery.

The streams call in, synchronously; whatever has to wait (owners, events) is done by the work queue, for each pod in
the order in which its states came. A healthy pod costs a few comparisons and leaves nothing but its UID.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from coroner_categorizer import Classification, Event, Failure, Pod, Workload
from coroner_categorizer.stuck.pods import Lasting, is_never_ready, lasting
from coroner_operator.config.lifetimes import Lifetimes, lifetime
from coroner_operator.config.settings import Settings
from coroner_operator.controller.classification import Classifier
from coroner_operator.controller.classification_interval import ClassificationInterval
from coroner_operator.controller.job_failures import JobFailures
from coroner_operator.controller.opt_out import OptOut
from coroner_operator.controller.pending_timers import PendingTimers
from coroner_operator.controller.pod_cache import FailingPodCache
from coroner_operator.controller.pod_filters import (
    is_deletion,
    is_retired,
    is_starting,
    may_have_failed,
    shown_failures,
    was_ready_when_deleted,
)
from coroner_operator.controller.pod_uids import ExistingPods
from coroner_operator.controller.recovery import Recovery
from coroner_operator.controller.workload_failures import ErrorCounts, WorkloadFailures
from coroner_operator.kube.event_cache import EventCache, EventTarget, target_of
from coroner_operator.kube.fair_queue import FairSlots
from coroner_operator.kube.owner_resolver import OwnerResolver, Owners, controller_key, controller_of, owner_ref
from coroner_operator.kube.resources import DEPLOYMENT
from coroner_operator.kube.workqueue import WorkQueue
from coroner_operator.model.observation import observations_of
from coroner_operator.model.report import RuleRestarts
from coroner_operator.model.workload_ref import PodKey, WorkloadKey, WorkloadRef, pod_key
from coroner_operator.reports.cache import ReportCache
from coroner_operator.reports.writer import SETTLE_SECONDS, PodEnd, ReportWriter

log = logging.getLogger("coroner.pod_controller")

STATES_LIMIT = 64  # of one pod that wait for an owner that cannot be read; the oldest are given up
WORKERS = 1_000  # pods at one time; one that waits for its owner must not keep the others waiting
RECHECK_DELAY = 0.1  # s, at least, until a pod is classified again whose grace period may have ended meanwhile
READINESS_CHECK = 10.0  # s until the Deployment of a pod that is not ready is read, for its progressDeadlineSeconds
RESYNC_DELAY = 0.5  # s; `kubectl delete failurereports --all` deletes one after the other


class _PodState(NamedTuple):
    pod: Pod
    is_deleted: bool = False
    """This was its last state."""
    reclassified: bool = False
    """As ``Observation.reclassified``."""


class PodController:
    """Takes what the streams deliver, until it is in the writer's hands."""

    def __init__(
        self,
        settings: Settings,
        *,
        classifier: Classifier,
        events: EventCache,
        owners: OwnerResolver,
        existing_pods: ExistingPods,
        pod_cache: FailingPodCache,
        reports: ReportCache,
        writer: ReportWriter,
        recovery: Recovery,
        errors: ErrorCounts,
        opt_out: OptOut | None = None,
        lifetime_of: Lifetimes = lifetime,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.pods = PodConsumer(self)
        self.events = EventConsumer(self)
        self._settings = settings
        self._patience = settings.grace_periods.patience
        self._classifier = classifier
        self._events = events
        self._owners = owners
        self._existing_pods = existing_pods
        self._pod_cache = pod_cache
        self._reports = reports
        self._writer = writer
        self._recovery = recovery
        self._errors = errors
        self._opt_out = opt_out or OptOut()
        self._lifetime_of = lifetime_of
        self._now = now
        self._job_failures = JobFailures(classifier, owners, reports, pods_listed=lambda: not self._unlisted)
        self._workload_failures = WorkloadFailures(
            grace_period=settings.grace_periods.container_creating,
            classifier=classifier,
            owners=owners,
            job_failures=self._job_failures,
            writer=writer,
            recovery=recovery,
            errors=errors,
            opt_out=self._opt_out,
            now=now,
        )
        self._pending = PendingTimers(settings.grace_periods)
        self._unlisted: set[str | None] = {*(settings.namespaces or (None,))}
        self._states: dict[PodKey, list[_PodState]] = {}
        """What was observed of pods and is not processed yet, in its order."""
        self._to_reclassify: set[PodKey] = set()
        self._going_on: set[PodKey] = set()
        """Pods in the cache in which nothing is a failure before it has lasted: events say nothing new of them."""
        self._ended: dict[PodKey, float] = {}
        """Pods in phase Failed that exist, and the loop time at which that was processed first."""
        self._pods: WorkQueue[PodKey] = WorkQueue(
            self._reconcile,
            name="pods",
            workers=WORKERS,
            group=lambda key: key.namespace,
            group_workers=WORKERS // 2,
        )
        """A run without a new state processes the last one again."""
        self._turns = FairSlots(1, 1)
        """Pods whose events were read are classified one in each turn of the event loop."""
        self._intervals: ClassificationInterval[PodKey] = ClassificationInterval()
        self._without_report: defaultdict[str, set[WorkloadKey]] = defaultdict(set)
        """By namespace, workloads whose report was deleted."""
        self._owner_reads: WorkQueue[WorkloadRef] = WorkQueue(
            self._read_owner,
            name="owners of failing pods",
            workers=WORKERS,
            group=lambda ref: ref.namespace,
            group_workers=WORKERS // 2,
        )
        self._resyncs: WorkQueue[str] = WorkQueue(self._resync, name="deleted reports")
        """By namespace."""

    def start(self) -> None:
        self._pods.start()
        self._resyncs.start()
        self._owner_reads.start()
        self._workload_failures.start()

    async def drain(self, within: float) -> None:
        """Process what has been observed, within that many seconds."""
        await self._resyncs.close()
        await self._owner_reads.close()
        for key in self._pods:
            if key not in self._states:
                self._pods.remove(key)  # it waits, and will go on waiting
        await asyncio.gather(self._pods.drain(within), self._workload_failures.drain(within))
        await self._pods.close()

    def on_pod(self, pod: Pod) -> None:
        key = pod_key(pod)
        self._existing_pods.add(pod)
        if pod.metadata.annotations.is_ignored:
            self._ignore(pod)
        elif may_have_failed(pod) or is_starting(pod):
            has_changed = self._pod_cache.put(pod)
            self._going_on.discard(key)
            if is_starting(pod):
                self._begin_grace_period(pod)
            if may_have_failed(pod) and has_changed:
                # The first classification by this process, perhaps with other rules than before.
                self._add(_PodState(pod, reclassified=bool(self._unlisted)))
        elif (going_on := lasting(pod, patience=self._patience)) is not None:
            self._on_going_on(pod, going_on)
        elif key in self._pod_cache or key in self._pods or self._recovery.may_matter(pod):
            self._pod_cache.remove(key)
            self._going_on.discard(key)
            self._end_grace_period(key)
            self._add(_PodState(pod))

    def on_pod_deleted(self, pod: Pod) -> None:
        key = pod_key(pod)
        self._existing_pods.remove(pod)
        if pod.metadata.annotations.is_ignored:
            self._ignore(pod)
            self._owners.forget(key)
            return
        self._end_grace_period(key)
        is_known = (key in self._pods or key in self._pod_cache) and key not in self._going_on
        if may_have_failed(pod) or is_known or key in self._states:
            self._add(_PodState(pod, is_deleted=True))
        else:
            self._forget(key)
            self._owners.forget(key)

    def on_pods_listed(self, namespace: str | None, uids: set[str]) -> None:
        self._existing_pods.on_listed(namespace, uids)
        self._unlisted.discard(namespace)
        for key in self._pod_cache.missing(namespace, uids):
            self._end_grace_period(key)
            self._drop(key)
        self._recovery.on_pods_listed(namespace, uids)

    def on_event(self, event: Event) -> None:
        target = target_of(event)
        if target is None or event.is_from_coroner:  # ours would cause another classification of what it reports
            return
        if target.kind == "Node":  # in the namespace default, and about the pods of all
            self._events.add(event)
        elif self._opt_out.ignores_namespace(event.metadata.namespace):
            return
        elif target.kind == "Pod":
            self._events.add(event)
            key = PodKey(target.namespace, target.uid)
            if key in self._pod_cache and key not in self._going_on:
                self._enqueue(key)
        else:
            self._workload_failures.on_event(event)

    def on_namespace_included(self, namespace: str) -> None:
        """The namespace is not ignored any more."""
        for key in self._pod_cache.in_namespace(namespace):
            self._enqueue(key)

    def pod_end(self, key: PodKey) -> PodEnd:
        """Whether more may become known of the pod than has been processed."""
        exists, ended_at = self._existing_pods.exists(key.uid), self._ended.get(key)
        if exists is None or (exists and ended_at is None):
            return "open"
        has_lasted = ended_at is None or asyncio.get_running_loop().time() - ended_at >= SETTLE_SECONDS
        return "settled" if key not in self._pods and (has_lasted or not exists) else "ending"

    def resync(self, workload: WorkloadRef) -> None:
        """What was reported of this workload may have been lost: report it again, soon."""
        self._owners.reread(workload)
        self._owner_reads.add(workload)  # it may be ignored by now: then it is not reported again
        self._without_report[workload.namespace].add(workload.key)
        self._resyncs.add_after(workload.namespace, RESYNC_DELAY)

    def reclassify_all(self) -> None:
        """The rules have changed: classify again everything that fails now."""
        for key in self._pod_cache:
            self._to_reclassify.add(key)
            self._pods.add(key)
        self._workload_failures.reclassify_all()

    async def _resync(self, namespace: str) -> None:
        workloads = self._without_report.pop(namespace, set())
        for key in self._pod_cache.in_namespace(namespace):
            workload = self._owners.known_workload(key)
            if workload is not None and workload.key in workloads:
                self._enqueue(key)
        self._workload_failures.resync(workloads)

    def _add(self, state: _PodState) -> None:
        key = pod_key(state.pod)
        states = self._states.setdefault(key, [])
        if states and _shows_the_same(states[-1], state):
            superseded = states.pop()
            self._job_failures.end(superseded.pod)
            state = state._replace(reclassified=state.reclassified or superseded.reclassified)
        states.append(state)
        self._job_failures.begin(state.pod)
        for given_up in states[:-STATES_LIMIT]:
            self._job_failures.end(given_up.pod)
            self._errors.count_deferred("too_many_states")
        del states[:-STATES_LIMIT]
        self._enqueue(key)

    def _ignore(self, pod: Pod) -> None:
        """Somebody does not want the pod to be reported: it is left out as if it did not exist."""
        key = pod_key(pod)
        if may_have_failed(pod):
            self._job_failures.mark_reported(pod)  # nor that its Job failed, because of it
        if key in self._pod_cache or key in self._pods or self._recovery.may_matter(pod):
            self._drop_states(key)
            self._end_grace_period(key)
            self._forget(key)

    def _drop_states(self, key: PodKey) -> tuple[_PodState, ...]:
        """What was observed of the pod and is not processed."""
        states = tuple(self._states.pop(key, ()))
        for state in states:
            self._job_failures.end(state.pod)
        return states

    def _enqueue(self, key: PodKey) -> None:
        """Process what is known of the pod: at once, or a moment after the last time."""
        self._pods.add_after(key, self._intervals.seconds_left(key))

    def _begin_grace_period(self, pod: Pod) -> None:
        if not self._pending.has_expired(pod):
            self._pods.add_after(pod_key(pod), self._pending.seconds_left(pod.metadata.uid) or 0.0)

    def _on_going_on(self, pod: Pod, going_on: Lasting) -> None:
        """What is normal for a while: the pod is not classified before that can be a failure, unless one is known."""
        key = pod_key(pod)
        matters = key in self._states or self._recovery.may_matter(pod)
        self._going_on.add(key)
        if not self._pod_cache.put(pod):
            return
        self._end_grace_period(key)
        if matters:
            self._add(_PodState(pod))
        else:
            self._pods.add_after(key, self._seconds_until_check(pod, going_on.since, going_on.due, is_first=True))

    def _seconds_until_check(self, pod: Pod, since: datetime, due: datetime, *, is_first: bool = False) -> float:
        """The Deployment of a pod that is not ready is not read at once: most pods become ready soon."""
        now = self._now()
        age, left = (now - since).total_seconds(), (due - now).total_seconds()
        is_early = is_never_ready(pod) and (is_first or age < READINESS_CHECK)
        return max(min(left, READINESS_CHECK - age) if is_early else left, 0.0)

    def _end_grace_period(self, key: PodKey) -> None:
        self._pending.clear(key.uid)
        if key not in self._states:
            self._pods.remove(key)

    async def _reconcile(self, key: PodKey) -> float | None:
        """Process what was observed of the pod since; seconds until its grace period ends, None where there is none."""
        if self._opt_out.ignores_namespace(key.namespace):
            if any(state.is_deleted for state in self._drop_states(key)):
                self._forget(key)
                self._owners.forget(key)
            return None
        if await self._read_events(key):
            # What many answers bring at once is not classified all at once, nor later: the events would be evicted.
            async with self._turns.slot(key.namespace):
                await asyncio.sleep(0)
        self._intervals.begin(key)
        states = self._states.pop(key, [])
        for number, state in enumerate(states):
            if number:
                await asyncio.sleep(0)  # each state is a classification
            await self._process(state)
            self._job_failures.end(state.pod)
        if key in self._to_reclassify or not states:
            await self._reprocess(key)
        left = self._pending.seconds_left(key.uid)
        return None if left is None else max(left, RECHECK_DELAY)

    async def _read_events(self, key: PodKey) -> bool:
        """Read the pod's events where they are needed and were not read yet; whether they were."""
        pods = [state.pod for state in self._states.get(key, ())]
        if not pods and (last := await self._pod_cache.get(key)) is not None:
            pods = [last]
        return any([await self._classifier.read_events(pod, has_waited=self._has_waited(pod)) for pod in pods])

    def _has_waited(self, pod: Pod) -> bool:
        return is_starting(pod) and self._pending.has_expired(pod)

    async def _reprocess(self, key: PodKey) -> None:
        """Process the pod's last state again. Raises ApiError where it cannot be read."""
        pod = await self._pod_cache.get(key)
        reclassified = key in self._to_reclassify
        self._to_reclassify.discard(key)
        if pod is not None:
            await self._process(_PodState(pod, reclassified=reclassified))

    async def _process(self, state: _PodState) -> None:
        pod = state.pod
        if pod.status.phase == "Failed":
            self._ended.setdefault(pod_key(pod), asyncio.get_running_loop().time())
        try:
            await self._observe(state)
        except Exception:  # what is wrong with one pod must not reach another, nor its later states
            self._errors.count_error()
            self._pending.clear(pod.metadata.uid)
            self._pod_cache.mark_unprocessed(pod_key(pod))
            log.exception("pod %s/%s could not be classified", pod.metadata.namespace, pod.metadata.name)
        if state.is_deleted or pod not in self._existing_pods:  # deleted while it was being classified
            self._forget(pod_key(pod))
        if state.is_deleted:  # no state follows that would be counted for another workload
            self._owners.forget(pod_key(pod))

    async def _observe(self, state: _PodState) -> None:
        pod = state.pod
        deployment = await self._deployment_of(pod)
        classification = await self._classifier.classify_pod(pod, deployment, is_deleted=state.is_deleted)
        rules = self._classifier.categorizer.hash  # before anything else is awaited
        failures = self._reportable(state, classification)
        restarts = classification.restarts_by_rule
        if failures or restarts or self._recovery.may_matter(pod):
            owners = await self._owners.owners_of(pod)
            workload = owners.workload
            if (failures or restarts) and self._is_ignored(state, workload):
                self._job_failures.mark_reported(pod)
                return
            if restarts:
                self._writer.restarted_by_rule(workload, RuleRestarts(pod.metadata.uid, restarts, self._now()))
            if any(is_deletion(f.verdict) for f in failures) and await self._was_removed(pod, workload):
                failures = tuple(failure for failure in failures if not is_deletion(failure.verdict))
            reported = [failure for failure in failures if self._is_reported(failure, workload)]
            self._report(owners, state, reported, rules)
            if any(failure.current for failure in reported):
                return
        wait = classification.wait
        if wait is not None and wait.since is not None and wait.due is not None and not state.is_deleted:
            self._pending.wait(pod.metadata.uid, self._seconds_until_check(pod, wait.since, wait.due))

    async def _deployment_of(self, pod: Pod) -> Workload | None:
        """Of a pod that is not ready for some time; None where it has none. Raises ApiError."""
        going_on = lasting(pod) if is_never_ready(pod) else None
        if going_on is None or (self._now() - going_on.since).total_seconds() < READINESS_CHECK:
            return None
        chain = await self._owners.chain_of(pod.metadata)
        found = next((ref for ref in chain if (ref.group, ref.kind) == (DEPLOYMENT.group, DEPLOYMENT.kind)), None)
        return None if found is None else await self._classifier.read_deployment(found)

    def _is_ignored(self, state: _PodState, workload: WorkloadRef) -> bool:
        """Whether a controller above the pod has the annotation, as far as is known.

        It is read again from time to time, which nobody waits for. Of pods that are listed at the start it is not:
        either their owners were just read, or they have a report already.
        """
        metadata = state.pod.metadata
        controller = controller_of(metadata)
        if controller is not None and not state.reclassified:
            self._owner_reads.add(owner_ref(controller, metadata.namespace))
        ignored = self._opt_out.ignored_owner(controller_key(metadata))
        self._opt_out.mark(workload, ignored=ignored == workload.key)
        return ignored is not None

    async def _read_owner(self, ref: WorkloadRef) -> None:
        """Only if that was not done in the last minutes."""
        await self._owners.owners_above(ref)

    def _report(self, owners: Owners, state: _PodState, failures: list[Failure], rules: str) -> None:
        workload, pod, observed_at = owners.workload, state.pod, self._now()
        reclassified = state.reclassified and not self._reports.is_classified_by_current_rules(workload)
        observations = observations_of(
            pod, failures, observed_at, rules=rules, reclassified=reclassified, owners=owners.listed
        )
        if observations:
            self._job_failures.mark_reported(pod)
            self._writer.add(workload, observations, pod.metadata.creationTimestamp)
        current = next((observation for observation in observations if observation.failure.current), None)
        if current is not None:
            self._recovery.on_pod_failing(workload, pod, current)
        else:
            self._recovery.on_pod_not_failing(workload, pod)

    def _reportable(self, state: _PodState, classification: Classification) -> tuple[Failure, ...]:
        """The failures that have lasted long enough; a pod that is deleted waits for nothing any more."""
        if state.is_deleted:
            return tuple(failure for failure in classification.failures if not failure.waiting)
        return self._pending.reportable(state.pod, classification.failures)

    async def _was_removed(self, pod: Pod, workload: WorkloadRef) -> bool:
        """Whether the pod was deleted, and not for a failure: by a roll-out or a scale-down, or with its workload.

        What had failed before stays in the report. A workload that fails is not deleted because one of the Jobs is that
        its own controller deletes for that: the pods of these are counted.
        """
        if is_retired(pod, self._lifetime_of) or await self._classifier.is_deleted(workload):
            return True
        controller = controller_of(pod.metadata)
        if controller is None or self._recovery.is_failing(workload):
            return False
        is_deleted = await self._classifier.is_deleted(owner_ref(controller, pod.metadata.namespace))
        return was_ready_when_deleted(pod) if is_deleted is None else is_deleted

    def _is_reported(self, failure: Failure, workload: WorkloadRef) -> bool:
        """Past failures of long ago make no report."""
        return failure.current or self._is_recent(failure) or self._reports.has(workload)

    def _is_recent(self, failure: Failure) -> bool:
        return failure.at is None or (self._now() - failure.at).total_seconds() < self._settings.retention

    def _forget(self, key: PodKey) -> None:
        self._drop(key)
        self._recovery.on_pod_deleted(key)

    def _drop(self, key: PodKey) -> None:
        self._pending.clear(key.uid)
        self._pod_cache.remove(key)
        self._going_on.discard(key)
        self._ended.pop(key, None)
        self._to_reclassify.discard(key)
        self._events.forget(EventTarget("Pod", *key))


def _shows_the_same(older: _PodState, newer: _PodState) -> bool:
    return older.is_deleted == newer.is_deleted and shown_failures(older.pod) == shown_failures(newer.pod)


class PodConsumer:
    """The controller as the consumer of a stream of pods."""

    def __init__(self, controller: PodController) -> None:
        self.on_update = controller.on_pod
        self.on_delete = controller.on_pod_deleted
        self.on_list = controller.on_pods_listed


class EventConsumer:
    """The controller as the consumer of a stream of warnings. That an event has expired means nothing."""

    def __init__(self, controller: PodController) -> None:
        self.on_update = controller.on_event

    def on_delete(self, event: Event) -> None: ...

    def on_list(self, namespace: str | None, uids: set[str]) -> None: ...
