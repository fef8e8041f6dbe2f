"""The custom kinds that a site has listed, as they are served now: they may be installed and removed at any time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from coroner_operator.config.settings import ListedKind
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import Client
from coroner_operator.kube.crd_watch import Crd, CrdWatch
from coroner_operator.kube.list_watch import WatchMetrics
from coroner_operator.model.workload_ref import WorkloadRef
from coroner_operator.publish.target_schema import TargetKind, Unsupported, kind_of

log = logging.getLogger("coroner.target_kinds")


class TargetKinds:
    """``run()`` watches the kinds' CRDs, and calls ``on_change`` for each kind that is new or served differently."""

    def __init__(
        self,
        client: Client,
        listed: Sequence[ListedKind],
        *,
        on_change: Callable[[TargetKind], None],
        metrics: WatchMetrics,
        back_off: Callable[[], BackOff] = BackOff,
    ) -> None:
        self._on_change = on_change
        self._kinds: dict[str, TargetKind] = {}
        """By the name of their CRD."""
        self._watches = [
            CrdWatch(
                client,
                each.crd,
                on_change=partial(self._on_crd, each),
                on_forbidden=partial(self._on_forbidden, each),
                metrics=metrics,
                back_off=back_off(),
            )
            for each in dict.fromkeys(listed)
        ]

    def kind_of(self, workload: WorkloadRef) -> TargetKind | None:
        """The workload's kind, if a site has listed it and it is served now; else None."""
        group = workload.api_version.rpartition("/")[0]
        return next((k for k in self._kinds.values() if (k.group, k.kind) == (group, workload.kind)), None)

    async def run(self) -> None:
        """Ends only by cancellation."""
        async with asyncio.TaskGroup() as group:
            for watch in self._watches:
                group.create_task(watch.run(), name=f"watch of {watch.name}")
            await asyncio.Event().wait()  # until cancelled, also if no kind is listed

    def _on_crd(self, listed: ListedKind, crd: Crd | None) -> None:
        if crd is None:
            if self._kinds.pop(listed.crd, None) is not None:
                log.info("%s: no longer served", listed.crd)
            return
        kind = kind_of(crd, listed.version)
        if kind == self._kinds.get(listed.crd):
            return
        self._kinds[listed.crd] = kind
        if isinstance(kind.placement, Unsupported):
            log.warning("%s: no verdict in the status of its objects: %s", listed.crd, kind.placement.reason)
        else:
            log.info("%s: verdicts are written to the status of its objects", listed.crd)
            self._on_change(kind)

    def _on_forbidden(self, listed: ListedKind) -> None:
        log.warning(
            "%s: no verdict in the status of its objects: reading its CustomResourceDefinition is forbidden",
            listed.crd,
        )
