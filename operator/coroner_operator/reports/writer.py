"""From observations to written reports: gathered per workload, at most one write each interval, retried until it holds.

What is to be written is merged, and the failure that the report shows is chosen, at the moment of writing: what is
observed while an earlier write is under way waits for the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Literal, Protocol

from coroner_operator.config.settings import Settings
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.errors import ApiError, NamespaceTerminating, NotFound, NotLeader, Transient
from coroner_operator.kube.workqueue import WorkQueue
from coroner_operator.model.current_failure import NOTHING_KNOWN, FailingPods
from coroner_operator.model.failure_record import FailureRecord
from coroner_operator.model.fold import fold
from coroner_operator.model.ledger import Ledger
from coroner_operator.model.observation import Observation
from coroner_operator.model.report import (
    Report,
    RuleRestarts,
    Transition,
    change_state,
    count_restarts,
    fails_itself,
    restart,
    with_finality,
    without_deletion,
    without_final,
)
from coroner_operator.model.workload_ref import PodKey, WorkloadKey, WorkloadRef
from coroner_operator.reports.cache import ReportCache
from coroner_operator.reports.changes import changed_sections
from coroner_operator.reports.failure_counter import FailureCounter
from coroner_operator.reports.pending_writes import KnownRestarts, PendingWrites
from coroner_operator.reports.store import ReportStore, Section, Stored, WriteConflict

log = logging.getLogger("coroner.writer")

SETTLE_SECONDS = 30.0
"""After the end of a pod: events about it may come later than its state, mostly by a second or two. A kubelet sends at
most 50 a second, so where a hundred pods end at once it is more."""

PodEnd = Literal["open", "ending", "settled"]
"""Whether more may become known of a pod: it may go on; it has ended, and events may come still; nothing will."""

Outcome = Literal["written", "unchanged", "conflict", "retried", "dropped", "refused"]


class WriteMetrics(Protocol):
    def count_write(self, outcome: Outcome, /) -> None: ...

    def count_failures(self, workload: WorkloadRef, category: str, subcategory: str, count: int, /) -> None:
        """So many failures are in the workload's report that were in none before."""
        ...

    def count_redactions(self, records: Iterable[FailureRecord], /) -> None:
        """These are in a report for the first time."""
        ...

    def observe_report_delay(self, seconds: float, /) -> None:
        """From the end of a container, or another failure that has a time, to the write that shows it."""
        ...

    def count_error(self) -> None:
        """A report could not be made: an exception was raised."""
        ...

    def observe_write_delay(self, seconds: float, /) -> None:
        """From the first observation that was not written to the write that holds it."""
        ...

    def set_queue_length(self, length: int, /) -> None:
        """Workloads with something to write."""
        ...


class _WrittenByAnother(Exception):  # noqa: N818 - an outcome
    """Another writer was first, twice in a row."""


