"""From a pod of the input to its workload: as the operator's walk (``kube.owner_resolver``), in the objects given.

Whatever is not in the input is known by its reference only. A label leads on only if it has the owner's UID.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from coroner_categorizer.objects.pod import Metadata, OwnerReference, Pod
from coroner_categorizer.objects.workload import Workload
from coroner_operator.config.presets import owner_labels, preset_kind, presets
from coroner_operator.kube.owner_resolver import MAX_OWNER_DEPTH, controller_of, owner_ref, owner_type
from coroner_operator.kube.resources import BUILTIN_KINDS, NODE, is_namespaced
from coroner_operator.model.workload_ref import WorkloadRef

_BUILTIN_GROUPS = frozenset(resource.group for resource in BUILTIN_KINDS)


class InputOwners:
    def __init__(self, subjects: Iterable[Pod | Workload]) -> None:
        self._objects = {subject.metadata.uid: subject for subject in subjects if subject.metadata.uid}

    def owners_of(self, subject: Pod | Workload) -> list[WorkloadRef]:
        """All owners that are known, from the lowest upwards."""
        chain: list[WorkloadRef] = []
        met, metadata = {subject.metadata.uid}, subject.metadata
        while len(chain) < MAX_OWNER_DEPTH:
            above = [owner for owner in self._above(metadata) if owner.uid not in met]
            chain += (owner_ref(owner, subject.metadata.namespace) for owner in above)
            met.update(owner.uid for owner in above)
            found = self._objects.get(above[-1].uid) if above else None
            if found is None:
                break
            metadata = found.metadata
        return chain

    def _above(self, metadata: Metadata) -> list[OwnerReference]:
        """The owner; if it is not in the input, it may be deleted: labels of what it owns name what is above it."""
        owner = _owner(metadata)
        if owner is None or owner.uid in self._objects:
            return [] if owner is None else [owner]
        labelled = next(_labelled_owners(metadata), None)
        return [owner] if labelled is None or labelled.uid == owner.uid else [owner, labelled]

    def workload_of(self, subject: Pod | Workload) -> WorkloadRef:
        """The topmost owner of a kind that a preset lists as a workload, else the topmost; it may be the object."""
        metadata = subject.metadata
        own = WorkloadRef(subject.apiVersion, subject.kind, metadata.namespace, metadata.name, metadata.uid)
        chain = [own, *self.owners_of(subject)]
        return next((ref for ref in reversed(chain) if _is_workload(ref)), chain[-1])


def _owner(metadata: Metadata) -> OwnerReference | None:
    """The owner reference to follow: the controller's, else the only one, if a preset knows its kind."""
    owner = controller_of(metadata)
    if owner is None and len(metadata.ownerReferences) == 1 and _preset_knows(metadata.ownerReferences[0]):
        (owner,) = metadata.ownerReferences
    if owner is None or not owner.uid or owner_type(owner) == NODE:
        return None
    return owner if is_namespaced(*owner_type(owner)) else None


def _labelled_owners(metadata: Metadata) -> Iterator[OwnerReference]:
    """The owners that labels name by their UID."""
    for labels, kinds in owner_labels(presets()):
        name, uid = metadata.labels.get(labels.name, ""), metadata.labels.get(labels.uid, "") if labels.uid else ""
        if name and uid and labels.labels.items() <= metadata.labels.items():
            for kind in kinds:
                yield OwnerReference(f"{kind.group}/v1", kind.kind, name, uid)


def _is_workload(ref: WorkloadRef) -> bool:
    known = None if ref.group in _BUILTIN_GROUPS else preset_kind(ref.group, ref.kind)
    return known is not None and not known.walk


def _preset_knows(owner: OwnerReference) -> bool:
    group, kind = owner_type(owner)
    return group not in _BUILTIN_GROUPS and preset_kind(group, kind) is not None
