"""What is left out: namespaces and pods that a site or their owner does not want to have reported.

A site excludes namespaces, and selects pods by their labels. Whoever may write an object opts out what is theirs, with
the annotation ``coroner.dev/ignore: "true"`` on a pod, a workload or a namespace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec
from cachetools import LRUCache

from coroner_categorizer import Workload
from coroner_categorizer.objects.pod import Metadata
from coroner_operator.config.label_selector import LabelSelector
from coroner_operator.kube.owner_resolver import MAX_OWNER_DEPTH, controller_key
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef

REMEMBERED = 10_000  # workloads, and owners of pods; ~300 bytes each


class Namespace(msgspec.Struct, frozen=True):
    """A Namespace, of which only the metadata is needed here."""

    metadata: Metadata = Metadata()


class _Owner(NamedTuple):
    is_ignored: bool
    above: WorkloadKey | None
    """What controls it."""


class OptOut:
    """Also the consumer of the list-watch of namespaces."""

    def __init__(
        self,
        excluded: Iterable[str] = (),
        selector: LabelSelector = LabelSelector(),  # noqa: B008 - immutable
        on_included: Callable[[str], None] = lambda namespace: None,  # noqa: ARG005
    ) -> None:
        """``on_included(namespace)`` is called when a namespace is not ignored any more."""
        self._excluded = frozenset(excluded)
        self._selector = selector
        self._on_included = on_included
        self._ignored: dict[str, str] = {}
        """Namespaces with the annotation → their UID."""
        self._owners: LRUCache[WorkloadKey, _Owner] = LRUCache(REMEMBERED)
        """As they were read last."""
        self._workloads: LRUCache[WorkloadKey, None] = LRUCache(REMEMBERED)
        """With the annotation, when their pods were observed last."""

    def field_selector(self, keep: str = "") -> str:
        """For a LIST or WATCH of all namespaces: without the excluded ones, but with ``keep``."""
        return ",".join(f"metadata.namespace!={namespace}" for namespace in sorted(self._excluded - {keep}))

    def ignores_namespace(self, namespace: str) -> bool:
        return namespace in self._ignored or namespace in self._excluded

    def ignores_template(self, workload: Workload) -> bool:
        """Whether the workload's pods are ignored, as far as the workload itself says."""
        template = workload.spec.template.metadata
        ignored = workload.metadata.annotations.is_ignored or template.annotations.is_ignored
        return ignored or (bool(template.name or template.labels) and not self._selector.matches(template.labels))

    def on_owner_read(self, ref: WorkloadRef, metadata: Metadata) -> None:
        """This is what the owner of a pod, or of such an owner, is now."""
        self._owners[ref.key] = _Owner(metadata.annotations.is_ignored, controller_key(metadata))

    def ignored_owner(self, controller: WorkloadKey | None) -> WorkloadKey | None:
        """The topmost object with the annotation, from this one upwards; None: none has it, as far as is known."""
        found = None
        for _ in range(MAX_OWNER_DEPTH):
            owner = None if controller is None else self._owners.get(controller)
            if owner is None:
                break
            found = controller if owner.is_ignored else found
            controller = owner.above
        return found

    def mark(self, workload: WorkloadRef, *, ignored: bool) -> None:
        """The workload has the annotation, or has it no more."""
        if ignored:
            self._workloads[workload.key] = None
        else:
            self._workloads.pop(workload.key, None)

    def ignores_report(self, workload: WorkloadRef) -> bool:
        """Whether the workload's report is to be deleted."""
        return self.ignores_namespace(workload.namespace) or workload.key in self._workloads

    def on_update(self, namespace: Namespace) -> None:
        meta = namespace.metadata
        if meta.annotations.is_ignored:
            self._ignored[meta.name] = meta.uid
        elif self._ignored.pop(meta.name, None) is not None and meta.name not in self._excluded:
            self._on_included(meta.name)

    def on_delete(self, namespace: Namespace) -> None:
        self._ignored.pop(namespace.metadata.name, None)

    def on_list(self, namespace: str | None, uids: set[str]) -> None:
        self._ignored = {name: uid for name, uid in self._ignored.items() if uid in uids}