class ReportWriter:
    """``start()``, ``add()`` and ``change_state()`` at will, ``flush()`` at the end."""

    def __init__(
        self,
        store: ReportStore,
        reports: ReportCache,
        settings: Settings,
        *,
        metrics: WriteMetrics,
        failing_pods: Callable[[WorkloadRef], FailingPods] = lambda workload: NOTHING_KNOWN,  # noqa: ARG005
        prune: Callable[[Report], Report] = lambda report: report,
        on_written: Callable[[Report, Report], None] = lambda before, after: None,  # noqa: ARG005 - nobody listens
        pod_end: Callable[[PodKey], PodEnd] = lambda pod: "open",  # noqa: ARG005
        may_create: Callable[[WorkloadRef], bool] = lambda workload: True,  # noqa: ARG005
        schema_ready: asyncio.Event | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        back_off: Callable[[], BackOff] = BackOff,
    ) -> None:
        """``failing_pods``: what is known of a workload's pods at the moment of writing. ``pod_end``: whether more may
        become known of a pod; asked when a report is written, and where the pod is ending, once more later. ``prune``
        may drop from a report what no one needs any more. ``on_written(before, after)`` is called after each write of a
        status, and after each that failed: what comes after must not wait for it. A report that ``may_create`` refuses
        is not made, and what was observed is dropped. While ``schema_ready`` is not set nothing is written.
        """
        self._store = store
        self._reports = reports
        self._settings = settings
        self._metrics = metrics
        self._failing_pods = failing_pods
        self._prune = prune
        self._on_written = on_written
        self._pod_end = pod_end
        self._may_create = may_create
        self._schema_ready = schema_ready
        self._now = now
        self._counter = FailureCounter()
        self._pending: dict[WorkloadKey, PendingWrites] = {}
        """Kept after a write while it enforces the interval."""
        self._started_at = now()
        self._restarts = KnownRestarts()
        self._closing = False
        self._writes: WorkQueue[WorkloadKey] = WorkQueue(
            self._reconcile,
            name="writer",
            workers=settings.writers,
            group=lambda key: key.namespace,
            back_off=back_off,
            on_error=self._on_error,
            on_length=metrics.set_queue_length,
        )
        self._evictions: WorkQueue[WorkloadKey] = WorkQueue(self._evict, name="written reports")
        self._settling: WorkQueue[WorkloadRef] = WorkQueue(self._settle, name="verdicts that become final")

    def start(self) -> None:
        self._writes.start()
        self._evictions.start()
        self._settling.start()

    def add(
        self, workload: WorkloadRef, observations: Iterable[Observation], pod_created: datetime | None = None
    ) -> None:
        """These were observed, of a pod that was created then; they will be in the workload's report."""
        pending = self._pending_for(workload)
        pending.add(observations, _clock(), pod_created)
        self._schedule(pending)

    def change_state(self, workload: WorkloadRef, to: Literal["Failed", "Recovered", "Deleted"]) -> None:
        """The workload is in this state now, after everything that was added before."""
        pending = self._pending_for(workload)
        pending.transition = Transition(to, self._now())
        self._schedule(pending)

    def reselect(self, workload: WorkloadRef) -> None:
        """Another failure than the one that the workload's report shows may be the current one."""
        pending = self._pending_for(workload)
        pending.reselect = True
        self._schedule(pending)

    def restarted_by_rule(self, workload: WorkloadRef, restarts: RuleRestarts) -> None:
        """The rules of a pod have restarted its containers: counted in the workload's report as soon as it has one."""
        is_new = self._restarts.put(workload.key, restarts)
        if is_new and (workload.key in self._pending or self._reports.has(workload)):
            self.reselect(workload)

    def relabel(self, workload: WorkloadRef) -> None:
        """The labels of the workload's report do not match its status."""
        pending = self._pending_for(workload)
        pending.labels_pending = True
        self._schedule(pending)

    async def flush(self, within: float) -> bool:
        """Write all that is gathered, now and within that many seconds, and end. False: something is left."""
        self._closing = True
        await self._settling.close()
        all_written = await self._writes.drain(within)
        if not all_written:
            places = sorted(_place(self._pending[key].workload) for key in self._writes)
            log.error("not written before the end: %s", ", ".join(places[:20]))
        await self._writes.close()
        await self._evictions.close()
        return all_written

    def _pending_for(self, workload: WorkloadRef) -> PendingWrites:
        pending = self._pending.get(workload.key)
        if pending is None:
            pending = self._pending[workload.key] = PendingWrites(workload)
        return pending

    def _schedule(self, pending: PendingWrites) -> None:
        """Set the time of the workload's next write."""
        now, settings = _clock(), self._settings
        if pending.has_news:
            due = max(now + settings.batch_window, pending.last_write + settings.write_interval)
        else:
            due = pending.last_labels + settings.label_interval
        self._writes.add_after(pending.workload.key, due - now)

    async def _reconcile(self, key: WorkloadKey) -> None:
        """Write what is pending of the workload. Raises what kept it from being written."""
        pending = self._pending[key]
        if self._schema_ready is not None:
            await self._schema_ready.wait()
        observations, transition = pending.drain()
        try:
            await self._write(pending, observations, transition)
        except Exception:
            pending.requeue(observations, transition)
            pending.labels_pending = True  # whether they really are is found out when writing
            raise
        if pending.has_work:
            self._schedule(pending)
        else:
            pending.waiting_since = None
            self._evictions.add_after(key, self._settings.write_interval)

    def _on_error(self, key: WorkloadKey, error: Exception, wait: float) -> None:
        place = _place(self._pending[key].workload)
        if isinstance(error, _WrittenByAnother):
            log.debug("report of %s: %s; again in %.1f s", place, error, wait)
            return
        if not isinstance(error, ApiError):  # one workload's report must not stop another's
            self._metrics.count_error()
            log.error("report of %s: cannot be made; again in %.1f s", place, wait, exc_info=error)
            return
        self._metrics.count_write("retried")
        if not isinstance(error, Transient):
            self._reports.invalidate(self._pending[key].workload)
        level = logging.DEBUG if isinstance(error, NotLeader) else logging.WARNING
        log.log(level, "report of %s: %s; again in %.1f s", place, error, wait)

    async def _evict(self, key: WorkloadKey) -> None:
        """Forget the workload, unless there is something to write again, or was just now."""
        pending = self._pending.get(key)
        if pending is None or pending.has_work or key in self._writes:
            return
        if _clock() - pending.last_write >= self._settings.write_interval:
            del self._pending[key]

    async def _settle(self, workload: WorkloadRef) -> None:
        """Perhaps the verdict that the report shows will not change any more."""
        self.reselect(workload)

    def _end_of_pod(self, report: Report) -> PodEnd:
        """Of the pod that the report shows."""
        pod = report.current.pod if report.current else None
        return "open" if pod is None else self._pod_end(PodKey(report.workload.namespace, pod.uid))

    async def _write(
        self, pending: PendingWrites, observations: list[Observation], transition: Transition | None
    ) -> None:
        """Raises ApiError, _WrittenByAnother."""
        # After a conflict the report is read again just now: the first retry need not wait, the later ones do.
        for _ in range(1 if pending.conflicted else 2):
            if await self._try_write(pending, observations, transition):
                pending.conflicted = False
                return
        pending.conflicted = True
        raise _WrittenByAnother("another writer was first")

    async def _try_write(
        self, pending: PendingWrites, observations: list[Observation], transition: Transition | None
    ) -> bool:
        """False: another writer was first, and what it wrote is known now. Raises ApiError."""
        workload = pending.workload
        base = await self._reports.get(workload)
        before = base.report if base else Report(workload)
        there = without_deletion(before) if fails_itself(workload, observations) else before
        after = fold(there, without_final(there, observations), self._failing_pods(workload))
        if pending.newest_pod is not None:
            after = restart(after, pending.newest_pod)
        if transition is not None:
            after = change_state(after, transition)
        if restarts := self._restarts.of(workload.key):
            after = count_restarts(after, restarts)
        pod_end = self._end_of_pod(after)
        after = with_finality(there, after, is_settled=pod_end == "settled")
        if pod_end == "ending" and not after.final:
            self._settling.add_after(workload, SETTLE_SECONDS)
        counted = self._counter.observed(base.report if base else None, after, observations)
        if pending.counted is None:
            pending.counted = counted.before.counts()
        labels_may_change = self._closing or _clock() - pending.last_labels >= self._settings.label_interval
        sections, pending.labels_pending = changed_sections(base, after, labels_may_change=labels_may_change)
        if not sections:
            self._metrics.count_write("unchanged")
            return True
        if base is None and not self._may_create(workload):
            self._metrics.count_write("refused")
            return True
        if "status" in sections:
            after = self._prune(after)
        began = _clock()
        stored = await self._apply(base, before, after, sections)
        if isinstance(stored, WriteConflict):
            self._metrics.count_write("conflict")
            await self._reports.read(workload)
            return False
        if stored is None:
            return True
        self._metrics.count_write("written")
        if "status" in sections:
            self._on_written(before, after)
            self._counter.written(stored.report, counted.after)
            self._observe_new(before, after)
        self._count(pending, counted.after, began, sections)
        return True

    def _observe_new(self, before: Report, after: Report) -> None:
        """What is new in the report. What failed before this process began is late for another reason."""
        known = {record.id for record in before.history}
        self._metrics.count_redactions(record for record in after.history if record.id not in known)
        current = after.current
        if current is None or current.seen_at is not None or current.id in known or current.at < self._started_at:
            return
        self._metrics.observe_report_delay(max((self._now() - current.at).total_seconds(), 0.0))

    async def _apply(
        self, base: Stored | None, before: Report, after: Report, sections: frozenset[Section]
    ) -> Stored | WriteConflict | None:
        """None: the namespace is being deleted, and takes workload and report with it. Raises ApiError."""
        try:
            with self._reports.writing(after.workload):
                stored = await self._store.apply(after, base, sections)
                if not isinstance(stored, WriteConflict):
                    self._reports.store_written(stored)
                return stored
        except ApiError as error:
            if _is_namespace_deleted(error):
                self._metrics.count_write("dropped")
                log.info("report of %s: not written, its namespace is deleted: %s", _place(after.workload), error)
                return None
            self._on_written(before, after)
            raise

    def _count(self, pending: PendingWrites, after: Ledger, began: float, sections: frozenset[Section]) -> None:
        if "labels" in sections:
            pending.last_labels = began
        if "status" not in sections:
            return
        pending.last_write = began
        if pending.waiting_since is not None:
            self._metrics.observe_write_delay(_clock() - pending.waiting_since)
            pending.waiting_since = _clock() if pending.observations else None
        counted, pending.counted = pending.counted or {}, None
        for (category, subcategory), count in after.counts().items():
            known = counted.get((category, subcategory))
            if new := count.total - (known.total if known else 0):
                self._metrics.count_failures(pending.workload, category, subcategory, max(new, 0))


def _is_namespace_deleted(error: ApiError) -> bool:
    if isinstance(error, NotFound):
        return error.missing_kind == "namespaces"
    return isinstance(error, NamespaceTerminating)


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _place(workload: WorkloadRef) -> str:
    return f"{workload.namespace}/{workload}"
