"""Keeps the operator from writing fields that the API server would prune: waits until the served schema has them."""

from __future__ import annotations

import asyncio
import logging

from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import Client
from coroner_operator.kube.crd_watch import Crd, CrdWatch
from coroner_operator.kube.list_watch import WatchMetrics
from coroner_operator.kube.workqueue import WorkQueue
from coroner_operator.model.report_codec import GROUP, PLURAL
from coroner_operator.reports.schema_check import describe, missing_fields, written_fields

log = logging.getLogger("coroner.schema_gate")

CRD_NAME = f"{PLURAL}.{GROUP}"
SETTLE_SECONDS = 1.0  # an API server serves a new schema a moment after the watch event about it

_ABSENT = (
    f"CustomResourceDefinition {CRD_NAME} is not installed. "
    "Install the chart with its CRDs, or run: kubectl apply --server-side -f crds/"
)


class SchemaGate:
    """``run()`` follows our own CRD; ``schema_ok`` is set while everything that is written would be kept."""

    def __init__(
        self, client: Client, watchers: WatchMetrics, *, back_off: BackOff | None = None, settle: float = SETTLE_SECONDS
    ) -> None:
        self.schema_ok = asyncio.Event()
        self.reason = f"CustomResourceDefinition {CRD_NAME} has not been read yet"
        """Why nothing is written: which field of which CRD is missing, and what to run; "" while ``schema_ok``."""
        self._written = written_fields()
        self._settle = settle
        self._was_incompatible = False
        self._openings: WorkQueue[str] = WorkQueue(self._open, name="schema gate")
        """By name of the CRD: there is one."""
        self._watch = CrdWatch(
            client,
            CRD_NAME,
            on_change=self._on_changed,
            on_forbidden=self._on_forbidden,
            metrics=watchers,
            back_off=back_off,
        )

    async def run(self) -> None:
        """Ends only by cancellation."""
        self._openings.start()
        try:
            await self._watch.run()
        finally:
            await self._openings.close()

    def _on_changed(self, crd: Crd | None) -> None:
        fault = _ABSENT if crd is None else describe(CRD_NAME, missing_fields(crd, self._written))
        self._openings.remove(CRD_NAME)
        if fault:
            if fault != self.reason:
                log.error("nothing is written: %s", fault)
            self._was_incompatible = True
            self.schema_ok.clear()
            self.reason = fault
        elif not self.schema_ok.is_set():
            self._openings.add_after(CRD_NAME, self._settle if self._was_incompatible else 0.0)

    async def _open(self, crd_name: str) -> None:
        self.reason = ""
        self.schema_ok.set()
        log.info("%s keeps every field that is written", crd_name)

    def _on_forbidden(self) -> None:
        log.warning(
            "%s cannot be read: if it is older than this operator, the API server drops new fields silently; allow "
            "list and watch on customresourcedefinitions, at least for this name",
            CRD_NAME,
        )
        self.reason = ""
        self.schema_ok.set()
