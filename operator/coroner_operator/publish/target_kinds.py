"""The custom kinds that a site has listed, as they are served now: they may be installed and removed at any time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import msgspec

from coroner_categorizer.objects.pod import OwnerReference
from coroner_operator.config.presets import OwnerLabels, owner_labels
from coroner_operator.config.settings import ListedKind, Settings, WalkedKind
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import Client
from coroner_operator.kube.crd_watch import Crd, CrdWatch
from coroner_operator.kube.errors import InvalidName
from coroner_operator.kube.list_watch import WatchMetrics
from coroner_operator.kube.owner_resolver import workload_path
from coroner_operator.kube.paths import ResourcePath, is_object_name
from coroner_operator.kube.resources import Resource, is_namespaced
from coroner_operator.model.workload_ref import WorkloadRef
from coroner_operator.publish.target_schema import TargetKind, Unsupported, kind_of

log = logging.getLogger("coroner.target_kinds")

_NOT_WRITTEN = Unsupported("it is listed to be read")


class TargetKinds:
    """``run()`` watches the kinds' CRDs, and calls ``on_change`` for each kind that is new or served differently."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        *,
        on_change: Callable[[TargetKind], None],
        metrics: WatchMetrics,
        back_off: Callable[[], BackOff] = BackOff,
    ) -> None:
        self._on_change = on_change
        workloads = settings.all_workloads
        listed = (*workloads, *settings.all_walked)
        self._workloads = frozenset(each.crd for each in workloads)
        self._cluster_scoped = frozenset(each.crd for each in listed if each.scope == "Cluster")
        self._labels = tuple(owner_labels(settings.presets))
        self._kinds: dict[str, TargetKind] = {}
        """By the name of their CRD."""
        self._by_type: dict[tuple[str, str], TargetKind] = {}
        """By group and kind."""
        self._watches = [
            CrdWatch(
                client,
                each.crd,
                on_change=partial(self._on_crd, each),
                on_forbidden=partial(self._on_forbidden, each),
                metrics=metrics,
                back_off=back_off(),
            )
            for each in listed
        ]

    @property
    def is_empty(self) -> bool:
        """Whether no kind is listed."""
        return not self._watches

    async def answered(self) -> None:
        """Wait until it is known of each listed kind whether it is served."""
        for watch in self._watches:
            await watch.answered.wait()

    def kind_of(self, workload: WorkloadRef) -> TargetKind | None:
        """The workload's kind, if a site has listed it and it is served now; else None."""
        return self._find(workload.group, workload.kind)

    def path_of(self, workload: WorkloadRef) -> ResourcePath | None:
        """Where the workload is read; None: its kind may not be read, or nothing can have its name."""
        resource = self.resource_of(workload.group, workload.kind)
        try:
            if resource is None:
                return workload_path(workload)
            return resource.object_path(workload.namespace, workload.name)
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
        return found.namespaced or _crd(found) in self._cluster_scoped

    def resource_of(self, group: str, kind: str) -> Resource | None:
        """Where objects of a listed kind are read; None: it is not listed, or not served."""
        found = self._find(group, kind)
        return found.readable if found is not None and self.may_own(group, kind) else None

    def is_workload(self, group: str, kind: str) -> bool:
        """Whether the kind is listed as a workload, and served."""
        found = self._find(group, kind)
        return found is not None and _crd(found) in self._workloads

    def labelled_owner(
        self, group: str, kind: str, labels: Mapping[str, str], *, owner_deleted: bool
    ) -> OwnerReference | None:
        """The owner that the labels of an object of this kind name; its UID may be "". None: they name none.

        ``owner_deleted``: the object has an owner reference, to what does not exist.
        """
        return next(self._labelled_owners(kind, labels, owner_deleted), None)

    def _labelled_owners(self, kind: str, labels: Mapping[str, str], owner_deleted: bool) -> Iterator[OwnerReference]:
        for rule, owners in self._labels:
            if not (owner_deleted or kind in rule.unowned) or not rule.labels.items() <= labels.items():
                continue
            for owner in owners:
                found = self._find(owner.group, owner.kind)
                if found is not None and found.namespaced and _names(rule, owner.kind, labels):
                    name, uid = labels.get(rule.name, ""), labels.get(rule.uid, "") if rule.uid else ""
                    yield OwnerReference(f"{found.group}/{found.read_version}", found.kind, name, uid)

    def _find(self, group: str, kind: str) -> TargetKind | None:
        return self._by_type.get((group, kind))

    async def run(self) -> None:
        """Ends only by cancellation."""
        async with asyncio.TaskGroup() as group:
            for watch in self._watches:
                group.create_task(watch.run(), name=f"watch of {watch.name}")
            await asyncio.Event().wait()  # until cancelled, also if no kind is listed

    def _on_crd(self, listed: WalkedKind, crd: Crd | None) -> None:
        if crd is None:
            gone = self._kinds.pop(listed.crd, None)
            if gone is not None:
                self._by_type.pop((gone.group, gone.kind), None)
                log.info("%s: no longer served", listed.crd)
            return
        kind = kind_of(crd, listed.version, listed.scope)
        if not (isinstance(listed, ListedKind) and listed.write):
            kind = msgspec.structs.replace(kind, placement=_NOT_WRITTEN)
        if kind == self._kinds.get(listed.crd):
            return
        self._kinds[listed.crd] = self._by_type[kind.group, kind.kind] = kind
        if kind.placement == _NOT_WRITTEN:
            log.info("%s: its objects are read", listed.crd)
        elif isinstance(kind.placement, Unsupported):
            log.warning("%s: no verdict in the status of its objects: %s", listed.crd, kind.placement.reason)
        else:
            log.info("%s: verdicts are written to the status of its objects", listed.crd)
            self._on_change(kind)

    def _on_forbidden(self, listed: WalkedKind) -> None:
        log.warning(
            "%s: its objects are neither read nor written: reading its CustomResourceDefinition is forbidden",
            listed.crd,
        )


def _crd(kind: TargetKind) -> str:
    return f"{kind.plural}.{kind.group}"


def _names(rule: OwnerLabels, kind: str, labels: Mapping[str, str]) -> bool:
    """Whether the labels name an owner of this kind."""
    named = rule.kind or labels.get(rule.kind_label, "")
    return named == kind and is_object_name(labels.get(rule.name, ""))
