"""Failures of many workloads, one after the other, and the record of what must be counted in the end.

Whatever counts stays visible in the API until it has been counted, as a kubelet's pods do for their owners' retries;
what a restart has overwritten is expected as "not seen".
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.backends import Backend, Object
from tests.support.live_objects import ago, changed, ended, failed_pod, live_pod, running, waiting, workload
from tests.support.waiting import until

UNOBSERVED = "unknown/uncategorized"
FAILING = "Failing"
JUMP = 3  # restarts at once: the kubelet shows the last of them only

# Exit code, reason and termination message, and what is to be counted for them.
ENDINGS: tuple[tuple[int, str, str, str], ...] = (
    (1, "Error", "", "user-code/error-exit"),
    (137, "OOMKilled", "", "resources/oom-killed"),
    (127, "Error", "", "user-config/bad-command"),
    (139, "Error", "", "user-code/segfault"),
    (137, "Error", "", "unknown/sigkill"),
    (1, "Error", "RuntimeError: CUDA out of memory", "accelerator/device-oom"),
)


@dataclass
class SimulatedWorkload:
    """One workload, and what it still has to suffer."""

    name: str
    crash_loop: bool
    """Pods that restart, and are workloads of their own; else a Job whose pods fail for good."""
    left: int
    owner: Object | None = None
    expected: Counter[str] = field(default_factory=Counter)
    """By "category/subcategory"."""
    pod: Object | None = None
    """The present state of a crash loop."""
    last: Object | None = None
    """The end of its container that it shows."""
    shown: str = ""
    """What that is to be counted for."""
    instances: int = 0
    """How many instances of the pod's container have ended."""
    deletable: list[str] = field(default_factory=list)
    """Pods that failed for good and still exist."""

    @property
    def failures(self) -> int:
        return self.expected.total()


