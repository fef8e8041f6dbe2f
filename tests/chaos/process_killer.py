"""How an operator's process is killed with kill -9: at which request, and on which side of it."""

from __future__ import annotations

import asyncio
import random
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from coroner_operator.kube.client import Client
from embedded_apiserver import Call, EmbeddedApiServer, Fault
from tests.chaos.backends import REPORTS
from tests.support.paths import parse_path

Kind = Literal["request", "write", "create or labels"]
"""The last two: of reports."""


@dataclass
class Death:
    """The process dies at its ``number``-th request of this kind; ``done``: the request is carried out nevertheless."""

    kind: Kind
    number: int
    done: bool
    server: EmbeddedApiServer
    process: Process

    def __post_init__(self) -> None:
        self._seen = 0
        self.is_watching = False
        """It has listed the pods and watches them now."""
        self.fault = Fault(match=self._strikes, drop="after" if self.done else "before", times=1)
        self.server.faults.add(self.fault)

    @classmethod
    def drawn(cls, dice: random.Random, server: EmbeddedApiServer, process: Process) -> Death:
        match dice.randrange(5):
            case 0 | 1:
                return cls("request", dice.randint(1, 30), dice.random() < 0.5, server, process)
            case 2 | 3:
                return cls("write", dice.randint(1, 10), dice.random() < 0.5, server, process)
            case _:  # a new report has no status yet; an older one has a status that its labels do not fit
                return cls("create or labels", 1, True, server, process)

    @property
    def struck(self) -> bool:
        return self.server.faults.hits(self.fault) > 0

    async def at_the_latest_when(self, all_is_done: Callable[[], Awaitable[bool]], within: float = 60) -> None:
        """The process is dead: as drawn, or because there is nothing left to do for it."""
        try:
            async with asyncio.timeout(within):
                while not (self.struck or self.process.returncode is not None or await all_is_done()):  # noqa: ASYNC110 - nobody tells when
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"neither {self} nor done within {within} s: {self._seen} such requests") from None
        finally:
            self.server.faults.remove(self.fault)
        assert self.struck or self.process.returncode is None, f"it ended by itself: {self.process.returncode}"
        await end(self.process)

    def _strikes(self, call: Call) -> bool:
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


async def end(process: Process) -> None:
    """Kill it, if it is not dead yet."""
    if process.returncode is None:
        process.kill()
    await process.wait()


async def kill_after_changes(client: Client, namespace: str, process: Process, number: int, within: float = 60) -> None:
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
        await end(process)
