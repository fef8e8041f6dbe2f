"""The one queue for work that belongs to a key, and is delayed, retried and de-duplicated.

The semantics are those of client-go's work queue (``util/workqueue``), in one class for one event loop:

* A key waits at most once. Whoever adds it again only makes its next run earlier, never later.
* A key never runs twice at once. Added while it runs, it runs again afterwards; so every ``add`` is followed by a run
  that begins after it, and what the caller keeps for the key is seen in the order in which it came.
* A run that raises is repeated with exponential back-off of its key; a run that returns a number of seconds is
  repeated after them.
* Keys may have a group, their namespace: groups take turns, and none has more than its share of the workers.

The queue holds keys alone: what is to be done about one is the caller's state, and is read when the key runs.
Times are the event loop's. No other module of the operator sets timers.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, TypeVar

from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.errors import ApiError
from coroner_operator.kube.fair_queue import FairQueue

log = logging.getLogger("coroner.workqueue")

DRAIN_RETRY = 0.5  # s, at most, between two tries while draining: an API server that is away may soon be back
TURN_BUDGET = 0.005  # s; a queue begins no further key in a turn of the event loop that has taken this long
_COMPACT_ABOVE = 64  # heap entries; below, outdated ones cost nothing worth a rebuild
_NOT_IN_HEAP = 0

Key = TypeVar("Key", bound=Hashable)


@dataclass(eq=False, slots=True)
class _Item(Generic[Key]):
    """A key that waits, runs, or both. While it runs it is neither in the heap nor among the ready ones."""

    key: Key
    group: Hashable
    due: float | None = None
    """Loop time of the next run; None: no further run is wanted."""
    entry: int = _NOT_IN_HEAP
    """Number of the item's entry in the heap; entries with another number are outdated."""
    running: bool = False
    removed: bool = False
    """Removed while running: what this run asks for is ignored."""
    back_off: BackOff | None = None
    """Since the first failure in a row."""


