"""Objects → one explanation for each pod, and for each workload whose pods could not be created."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from coroner_categorizer.objects.event import Event, ObjectReference
from coroner_categorizer.objects.pod import Metadata, OwnerReference, Pod
from coroner_categorizer.objects.workload import Workload
from coroner_categorizer.verdict import Classification, Verdict
from coroner_operator.cli.input_objects import InputObjects
from coroner_operator.config.end_states import lifetime
from coroner_operator.controller.pod_filters import is_deletion, is_retired

_NO_WORKLOADS = frozenset({"", "Pod", "Node", "Namespace", "PersistentVolume", "PersistentVolumeClaim"})
"""Kinds whose events are never about pods that could not be created."""


class Classifier(Protocol):
    """The methods of a Categorizer that are used."""

    def classify_pod(self, pod: Pod, events: Sequence[Event] = (), owner: Workload | None = None) -> Classification: ...

    def classify_workload(self, workload: Workload, events: Sequence[Event]) -> Classification: ...

    def classify_job(self, job: Workload) -> Classification: ...


class Explanation(NamedTuple):
    kind: str
    namespace: str
    name: str
    verdict: Verdict | None
    """None: nothing is failing, or no rule matched."""
    unexplained: bool = False
    """It is failing, and no rule matched."""
    restarts_by_rule: int = 0
    """How many restarts the pod's restartPolicyRules have caused."""

    @property
    def is_failing(self) -> bool:
        return self.unexplained or self.verdict is not None


def explain_objects(objects: InputObjects, classifier: Classifier) -> list[Explanation]:
    """In input order; workloads that only events name come last. Joined by UID, never by name."""
    events = _by_uid(objects.events)
    nodes = _by_node(objects.events)
    pods = [subject for subject in objects.subjects if isinstance(subject, Pod)]
    owners = {reference.uid for pod in pods for reference in pod.metadata.ownerReferences}
    explanations: list[Explanation] = []
    for subject in objects.subjects:
        involving = events.get(subject.metadata.uid, [])
        if isinstance(subject, Pod):
            owner = _owner(subject, objects.find_owner)
            about_owner = events.get(owner.metadata.uid, []) if owner else []
            relevant = [*involving, *nodes.get(subject.spec.nodeName, []), *about_owner]
            explanations.append(_pod_explanation(subject, classifier.classify_pod(subject, relevant, owner)))
        else:
            has_pods = subject.metadata.uid in owners
            explanations += _create_failures(subject, involving, classifier, has_pods=has_pods)
    given = {subject.metadata.uid for subject in objects.subjects}
    for uid, involving in events.items():
        if uid not in given and involving[0].involved.kind not in _NO_WORKLOADS:
            explanations += _create_failures(_workload_from_reference(involving[0].involved), involving, classifier)
    return explanations


def _by_uid(events: Iterable[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.involved.uid:
            found.setdefault(event.involved.uid, []).append(event)
    return found


def _by_node(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Events about nodes, e.g. SystemOOM. By name: the kubelet uses the name of its node as UID, others the UID."""
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.involved.kind == "Node":
            found.setdefault(event.involved.name, []).append(event)
    return found


def _owner(pod: Pod, find: Callable[[str], Workload | None]) -> Workload | None:
    """The pod's controller if it is in the input, else another owner that is."""

    def controller_first(reference: OwnerReference) -> bool:
        return not reference.controller

    owners = (find(reference.uid) for reference in sorted(pod.metadata.ownerReferences, key=controller_first))
    return next((owner for owner in owners if owner is not None), None)


def _create_failures(
    workload: Workload, events: list[Event], classifier: Classifier, *, has_pods: bool = True
) -> list[Explanation]:
    """Why pods could not be created; of a Job without pods, why it failed by its own condition."""
    classification = classifier.classify_workload(workload, events)
    if workload.kind == "Job" and not classification.failing and not has_pods:
        classification = classifier.classify_job(workload)
    return [_explanation(workload, classification)] if classification.failing else []


def _pod_explanation(pod: Pod, classification: Classification) -> Explanation:
    """A pod that a roll-out or a scale-down removed has not failed, however its program ended."""
    verdict = classification.verdict
    if verdict is not None and is_deletion(verdict) and is_retired(pod, lifetime):
        classification = msgspec.structs.replace(classification, verdict=None, failing=False)
    return _explanation(pod, classification)


def _explanation(subject: Pod | Workload, classification: Classification) -> Explanation:
    verdict, metadata = classification.verdict, subject.metadata
    unexplained = classification.failing and verdict is None
    restarts = classification.restarts_by_rule
    return Explanation(subject.kind, metadata.namespace, metadata.name, verdict, unexplained, restarts)


def _workload_from_reference(reference: ObjectReference) -> Workload:
    """What is known about a workload that is not in the input."""
    metadata = Metadata(name=reference.name, namespace=reference.namespace, uid=reference.uid)
    return Workload(apiVersion=reference.apiVersion, kind=reference.kind, metadata=metadata)
