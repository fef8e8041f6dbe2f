"""Two replicas as processes and in this loop, on the embedded server: one works, the other is ready to."""

from __future__ import annotations

import asyncio
import math
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from coroner_operator.config.settings import load_settings
from coroner_operator.runtime.kopf_app import App
from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.default_pack import CATEGORIZER
from tests.support.live_objects import failed_pod, workload
from tests.support.operators import QUICK, Operators
from tests.support.pods import Json
from tests.support.processes import Program
from tests.support.reports import Reports
from tests.support.waiting import until

KILLS = 20
WORKLOADS = 50
FAILURES = 1_000
TERMS = {"lease_duration": 4, "renew_deadline": 3.5, "retry_period": 0.4}
FLAGS = ("--leader-election", "true", "--lease-namespace", "default")


def lease(server: EmbeddedApiServer) -> Json:
    """The Lease's spec; empty if there is none."""
    held = server.get("Lease", "coroner")
    spec: Json = held["spec"] if held else {}
    return spec


def leader(server: EmbeddedApiServer) -> str:
    """The identity without its random part; "" = nobody."""
    return str(lease(server).get("holderIdentity") or "").rpartition("_")[0]


def counted(server: EmbeddedApiServer) -> int:
    return sum(report.get("status", {}).get("failures", 0) for report in server.objects("FailureReport"))


class Replicas:
    """Processes by the name under which they stand for the Lease; who ends is started again, as a kubelet does it."""

    def __init__(self, operators: Operators, folder: Path) -> None:
        self._operators = operators
        self._config = folder / "coroner.yaml"
        lines = {**TERMS, "batch_window": "20ms", "write_interval": "50ms", "label_interval": "50ms"}
        self._config.write_text("".join(f"{name}: {value}\n" for name, value in lines.items()))
        self._running: dict[str, Program] = {}
        self._kubelets: list[asyncio.Task[None]] = []
        self._born = 0

    async def start(self) -> None:
        self._kubelets.append(asyncio.create_task(self._keep_alive()))

    def once(self, name: str, *program: str) -> Program:
        """A process that nobody starts again when it has ended."""
        return self._operators.spawn(*FLAGS, *self._flags(name), program=program or ("coroner_operator",))

    async def kill(self, name: str) -> bool:
        """False: it has ended by itself, which a leader does that had no CPU for longer than its deadline."""
        process = self._running[name]
        if process.status is not None:
            return False
        process.kill()
        return True

    async def close(self) -> None:
        for kubelet in self._kubelets:
            kubelet.cancel()
        await asyncio.gather(*self._kubelets, return_exceptions=True)

    def terminate(self, name: str) -> Program:
        process = self._running.pop(name)
        process.signal(signal.SIGTERM)
        return process

    async def _keep_alive(self) -> None:
        while True:
            self._born += 1
            name = f"replica-{self._born}"
            process = self._running[name] = self._operators.fork(*FLAGS, *self._flags(name))
            await process.ended(within=math.inf)

    def _flags(self, name: str) -> tuple[str, ...]:
        return "--config", str(self._config), "--identity", name, "--log-level", "warning"


@pytest.fixture
async def replicas(operators: Operators, tmp_path: Path) -> AsyncIterator[Replicas]:
    replicas = Replicas(operators, tmp_path)
    yield replicas
    await replicas.close()


