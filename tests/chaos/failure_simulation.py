"""A play: failures of many workloads, one after the other, and the book of what must be counted in the end.

Whatever counts stays visible in the API until it has been counted, as a kubelet's pods do for their owners' retries;
what a restart has overwritten, the book expects as "not seen".
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.backends import Object, Stage
from tests.support.live_objects import ago, changed, ended, failed_pod, live_pod, running, waiting, workload

UNSEEN = "unknown/uncategorized"
FAILING = "Failing"
JUMP = 3  # restarts at once: the kubelet shows the last of them only

# Exit code, reason and last words, and what is to be counted for them.
ENDS: tuple[tuple[int, str, str, str], ...] = (
    (1, "Error", "", "user-code/error-exit"),
    (137, "OOMKilled", "", "resources/oom-killed"),
    (127, "Error", "", "user-config/bad-command"),
    (139, "Error", "", "user-code/segfault"),
    (137, "Error", "", "unknown/sigkill"),
    (1, "Error", "RuntimeError: CUDA out of memory", "accelerator/cuda-oom"),
)


@dataclass
class Role:
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


class Play:
    """``workloads`` of which each fails ``failures`` times; half of them are Jobs, half are pods in a crash loop."""

    def __init__(self, stage: Stage, dice: random.Random, *, workloads: int, failures: int) -> None:
        self.stage = stage
        self._dice = dice
        self.nobody_can_look = False
        """Crash loops go on although their last end is not counted: it is overwritten, and will not be seen."""
        self._numbers = 0
        self._turn = 0
        self.roles = [
            Role(f"job-{number}" if number % 2 else f"loop-{number}", not number % 2, failures)
            for number in range(workloads)
        ]

    async def set_up(self) -> None:
        for role in self.roles:
            if not role.crash_loop:
                # managedBy: the Job controller of a real cluster leaves it alone.
                template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]}}
                job = workload("Job", role.name, managedBy="example.com/play", template=template)
                if self.stage.namespace != "default":
                    job["status"] = {}
                role.owner = await self.stage.put(job)

    @property
    def is_over(self) -> bool:
        return not any(role.left for role in self.roles)

    @property
    def failures(self) -> int:
        """All that have happened so far."""
        return sum(role.failures for role in self.roles)

    async def go_on(self, turns: int) -> None:
        """The next ``turns`` workloads fail: in turn, so that none is idle for long."""
        shown = await self._shown()
        for _ in range(turns):
            role = self.roles[self._turn % len(self.roles)]
            self._turn += 1
            if role.left:
                await self._fail(role, is_counted=_counts(shown.get(role.name)) == +role.expected)

    async def go_on_at_their_heels(self, turns: int, lag: int) -> None:
        """The next turns; then wait until all but ``lag`` failures are counted, so that no operator is ever idle."""
        before = self.failures
        await self.go_on(turns)
        wanted = self.failures - (lag if self.failures > before else 0)

        async def missing() -> list[str]:
            counted = sum(status.get("failures", 0) for status in (await self._shown()).values())
            return [] if counted >= wanted else [f"{counted} of {wanted}", *await self.mistakes()]

        await until_none(missing, within=60)

    async def all_get_well_but_one(self, within: float = 30) -> None:
        """Jobs complete, pods run; one pod runs as well, but only until its next crash. The reports tell them apart."""
        one = await self._crash_after_a_minute()
        for role in self.roles:
            if role.owner is not None:
                retry = live_pod(
                    f"{role.name}-at-last", owner=role.owner, phase="Succeeded", state=ended(0, "Completed")
                )
                retry["spec"]["restartPolicy"] = "Never"
                await self.stage.put(retry)
                await self.stage.put({**role.owner, "status": _completed()})
            elif role.pod is not None:
                await self.stage.put(changed(role.pod, state=running(), last=role.last, restarts=role.instances))

        async def ill() -> list[str]:
            shown = await self._shown()
            return [
                f"{name}: {it.get('state')}" for name, it in shown.items() if it["state"] == FAILING and name != one
            ]

        await until_none(ill, within)
        assert (await self._shown())[one]["state"] == FAILING
        await self.until_exact(within=5)

    async def _crash_after_a_minute(self) -> str:
        """One more end of a crash loop; which one. Its pod is too short-lived to be called well within a test."""
        role = next(role for role in self.roles if role.crash_loop)
        role.last = ended(1, number=self._numbers + 1, ran=60)
        role.instances += 1
        role.expected["user-code/error-exit"] += 1
        state: dict[str, Any] = {
            "state": waiting("CrashLoopBackOff"),
            "last": role.last,
            "restarts": role.instances - 1,
        }
        role.pod = await self.stage.put(
            live_pod(role.name, **state) if role.pod is None else changed(role.pod, **state)
        )
        await self.until_exact(within=30)
        return role.name

    async def mistakes(self) -> list[str]:
        """What the reports say and the book does not, one line a workload."""
        shown = await self._shown()
        found = []
        for role in self.roles:
            status = shown.get(role.name, {})
            if _counts(status) != +role.expected or status.get("failures", 0) != role.failures:
                found.append(f"{role.name}: counted {dict(_counts(status))}, happened {dict(role.expected)}")
            elif status.get("unseen", 0) != role.expected[UNSEEN] or status.get("lowerBound"):
                found.append(f"{role.name}: unseen {status.get('unseen')}, lowerBound {status.get('lowerBound')}")
        return found

    async def until_exact(self, within: float) -> None:
        """Every workload's share and every category's share is what the book says."""
        await until_none(self.mistakes, within)
        shown = await self._shown()
        assert shown.keys() == {role.name for role in self.roles if role.failures}
        assert sum(status["failures"] for status in shown.values()) == self.failures

    async def _fail(self, role: Role, *, is_counted: bool) -> None:
        self._numbers += 1
        exit_code, reason, message, name = self._dice.choice(ENDS)
        end = ended(exit_code, reason, message, number=self._numbers, ran=0)
        if not role.crash_loop:
            if is_counted and role.deletable and self._dice.random() < 0.3:
                await self.stage.delete(role.deletable.pop(self._dice.randrange(len(role.deletable))))
            dead = failed_pod(f"{role.name}-{self._numbers}", exit_code, reason, message, owner=role.owner)
            dead["spec"]["restartPolicy"] = "Never"
            await self.stage.put(dead)
            role.deletable.append(dead["metadata"]["name"])
            role.expected[name] += 1
            role.left -= 1
            return
        if role.pod is not None and not is_counted:
            if not self.nobody_can_look:
                return  # it would overwrite what somebody may have seen or not; its next turn comes
            role.expected[role.shown] -= 1
            role.expected[UNSEEN] += 1
        steps = JUMP if role.pod is not None and role.left >= JUMP and self._dice.random() < 0.3 else 1
        role.instances += steps
        role.last, role.shown = end, name
        # the kubelet's back-off, or its next try
        waits = role.pod is None or self._dice.random() < 0.5
        crashed: dict[str, Any] = {
            "state": waiting("CrashLoopBackOff") if waits else running(),
            "last": end,
            "restarts": role.instances - waits,
        }
        role.pod = await self.stage.put(
            live_pod(role.name, **crashed) if role.pod is None else changed(role.pod, **crashed)
        )
        role.expected[name] += 1
        if steps > 1:
            role.expected[UNSEEN] += steps - 1
        role.left -= steps

    async def _shown(self) -> dict[str, Object]:
        """Status by name of the workload; those of other plays' are left out."""
        names = {role.name for role in self.roles}
        return {
            report["spec"]["workload"]["name"]: report["status"]
            for report in await self.stage.reports()
            if "status" in report and report["spec"]["workload"]["name"] in names
        }


def _counts(status: Object | None) -> Counter[str]:
    entries: list[dict[str, Any]] = (status or {}).get("counts", [])
    return Counter({f"{entry['category']}/{entry['subcategory']}": entry["count"] for entry in entries})


def _completed() -> Object:
    """As far as a real API server insists on it."""
    conditions = [{"type": kind, "status": "True"} for kind in ("SuccessCriteriaMet", "Complete")]
    return {"startTime": ago(minutes=10), "completionTime": ago(seconds=0), "conditions": conditions}


async def until_none(mistakes: Any, within: float) -> None:
    found: list[str] = ["never asked"]
    try:
        async with asyncio.timeout(within):
            while found := await mistakes():  # noqa: ASYNC110 - nobody tells when there are none
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"still after {within} s, {len(found)} workloads:\n" + "\n".join(found[:20])) from None
