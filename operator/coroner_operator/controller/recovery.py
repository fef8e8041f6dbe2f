"""When a failing workload is well again: none of its pods fails, and it is well by its own status or by its pods.

The newest pod alone does not tell (in a StatefulSet an older member may be the one that crashes), nor does an
instant: pods must have been Ready for a while, see ``case.probation``. As long as others fail, a pod that is well or
gone only leaves the word to them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from coroner_categorizer.objects.pod import Pod
from coroner_operator.controller.pod_filters import is_healthy
from coroner_operator.controller.recovery_state import FailedPod, WorkloadRecovery, has_crashed, stabilization_seconds
from coroner_operator.controller.workload_health import WorkloadHealth, read_health
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import ApiError
from coroner_operator.kube.owner_resolver import controller_of, workload_path
from coroner_operator.model.report import WorkloadRef

log = logging.getLogger("coroner.recovery")

CHECK_DELAY = 0.2  # s; a burst of looks at one workload's pods asks once
FIRST_RECHECK = 1.0  # s; a roll-out is through some seconds after the last old pod is gone
LAST_RECHECK = 60.0  # s; what no pod event tells: a Deployment whose new pods are in a new ReplicaSet, a CronJob
CONCURRENT_CHECKS = 4
SPEAKERS = 16  # failing pods that are looked at again when the one that spoke for them is well


class Recovery:
    """``open()`` for every failing workload, ``fails()`` or ``shows_no_failure()`` after every look at a pod of one,
    ``gone()`` when it is deleted, ``begin()`` after the LIST.
    """

    def __init__(
        self,
        client: Client,
        recovery_after: float,
        on_recovered: Callable[[WorkloadRef], None],
        speak: Callable[[str, frozenset[str]], None],
    ) -> None:
        """``recovered`` is called once for a workload that is well again.

        ``speak`` is called with the UID of a pod that fails, and those of its workload's pods that do not any more.
        """
        self._client = client
        self._recovery_after = recovery_after
        self._on_recovered = on_recovered
        self._speak = speak
        self._recoveries: dict[str, WorkloadRecovery] = {}
        self._of_controller: dict[str, str] = {}
        """UID of a pod's own controller → UID of the failing workload above it."""
        self._of_pod: dict[str, str] = {}
        self._by_pods_only: Counter[str] = Counter()
        """Namespaces with failing workloads of kinds that cannot be read: any pod there may speak for them."""
        self._started = False
        self._slots = asyncio.Semaphore(CONCURRENT_CHECKS)
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._recoveries)

    def track(self, workload: WorkloadRef, failed_at: datetime | None, speaker: str = "") -> None:
        """The workload fails, since ``failed_at`` at the latest. ``speaker``: UID of the pod that its report names."""
        case = self._recoveries.get(workload.uid)
        if case is None:
            case = self._recoveries[workload.uid] = WorkloadRecovery(workload)
            self._index(case, workload.uid)
            if workload.kind == "Pod":
                self._of_pod[workload.uid] = workload.uid
            elif workload_path(workload) is None:
                self._by_pods_only[workload.namespace] += 1
        if speaker:  # it may have gone, or be well, since the report was written
            case.failed_pods.setdefault(speaker, FailedPod(terminal=True))
            self._of_pod[speaker] = workload.uid
        if failed_at is not None and (case.failed_at is None or failed_at > case.failed_at):
            case.failed_at = failed_at
            # Pods that were well before the failure prove nothing about what comes after it.
            case.healthy_pods.clear()
            case.healthy_since = None

    def start(self) -> None:
        """All pods have been listed: from now on the absence of failing pods means something."""
        self._started = True
        for case in tuple(self._recoveries.values()):
            self._check(case)

    def may_matter(self, pod: Pod) -> bool:
        """Whether a pod that shows no failure may matter to a failing workload. Cheap."""
        if not self._recoveries:
            return False
        if pod.metadata.uid in self._of_pod or pod.metadata.namespace in self._by_pods_only:
            return True
        controller = controller_of(pod.metadata)
        return (controller.uid if controller else pod.metadata.uid) in self._of_controller

    def on_pod_failing(self, workload: WorkloadRef, pod: Pod, failed_at: datetime | None) -> None:
        """A failure of this pod has just been told."""
        self.track(workload, failed_at or datetime.now(UTC))
        case = self._recoveries[workload.uid]
        case.failed_pods[pod.metadata.uid] = FailedPod(terminal=pod.status.phase == "Failed")
        case.healthy_pods.pop(pod.metadata.uid, None)
        case.healthy_since = None
        self._of_pod[pod.metadata.uid] = workload.uid
        controller = controller_of(pod.metadata)
        if controller is not None:
            self._index(case, controller.uid)
        if case.silent and pod.status.phase != "Failed":  # a wait may be dated before the end of a pod that is gone
            self._check(case)
        if pod.status.phase == "Failed" and self._started and case.timer is None and not case.checking:
            # Not at once: in a burst its siblings fail in the same second, and one look at the workload does for all.
            self._later(case, asyncio.get_running_loop().time() + FIRST_RECHECK)

    def on_pods_not_created(self, workload: WorkloadRef, failed_at: datetime) -> None:
        """The workload's pods cannot be created."""
        self.track(workload, failed_at)
        self._recoveries[workload.uid].create_failed_at = failed_at
        self._check(self._recoveries[workload.uid])

    def silent(self, workload: WorkloadRef, pod_uids: frozenset[str]) -> frozenset[str]:
        """Those of the pods that have not failed again."""
        case = self._recoveries.get(workload.uid)
        return frozenset(uid for uid in pod_uids if case is None or not case.has_failed(uid))

    def on_pod_not_failing(self, workload: WorkloadRef, pod: Pod) -> None:
        """The pod exists and nothing is failing in it."""
        case = self._recoveries.get(workload.uid)
        if case is None:
            return
        uid = pod.metadata.uid
        made = pod.metadata.creationTimestamp
        if case.create_failed_at and made and made > case.create_failed_at:  # pods can be created again
            case.create_failed_at = None
            case.silent.add("")
        member = case.failed_pods.get(uid)
        if not is_healthy(pod):  # starting, or not ready: no proof of anything
            case.healthy_pods.pop(uid, None)
            if member is not None:
                member.healthy_from, member.silenced = None, False
            return
        well_from = asyncio.get_running_loop().time() + stabilization_seconds(pod, self._recovery_after)
        if member is None and has_crashed(pod):  # after a restart of ours: a loop between two crashes
            member = case.failed_pods[uid] = FailedPod(terminal=False)
        created = pod.metadata.creationTimestamp
        if member is not None:
            member.healthy_from = member.healthy_from or well_from
            member.terminal = False
        if member is not None or case.failed_at is None or (created is not None and created > case.failed_at):
            case.add_healthy_pod(uid, well_from)
        if uid in case.failed_pods or uid in case.healthy_pods:
            self._of_pod[uid] = workload.uid
        self._check(case)

    def on_pod_deleted(self, pod_uid: str) -> None:
        """The pod does not exist any more."""
        case = self._recoveries.get(self._of_pod.pop(pod_uid, ""))
        if case is None:
            return
        if case.workload.uid == pod_uid:  # a bare pod: what is gone does not recover
            self._close(case)
        elif case.drop(pod_uid):
            self._check(case)

    def on_pods_listed(self, pod_uids: set[str], is_in_scope: Callable[[WorkloadRef], bool]) -> None:
        """Of the workloads in scope only these pods exist."""
        for uid, workload_uid in tuple(self._of_pod.items()):
            case = self._recoveries.get(workload_uid)
            if uid not in pod_uids and (case is None or is_in_scope(case.workload)):
                self.on_pod_deleted(uid)

    async def close(self) -> None:
        for case in tuple(self._recoveries.values()):
            self._close(case)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _check(self, case: WorkloadRecovery) -> None:
        """Something has happened to the case's pods: find out soon whether the workload is well."""
        if not self._started or self._recoveries.get(case.workload.uid) is not case:
            return
        case.checks = 0
        soon = asyncio.get_running_loop().time() + CHECK_DELAY
        if case.timer is None or case.timer.when() > soon:
            self._later(case, soon)

    def _later(self, case: WorkloadRecovery, due: float) -> None:
        _cancel(case)
        case.timer = asyncio.get_running_loop().call_at(due, self._due, case)

    def _due(self, case: WorkloadRecovery) -> None:
        case.timer = None
        if case.checking:
            case.check_again = True
        elif case.has_failing_pod:  # the next look at that pod comes by itself
            self._let_the_failing_speak(case)
        else:
            case.checking = True
            task = asyncio.create_task(self._check_now(case), name=f"recovery of {case.workload}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _let_the_failing_speak(self, case: WorkloadRecovery) -> None:
        next_at = case.silence(asyncio.get_running_loop().time())
        if next_at is not None:
            self._later(case, next_at)
        silent, case.silent = frozenset(case.silent), set()
        if silent:
            for uid in case.failing[-SPEAKERS:]:
                self._speak(uid, silent)

    async def _check_now(self, case: WorkloadRecovery) -> None:
        workload = case.workload
        try:
            async with self._slots:
                state = await read_health(self._client, workload, case.failed_at)
        except ApiError as error:
            log.info("%s/%s: whether it is well cannot be read: %s", workload.namespace, workload, error)
            state = WorkloadHealth.UNHEALTHY
        except Exception:
            log.exception("%s/%s: its status cannot be understood", workload.namespace, workload)
            state = WorkloadHealth.UNKNOWN
        finally:
            case.checking = False
        if case.check_again:
            case.check_again = False
            self._check(case)
        elif self._recoveries.get(workload.uid) is not case:
            return
        elif case.has_failing_pod:  # since we asked
            self._let_the_failing_speak(case)
        else:
            self._conclude(case, state)

    def _conclude(self, case: WorkloadRecovery, state: WorkloadHealth) -> None:
        now = asyncio.get_running_loop().time()
        match state:
            case WorkloadHealth.TERMINAL:
                self._close(case)
                return
            case WorkloadHealth.COMPLETED:
                due = now
            case WorkloadHealth.HEALTHY:
                case.healthy_since = case.healthy_since or now
                due = max(case.healthy_since + self._recovery_after, case.pods_healthy_from)
            case WorkloadHealth.UNKNOWN:
                if not case.healthy_pods:
                    return  # a pod that speaks for it will come by itself
                due = max(min(case.healthy_pods.values()), case.pods_healthy_from)
            case WorkloadHealth.UNHEALTHY:
                case.healthy_since = None
                due = now + min(FIRST_RECHECK * 2**case.checks, LAST_RECHECK)
                case.checks = min(case.checks + 1, 16)
        if due > now:
            self._later(case, due)
            return
        log.info("%s/%s: well again: %s", case.workload.namespace, case.workload, state.value)
        self._close(case)
        self._on_recovered(case.workload)

    def _index(self, case: WorkloadRecovery, controller_uid: str) -> None:
        case.controllers.add(controller_uid)
        self._of_controller[controller_uid] = case.workload.uid

    def _close(self, case: WorkloadRecovery) -> None:
        _cancel(case)
        self._recoveries.pop(case.workload.uid, None)
        for uid in (case.workload.uid, *case.failed_pods, *case.healthy_pods):
            self._of_pod.pop(uid, None)
        for uid in case.controllers:
            self._of_controller.pop(uid, None)
        namespace = case.workload.namespace
        if namespace in self._by_pods_only and workload_path(case.workload) is None and case.workload.kind != "Pod":
            self._by_pods_only[namespace] -= 1
            if not self._by_pods_only[namespace]:
                del self._by_pods_only[namespace]


def _cancel(case: WorkloadRecovery) -> None:
    if case.timer is not None:
        case.timer.cancel()
        case.timer = None
