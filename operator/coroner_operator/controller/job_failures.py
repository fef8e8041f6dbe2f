"""Jobs that failed without an observed failure of a pod: then the Job's own condition says why.

The Job controller deletes pods within seconds (t15, t16), a short TTL takes the rest, and a watch can have a gap. The
events that a Job failed outlive both by an hour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from cachetools import LRUCache

from coroner_categorizer import Failure, Pod
from coroner_operator.controller.classification import Classifier
from coroner_operator.kube.owner_resolver import OwnerResolver, Owners, controller_key
from coroner_operator.model.workload_ref import WorkloadKey, WorkloadRef
from coroner_operator.reports.cache import ReportCache

# Warning events of the Job controller when it sets the Failed condition: its reasons are the condition's.
JOB_FAILURE_REASONS = frozenset(
    {"BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy", "FailedIndexes", "MaxFailedIndexesExceeded"}
)
GRACE = 3.0  # s; the pods' own failures, seen at the same time, come first
_REMEMBERED = 10_000  # Jobs, ~100 bytes each


class JobFailures:
    def __init__(
        self,
        classifier: Classifier,
        owners: OwnerResolver,
        reports: ReportCache,
        pods_listed: Callable[[], bool] = lambda: True,
    ) -> None:
        """``pods_listed``: whether all pods that exist have been observed."""
        self._classifier = classifier
        self._pods_listed = pods_listed
        self._owners = owners
        self._reports = reports
        self._reported: LRUCache[WorkloadKey, None] = LRUCache(_REMEMBERED)
        """Controllers of whose pods a failure was reported."""
        self._unclassified: Counter[WorkloadKey] = Counter()
        """Jobs with observed states of pods that are not classified yet, and how many."""

    def begin(self, pod: Pod) -> None:
        """A state of the pod was observed and will be classified; ``end`` says when it has been."""
        if (job := _job_key(pod)) is not None:
            self._unclassified[job] += 1

    def end(self, pod: Pod) -> None:
        if (job := _job_key(pod)) is not None:
            self._unclassified[job] -= 1
            if self._unclassified[job] <= 0:
                del self._unclassified[job]

    def must_wait(self, job: WorkloadRef) -> bool:
        """Whether pods of the Job are being classified, or are not listed yet: their failures come before its own."""
        return job.key in self._unclassified or not self._pods_listed()

    def mark_reported(self, pod: Pod) -> None:
        """A failure of this pod is being reported."""
        controller = controller_key(pod.metadata)
        if controller is not None:
            self._reported[controller] = None

    async def classify(self, ref: WorkloadRef) -> tuple[Owners, tuple[Failure, ...]] | None:
        """What the Job belongs to, and what to report of it; None where pods of it are reported, or it has not failed.

        Raises ApiError.
        """
        if ref.key in self._reported:
            return None
        job, classification = await self._classifier.classify_job(ref)
        if job is None or classification is None or classification.verdict is None:
            return None
        owners = await self._owners.owners_above(ref)
        stored = await self._reports.get(owners.workload)
        made = job.metadata.creationTimestamp
        # After a restart only the report knows what was reported of this run of the Job.
        if stored and any(made is None or record.at >= made for record in stored.report.history):
            return None
        return owners, classification.failures


def _job_key(pod: Pod) -> WorkloadKey | None:
    controller = controller_key(pod.metadata)
    return controller if controller is not None and (controller.group, controller.kind) == ("batch", "Job") else None
