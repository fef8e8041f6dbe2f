"""``python -m tests.attacks.measure F6 --minutes 10``: how long a victim waits for reports while an attack runs.

Each attack has an operator of its own, with a Lease and the default settings, on one real API server, and gives one
line: the waits, how often the Lease changed hands, how often the process ended, and its greatest resident memory.
Server, operator, attacker and victim share this machine, so the first row, without an attack, is what the others are
compared with.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import math
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.apiserver_conformance.client import Api
from tests.attacks.arena import REPORTS, Arena, Tenant, failed, open_arena
from tests.attacks.attackers import (
    PATHS,
    SUPERLINEAR,
    change_annotation,
    change_owner,
    existing_job,
    fail_to_create,
    half_open,
    owned_pod,
    post_large_events,
    post_long_event,
    repeated,
)
from tests.cluster.scripts import NoKubernetesError
from tests.cluster.server import Server
from tests.cluster.sources import MisconfiguredError, api_server_sources, choose
from tests.e2e.conftest import install
from tests.support.operator_process import OperatorProcess
from tests.support.waiting import until

FAILURE_EVERY = 0.5  # s
GIVEN_UP = 60.0  # s; a report that takes longer counts as this
POLL = 0.02  # s
EMPTY_ROW = math.nan

Attack = Callable[[Tenant, OperatorProcess], Awaitable[None]]
"""Runs until it is cancelled."""


@dataclass
class Row:
    name: str
    waits: list[float] = field(default_factory=list)
    """Seconds from the pod's failure to its report, in the API server."""
    transitions: int = 0
    """Of the Lease, while the attack ran."""
    ended: int = 0
    """How often the operator's process ended: it does when it loses the Lease."""
    peak: int = 0
    """Bytes."""

    def percentile(self, share: float) -> float:
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else EMPTY_ROW

    def __str__(self) -> str:
        return (
            f"{self.name:8} {len(self.waits):8} {self.percentile(0.5):8.2f} {self.percentile(0.99):8.2f} "
            f"{max(self.waits, default=EMPTY_ROW):8.2f} {self.transitions:12} {self.ended:6} {self.peak / 2**20:10.0f}"
        )


HEADER = f"{'attack':8} {'samples':>8} {'p50 s':>8} {'p99 s':>8} {'max s':>8} {'transitions':>12} {'ended':>6} {'peak MiB':>10}"


async def nothing(attacker: Tenant, operator: OperatorProcess) -> None:
    await asyncio.Event().wait()


async def superlinear_events(attacker: Tenant, operator: OperatorProcess) -> None:
    """F1: one of 200 KB a second."""
    job = await existing_job(attacker)
    for attack in itertools.cycle(SUPERLINEAR):
        await post_long_event(attacker, job, attack)
        await asyncio.sleep(1)


async def busy_pods(attacker: Tenant, operator: OperatorProcess) -> None:
    """F2: 100 pods with messages of 4 KB, of which ten a second change their annotations."""
    names = [f"busy-{number}" for number in range(100)]
    for number, name in enumerate(names):
        await attacker.pod(name, failed(repeated(f"ValueError: token={number} password: x ", 4096)))
    for number, name in enumerate(itertools.cycle(names)):
        await change_annotation(attacker, name, number)
        await asyncio.sleep(0.1)


async def owners_as_paths(attacker: Tenant, operator: OperatorProcess) -> None:
    """F5: twenty Events a second, about objects whose names are paths."""
    for name in itertools.cycle(PATHS):
        await fail_to_create(attacker, "batch/v1", "Job", name)
        await asyncio.sleep(0.05)


async def large_events(attacker: Tenant, operator: OperatorProcess) -> None:
    """F6: 260 of 1.3 MB, then one every two seconds: in ten minutes 720 MB, of the 2 GB that etcd takes."""
    await post_large_events(attacker, 260)
    while True:
        await post_large_events(attacker, 1)
        await asyncio.sleep(2)


async def many_workloads(attacker: Tenant, operator: OperatorProcess) -> None:
    """F8: twenty Events a second about objects that do not exist, and a pod whose owner changes as often."""
    await owned_pod(attacker, "changing", "foo")
    for number in itertools.count():
        await fail_to_create(attacker, "x.example/v1", "Foo", f"none-{number}")
        await change_owner(attacker, "changing", number)
        await asyncio.sleep(0.05)


async def half_open_connections(attacker: Tenant, operator: OperatorProcess) -> None:
    """F12: 1,130 to each port at any time, opened again as soon as they are closed."""
    while True:
        async with half_open(operator.metrics_url, 1_130), half_open(operator.health_url, 1_130):
            await asyncio.sleep(20)


