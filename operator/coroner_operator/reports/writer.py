"""From sightings to written reports: gathered per workload, at most one write each interval, tried until it holds.

Merged at the moment of writing: a workload's desk collects what is seen while an earlier write is under way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from coroner_operator.config.settings import Settings
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.errors import ApiError, NamespaceTerminating, NotFound, NotLeader, Transient
from coroner_operator.model.report import Observation, Report, WorkloadRef, fold, recover
from coroner_operator.reports.cache import ReportCache
from coroner_operator.reports.changes import changed_sections
from coroner_operator.reports.pending_writes import PendingWrites
from coroner_operator.reports.store import ReportStore, Section, WriteConflict
from coroner_operator.telemetry.metrics import Metrics

log = logging.getLogger("coroner.writer")


class ReportWriter:
    """``start()``, ``put()`` and ``recovered()`` at will, ``flush()`` at the end."""

    def __init__(
        self,
        store: ReportStore,
        reports: ReportCache,
        settings: Settings,
        *,
        metrics: Metrics,
        prune: Callable[[Report], Report] = lambda report: report,
        on_written: Callable[[Report, Report], None] = lambda before, after: None,  # noqa: ARG005 - nobody listens
        schema_ready: asyncio.Event | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        back_off: Callable[[], BackOff] = BackOff,
    ) -> None:
        """``tidied`` may drop from a report what no one needs any more. ``told(before, after)`` is called after each
        write of a status, and after each that failed: what comes after must not wait for it. While ``may_write`` is
        not set nothing is written.
        """
        self._store = store
        self._reports = reports
        self._settings = settings
        self._metrics = metrics
        self._prune = prune
        self._on_written = on_written
        self._schema_ready = schema_ready
        self._now = now
        self._new_back_off = back_off
        self._pending: dict[str, PendingWrites] = {}
        self._busy: set[PendingWrites] = set()
        """Desks with something to write, or being written."""
        self._ready: asyncio.Queue[PendingWrites] = asyncio.Queue()
        self._closing = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._work(), name=f"writer {number}") for number in range(self._settings.writers)
        ]

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """They never end by themselves."""
        return tuple(self._tasks)

    def add(self, workload: WorkloadRef, sightings: Iterable[Observation]) -> None:
        """These were seen; they will be in the workload's report."""
        desk = self._pending_for(workload)
        desk.add(sightings, _clock())
        self._schedule(desk)

    def recovered(self, workload: WorkloadRef) -> None:
        """The workload is well now, after everything that was put before."""
        desk = self._pending_for(workload)
        desk.recovered_at = self._now()
        self._schedule(desk)

    def relabel(self, workload: WorkloadRef) -> None:
        """The labels of the workload's report do not fit its status."""
        desk = self._pending_for(workload)
        desk.labels_pending = True
        self._schedule(desk)

    async def flush(self, within: float) -> bool:
        """Write all that is gathered, now and within that many seconds, and end. False: something is left."""
        self._closing = True
        for desk in tuple(self._busy):
            self._schedule(desk)
        try:
            async with asyncio.timeout(within):
                await self._idle.wait()
        except TimeoutError:
            log.error("not written before the end: %s", ", ".join(sorted(_place(desk) for desk in self._busy)[:20]))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for desk in self._pending.values():
            if desk.timer is not None:
                desk.timer.cancel()
        return self._idle.is_set()

    def _pending_for(self, workload: WorkloadRef) -> PendingWrites:
        desk = self._pending.get(workload.uid)
        if desk is None:
            desk = self._pending[workload.uid] = PendingWrites(workload, self._new_back_off())
        return desk

    def _schedule(self, desk: PendingWrites, wait: float | None = None) -> None:
        """Set the time of the desk's next write. ``wait``: seconds, after a failed one."""
        self._idle.clear()
        self._busy.add(desk)
        self._metrics.queue.set(len(self._busy))
        if desk.writing:
            return  # planned again when the write is done
        now, settings = _clock(), self._settings
        if desk.observations or desk.recovered_at is not None:
            due = max(now + settings.batch_window, desk.last_write + settings.write_interval)
        else:
            due = desk.last_labels + settings.label_interval
        if wait is not None:
            due = max(due, now + wait)
        if self._closing:
            due = now + min(wait or 0, 0.5)  # an API server that is away may be back within the time that is left
        if desk.timer is not None:
            if desk.timer.when() <= due and not self._closing:
                return
            desk.timer.cancel()
        desk.timer = asyncio.get_running_loop().call_at(due, self._enqueue, desk)

    def _enqueue(self, desk: PendingWrites) -> None:
        desk.timer = None
        desk.writing = True
        self._ready.put_nowait(desk)

    async def _work(self) -> None:
        while True:
            desk = await self._ready.get()
            if self._schema_ready is not None:
                await self._schema_ready.wait()
            wait: float | None = None
            sightings, recovered_at = desk.drain()
            try:
                wait = await self._write(desk, sightings, recovered_at)
            except ApiError as error:
                wait = desk.back_off.next(error.retry_after)
                self._metrics.count_write("retried")
                if not isinstance(error, Transient):
                    self._reports.invalidate(desk.workload)
                level = logging.DEBUG if isinstance(error, NotLeader) else logging.WARNING
                log.log(level, "report of %s: %s; again in %.1f s", _place(desk), error, wait)
            except Exception:  # one workload's report must not stop another's
                wait = desk.back_off.next()
                self._metrics.errors.inc()
                log.exception("report of %s: cannot be made; again in %.1f s", _place(desk), wait)
            finally:
                desk.writing = False
            if wait is None:
                desk.back_off.reset()
            else:
                desk.requeue(sightings, recovered_at)
                desk.labels_pending = True  # whether they really do is found out when writing
            self._finish(desk, wait)

    def _finish(self, desk: PendingWrites, wait: float | None) -> None:
        if desk.has_work:
            self._schedule(desk, wait)
            return
        desk.waiting_since = None
        self._busy.discard(desk)
        self._metrics.queue.set(len(self._busy))
        if not self._busy:
            self._idle.set()
        # The desk is kept while it enforces the interval, and not longer.
        asyncio.get_running_loop().call_later(self._settings.write_interval, self._evict, desk)

    def _evict(self, desk: PendingWrites) -> None:
        is_due = _clock() - desk.last_write >= self._settings.write_interval
        if is_due and not desk.has_work and not desk.writing and desk.timer is None:
            self._pending.pop(desk.workload.uid, None)

    async def _write(
        self, desk: PendingWrites, sightings: list[Observation], recovered_at: datetime | None
    ) -> float | None:
        """None: all is written; else seconds until the next try. Raises ApiError."""
        workload = desk.workload
        over = await self._reports.get(workload)
        before = over.report if over else Report(workload)
        after = fold(before, sightings)
        if recovered_at is not None:
            after = recover(after, recovered_at)
        if desk.counted is None:
            desk.counted = before.ledger.counts()
        labels_may_change = self._closing or _clock() - desk.last_labels >= self._settings.label_interval
        parts, desk.labels_pending = changed_sections(over, after, labels_may_change=labels_may_change)
        if not parts:
            self._metrics.count_write("unchanged")
            return None
        if "status" in parts:
            after = self._prune(after)
        began = _clock()
        try:
            with self._reports.writing(workload):
                stored = await self._store.apply(after, over, parts)
        except NamespaceTerminating as error:
            self._give_up(desk, error)
            return None
        except NotFound as error:
            if error.missing_kind == "namespaces":
                self._give_up(desk, error)
                return None
            self._on_written(before, after)
            raise
        except ApiError:
            self._on_written(before, after)
            raise
        if isinstance(stored, WriteConflict):
            self._metrics.count_write("conflict")
            await self._reports.read(workload)
            wait = desk.back_off.next()
            return wait if desk.back_off.tries > 1 else 0.0  # read again just now: the first retry need not wait
        self._reports.store(stored)
        self._metrics.count_write("written")
        if "status" in parts:
            self._on_written(before, after)
        self._count(desk, after, began, parts)
        return None

    def _count(self, desk: PendingWrites, after: Report, began: float, parts: frozenset[Section]) -> None:
        if "labels" in parts:
            desk.last_labels = began
        if "status" not in parts:
            return
        desk.last_write = began
        if desk.waiting_since is not None:
            self._metrics.observe_write_delay(_clock() - desk.waiting_since)
            desk.waiting_since = _clock() if desk.observations else None
        tallied, desk.counted = desk.counted or {}, None
        for (category, subcategory), tally in after.ledger.counts().items():
            known = tallied.get((category, subcategory))
            if new := tally.total - (known.total if known else 0):
                self._metrics.count_failures(category, subcategory, max(new, 0))

    def _give_up(self, desk: PendingWrites, error: ApiError) -> None:
        """The namespace goes away and takes workload and report with it."""
        self._metrics.count_write("dropped")
        log.info("report of %s: not written, its namespace is gone: %s", _place(desk), error)


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _place(desk: PendingWrites) -> str:
    return f"{desk.workload.namespace}/{desk.workload}"
