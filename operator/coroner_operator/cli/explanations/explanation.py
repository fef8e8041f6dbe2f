"""Objects → one explanation for each pod, and for each workload whose pods could not be created.

Those of a workload with several pods have its summary: which pod failed first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from coroner_categorizer.objects.event import Event, ObjectReference
from coroner_categorizer.objects.pod import Metadata, OwnerReference, Pod
from coroner_categorizer.objects.times import newest
from coroner_categorizer.objects.workload import Workload
from coroner_categorizer.stuck.pods import is_never_ready
from coroner_categorizer.verdict import Classification, Failure, Verdict
from coroner_operator.cli.explanations.input_owners import InputOwners
from coroner_operator.cli.explanations.workload_summary import ClassifiedPod, Members, WorkloadSummary, summarize
from coroner_operator.cli.inputs.input_objects import InputObjects
from coroner_operator.config.lifetimes import lifetime, with_success
from coroner_operator.controller.pod_filters import is_deletion, is_retired
from coroner_operator.model.report import Report
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef

_NO_WORKLOADS = frozenset({"", "Pod", "Node", "Namespace", "PersistentVolume", "PersistentVolumeClaim"})
"""Kinds whose events are never about pods that could not be created."""


class Classifier(Protocol):
    """The methods of a Categorizer that are used."""

    def classify_pod(
        self,
        pod: Pod,
        events: Sequence[Event] = (),
        owner: Workload | None = None,
        *,
        now: datetime | None = None,
    ) -> Classification: ...

    def classify_workload(self, workload: Workload, events: Sequence[Event]) -> Classification: ...

    def classify_job(self, job: Workload) -> Classification: ...

    def classify_rollout(self, deployment: Workload) -> Classification: ...


class Waiting(NamedTuple):
    """What a pod waits for that is not failing, or not yet."""

    text: str
    seconds: int | None
    """How long it has; None where that is not known. Of a file: at least."""


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
    failures: tuple[Failure, ...] = ()
    """All that it shows, past ones too."""
    subject: Pod | Workload | None = None
    workload: WorkloadSummary | None = None
    """None: no other pod of its workload is known."""
    waiting: Waiting | None = None
    """Where nothing is failing."""
    members: Members | None = None
    """What is known of its workload; None: nothing, not even a UID."""

    @property
    def uid(self) -> str:
        return "" if self.subject is None else self.subject.metadata.uid

    @property
    def current(self) -> Failure | None:
        """The failure that the verdict is about."""
        return next((failure for failure in self.failures if failure.current), None)

    @property
    def follows(self) -> bool:
        """Whether the pod ended because another one of its workload had failed."""
        return self.workload is not None and self.workload.follows(self.uid, self.current)

    @property
    def is_removed(self) -> bool:
        """Whether its controller did away with the pod, and that is all: its workload has not failed by it."""
        return self.workload is not None and self.uid in self.workload.removed

    @property
    def is_failing(self) -> bool:
        return self.unexplained or self.verdict is not None

    @property
    def report(self) -> Report | None:
        """What a report would say of its workload, as far as that is known."""
        if self.workload is not None:
            return self.workload.report
        if self.members is not None:
            return self.members.summary().report
        subject = self.subject
        if subject is None:
            return None
        metadata = subject.metadata
        ref = WorkloadRef(subject.apiVersion, subject.kind, metadata.namespace, metadata.name, metadata.uid)
        classified = ClassifiedPod(subject if isinstance(subject, Pod) else None, self.failures)
        failing = {metadata.uid} if self.is_failing else set[str]()
        return summarize(ref, [classified], None, failing=failing, unexplained=self.unexplained).report


def explain_objects(objects: InputObjects, classifier: Classifier) -> list[Explanation]:
    """In input order; workloads that only events name come last. Joined by UID, never by name."""
    owners = InputOwners((*objects.subjects, *objects.owners))
    explanations = list(_each(objects, owners, classifier))
    by_workload: dict[WorkloadKey, list[int]] = {}
    workloads: dict[WorkloadKey, WorkloadRef] = {}
    for index, explanation in enumerate(explanations):
        if explanation.subject is not None and explanation.subject.metadata.uid:
            workload = owners.workload_of(explanation.subject)
            workloads.setdefault(workload.key, workload)
            by_workload.setdefault(workload.key, []).append(index)
    for key, indices in by_workload.items():
        members = _members(workloads[key], [explanations[index] for index in indices], objects)
        summary = members.summary() if members.has_several_pods else None
        for index in indices:
            explanations[index] = explanations[index]._replace(workload=summary, members=members)
    return explanations


def _members(ref: WorkloadRef, members: Sequence[Explanation], objects: InputObjects) -> Members:
    pods = {each.uid: each for each in members if isinstance(each.subject, Pod)}  # in its last state
    classified = [
        ClassifiedPod(each.subject if isinstance(each.subject, Pod) else None, each.failures)
        for each in members
        if each.uid not in pods or pods[each.uid] is each
    ]
    return Members(
        ref,
        classified,
        objects.outcome_of(ref.uid),
        failing=frozenset(uid for uid, each in pods.items() if each.is_failing),
        unexplained=any(each.unexplained for each in pods.values()),
        has_several_pods=len(pods) > 1,
    )


def _each(objects: InputObjects, input_owners: InputOwners, classifier: Classifier) -> Iterator[Explanation]:
    """Each for itself."""
    events = _by_uid(objects.events)
    pods = _explain_pods(objects, input_owners, events, classifier)
    failing = {
        owner.uid
        for each in pods.values()
        if each.subject is not None and (each.is_failing or each.failures)
        for owner in input_owners.owners_of(each.subject)
    }
    for number, subject in enumerate(objects.subjects):
        if isinstance(subject, Pod):
            yield pods[number]
        else:
            uid = subject.metadata.uid
            yield from _explain_workload(subject, events.get(uid, []), classifier, pods_fail=uid in failing)
    given = {subject.metadata.uid for subject in objects.subjects}
    for uid, involving in events.items():
        if uid not in given and involving[0].involved.kind not in _NO_WORKLOADS:
            workload = _workload_from_reference(involving[0].involved)
            yield from _explain_workload(workload, involving, classifier, pods_fail=True)


def _explain_pods(
    objects: InputObjects, input_owners: InputOwners, events: Mapping[str, list[Event]], classifier: Classifier
) -> dict[int, Explanation]:
    """By their number in the input."""
    nodes = _by_node(objects.events)
    found: dict[int, Explanation] = {}
    for number, subject in enumerate(objects.subjects):
        if not isinstance(subject, Pod):
            continue
        owners = input_owners.owners_of(subject)
        owner = _succeeded_owner(owners, objects) or _owner(subject, objects.find_owner)
        if is_never_ready(subject):
            owner = _deployment(owners, objects) or owner
        about_owner = events.get(owner.metadata.uid, []) if owner else []
        involving = events.get(subject.metadata.uid, [])
        relevant = [*involving, *nodes.get(subject.spec.nodeName, []), *about_owner]
        now = newest([objects.observed_at(subject), *(event.last_seen for event in involving)])
        found[number] = _explain_pod(subject, classifier.classify_pod(subject, relevant, owner, now=now), objects)
    return found


def _deployment(owners: Iterable[WorkloadRef], objects: InputObjects) -> Workload | None:
    return next((objects.find_owner(owner.uid) for owner in owners if owner.kind == "Deployment"), None)


def _explain_pod(pod: Pod, classification: Classification, objects: InputObjects) -> Explanation:
    now, wait = objects.observed_at(pod), classification.wait
    in_time = _within_grace(pod, classification, now) if now and objects.is_live(pod) else None
    if in_time is not None:
        past = tuple(failure for failure in classification.failures if not failure.waiting)
        classification = msgspec.structs.replace(classification, verdict=None, failing=False, failures=past)
        return _explanation(pod, classification)._replace(waiting=in_time)
    explanation = _pod_explanation(pod, classification)
    if wait is None or explanation.is_failing:
        return explanation
    return explanation._replace(waiting=Waiting(wait.text, _seconds(wait.since, now)))


def _within_grace(pod: Pod, classification: Classification, now: datetime) -> Waiting | None:
    """What a pod waits for that the operator would not report yet."""
    # Imported late: only pods of a cluster need the settings, which are slow to import.
    from coroner_operator.config.settings import GracePeriods  # noqa: PLC0415
    from coroner_operator.controller.pending_timers import pending_phase  # noqa: PLC0415

    primary = next((failure for failure in classification.failures if failure.current), None)
    if primary is None or not primary.waiting or primary.permanent or primary.overdue:
        return None
    scheduled = pod.condition("PodScheduled")
    since = (scheduled.lastTransitionTime if scheduled else None) or pod.metadata.creationTimestamp
    seconds = _seconds(since, now)
    if seconds is None or seconds >= getattr(GracePeriods(), pending_phase(pod)):
        return None
    return Waiting(primary.verdict.message, seconds)


def _seconds(since: datetime | None, now: datetime | None) -> int | None:
    return max(0, int((now - since).total_seconds())) if since and now else None


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


def _succeeded_owner(owners: Iterable[WorkloadRef], objects: InputObjects) -> Workload | None:
    """The lowest owner that has succeeded: what it stopped has not failed, whichever of them owns the pod itself."""
    uids = (owner.uid for owner in owners if objects.outcome_of(owner.uid) == "succeeded")
    found = next((owner for uid in uids if (owner := objects.find_owner(uid)) is not None), None)
    return None if found is None else with_success(found)


def _owner(pod: Pod, find: Callable[[str], Workload | None]) -> Workload | None:
    """The pod's controller if it is in the input, else another owner that is."""

    def controller_first(reference: OwnerReference) -> bool:
        return not reference.controller

    owners = (find(reference.uid) for reference in sorted(pod.metadata.ownerReferences, key=controller_first))
    return next((owner for owner in owners if owner is not None), None)


def _explain_workload(
    workload: Workload, events: list[Event], classifier: Classifier, *, pods_fail: bool
) -> list[Explanation]:
    """Why pods could not be created; where no pod shows a failure, why the workload fails by its own condition."""
    classification = classifier.classify_workload(workload, events)
    if not classification.failing and not pods_fail:
        if workload.kind == "Job":
            classification = classifier.classify_job(workload)
        elif workload.kind == "Deployment":
            classification = classifier.classify_rollout(workload)
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
    restarts, failures = classification.restarts_by_rule, classification.failures
    return Explanation(
        subject.kind, metadata.namespace, metadata.name, verdict, unexplained, restarts, failures, subject
    )


def _workload_from_reference(reference: ObjectReference) -> Workload:
    """What is known about a workload that is not in the input."""
    metadata = Metadata(name=reference.name, namespace=reference.namespace, uid=reference.uid)
    return Workload(apiVersion=reference.apiVersion, kind=reference.kind, metadata=metadata)
