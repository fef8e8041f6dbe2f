"""The verdict in the workload's own status: restored when a writer removes it by accident, given up when one insists.

An object is read before it is written: its name may have been reused, or the UID may be another object's (the API
server ignores ``metadata.uid`` on /status), what is already there needs no write, and this is how an overwrite by
another writer is noticed. While a workload is failing, its object is checked again, at growing intervals.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Protocol

import msgspec
from cachetools import LRUCache

from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import FIELD_MANAGER, Client
from coroner_operator.kube.errors import ApiError, Conflict, Forbidden, InvalidRequest, NotFound
from coroner_operator.kube.workqueue import WorkQueue
from coroner_operator.model.report import Report
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef, report_name
from coroner_operator.publish.status_sync import (
    FIRST_CHECK,
    MAX_CONFLICTS,
    Status,
    StatusSync,
    is_applied,
    is_exactly_applied,
)
from coroner_operator.publish.target_kinds import TargetKinds
from coroner_operator.publish.target_schema import TargetKind, Unsupported

log = logging.getLogger("coroner.workload_status")

CONCURRENCY = 2
REFUSED_RETRY_SECONDS = 300.0  # a role or a schema rule that forbids the write is changed by a person, or never
GIVEN_UP_SIZE = 10_000  # workloads that are remembered as given up

Outcome = Literal["written", "unchanged", "conflict", "overwritten", "retried", "refused", "gave_up", "gone"]


class WriteMetrics(Protocol):
    def count_workload_write(self, outcome: Outcome, /) -> None: ...


class WorkloadStatusWriter:
    """``put()`` at any time, ``close()`` at the end."""

    def __init__(
        self,
        client: Client,
        kinds: TargetKinds,
        *,
        metrics: WriteMetrics,
        on_gave_up: Callable[[WorkloadRef, str], None] = lambda *_: None,
        back_off: Callable[[], BackOff] = BackOff,
        interval: float,
        first_check: float = FIRST_CHECK,
    ) -> None:
        """``on_gave_up(workload, reason)`` is called once for a workload whose status another writer insists on.

        ``interval``: seconds between two writes of one object; ``first_check``: after a write.
        """
        self._client = client
        self._kinds = kinds
        self._metrics = metrics
        self._on_gave_up = on_gave_up
        self._interval = interval
        self._first_check = first_check
        self._syncs: dict[WorkloadKey, StatusSync] = {}
        """For each key of the queue."""
        self._given_up: LRUCache[WorkloadKey, None] = LRUCache(GIVEN_UP_SIZE)
        self._logged_refusals: set[tuple[str, type[ApiError]]] = set()
        self._queue = WorkQueue(
            self._reconcile,
            name="workload status",
            workers=CONCURRENCY,
            group=lambda key: self._syncs[key].workload.namespace,
            back_off=back_off,
            on_error=self._on_error,
        )
        self._queue.start()

    def put(
        self, report: Report, on_attempted: Callable[[], None] = lambda: None, *, on: WorkloadRef | None = None
    ) -> None:
        """Apply this report to the status of its workload, or ``on`` another owner of its pods.

        ``on_attempted`` is called after the first attempt, or now if there will be none.
        """
        workload = on or report.workload
        kind = self._kinds.kind_of(workload)
        if kind is None or isinstance(kind.placement, Unsupported) or report.state == "Deleted":
            on_attempted()
            return
        key = workload.key if kind.namespaced else workload.key._replace(namespace="")
        if key in self._given_up:
            on_attempted()
            return
        sync = self._syncs.get(key)
        if sync is None:
            sync = self._syncs[key] = StatusSync(workload, key, self._first_check)
        sync.put(report)
        sync.on_attempted.append(on_attempted)
        if not sync.in_progress:  # else it is scheduled when the attempt is over, and its time is known
            self._schedule(sync)

    async def close(self, within: float) -> None:
        """Apply what is not applied yet, within that many seconds."""
        for key, sync in self._syncs.items():
            if sync.report is None and not sync.in_progress:
                self._queue.remove(key)
        if not await self._queue.drain(within):
            log.info("%d workloads' status not written before the end", len(self._queue))
        await self._queue.close()
        for sync in self._syncs.values():
            _call(sync.on_attempted)
        self._syncs.clear()

    def _schedule(self, sync: StatusSync) -> None:
        self._queue.add_after(sync.key, sync.last_attempt + self._interval - _now())

    async def _reconcile(self, key: WorkloadKey) -> float | None:
        """One attempt; seconds until the next check, None if none is needed. Raises ApiError."""
        sync = self._syncs[key]
        report, callbacks = sync.take()
        sync.in_progress = True
        try:
            wait = await self._sync(sync, report)
        except NotFound as error:
            self._metrics.count_workload_write("gone")
            log.debug("%s: %s", _describe(sync.workload), error)
            sync.report, wait = None, None
        except (Forbidden, InvalidRequest) as error:
            sync.requeue(report)
            wait = self._refused(sync, error)
        except ApiError:
            sync.requeue(report)
            sync.last_attempt = _now()
            raise
        except Exception:  # a bug that one object triggers must not be retried at once
            log.exception("%s: its status cannot be written", _describe(sync.workload))
            self._metrics.count_workload_write("refused")
            sync.requeue(report)
            wait = REFUSED_RETRY_SECONDS
        else:
            if sync.report is not None:  # set during the attempt
                self._schedule(sync)
                wait = None
        finally:
            sync.in_progress = False
            _call(callbacks)
        if wait is None and sync.report is None:
            del self._syncs[key]
        return wait

    async def _sync(self, sync: StatusSync, report: Report | None) -> float | None:
        """Seconds until the next check; None: nothing is left to do. ``report`` None: only check. Raises ApiError."""
        workload = sync.workload
        kind = self._kinds.kind_of(workload)
        if kind is None or isinstance(kind.placement, Unsupported):
            return None
        live = msgspec.json.decode(await self._client.get(kind.path(workload.namespace, workload.name)))
        if _identity(live) != sync.key:
            raise NotFound(f"{_describe(workload)}: the name is in use by another object now")
        status = live.get("status") or {}
        if _is_newly_overwritten(sync, status):
            self._metrics.count_workload_write("overwritten")
            if sync.was_overwritten(_now()):
                self._give_up(sync, live)
                return None
        if report is not None:
            wanted: Status = kind.placement.status(report)
            must_persist = report.current is not None
        elif sync.overwritten and sync.applied is not None:
            wanted, must_persist = sync.applied, sync.must_persist
        else:
            sync.checks += 1
            return sync.next_check
        if is_exactly_applied(wanted, status):
            self._metrics.count_workload_write("unchanged")
        elif not await self._write(sync, kind, live, wanted):
            return None
        sync.mark_applied(wanted, must_persist=must_persist)
        return sync.next_check if must_persist else None

    async def _write(self, sync: StatusSync, kind: TargetKind, live: Mapping[str, Any], wanted: Status) -> bool:
        """False: given up. Raises ApiError."""
        sync.last_attempt = _now()
        try:
            await self._apply(kind, live, wanted)
        except Conflict:
            sync.conflicts += 1
            if sync.conflicts < MAX_CONFLICTS:
                raise
            self._give_up(sync, live)
            return False
        self._metrics.count_workload_write("written")
        return True

    async def _apply(self, kind: TargetKind, live: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """Fields that are no longer in ``status`` are removed by the API server if no other writer owns them."""
        metadata = live["metadata"]
        body: dict[str, Any] = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": metadata["name"], "resourceVersion": metadata["resourceVersion"]},
        }
        if kind.namespaced:
            body["metadata"]["namespace"] = metadata["namespace"]
        body["status"] = dict(status)
        path = kind.path(metadata.get("namespace", ""), metadata["name"], "status")
        await self._client.apply(path, body)

    def _on_error(self, key: WorkloadKey, error: Exception, wait: float) -> None:
        self._metrics.count_workload_write("conflict" if isinstance(error, Conflict) else "retried")
        log.info("%s: status: %s; retrying in %.1f s", _describe(self._syncs[key].workload), error, wait)

    def _refused(self, sync: StatusSync, error: ApiError) -> float:
        """Seconds until the next attempt."""
        sync.last_attempt = _now()
        self._metrics.count_workload_write("refused")
        refusal = (sync.workload.kind, type(error))
        log.log(
            logging.DEBUG if refusal in self._logged_refusals else logging.WARNING,
            "%s: the verdict cannot be written to its status: %s; retrying in %.0f s (logged once for this kind)",
            _describe(sync.workload),
            error,
            REFUSED_RETRY_SECONDS,
        )
        self._logged_refusals.add(refusal)
        return REFUSED_RETRY_SECONDS

    def _give_up(self, sync: StatusSync, live: Mapping[str, Any]) -> None:
        workload = sync.workload
        sync.report = None
        self._given_up[sync.key] = None
        self._metrics.count_workload_write("gave_up")
        reason = (
            f"{_other_writer(live)} keeps overwriting the status of {workload}: Coroner no longer writes it; "
            f"the verdict is in failurereport {report_name(workload)}"
        )
        log.warning("%s: %s", workload.namespace, reason)
        self._on_gave_up(workload, reason)


def _identity(live: Mapping[str, Any]) -> WorkloadKey:
    metadata = live["metadata"]
    group = str(live["apiVersion"]).rpartition("/")[0]
    return WorkloadKey(metadata.get("namespace", ""), group, live["kind"], metadata["name"], metadata["uid"])


def _call(callbacks: Iterable[Callable[[], None]]) -> None:
    for callback in callbacks:
        callback()


def _is_newly_overwritten(sync: StatusSync, status: Status) -> bool:
    applied = sync.applied
    return sync.must_persist and applied is not None and not sync.overwritten and not is_applied(applied, status)


def _other_writer(live: Mapping[str, Any]) -> str:
    """Who else updated the status last, according to the object's managed fields."""
    entries = live["metadata"].get("managedFields") or ()
    others = [
        e
        for e in entries
        if e.get("manager") != FIELD_MANAGER
        and (e.get("subresource") == "status" or "f:status" in (e.get("fieldsV1") or {}))
    ]
    last = max(others, key=lambda e: e.get("time") or "", default=None)
    return f'field manager "{last.get("manager", "")}"' if last else "another writer"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _describe(workload: WorkloadRef) -> str:
    return f"{workload.namespace}/{workload}"
