"""How an operator's process is killed with kill -9: at which request, and on which side of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from coroner_operator.kube.client import Client
from embedded_apiserver import Call, EmbeddedApiServer, Fault
from tests.chaos.backends import REPORTS
from tests.support.paths import parse_path
from tests.support.processes import Program
from tests.support.waiting import until

Kind = Literal["request", "write", "create or labels"]
"""The last two: of reports."""


@dataclass
class KillPoint:
    """The process dies at its ``number``-th request of this kind; ``done``: the request is carried out nevertheless."""

    kind: Kind
    number: int
    done: bool
    server: EmbeddedApiServer
    process: Program

    def __post_init__(self) -> None:
        self._seen = 0
        self.is_watching = False
        """It has listed the pods and watches them now."""
        self.fault = Fault(match=self._is_target, drop="after" if self.done else "before", times=1)
        self.server.faults.add(self.fault)

    @classmethod
    def at_random(cls, rng: random.Random, server: EmbeddedApiServer, process: Program) -> KillPoint:
        match rng.randrange(5):
            case 0 | 1:
                return cls("request", rng.randint(1, 30), rng.random() < 0.5, server, process)
            case 2 | 3:
                return cls("write", rng.randint(1, 10), rng.random() < 0.5, server, process)
            case _:  # a new report has no status yet; an older one has a status that its labels do not fit
                return cls("create or labels", 1, True, server, process)

    @property
    def hit(self) -> bool:
        return self.server.faults.hits(self.fault) > 0

    async def kill_at_latest_when(self, all_is_done: Callable[[], Awaitable[bool]], within: float = 120) -> None:
        """The process is dead: at this point, or because there is nothing left to do for it."""

        async def is_over() -> bool:
            return self.hit or self.process.status is not None or await all_is_done()

        try:
            await until(is_over, within, f"{self} is reached, or all is done", poll=0.02)
        finally:
            self.server.faults.remove(self.fault)
        assert self.hit or self.process.status is None, f"it ended by itself: {self.process.status}"
        self.process.kill()

    def _is_target(self, call: Call) -> bool:
        # nobody else asks this server for anything: all requests are the operator's
        self.is_watching |= call.is_watch and call.path.endswith("/pods")
        is_report = call.is_write and "/failurereports/" in call.path
        if self.kind == "write" and not is_report:
            return False
        if self.kind == "create or labels" and not (is_report and not call.path.endswith("/status")):
            return False
        self._seen += 1
        if self._seen != self.number:
            return False
        self.process.kill()  # while the server holds the request: the answer is heard by nobody
        return True


class Simulation(Protocol):
    async def advance(self, turns: int) -> None:
        """The next things happen."""

    async def differences(self) -> list[str]:
        """What the reports do not say yet."""
        ...


async def run_until_killed(
    server: EmbeddedApiServer, simulation: Simulation, start: Callable[[], Program], rng: random.Random, turns: int
) -> KillPoint:
    """One process of the operator, from its start to its kill point; the simulation goes on by ``turns`` meanwhile."""
    await simulation.advance(turns // 2)  # for the LIST to find
    kill_point = KillPoint.at_random(rng, server, start())
    fed = False

    async def nothing_is_left() -> bool:
        nonlocal fed
        if not fed and kill_point.is_watching:
            await simulation.advance(turns - turns // 2)  # for the WATCH to deliver
            fed = True
        return fed and not await simulation.differences()

    await kill_point.kill_at_latest_when(nothing_is_left)
    if not fed:
        await simulation.advance(turns - turns // 2)  # while nobody looks
    return kill_point


async def kill_after_changes(
    client: Client, namespace: str, process: Program, number: int, within: float = 120
) -> None:
    """Kill the process as soon as reports have changed so often: between two of its writes, or within the next."""
    path = parse_path(f"{REPORTS}/namespaces/{namespace}/failurereports")
    version = msgspec.json.decode(await client.get(path, {"limit": 1}))["metadata"]["resourceVersion"]
    query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": int(within)}
    seen = 0
    try:
        async with asyncio.timeout(within), client.stream_lines(path, query, within) as lines:
            async for _ in lines:
                seen += 1
                if seen == number:
                    break
    except TimeoutError:
        raise AssertionError(f"{seen} changes of reports within {within} s, not {number}") from None
    finally:
        process.kill()
