"""Gangs of which one pod fails by itself and all others end because of it, and what their reports must say in the end.

Kubelets report in any order: consequences are often seen before their cause. Each pod stays until its failure has been
counted, as the pods of a Job do. Until they end, some pods are restarted by their own rules, which is no failure.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.chaos.backends import Backend, Object
from tests.chaos.failure_simulation import counts_of, wait_until_none
from tests.support.live_objects import ago, changed, ended, live_pod, workload

FINALIZER = "example.com/simulation"
"""With the Job controller's own (batch.kubernetes.io/job-tracking) it would remove it from pods of other Jobs."""
RULE_EXIT_CODE = 42
RULE = {"action": "Restart", "exitCodes": {"operator": "In", "values": [RULE_EXIT_CODE]}}
RESTARTS = 2  # by rule, of every fifth pod, before it ends
CUDA_ERROR = """Traceback (most recent call last):
  File "/app/sim.py", line 88, in step
    y = model(x)
RuntimeError: CUDA error: an illegal memory access was encountered
"""
NCCL_ERROR = """Traceback (most recent call last):
  File "/app/train.py", line 201, in <module>
    trainer.fit()
torch.distributed.DistBackendError: NCCL error in: /pytorch/torch/csrc/distributed/c10d/NCCLUtils.hpp:268, \
remote process exited or there was a network error, NCCL version 2.21.5
ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.
Last error:
socketProgressOpt: Call to recv from 198.51.100.9<33759> failed : Connection reset by peer
"""
WATCHDOG = """terminate called after throwing an instance of 'c10::DistBackendError'
  what():  [PG 0 (default_pg) Rank 2] Process group watchdog thread terminated with exception: [Rank 2] Watchdog caught \
collective operation timeout: WorkNCCL(SeqNum=8812, OpType=ALLREDUCE, Timeout(ms)=1800000) ran for 1800035 milliseconds
"""


class End(NamedTuple):
    """How a pod ends, and what is to be counted for it."""

    exit_code: int
    reason: str
    message: str
    name: str
    is_deleted: bool = False
    """Its controller has deleted it before."""


# Their texts are those of tests/fixtures/pods (gang-pytorchjob-oom-*, gang-jobset-cuda-*).
INITIATORS = (
    End(137, "OOMKilled", "", "resources/oom-killed"),
    End(3, "Error", "", "user-code/error-exit"),
    End(1, "Error", CUDA_ERROR, "accelerator/device-error"),
    End(139, "Error", "", "user-code/segfault"),
)
CONSEQUENCES = (
    End(1, "Error", NCCL_ERROR, "accelerator/nccl-error"),
    End(134, "Error", WATCHDOG, "accelerator/nccl-error"),
    End(143, "Error", "", "cancelled/deleted", is_deleted=True),
    End(137, "Error", "", "cancelled/deleted", is_deleted=True),
)


@dataclass
class Gang:
    """A Job, its pods, and what has happened to them so far."""

    owner: Object
    pods: list[Object]
    """In their present state."""
    initiator: int
    """Its place among the pods."""
    expected: Counter[str] = field(default_factory=Counter)
    """By "category/subcategory"."""
    began: str = ""
    """When the initiator ended; "" before anything has."""
    restarts: Counter[int] = field(default_factory=Counter)
    """By rule, of each pod."""
    removable: set[int] = field(default_factory=set)
    """Pods that have ended and still exist."""
    cause: str = ""
    """What the initiator's failure is to be counted for; "" until it is shown."""

    @property
    def name(self) -> str:
        name: str = self.owner["metadata"]["name"]
        return name

    def pod_name(self, number: int) -> str:
        name: str = self.pods[number]["metadata"]["name"]
        return name


class Turn(NamedTuple):
    gang: Gang
    pod: int
    end: End | None
    """None: a restart by its rule."""