class FailureSimulation:
    """``workloads`` of which each fails ``failures`` times; half of them are Jobs, half are pods in a crash loop."""

    def __init__(self, backend: Backend, rng: random.Random, *, workloads: int, failures: int) -> None:
        self.backend = backend
        self._rng = rng
        self.operator_is_down = False
        """Crash loops go on although their last end is not counted: it is overwritten, and will not be seen."""
        self._numbers = 0
        self._turn = 0
        self.workloads = [
            SimulatedWorkload(f"job-{number}" if number % 2 else f"loop-{number}", not number % 2, failures)
            for number in range(workloads)
        ]

    async def set_up(self) -> None:
        for simulated in self.workloads:
            if not simulated.crash_loop:
                # managedBy: the Job controller of a real cluster leaves it alone.
                template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]}}
                job = workload("Job", simulated.name, managedBy="example.com/simulation", template=template)
                if self.backend.namespace != "default":
                    job["status"] = {}
                simulated.owner = await self.backend.put(job)

    @property
    def is_over(self) -> bool:
        return not any(simulated.left for simulated in self.workloads)

    @property
    def failures(self) -> int:
        """All that have happened so far."""
        return sum(simulated.failures for simulated in self.workloads)

    async def advance(self, turns: int) -> None:
        """The next ``turns`` workloads fail: in turn, so that none is idle for long."""
        shown = await self._statuses()
        for _ in range(turns):
            simulated = self.workloads[self._turn % len(self.workloads)]
            self._turn += 1
            if simulated.left:
                await self._fail(simulated, is_counted=counts_of(shown.get(simulated.name)) == +simulated.expected)

    async def advance_in_step(self, turns: int, lag: int) -> None:
        """The next turns; then wait until all but ``lag`` failures are counted, so that no operator is ever idle."""
        before = self.failures
        await self.advance(turns)
        wanted = self.failures - (lag if self.failures > before else 0)

        async def missing() -> list[str]:
            counted = sum(status.get("failures", 0) for status in (await self._statuses()).values())
            return [] if counted >= wanted else [f"{counted} of {wanted}", *await self.differences()]

        await wait_until_none(missing, within=60)

    async def recover_all_but_one(self, within: float = 30) -> None:
        """Jobs complete, pods run; one pod runs as well, but only until its next crash. The reports tell them apart."""
        one = await self._crash_after_a_minute()
        for simulated in self.workloads:
            if simulated.owner is not None:
                retry = live_pod(
                    f"{simulated.name}-at-last", owner=simulated.owner, phase="Succeeded", state=ended(0, "Completed")
                )
                retry["spec"]["restartPolicy"] = "Never"
                await self.backend.put(retry)
                await self.backend.put({**simulated.owner, "status": _completed()})
            elif simulated.pod is not None:
                await self.backend.put(
                    changed(simulated.pod, state=running(), last=simulated.last, restarts=simulated.instances)
                )

        async def ill() -> list[str]:
            shown = await self._statuses()
            return [
                f"{name}: {it.get('state')}" for name, it in shown.items() if it["state"] == FAILING and name != one
            ]

        await wait_until_none(ill, within)
        assert (await self._statuses())[one]["state"] == FAILING
        await self.wait_until_exact(within=5)

    async def _crash_after_a_minute(self) -> str:
        """One more end of a crash loop; which one. Its pod is too short-lived to be called well within a test."""
        simulated = next(simulated for simulated in self.workloads if simulated.crash_loop)
        simulated.last = ended(1, number=self._numbers + 1, ran=60)
        simulated.instances += 1
        simulated.expected["user-code/error-exit"] += 1
        state: dict[str, Any] = {
            "state": waiting("CrashLoopBackOff"),
            "last": simulated.last,
            "restarts": simulated.instances - 1,
        }
        simulated.pod = await self.backend.put(
            live_pod(simulated.name, **state) if simulated.pod is None else changed(simulated.pod, **state)
        )
        await self.wait_until_exact(within=30)
        return simulated.name

    async def differences(self) -> list[str]:
        """What the reports say and the book does not, one line a workload."""
        shown = await self._statuses()
        found = []
        for simulated in self.workloads:
            status = shown.get(simulated.name, {})
            if counts_of(status) != +simulated.expected or status.get("failures", 0) != simulated.failures:
                found.append(
                    f"{simulated.name}: counted {dict(counts_of(status))}, happened {dict(simulated.expected)}"
                )
            elif status.get("unseen", 0) != simulated.expected[UNOBSERVED] or status.get("lowerBound"):
                found.append(f"{simulated.name}: unseen {status.get('unseen')}, lowerBound {status.get('lowerBound')}")
        return found

    async def wait_until_exact(self, within: float) -> None:
        """Every workload's share and every category's share is what the book says."""
        await wait_until_none(self.differences, within)
        shown = await self._statuses()
        assert shown.keys() == {simulated.name for simulated in self.workloads if simulated.failures}
        assert sum(status["failures"] for status in shown.values()) == self.failures

    async def _fail(self, simulated: SimulatedWorkload, *, is_counted: bool) -> None:
        self._numbers += 1
        exit_code, reason, message, name = self._rng.choice(ENDINGS)
        end = ended(exit_code, reason, message, number=self._numbers, ran=0)
        if not simulated.crash_loop:
            if is_counted and simulated.deletable and self._rng.random() < 0.3:
                await self.backend.delete(simulated.deletable.pop(self._rng.randrange(len(simulated.deletable))))
            dead = failed_pod(f"{simulated.name}-{self._numbers}", exit_code, reason, message, owner=simulated.owner)
            dead["spec"]["restartPolicy"] = "Never"
            await self.backend.put(dead)
            simulated.deletable.append(dead["metadata"]["name"])
            simulated.expected[name] += 1
            simulated.left -= 1
            return
        if simulated.pod is not None and not is_counted:
            if not self.operator_is_down:
                return  # it would overwrite what somebody may have seen or not; its next turn comes
            simulated.expected[simulated.shown] -= 1
            simulated.expected[UNOBSERVED] += 1
        steps = JUMP if simulated.pod is not None and simulated.left >= JUMP and self._rng.random() < 0.3 else 1
        simulated.instances += steps
        simulated.last, simulated.shown = end, name
        # the kubelet's back-off, or its next try
        waits = simulated.pod is None or self._rng.random() < 0.5
        crashed: dict[str, Any] = {
            "state": waiting("CrashLoopBackOff") if waits else running(),
            "last": end,
            "restarts": simulated.instances - waits,
        }
        simulated.pod = await self.backend.put(
            live_pod(simulated.name, **crashed) if simulated.pod is None else changed(simulated.pod, **crashed)
        )
        simulated.expected[name] += 1
        if steps > 1:
            simulated.expected[UNOBSERVED] += steps - 1
        simulated.left -= steps

    async def _statuses(self) -> dict[str, Object]:
        """Status by name of the workload; those of other plays' are left out."""
        names = {simulated.name for simulated in self.workloads}
        return {
            report["spec"]["workload"]["name"]: report["status"]
            for report in await self.backend.reports()
            if "status" in report and report["spec"]["workload"]["name"] in names
        }


def counts_of(status: Object | None) -> Counter[str]:
    """By "category/subcategory"."""
    entries: list[dict[str, Any]] = (status or {}).get("counts", [])
    return Counter({f"{entry['category']}/{entry['subcategory']}": entry["count"] for entry in entries})


def _completed() -> Object:
    """As far as a real API server insists on it."""
    conditions = [{"type": kind, "status": "True"} for kind in ("SuccessCriteriaMet", "Complete")]
    return {"startTime": ago(minutes=10), "completionTime": ago(seconds=0), "conditions": conditions}


async def wait_until_none(find: Callable[[], Awaitable[list[str]]], within: float) -> None:
    """Until ``find`` finds nothing."""

    async def nothing_is_found() -> bool:
        found = await find()
        assert not found, "\n".join((f"{len(found)} workloads:", *found[:20]))
        return True

    await until(nothing_is_found, within, "the reports say what has happened", poll=0.05)
