"""An API server that is away, throttles, forgets, loses answers or is written to by others: each failure counts once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coroner_operator.kube.backoff import BackOff
from embedded_apiserver import Call, EmbeddedApiServer, Fault
from tests.chaos.backends import EmbeddedBackend
from tests.chaos.failure_simulation import FailureSimulation
from tests.support.live_objects import failed_pod
from tests.support.operators import Operators
from tests.support.reports import Reports
from tests.support.waiting import until


@pytest.mark.parametrize(("seconds", "forgets"), [(2, False), (2, True), (60, True)])
async def test_an_api_server_that_was_away(
    server: EmbeddedApiServer,
    backend: EmbeddedBackend,
    operators: Operators,
    fast_settings: Path,
    seconds: int,
    forgets: bool,
) -> None:
    """``forgets``: the old resource versions are gone when it is back, so that only a LIST can tell."""
    simulation = FailureSimulation(backend, random.Random(seconds), workloads=50, failures=6)
    await simulation.set_up()
    operators.fork("--config", str(fast_settings))
    await simulation.advance(100)
    await simulation.wait_until_exact(within=120)
    await server.stop()
    simulation.operator_is_down = forgets
    for _ in range(10):
        await simulation.advance(15)
        await asyncio.sleep(seconds / 10)  # the time that it is away
    simulation.operator_is_down = False
    if forgets:
        server.compact()
    await server.start()
    while not simulation.is_over:
        await simulation.wait_until_exact(within=120)  # the longest back-off is 30 s
        await simulation.advance(50)
    await simulation.wait_until_exact(within=120)
    assert simulation.failures == 300
    await simulation.recover_all_but_one()


async def test_a_storm_of_faults_loses_and_doubles_nothing(
    server: EmbeddedApiServer, backend: EmbeddedBackend, operators: Operators
) -> None:
    rng = random.Random(429)
    simulation = FailureSimulation(backend, rng, workloads=20, failures=15)
    await simulation.set_up()
    writes = _Count(lambda call: call.is_write and "/failurereports/" in call.path)
    server.faults.add(Fault(match=writes))
    faults = [server.faults.add(fault) for fault in _storm(rng)]
    await operators.start()
    touched = 0
    while not simulation.is_over:
        await simulation.advance_in_step(10, lag=5)
        touched += _touch_reports(server, rng)
        troubles: list[Callable[[], None]] = [server.drop_watches, server.expire_watches, server.compact]
        rng.choice(troubles)()
    await simulation.wait_until_exact(within=120)
    assert simulation.failures == 300
    hits = {str(fault.status or fault.drop or "slow"): server.faults.hits(fault) for fault in faults}
    assert all(hits.values()), hits
    # A status and its labels a failure, a create a workload; one more for each that failed or came too late.
    assert writes.number <= 2 * 300 + 20 + 2 * sum(hits.values()) + 2 * touched, (hits, touched)
    for fault in faults:
        server.faults.remove(fault)
    await simulation.recover_all_but_one()


async def test_a_report_that_others_are_always_first_to_write_is_tried_less_and_less_often(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    ceilings: list[float] = []
    monkeypatch.setattr(BackOff, "next", _noting(ceilings))
    await operators.start()
    first = server.faults.add(Fault(method="PATCH", path="/failurereports/.*/status", status=409, times=6))
    server.put(failed_pod("train"))
    await until(lambda: reports.failures("train") == 1)
    assert server.faults.hits(first) == 6
    assert len(set(ceilings)) >= 4, ceilings  # 0.02, 0.04, … 0.3 s here


def _noting(ceilings: list[float]) -> Callable[..., float]:
    def next_(self: BackOff, retry_after: float | None = None) -> float:
        ceilings.append(min(self.cap, self.base * 2**self.tries))
        self.tries += 1
        return 0.0

    return next_


def _storm(rng: random.Random) -> list[Fault]:
    """Each strikes now and then."""

    def now_and_then(share: float, of: Callable[[Call], bool] = lambda _: True) -> Callable[[Call], bool]:
        turns = _turns(share, rng)
        return lambda call: of(call) and next(turns)

    return [
        Fault(match=now_and_then(0.01), status=429, retry_after=1),
        Fault(match=now_and_then(0.02), status=500),
        Fault(match=now_and_then(0.02), status=503),
        Fault(match=now_and_then(0.03), drop="before"),
        Fault(match=now_and_then(0.03), drop="midway"),
        Fault(match=now_and_then(0.06, lambda call: call.is_write), drop="after"),
        Fault(match=now_and_then(0.06, lambda call: call.is_write), status=409),
        Fault(match=now_and_then(0.1, lambda call: call.path.endswith("/pods")), status=410),
        Fault(match=now_and_then(0.06), delay=0.2),
    ]


def _turns(share: float, rng: random.Random) -> Iterator[bool]:
    """True for this share, at random, but never two means apart: independent throws would spare a rare call at times."""
    while True:
        yield from [False] * rng.randrange(round(2 / share) - 1)
        yield True


def _touch_reports(server: EmbeddedApiServer, rng: random.Random) -> int:
    """Another writer changes some reports; how many."""
    reports = server.objects("FailureReport")
    chosen = rng.sample(reports, k=min(3, len(reports)))
    for report in chosen:
        metadata = {**report["metadata"], "annotations": {"touched": str(rng.random())}}
        server.put({**report, "metadata": metadata})
    return len(chosen)


class _Count:
    """Counts calls of a kind, as a fault that never strikes."""

    def __init__(self, of: Callable[[Call], bool]) -> None:
        self.number = 0
        self._of = of

    def __call__(self, call: Call) -> bool:
        self.number += self._of(call)
        return False