class GangStorm:
    """``gangs`` Jobs of ``pods`` pods each, which all end within the storm."""

    def __init__(self, backend: Backend, rng: random.Random, *, gangs: int, pods: int) -> None:
        self._backend = backend
        self._rng = rng
        self._size = (gangs, pods)
        self._turns: deque[Turn] = deque()
        self._numbers = 0
        self.gangs: list[Gang] = []

    async def set_up(self) -> None:
        """All pods run."""
        gangs, pods = self._size
        for number in range(gangs):
            self.gangs.append(await self._make_gang(f"gang-{number}", pods))
        self._turns = self._shuffled()

    @property
    def turns(self) -> int:
        """How many are left."""
        return len(self._turns)

    async def advance(self, turns: int) -> None:
        """What happens next, to any pods; some of the gangs that are counted lose pods."""
        await self._remove_some()
        for _ in range(min(turns, len(self._turns))):
            await self._take(self._turns.popleft())

    async def differences(self) -> list[str]:
        """What the reports do not say as it is, one line a gang."""
        shown = await self._statuses()
        return [line for gang in self.gangs for line in _differences(gang, shown.get(gang.name, {}))]

    async def wait_until_exact(self, within: float) -> None:
        """Counts, restarts, and the initiator wherever it has ended."""
        await wait_until_none(self.differences, within)

    async def end_all(self) -> None:
        """The Jobs have failed for good, and no pod is left."""
        for gang in self.gangs:
            await self._backend.put({**gang.owner, "status": _failed()})
            for number in sorted(gang.removable):
                await self._remove(gang, number)

    async def states(self) -> dict[str, str]:
        return {name: status["state"] for name, status in (await self._statuses()).items()}

    async def _make_gang(self, name: str, pods: int) -> Gang:
        # managedBy: the Job controller of a real cluster leaves it alone.
        template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]}}
        owner = await self._backend.put(
            {**workload("Job", name, managedBy="example.com/simulation", template=template), "status": {}}
        )
        return Gang(
            owner,
            [await self._backend.put(_pod(f"{name}-{number}", owner, number)) for number in range(pods)],
            self._rng.randrange(pods),
        )

    def _shuffled(self) -> deque[Turn]:
        """In any order, but each pod's restarts before its end."""
        courses = [self._course(gang, number) for gang in self.gangs for number in range(len(gang.pods))]
        order = [number for number, course in enumerate(courses) for _ in course]
        self._rng.shuffle(order)
        return deque(courses[number].popleft() for number in order)

    def _course(self, gang: Gang, number: int) -> deque[Turn]:
        """What happens to one pod."""
        end = self._rng.choice(INITIATORS if number == gang.initiator else CONSEQUENCES)
        restarts = RESTARTS if _has_rule(number) else 0
        return deque([*[Turn(gang, number, None)] * restarts, Turn(gang, number, end)])

    async def _take(self, turn: Turn) -> None:
        gang, number, end = turn
        self._numbers += 1
        gang.began = gang.began or ago(seconds=0)
        if end is None:
            gang.restarts[number] += 1
            last = ended(RULE_EXIT_CODE, number=self._numbers)
            pod = changed(gang.pods[number], last=last, restarts=gang.restarts[number])
        else:
            pod = self._ended(gang, number, end)
        pod["spec"] = gang.pods[number]["spec"]
        gang.pods[number] = await self._backend.put(pod)

    def _ended(self, gang: Gang, number: int, end: End) -> Object:
        state = ended(end.exit_code, end.reason, end.message, number=self._numbers)
        old = gang.pods[number]
        restarts = gang.restarts[number]
        (before,) = old["status"]["containerStatuses"]
        last = before["lastState"] if restarts else None
        pod = changed(old, phase="Failed", state=state, last=last, restarts=restarts)
        if number == gang.initiator:
            state["terminated"] |= {"startedAt": old["metadata"]["creationTimestamp"], "finishedAt": gang.began}
            gang.cause = end.name
        if end.is_deleted:
            deletion = {
                "deletionTimestamp": ago(hours=-1),
                "deletionGracePeriodSeconds": 3600,
            }  # however slow the machine is
            pod["metadata"] = {**old["metadata"], **deletion}
        gang.expected[end.name] += 1
        gang.removable.add(number)
        return pod

    async def _remove_some(self) -> None:
        """Pods of gangs that are counted, the initiator among them."""
        shown = await self._statuses()
        for gang in self.gangs:
            if not _differences(gang, shown.get(gang.name, {})):
                for number in sorted(gang.removable):
                    if self._rng.random() < 0.3:
                        await self._remove(gang, number)

    async def _remove(self, gang: Gang, number: int) -> None:
        await self._backend.delete(gang.pod_name(number))
        gang.removable.discard(number)

    async def _statuses(self) -> dict[str, Object]:
        """Status by name of the workload."""
        return {
            report["spec"]["workload"]["name"]: report["status"]
            for report in await self._backend.reports()
            if "status" in report
        }


def _has_rule(number: int) -> bool:
    return number % 5 == 0


def _pod(name: str, owner: Object, number: int) -> Object:
    """A pod that runs, as a Job makes it."""
    pod = live_pod(name, owner=owner)
    pod["spec"]["restartPolicy"] = "Never"
    pod["metadata"]["finalizers"] = [FINALIZER]
    if _has_rule(number):
        (container,) = pod["spec"]["containers"]
        container |= {"restartPolicy": "Never", "restartPolicyRules": [RULE]}
    return pod


def _differences(gang: Gang, status: Object) -> list[str]:
    """What the report of this gang does not say as it is."""
    failures = gang.expected.total()
    wanted: dict[str, object] = {"failures": failures, "restartsByRule": gang.restarts.total()} if failures else {}
    if gang.cause:
        followers = failures - 1
        wanted |= {"initiator": gang.pod_name(gang.initiator), "cause": gang.cause, "followers": followers}
    followers = status.get("followers", {})
    shown = {
        "failures": status.get("failures", 0),
        "restartsByRule": status.get("restartsByRule", 0),
        "initiator": status.get("initiator", {}).get("pod"),
        "cause": f"{status.get('category')}/{status.get('subcategory')}",
        "followers": followers.get("pods", 0),
    }
    found = [f"{gang.name}: {key} {shown[key]}, not {value}" for key, value in wanted.items() if shown[key] != value]
    if counts_of(status) != gang.expected:
        found.append(f"{gang.name}: counted {dict(counts_of(status))}, happened {dict(gang.expected)}")
    if status.get("unseen") or status.get("lowerBound") or followers.get("lowerBound"):
        found.append(f"{gang.name}: unseen {status.get('unseen')}, or a lower bound")
    return found


def _failed() -> Object:
    """As far as a real API server insists on it."""
    reason = {"reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": ago(), **reason} for kind in ("FailureTarget", "Failed")
    ]
    return {"startTime": ago(minutes=10), "failed": 1, "conditions": conditions}
