"""The UIDs of all pods that exist: all that is kept of a healthy one (about 120 bytes).

The ledger may only forget pods that are surely deleted; and a pod that was deleted while it was being classified must
not be remembered as failing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from coroner_categorizer.objects.pod import Pod
from coroner_operator.model.report import Report, prune_deleted_pods
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef

PRUNE_INTERVAL = timedelta(minutes=10)  # the walk over all UIDs takes 12 ms with 10,000 pods
PRUNE_TIMES_REMEMBERED = 10_000  # workloads of which the last time is remembered; of more none is pruned in time


class ExistingPods:
    def __init__(self, namespaces: tuple[str, ...], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._by_scope: dict[str | None, set[str]] = {namespace: set() for namespace in namespaces or (None,)}
        self._listed: set[str | None] = set()
        self._whole_cluster = not namespaces
        self._now = now
        self._pruned_at: dict[WorkloadKey, datetime] = {}

    def __contains__(self, pod: Pod) -> bool:
        return pod.metadata.uid in self._scope(pod)

    def __iter__(self) -> Iterator[str]:
        for uids in self._by_scope.values():
            yield from uids

    def exists(self, uid: str) -> bool | None:
        """Whether there is a pod of this UID; None: it was not observed, but not all pods have been listed yet."""
        if any(uid in uids for uids in self._by_scope.values()):
            return True
        return False if self._listed == self._by_scope.keys() else None

    def add(self, pod: Pod) -> None:
        self._scope(pod).add(pod.metadata.uid)

    def remove(self, pod: Pod) -> None:
        self._scope(pod).discard(pod.metadata.uid)

    def on_listed(self, namespace: str | None, uids: set[str]) -> None:
        """These are all there are now; the set is taken over."""
        self._by_scope[namespace] = uids
        self._listed.add(namespace)

    def prune(self, report: Report) -> Report:
        """The report without the ledger entries of pods that were deleted long ago; unchanged where that is not due."""
        now = self._now()
        if self._listed != self._by_scope.keys() or now - self._last_pruned(report.workload, now) < PRUNE_INTERVAL:
            return report
        self._pruned_at[report.workload.key] = now
        return prune_deleted_pods(report, self, now)

    def _last_pruned(self, workload: WorkloadRef, now: datetime) -> datetime:
        while len(self._pruned_at) > PRUNE_TIMES_REMEMBERED:
            del self._pruned_at[next(iter(self._pruned_at))]
        return self._pruned_at.setdefault(workload.key, now)

    def _scope(self, pod: Pod) -> set[str]:
        return self._by_scope[None if self._whole_cluster else pod.metadata.namespace]
