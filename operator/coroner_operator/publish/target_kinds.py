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
from coroner_operator.kube.errors import InvalidName
from coroner_operator.kube.list_watch import WatchMetrics
from coroner_operator.kube.owner_resolver import workload_path
from coroner_operator.kube.paths import ResourcePath
from coroner_operator.kube.resources import is_namespaced
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
        self._cluster_scoped = frozenset(each.crd for each in listed if each.scope == "Cluster")
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
        return self._find(workload.group, workload.kind)

    def path_of(self, workload: WorkloadRef) -> ResourcePath | None:
        """Where the workload is read; None: its kind may not be read, or nothing can have its name."""
        kind = self.kind_of(workload)
        try:
            return workload_path(workload) if kind is None else kind.path(workload.namespace, workload.name)
        except InvalidName:
            return None

    def is_cluster_scoped(self, workload: WorkloadRef) -> bool:
        """Whether the workload is known to have no namespace."""
        kind = self.kind_of(workload)
        return not (is_namespaced(workload.group, workload.kind) if kind is None else kind.namespaced)

    def may_own(self, group: str, kind: str) -> bool:
        """Whether pods may name an object of this kind as their owner: a cluster-scoped one only if listed as such."""
        found = self._find(group, kind)
        if found is None:
            return is_namespaced(group, kind)
        return found.namespaced or f"{found.plural}.{found.group}" in self._cluster_scoped

    def _find(self, group: str, kind: str) -> TargetKind | None:
        return next((found for found in self._kinds.values() if (found.group, found.kind) == (group, kind)), None)

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
        kind = kind_of(crd, listed.version, listed.scope)
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