async def many_pods(attacker: Tenant, operator: OperatorProcess) -> None:
    """10,000 failing pods, made as fast as the API server takes them from ten clients; then 20 a second change."""
    free = asyncio.Semaphore(10)

    async def fail(number: int) -> None:
        async with free:
            await attacker.pod(f"storm-{number}", failed(f"ValueError: shard {number} has no rows"))

    async with asyncio.TaskGroup() as group:
        for number in range(10_000):
            group.create_task(fail(number))
    for number in itertools.count():
        await change_annotation(attacker, f"storm-{number % 10_000}", number)
        await asyncio.sleep(0.05)


ATTACKS: dict[str, Attack] = {
    "none": nothing,
    "F1": superlinear_events,
    "F2": busy_pods,
    "F5": owners_as_paths,
    "F6": large_events,
    "F8": many_workloads,
    "F12": half_open_connections,
    "pods": many_pods,
}


async def report_wait(victim: Tenant, name: str) -> float:
    """Seconds from the failure of a pod to its report; ``GIVEN_UP`` where it does not come. Both are deleted then.

    Hundreds of failed pods would be another attack, and reach the limit of reports per namespace.
    """
    pod = await victim.pod(name)
    await victim.set_status(name, failed(f"ValueError: the words of {name}"))
    began = time.monotonic()
    path = f"{REPORTS}/namespaces/{victim.namespace}/failurereports/pod-{name}-{pod['metadata']['uid'][:8]}"
    waited = 0.0
    while waited < GIVEN_UP:
        answer = await victim.kubelet.get(path)
        waited = time.monotonic() - began
        if answer.status == 200 and "status" in answer.body:
            break
        await asyncio.sleep(POLL)
    await victim.kubelet.delete(f"/api/v1/namespaces/{victim.namespace}/pods/{name}", {"gracePeriodSeconds": 0})
    await victim.kubelet.delete(path)
    return min(waited, GIVEN_UP)


async def lease_transitions(admin: Api) -> int:
    answer = await admin.get("/apis/coordination.k8s.io/v1/namespaces/coroner/leases/coroner")
    return int(answer.body["spec"].get("leaseTransitions", 0)) if answer.status == 200 else 0


class Operator:
    """The process; it is started again when it has ended, as a kubelet would."""

    def __init__(self, kubeconfig: Path, folder: Path, row: Row) -> None:
        self._kubeconfig = kubeconfig
        self._log = folder / "operator.log"
        self._row = row
        self.process = self._start()

    async def until_ready(self) -> None:
        async def is_ready() -> bool:
            return await asyncio.to_thread(self.process.is_ready)

        await until(is_ready, 120, "the operator is ready", poll=0.1)

    async def watch(self) -> None:
        while True:
            with contextlib.suppress(OSError, IndexError):
                self._row.peak = max(self._row.peak, self.process.peak_rss())
            if self.process.status is not None:
                self._row.ended += 1
                self.process = self._start()
            await asyncio.sleep(0.5)

    def _start(self) -> OperatorProcess:
        lease = ("--leader-election", "true", "--lease-namespace", "coroner")
        return OperatorProcess(self._kubeconfig, self._log, *lease)


@asynccontextmanager
async def running(work: Awaitable[None]) -> AsyncIterator[None]:
    """Beside the block, and no longer. Raises its error at the end: an attack that stops early measures nothing."""
    task = asyncio.ensure_future(work)
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def measure(arena: Arena, name: str, seconds: float, folder: Path) -> Row:
    row = Row(name)
    operator = Operator(arena.operator_kubeconfig, folder, row)
    try:
        await operator.until_ready()
        await report_wait(arena.victim, "first")  # it leads only when the Lease of the operator before has expired
        before = await lease_transitions(arena.victim.kubelet)
        async with running(operator.watch()), running(ATTACKS[name](arena.attacker, operator.process)):
            end = time.monotonic() + seconds
            waits: list[asyncio.Task[float]] = []
            while time.monotonic() < end:
                waits.append(asyncio.create_task(report_wait(arena.victim, f"victim-{len(waits)}")))
                await asyncio.sleep(FAILURE_EVERY)
            row.waits += await asyncio.gather(*waits)
        row.transitions = await lease_transitions(arena.victim.kubelet) - before
    finally:
        operator.process.kill()
    return row


async def measure_all(server: Server, names: list[str], seconds: float) -> None:
    print(HEADER, flush=True)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            async with open_arena(server, Path(folder)) as arena:
                print(await measure(arena, name, seconds, Path(folder)), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.measure", description=__doc__)
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=f"of {', '.join(ATTACKS)}; default: all")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, default=60, help="of each attack; default: %(default)g")
    length.add_argument("--minutes", type=float, help="the same in minutes")
    given = parser.parse_args()
    seconds = given.seconds if given.minutes is None else given.minutes * 60
    if unknown := set(given.attacks) - set(ATTACKS):
        parser.error(f"no such attack: {', '.join(sorted(unknown))}")
    try:
        source = choose(api_server_sources())
        source.prepare()
        with source.start() as server:
            install(server)
            asyncio.run(measure_all(server, given.attacks or list(ATTACKS), seconds))
    except (NoKubernetesError, MisconfiguredError) as reason:
        print(f"measure: no API server: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
