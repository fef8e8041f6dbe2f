"""The operator as a whole process under kopf: how it starts, ends, and what it asks the API server for."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest

from coroner_operator.config.settings import load_settings
from coroner_operator.runtime.kopf_app import App
from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.default_pack import CATEGORIZER
from tests.support.live_objects import failed_pod, workload
from tests.support.operators import QUICK, Operators
from tests.support.permissions import granted, needed, shipped_roles
from tests.support.reports import Reports
from tests.support.waiting import until


async def test_it_asks_for_nothing_beyond_its_role(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    operators.spawn()
    await until(lambda: server.watch_count >= 4)  # pods, events, reports and our CRD
    job = server.put(workload("Job", "train"))
    server.put(failed_pod("train-0", 137, owner=job))
    await until(lambda: reports.of("train"))
    assert needed(server.calls) - granted(shipped_roles()) == set()


async def test_a_report_that_a_person_deletes_comes_back_with_what_still_fails(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    operators.spawn()
    await until(lambda: server.watch_count >= 4)
    job = server.put(workload("Job", "train"))
    server.put(failed_pod("train-0", owner=job))
    report = await until(lambda: reports.of("train"))
    server.delete("FailureReport", report["metadata"]["name"])
    server.put(failed_pod("train-1", owner=job))
    await until(lambda: reports.failures("train") == 2)
    assert reports.existing("train")["metadata"]["uid"] != report["metadata"]["uid"]


async def test_it_waits_for_an_api_server_that_is_not_there_yet(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, capfd: pytest.CaptureFixture[str]
) -> None:
    server.put(failed_pod("early"))
    await server.stop()
    process = operators.spawn()
    await until(lambda: "customresourcedefinitions: GET" in capfd.readouterr().err)
    assert process.status is None
    await server.start()
    assert await until(lambda: reports.of("early"), within=30)


def _restarts(exposition: str) -> float:
    """How often the stream of pods was dropped, or refused."""
    found = re.search(r'coroner_watch_restarts_total\{kind="pods",reason="dropped"\} (\S+)', exposition)
    return float(found.group(1)) if found else 0


async def test_nothing_is_lost_or_doubled_while_the_api_server_is_away(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start()
    job = server.put(workload("Job", "train"))
    for number in range(10):
        server.put(failed_pod(f"before-{number}", owner=job))
    await server.stop()
    for number in range(10):
        server.put(failed_pod(f"meanwhile-{number}", owner=job))
    await until(lambda: _restarts(engine.metrics.exposition().decode()) >= 3)
    await server.start()
    await until(lambda: reports.failures("train") == 20)
    server.put(failed_pod("after", owner=job))
    await until(lambda: reports.failures("train") == 21)


async def test_a_port_that_is_taken_ends_the_process_with_one_line(
    server: EmbeddedApiServer, operators: Operators, capfd: pytest.CaptureFixture[str]
) -> None:
    taken = server.url.removeprefix("http://")
    process = operators.spawn("--health-address", taken)
    assert await process.ended(20) == 2
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("coroner run: ")
    assert "address already in use" in said[0]


async def test_a_part_that_ends_ends_the_process(
    server: EmbeddedApiServer, operators: Operators, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from coroner_operator.kube.list_watch import ListWatch

    async def broken(self: object) -> None:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(ListWatch, "run", broken)
    settings = load_settings({**QUICK, "kubeconfig": server.kubeconfig(tmp_path / "kubeconfig")})
    assert await asyncio.wait_for(App(settings, CATEGORIZER).run(), 20) == 1


async def test_it_is_ready_when_everything_has_been_listed_and_not_before(
    server: EmbeddedApiServer, operators: Operators, tmp_path: Path
) -> None:
    withheld = server.faults.add(Fault(path="/api/v1/pods", status=503))
    settings = load_settings({**QUICK, "kubeconfig": server.kubeconfig(tmp_path / "kubeconfig")})
    stop = asyncio.Event()
    app = App(settings, CATEGORIZER)
    running = asyncio.create_task(app.run(stop))
    try:
        await until(lambda: server.faults.hits(withheld))
        async with aiohttp.ClientSession(f"http://127.0.0.1:{app.port}") as session:

            async def only_pods_are_missing() -> bool:
                async with session.get("/readyz") as answer:
                    assert answer.status == 503
                    return await answer.text() == "not listed yet: pods\n"

            await until(only_pods_are_missing)
            server.faults.remove(withheld)
            status = 503
            while status != 200:
                async with session.get("/readyz") as answer:
                    status = answer.status
                await asyncio.sleep(0.01)
    finally:
        stop.set()
        assert await asyncio.wait_for(running, 20) == 0
