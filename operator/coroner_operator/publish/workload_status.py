"""The verdict on the workload itself, kept there against careless writers, given up against determined ones.

An object is read before it is written: a name may have been reused (the API server ignores ``metadata.uid`` on
/status), what is there already needs no write, and only so is it seen that another has removed what we wrote. While a
workload fails its object is looked at again, more and more rarely.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import msgspec

from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import FIELD_MANAGER, Client
from coroner_operator.kube.errors import ApiError, Conflict, Forbidden, InvalidRequest, NotFound
from coroner_operator.model.report import Report, WorkloadRef, report_name
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

log = logging.getLogger("coroner.workloads")

CONCURRENCY = 2
REFUSED_RETRY_SECONDS = 300.0  # s: a role or a rule of the schema that forbids the write is changed by a person, or never
GIVEN_UP_SIZE = 10_000  # workloads that are remembered to be left alone

Outcome = Literal["written", "unchanged", "conflict", "overwritten", "retried", "refused", "gave_up", "gone"]


class WriteMetrics(Protocol):
    def count_workload_write(self, outcome: Outcome, /) -> None: ...


class WorkloadStatusWriter:
    """``put()`` at will, ``close()`` at the end."""

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
        """``yielded(workload, sentence)`` is called once for a workload whose status another insists on.

        ``interval``: seconds between two tries on one object.
        """
        self._client = client
        self._kinds = kinds
        self._metrics = metrics
        self._on_gave_up = on_gave_up
        self._back_off = back_off
        self._interval = interval
        self._first_check = first_check
        self._syncs: dict[str, StatusSync] = {}
        self._given_up: OrderedDict[str, None] = OrderedDict()
        self._logged_refusals: set[tuple[str, type[ApiError]]] = set()
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def put(self, report: Report, then: Callable[[], None] = lambda: None) -> None:
        """Say this report on its workload. ``then`` is called after the first try, or now if none is to be made."""
        workload = report.workload
        kind = self._kinds.kind_of(workload)
        if kind is None or isinstance(kind.placement, Unsupported) or workload.uid in self._given_up:
            then()
            return
        notice = self._syncs.get(workload.uid)
        if notice is None:
            notice = self._syncs[workload.uid] = StatusSync(workload, self._back_off(), self._first_check)
        notice.report = report
        notice.then.append(then)
        self._plan(notice, self._wait_for_turn(notice))

    async def close(self, within: float) -> None:
        """Say what is still to be said, within that many seconds."""
        self._closing = True
        for notice in tuple(self._syncs.values()):
            if notice.report is not None:
                self._plan(notice, 0.0)
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=within)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for notice in tuple(self._syncs.values()):
            self._drop(notice)

    def _plan(self, notice: StatusSync, wait: float) -> None:
        """Turn to the notice in ``wait`` seconds, unless that is due earlier anyway."""
        if notice.busy:
            return  # planned again when that is done
        loop = asyncio.get_running_loop()
        due = loop.time() + wait
        if notice.timer is not None:
            if notice.timer.when() <= due:
                return
            notice.timer.cancel()
        if self._closing:
            notice.timer = None
            self._turn_to(notice)
        else:
            notice.timer = loop.call_at(due, self._turn_to, notice)

    def _turn_to(self, notice: StatusSync) -> None:
        notice.timer = None
        notice.busy = True
        task = asyncio.create_task(self._work(notice), name=f"status of {notice.workload}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, notice: StatusSync) -> None:
        report, then = notice.take()
        failed = True
        try:
            async with self._slots:
                wait = await self._reconcile(notice, report)
            failed = False
        except ApiError as error:
            wait = self._wait_after(notice, error)
        except Exception:  # one object must not stop another's
            log.exception("%s: its status cannot be written", _describe(notice.workload))
            self._metrics.count_workload_write("refused")
            wait = REFUSED_RETRY_SECONDS
        finally:
            notice.busy = False
            for each in then:
                each()
        if notice.report is not None and not failed:  # it has come meanwhile
            wait = self._wait_for_turn(notice)
        elif wait is not None and failed:
            notice.report = notice.report or report
        if wait is None:
            self._drop(notice)
        elif not self._closing:
            self._plan(notice, wait)

    def _wait_for_turn(self, notice: StatusSync) -> float:
        return max(0.0, notice.last_try + self._interval - _clock())

    async def _reconcile(self, notice: StatusSync, report: Report | None) -> float | None:
        """Seconds until the next look; None: all is done. ``report`` None: only look. Raises ApiError."""
        workload = notice.workload
        kind = self._kinds.kind_of(workload)
        if kind is None or isinstance(kind.placement, Unsupported):
            return None
        live = msgspec.json.decode(await self._client.get(kind.path(workload.namespace, workload.name)))
        if live["metadata"]["uid"] != workload.uid:
            raise NotFound(f"{_describe(workload)}: another object bears its name now")
        status = live.get("status") or {}
        if notice.must_persist and notice.applied is not None and not notice.overwritten and not is_applied(notice.applied, status):
            self._metrics.count_workload_write("overwritten")
            if notice.was_overwritten(_clock()):
                self._give_up(notice, live)
                return None
        if report is not None:
            wanted: Status = kind.placement.status(report)
            stays = report.current is not None
        elif notice.overwritten and notice.applied is not None:
            wanted, stays = notice.applied, notice.must_persist
        else:
            notice.checks += 1
            return notice.next_check
        if is_exactly_applied(wanted, status):
            self._metrics.count_workload_write("unchanged")
        else:
            notice.last_try = _clock()
            try:
                await self._apply(kind, live, wanted)
            except Conflict:
                notice.conflicts += 1
                if notice.conflicts >= MAX_CONFLICTS:
                    self._give_up(notice, live)
                    return None
                raise
            self._metrics.count_workload_write("written")
        notice.mark_applied(wanted, must_persist=stays)
        return notice.next_check if stays else None

    async def _apply(self, kind: TargetKind, live: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """What is not in ``status`` any more is removed where it was ours alone."""
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

    def _wait_after(self, notice: StatusSync, error: ApiError) -> float | None:
        if isinstance(error, NotFound):
            self._metrics.count_workload_write("gone")
            log.debug("%s: %s", _describe(notice.workload), error)
            notice.report = None
            return None
        notice.last_try = _clock()
        place = _describe(notice.workload)
        if isinstance(error, Forbidden | InvalidRequest):
            self._metrics.count_workload_write("refused")
            complaint = (notice.workload.kind, type(error))
            log.log(
                logging.DEBUG if complaint in self._logged_refusals else logging.WARNING,
                "%s: the verdict cannot be written on it: %s; again in %.0f s (said once for this kind)",
                place,
                error,
                REFUSED_RETRY_SECONDS,
            )
            self._logged_refusals.add(complaint)
            return REFUSED_RETRY_SECONDS
        wait = notice.back_off.next(error.retry_after)
        self._metrics.count_workload_write("conflict" if isinstance(error, Conflict) else "retried")
        log.info("%s: status: %s; again in %.1f s", place, error, wait)
        return wait

    def _give_up(self, notice: StatusSync, live: Mapping[str, Any]) -> None:
        workload = notice.workload
        notice.report = None
        self._given_up[workload.uid] = None
        while len(self._given_up) > GIVEN_UP_SIZE:
            self._given_up.popitem(last=False)
        self._metrics.count_workload_write("gave_up")
        sentence = (
            f"{_other_writer(live)} keeps overwriting the status of {workload}: Coroner leaves it alone now; "
            f"the verdict is in failurereport {report_name(workload)}"
        )
        log.warning("%s: %s", workload.namespace, sentence)
        self._on_gave_up(workload, sentence)

    def _drop(self, notice: StatusSync) -> None:
        if notice.timer is not None:
            notice.timer.cancel()
            notice.timer = None
        self._syncs.pop(notice.workload.uid, None)


def _other_writer(live: Mapping[str, Any]) -> str:
    """Who updated the status last, as far as the object tells."""
    entries = live["metadata"].get("managedFields") or ()
    others = [
        e
        for e in entries
        if e.get("manager") != FIELD_MANAGER
        and (e.get("subresource") == "status" or "f:status" in (e.get("fieldsV1") or {}))
    ]
    last = max(others, key=lambda e: e.get("time") or "", default=None)
    return f'field manager "{last.get("manager", "")}"' if last else "another writer"


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _describe(workload: WorkloadRef) -> str:
    return f"{workload.namespace}/{workload}"
