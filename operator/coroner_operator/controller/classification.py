"""The verdict on one object: the categorizer's answer, with the events and the owner where they could change it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

import msgspec
from cachetools import LRUCache, TTLCache

from coroner_categorizer import Categorizer, Classification, Event, Pod, Workload
from coroner_categorizer.findings.job_condition import STOPPED_BY_QUEUE, is_stopped_by_queue, may_be_queued
from coroner_categorizer.findings.pod_status import owner_success
from coroner_categorizer.objects.lenient_decode import lenient_decode
from coroner_categorizer.stuck.patience import DEFAULT_PATIENCE, Patience
from coroner_operator.controller.pod_filters import EVENT_TTL, is_starting, needs_normal_events
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import ApiError, Forbidden, NotFound
from coroner_operator.kube.event_cache import EventCache, EventTarget
from coroner_operator.kube.fair_queue import FairSlots
from coroner_operator.kube.owner_resolver import METADATA_ONLY, controller_of, owner_ref, workload_path
from coroner_operator.kube.paths import ResourcePath
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef

log = logging.getLogger("coroner.classification")

CONTAINERS_LIMIT = 32  # of a pod that the event loop waits for: 1.2 ms for each that failed; a pod can have 1,500
EVENT_LOOKUPS_REMEMBERED = 10_000  # remembered questions, ~200 bytes each; one asked twice costs a call
DEPLOYMENTS_CACHED = 1_000  # ~1 KB each, without their pod templates
DEPLOYMENTS_SECONDS = 30.0  # after this long it is noticed that a deadline was changed
DELETED_REMEMBERED = 1_000  # ~200 bytes each; the pods of a workload are deleted together

_WORKLOAD = msgspec.json.Decoder(Workload)


class Classifier:
    def __init__(
        self,
        categorizer: Categorizer,
        client: Client,
        events: EventCache,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        is_ignored: Callable[[Workload], bool] = lambda workload: False,  # noqa: ARG005
        path_of: Callable[[WorkloadRef], ResourcePath | None] = workload_path,
        patience: Patience = DEFAULT_PATIENCE,
        succeeded_owner: Callable[[Pod], Awaitable[Workload | None]] | None = None,
    ) -> None:
        """``is_ignored``: whether nothing is said about a workload. ``path_of``: where a controller is read; None: its
        kind may not be read. ``succeeded_owner``: see ``SuccessReader``; None: of Jobs alone it is known.
        """
        self._patience = patience
        self.categorizer = categorizer
        """May be replaced at any time. After an answer its hash is that of the rules that classified."""
        self._now = now
        self._is_ignored = is_ignored
        self._client = client
        self._path_of = path_of
        self._succeeded_owner = succeeded_owner
        self._events = events
        self._workload_events = EventCache(client)
        """Of their own: however many there are, those about pods stay."""
        self._queue_events = EventCache(client)
        """Those that say that Kueue stopped a Job."""
        self._large_pods = FairSlots(1, 1)
        self._thread = ThreadPoolExecutor(1, "large pods")
        self._deleted: LRUCache[WorkloadKey, None] = LRUCache(DELETED_REMEMBERED)
        """Workloads that are gone, or will be: none comes back."""
        self._deployments: TTLCache[WorkloadKey, Workload | None] = TTLCache(DEPLOYMENTS_CACHED, DEPLOYMENTS_SECONDS)
        self._looked_up: LRUCache[tuple[str, ...], None] = LRUCache(EVENT_LOOKUPS_REMEMBERED)

    async def read_events(self, pod: Pod, *, has_waited: bool) -> bool:
        """Read the pod's events once for each end that may be a kill, and where its grace period is over
        (``has_waited``). Whether they were read; ``classify_pod`` knows them then.
        """
        warnings = self._events.cached(EventTarget.pod(pod.metadata))
        if not (has_waited and is_starting(pod)) and not needs_normal_events(pod, warnings, self._now()):
            return False
        if not self._is_new((pod.metadata.uid, "starting" if is_starting(pod) else "", *_ends(pod))):
            return False
        for event in await self._events.read_all(pod.metadata):
            self._events.add(event)
        return True

    async def classify_pod(
        self, pod: Pod, deployment: Workload | None = None, *, is_deleted: bool = False
    ) -> Classification:
        """The verdict on the pod by the events that are cached.

        ``deployment``: of a pod that is not ready. ``is_deleted``: it does not exist any more, and waits for nothing.
        """
        now = None if is_deleted else self._now()
        about_pod, about_node = EventTarget.pod(pod.metadata), EventTarget.node(pod.spec.nodeName)
        events = self._events.cached(about_pod) + self._events.cached(about_node)
        owner = await self._owner(pod) if pod.metadata.deletionTimestamp is not None else deployment
        if owner is not None and may_be_queued(pod, owner):
            events += await self._read_queue_events(pod, owner)
        if len(pod.status.containerStatuses) + len(pod.status.initContainerStatuses) <= CONTAINERS_LIMIT:
            return self.categorizer.classify_pod(pod, events, owner, now=now, patience=self._patience)
        return await self._classify_in_thread(pod, events, owner, now)

    async def _classify_in_thread(
        self, pod: Pod, events: tuple[Event, ...], owner: Workload | None, now: datetime | None
    ) -> Classification:
        """While everything else goes on. One pod at a time, and namespaces take turns."""
        loop = asyncio.get_running_loop()
        async with self._large_pods.slot(pod.metadata.namespace):
            while True:
                categorizer = self.categorizer
                classify = partial(categorizer.classify_pod, now=now, patience=self._patience)
                classification = await loop.run_in_executor(self._thread, classify, pod, events, owner)
                if categorizer is self.categorizer:
                    return classification

    async def _read_queue_events(self, pod: Pod, job: Workload) -> tuple[Event, ...]:
        """Events about the Job of a pod that Kueue may have stopped: read until one says so, for each end of the pod
        and once more for its final deletion.
        """
        target = EventTarget("Job", job.metadata.namespace, job.metadata.uid)
        known = self._queue_events.cached(target)
        is_final = "" if pod.metadata.deletionGracePeriodSeconds else "final"
        asked = ("queue", pod.metadata.uid, is_final, *_ends(pod))
        if not _ends(pod) or is_stopped_by_queue(pod, known) or not self._is_new(asked):
            return known
        for event in await self._events.read_all(job.metadata, reason=STOPPED_BY_QUEUE):
            self._queue_events.add(event)
        return self._queue_events.cached(target)

    def add_workload_event(self, event: Event) -> None:
        """A warning about a workload has arrived: ``classify_never_created`` knows it."""
        self._workload_events.add(event)

    async def classify_never_created(self, ref: WorkloadRef, *, has_retried: bool = False) -> Classification | None:
        """Why the pods that ``ref`` wants do not exist, from the events that have arrived and its status now.

        ``has_retried``: enough time has passed for another try, whose success is no warning: of a Job that has had
        pods it is looked up. None if ``ref`` does not exist, or cannot be read. Raises ApiError.
        """
        target = EventTarget(ref.kind, ref.namespace, ref.uid)
        workload = await self._read(ref)
        if workload is None:
            self._workload_events.forget(target)
            return None
        events = self._workload_events.cached(target) or await self._events.read_all(workload.metadata)
        if has_retried and _has_had_pods(workload):
            events += await self._events.read_all(workload.metadata, reason="SuccessfulCreate")
        expired = self._now() - EVENT_TTL  # the API server has deleted them by now
        current = [event for event in events if event.last_seen is None or event.last_seen > expired]
        return self.categorizer.classify_workload(workload, current)

    def warnings(self, namespace: str) -> AsyncGenerator[Event]:
        """All warnings in the namespace. Raises ApiError."""
        return self._events.warnings(namespace)

    async def _read(self, ref: WorkloadRef) -> Workload | None:
        """The workload as it is now; None if it is deleted, ignored or never read. Raises ApiError."""
        path = workload_path(ref)
        if path is None:
            return None
        try:
            found = lenient_decode(await self._client.get(path), _WORKLOAD, Workload)
        except (NotFound, Forbidden):
            return None
        return found if ref.identifies(found.metadata) and not self._is_ignored(found) else None

    async def classify_job(self, ref: WorkloadRef) -> tuple[Workload | None, Classification | None]:
        """The Job now, and why it failed by its own condition; None, None if it is deleted. Raises ApiError."""
        job = await self._read(ref)
        return (job, self.categorizer.classify_job(job)) if job else (None, None)

    async def read_deployment(self, ref: WorkloadRef) -> Workload | None:
        """The Deployment of pods that are not ready, read once for all of them; None: it does not exist, or cannot be
        read. Raises ApiError.
        """
        if ref.key not in self._deployments:
            self._deployments[ref.key] = await self._read(ref)
        return self._deployments.get(ref.key)

    async def is_deleted(self, workload: WorkloadRef) -> bool | None:
        """Whether the workload is gone, or being deleted; None where that cannot be known."""
        if workload.key in self._deleted:
            return True
        path = self._path_of(workload)
        if path is None:
            return None
        try:
            metadata = lenient_decode(await self._client.get(path, accept=METADATA_ONLY), _WORKLOAD, Workload).metadata
            deleted = not workload.identifies(metadata) or metadata.deletionTimestamp is not None
        except NotFound as error:
            if not error.missing_kind:  # the kind is not served
                return None
            deleted = True
        except Forbidden:
            return None
        except (ApiError, msgspec.DecodeError) as error:
            log.debug("%s/%s: whether it is deleted cannot be known: %s", workload.namespace, workload, error)
            return False
        if deleted:
            self._deleted[workload.key] = None
        return deleted

    async def _owner(self, pod: Pod) -> Workload | None:
        """The owner of a pod that is being deleted by which its end is classified: the Job, whose deadline may be the
        cause (m3), unless another owner has succeeded.
        """
        job = await self._job(pod)
        if self._succeeded_owner is None or (job is not None and owner_success(job)):
            return job
        return await self._succeeded_owner(pod) or job

    async def _job(self, pod: Pod) -> Workload | None:
        controller = controller_of(pod.metadata)
        if controller is None or controller.kind != "Job":
            return None
        try:
            job, _ = await self.classify_job(owner_ref(controller, pod.metadata.namespace))
        except (ApiError, msgspec.DecodeError) as error:
            log.debug("pod %s/%s: classified without its Job: %s", pod.metadata.namespace, pod.metadata.name, error)
            return None
        return job

    def _is_new(self, question: tuple[str, ...]) -> bool:
        if question in self._looked_up:
            return False
        self._looked_up[question] = None
        return True


def _has_had_pods(workload: Workload) -> bool:
    """Whether a Job has had pods: its counts do not tell whether they were created before or after a failed try."""
    status = workload.status
    return workload.kind == "Job" and bool(status.active or status.succeeded or status.failed)


def _ends(pod: Pod) -> tuple[str, ...]:
    """The ends of containers that the pod shows."""
    containers = pod.status.containerStatuses + pod.status.initContainerStatuses
    return tuple(
        f"{container.name}:{ended.containerID}:{container.restartCount}"
        for container in containers
        for ended in (container.state.terminated, container.lastState.terminated)
        if ended is not None
    )