@pytest.mark.timeout(600)
async def test_the_leader_killed_20_times_during_1000_failures_and_each_is_counted_once(
    server: EmbeddedApiServer, replicas: Replicas, reports: Reports
) -> None:
    jobs = [server.put(workload("Job", f"job-{number}")) for number in range(WORKLOADS)]
    wanted: Counter[str] = Counter()
    put = 0
    writes = server.faults.add(Fault(method="PATCH", path="/failurereports/[^/]+/status"))  # no fault: it only counts
    await replicas.start()
    await replicas.start()
    for kill in range(KILLS):
        first = await until(lambda: leader(server), within=60)
        written = server.faults.hits(writes)
        for _ in range(FAILURES // KILLS):
            job = jobs[put * 7 % WORKLOADS]
            server.put(failed_pod(f"pod-{put}", 1 + put % 3, owner=job))
            wanted[job["metadata"]["name"]] += 1
            put += 1
        # In the middle of its work: some of these are written, some are not.
        await until(lambda: server.faults.hits(writes) > written + kill * 2, within=100)  # noqa: B023
        while not await replicas.kill(first):
            first = await until(lambda: (now := leader(server)) != first and now, within=60)  # noqa: B023
        await until(lambda: leader(server) not in ("", first), within=60)  # noqa: B023
        await until(lambda: counted(server) >= put, within=100)  # noqa: B023
        if kill % 2:  # as the TTL of a Job does; the rest stays, and each new leader lists it
            for number in range(put - FAILURES // KILLS, put):
                server.delete("Pod", f"pod-{number}")
    assert put == FAILURES == wanted.total()
    assert {name: reports.failures(name) for name in wanted} == wanted
    for name in wanted:
        status = reports.status(name)
        assert sum(entry["count"] for entry in status["counts"]) == wanted[name]
        assert "unseen" not in status
        assert "lowerBound" not in status
    assert lease(server)["leaseTransitions"] >= KILLS


async def test_sigterm_hands_over_cleanly(server: EmbeddedApiServer, replicas: Replicas, reports: Reports) -> None:
    await replicas.start()
    first = await until(lambda: leader(server), within=60)
    await replicas.start()
    await until(lambda: sum("leases/coroner" in c.path and c.method == "GET" for c in server.calls) > 3, within=60)
    job = server.put(workload("Job", "train"))
    server.put(failed_pod("train-0", owner=job))
    await until(lambda: reports.failures("train") == 1)
    ended = replicas.terminate(first)
    assert await ended.ended(20) == 0
    await until(lambda: leader(server) not in ("", first))
    server.put(failed_pod("train-1", owner=job))
    await until(lambda: reports.failures("train") == 2)


async def test_a_leader_whose_event_loop_is_blocked_for_longer_than_the_lease_lasts_goes_on_leading(
    server: EmbeddedApiServer, replicas: Replicas, reports: Reports
) -> None:
    blocked = 2 * TERMS["lease_duration"]
    first = replicas.once("first", "tests.leader_election.blockable_operator", str(blocked))
    await until(lambda: leader(server) == "first", within=60)
    replicas.once("second")
    server.put(failed_pod("before"))
    await until(lambda: reports.of("before"), within=60)
    first.signal(signal.SIGUSR1)
    server.put(failed_pod("after"))
    renewals = {lease(server)["renewTime"]}
    began = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() < began + blocked:  # its end may come later: it has less than a whole CPU
        assert leader(server) == "first"
        renewals.add(lease(server)["renewTime"])
        await asyncio.sleep(0.1)
    assert len(renewals) > 5
    await until(lambda: reports.of("after"), within=60)
    assert (leader(server), lease(server)["leaseTransitions"], first.status) == ("first", 0, None)


async def test_a_frozen_leader_is_replaced_and_writes_nothing_when_it_goes_on(
    server: EmbeddedApiServer, replicas: Replicas, reports: Reports
) -> None:
    first = replicas.once("first")
    await until(lambda: leader(server) == "first", within=60)
    replicas.once("second")
    server.put(failed_pod("before"))
    await until(lambda: reports.of("before"), within=60)
    server.put(failed_pod("pending"))  # known to the first, perhaps, when it freezes
    first.signal(signal.SIGSTOP)
    await until(lambda: leader(server) == "second", within=60)
    server.put(failed_pod("after"))
    await until(lambda: reports.failures("pending") == reports.failures("after") == 1, within=60)
    written = -1
    while reports.writes != written:  # labels follow
        written = reports.writes
        await asyncio.sleep(1)
    first.signal(signal.SIGCONT)
    assert await first.ended(within=60) == 1
    assert reports.writes == written
    assert (reports.failures("before"), leader(server)) == (1, "second")


async def test_a_standby_is_ready_and_writes_nothing(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, tmp_path: Path
) -> None:
    first = await operators.start(leader_election=True, lease_namespace="default", identity="first")
    assert leader(server) == "first"
    flags = {**QUICK, "leader_election": True, "lease_namespace": "default", "identity": "second", "retry_period": 0.2}
    settings = load_settings({**flags, "kubeconfig": server.kubeconfig(tmp_path / "kubeconfig")})
    stop = asyncio.Event()
    standby = App(settings, CATEGORIZER)
    running = asyncio.create_task(standby.run(stop))
    try:
        await until(lambda: standby.port is not None)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{standby.port}") as session:
            status = 503
            while status != 200:
                async with session.get("/readyz") as answer:
                    status = answer.status
                await asyncio.sleep(0.01)
        server.put(failed_pod("pod"))
        await until(lambda: reports.of("pod"))
        assert b"coroner_leader 1.0" in first.metrics.exposition()
        engine = standby._engine
        assert engine is not None
        assert b"coroner_leader 0.0" in engine.metrics.exposition()
        assert engine.reports.failing == ()
    finally:
        stop.set()
        assert await asyncio.wait_for(running, 20) == 0
    assert leader(server) == "first"  # a standby that ends takes nothing away


async def test_a_replica_that_may_not_read_the_lease_is_not_ready(server: EmbeddedApiServer, tmp_path: Path) -> None:
    server.faults.add(Fault(path="/leases", status=403))
    flags = {**QUICK, "leader_election": True, "lease_namespace": "default"}
    settings = load_settings({**flags, "kubeconfig": server.kubeconfig(tmp_path / "kubeconfig")})
    stop = asyncio.Event()
    app = App(settings, CATEGORIZER)
    running = asyncio.create_task(app.run(stop))
    try:
        await until(lambda: app.port is not None)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{app.port}") as session:
            text = ""
            while "leads" not in text:
                async with session.get("/readyz") as answer:
                    text = await answer.text()
                    assert answer.status == 503
                await asyncio.sleep(0.01)
        assert text == "who leads is not known yet\n"
    finally:
        stop.set()
        assert await asyncio.wait_for(running, 20) == 0


async def test_a_replica_that_lost_its_lease_writes_nothing_and_exits(
    server: EmbeddedApiServer, reports: Reports, tmp_path: Path
) -> None:
    """The API server answers everything else: only the fence keeps it from writing."""
    flags = {**QUICK, **TERMS, "leader_election": True, "lease_namespace": "default"}
    settings = load_settings({**flags, "kubeconfig": server.kubeconfig(tmp_path / "kubeconfig")})
    app = App(settings, CATEGORIZER)
    running = asyncio.create_task(app.run())
    await until(lambda: leader(server))
    engine = app._engine
    assert engine is not None
    async with asyncio.timeout(15):
        await engine.synced()
    server.put(failed_pod("before"))
    await until(lambda: reports.of("before"))
    server.faults.add(Fault(path="/leases", status=503))
    await until(lambda: engine.leadership.remaining <= 0)
    written = reports.writes
    server.put(failed_pod("after"))
    assert await asyncio.wait_for(running, 20) == 1
    assert reports.writes == written
    assert reports.of("after") is None


async def test_a_hanging_write_is_cancelled_when_the_lease_expires(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start(leader_election=True, lease_namespace="default", **TERMS)
    hangs = server.faults.add(Fault(method="PATCH", path="/failurereports/", delay=30.0))
    server.put(failed_pod("pod"))
    await until(lambda: server.faults.hits(hangs))
    await until(lambda: b'coroner_writes_total{outcome="retried"}' in engine.metrics.exposition())
    server.faults.clear()
    await until(lambda: reports.failures("pod") == 1)
    assert engine.leadership.remaining > 0