class WorkQueue(Generic[Key]):
    """``start()`` once, ``add()`` at any time, ``drain()`` and ``close()`` at the end."""

    def __init__(
        self,
        reconcile: Callable[[Key], Awaitable[float | None]],
        *,
        name: str,
        workers: int = 1,
        group: Callable[[Key], Hashable] = lambda _: None,
        group_workers: int | None = None,
        back_off: Callable[[], BackOff] = BackOff,
        on_error: Callable[[Key, Exception, float], None] | None = None,
        on_length: Callable[[int], None] = lambda _: None,
    ) -> None:
        """``reconcile(key)`` does what is to be done about the key now. It returns the seconds after which the key
        shall run again, or None; if it raises, the key runs again after a back-off, which ``retry_after`` of an
        ``ApiError`` prolongs.

        ``workers``: keys that run at the same time, at most; ``group_workers``: of one group, at most. ``group(key)``
        is called when a key is added that neither waits nor runs; groups whose keys are due run one key each in turn.
        ``on_error(key, error, wait)`` is called after a failed run, instead of logging it; ``wait``: seconds until the
        next. ``on_length(length)`` is called whenever ``len()`` may have changed.
        """
        self._reconcile = reconcile
        self._name = name
        self._workers = workers
        self._group = group
        self._new_back_off = back_off
        self._on_error = on_error or self._log_error
        self._on_length = on_length
        self._items: dict[Key, _Item[Key]] = {}
        self._ready: FairQueue[Key, _Item[Key]] = FairQueue(group_workers or workers)
        self._heap: list[tuple[float, int, _Item[Key]]] = []
        self._outdated = 0
        """Entries of the heap that are outdated."""
        self._numbers = itertools.count(_NOT_IN_HEAP + 1)
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty: asyncio.Future[None] | None = None
        """Who drains waits for it."""
        self._started = False
        self._starting = False
        """A worker was started and has not begun yet."""
        self._draining = False
        self._closed = False

    def __len__(self) -> int:
        """Keys that wait, are delayed, or run."""
        return len(self._items)

    def __contains__(self, key: object) -> bool:
        """Whether the key waits, is delayed, or runs."""
        return key in self._items

    def __iter__(self) -> Iterator[Key]:
        return iter(tuple(self._items))

    @property
    def ready(self) -> int:
        """How many keys are due and wait for a worker."""
        return len(self._ready)

    def start(self) -> None:
        """Nothing runs before this; keys may be added already."""
        self._started = True
        self._start_worker()

    def add(self, key: Key) -> None:
        """Run the key as soon as a worker is free."""
        self.add_after(key, 0.0)

    def add_after(self, key: Key, seconds: float) -> None:
        """Run the key in that many seconds, unless it runs earlier anyway."""
        if self._closed:
            return
        now = _now()
        due = now if self._draining else now + max(seconds, 0.0)
        item = self._items.get(key)
        if item is None:
            item = self._items[key] = _Item(key, self._group(key))
            self._on_length(len(self._items))
        self._make_due(item, due)

    def remove(self, key: Key) -> None:
        """Drop what waits for the key, and its back-off. A run under way goes on, and what it asks for is ignored."""
        item = self._items.get(key)
        if item is None:
            return
        item.due, item.back_off = None, None
        if item.running:
            item.removed = True
            return
        self._ready.remove(item.group, key)
        self._leave_heap(item)
        self._discard(item)

    async def drain(self, within: float) -> bool:
        """Run now, delayed or not, all that waits; whether all of it was done within that many seconds.

        From now on no key is delayed: what is added runs at once, a failed run is repeated after at most
        ``DRAIN_RETRY``, and the seconds that a run returns mean nothing.
        """
        self._draining = True
        delayed = [(item.due, item.entry, item) for item in self._items.values() if item.due is not None]
        for _, _, item in sorted(delayed, key=lambda entry: entry[:2]):
            self._make_due(item, _now())
        if not self._items:
            return True
        empty = self._empty = asyncio.get_running_loop().create_future()
        await asyncio.wait([empty], timeout=within)
        return empty.done()

    async def close(self) -> None:
        """End: what runs is cancelled, what waits is dropped, what is added from now on is ignored."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        self._items.clear()
        self._ready.clear()
        self._heap.clear()
        self._on_length(0)

    # --- waiting

    def _make_due(self, item: _Item[Key], due: float) -> None:
        """The earlier time holds."""
        if item.due is not None and item.due <= due:
            return
        item.due = due
        if item.running:
            return  # it is seen to when the run has ended
        self._leave_heap(item)
        self._wait(item, due)

    def _wait(self, item: _Item[Key], due: float) -> None:
        if due <= _now():
            self._make_ready(item)
            return
        item.entry = next(self._numbers)
        heapq.heappush(self._heap, (due, item.entry, item))
        self._set_timer()

    def _make_ready(self, item: _Item[Key]) -> None:
        self._ready.put(item.group, item.key, item)
        self._start_worker()

    def _leave_heap(self, item: _Item[Key]) -> None:
        """Its entry stays until it comes up, or until half of the heap is outdated: leaving costs next to nothing."""
        if item.entry == _NOT_IN_HEAP:
            return
        item.entry = _NOT_IN_HEAP
        self._outdated += 1
        if len(self._heap) > _COMPACT_ABOVE and self._outdated * 2 > len(self._heap):
            self._heap = self._heap_entries()
            heapq.heapify(self._heap)
            self._outdated = 0

    def _heap_entries(self) -> list[tuple[float, int, _Item[Key]]]:
        return [entry for entry in self._heap if entry[2].entry == entry[1]]

    def _set_timer(self) -> None:
        """One timer, for the first entry of the heap; that one may be outdated, and then nothing comes of it."""
        due = self._heap[0][0]
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(due, self._on_timer, due)

    def _on_timer(self, due: float) -> None:
        self._timer = None
        now = max(due, _now())  # the loop calls up to its clock's resolution too early
        while self._heap and self._heap[0][0] <= now:
            _, number, item = heapq.heappop(self._heap)
            if item.entry == number:
                item.entry = _NOT_IN_HEAP
                self._make_ready(item)
            else:
                self._outdated -= 1
        if self._heap:
            self._set_timer()

    def _discard(self, item: _Item[Key]) -> None:
        del self._items[item.key]
        self._on_length(len(self._items))
        if self._empty is not None and not self._items and not self._empty.done():
            self._empty.set_result(None)

    # --- running

    def _start_worker(self) -> None:
        """One worker more, if there is work and fewer are busy than allowed. It begins in the loop's next turn."""
        if self._started and not self._closed and not self._starting and self._has_work:
            self._starting = True
            self._tasks.add(asyncio.create_task(self._work(), name=f"{self._name} worker"))

    @property
    def _has_work(self) -> bool:
        return self._ready.has_turn and len(self._tasks) < self._workers

    async def _work(self) -> None:
        """Run keys until one has waited for something, or the budget of this turn of the event loop is spent.

        Then everything else gets its turn: 1,000 reconciles that never wait do not keep the event loop to themselves.
        """
        self._starting = False
        turn_ends = perf_counter() + TURN_BUDGET
        is_same_turn = True
        try:
            while self._ready.has_turn and is_same_turn:
                item = self._ready.take()
                self._start_worker()
                await self._run(item)
                # The worker that was started begins in the next turn.
                is_same_turn = self._starting and perf_counter() < turn_ends
        finally:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.discard(task)
            self._start_worker()

    async def _run(self, item: _Item[Key]) -> None:
        item.due, item.running, item.removed = None, True, False
        failure: Exception | None = None
        wait: float | None = None
        try:
            wait = await self._reconcile(item.key)
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            failure = RuntimeError("what it waited for was cancelled")
            failure.__cause__ = error
        except Exception as error:  # noqa: BLE001 - one key's failure must not reach another's; it is reported below
            failure = error
        if failure is None:
            item.back_off = None
            self._finish(item, None if self._draining else wait)
            return
        wait = self._back_off(item, failure)
        self._finish(item, wait)
        self._on_error(item.key, failure, wait)

    def _back_off(self, item: _Item[Key], failure: Exception) -> float:
        if item.back_off is None:
            item.back_off = self._new_back_off()
        wait = item.back_off.next(failure.retry_after if isinstance(failure, ApiError) else None)
        return min(wait, DRAIN_RETRY) if self._draining else wait

    def _finish(self, item: _Item[Key], wait: float | None) -> None:
        item.running = False
        self._ready.done(item.group)
        if item.removed:
            item.back_off = None
        elif wait is not None:
            due = _now() + max(wait, 0.0)
            item.due = due if item.due is None else min(item.due, due)
        if item.due is None:
            self._discard(item)
        else:
            self._wait(item, item.due)

    def _log_error(self, key: Key, error: Exception, wait: float) -> None:
        known = isinstance(error, ApiError)
        log.warning("%s: %s: %s; again in %.1f s", self._name, key, error, wait, exc_info=None if known else error)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _is_cancelled() -> bool:
    """Whether the task that runs was cancelled itself, not only something that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
