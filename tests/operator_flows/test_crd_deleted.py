"""Our own CRD is deleted while the operator runs, and all reports with it; later it is back (F15)."""

from __future__ import annotations

import logging
from functools import partial

import aiohttp
import pytest
import yaml

from coroner_operator.runtime.engine import Engine
from embedded_apiserver import EmbeddedApiServer
from tests.support.live_objects import failed_pod
from tests.support.operators import ROOT, Operators
from tests.support.reports import Reports
from tests.support.waiting import until

CRD = yaml.safe_load((ROOT / "crds" / "failurereports.coroner.dev.yaml").read_text())


async def readiness(engine: Engine) -> tuple[int, str]:
    url = f"http://127.0.0.1:{engine.ports['127.0.0.1:0']}/readyz"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_the_operator_is_not_ready_says_why_and_loses_nothing(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, caplog: pytest.LogCaptureFixture
) -> None:
    engine = await operators.start()
    for number in range(3):
        server.put(failed_pod(f"before-{number}"))
    for number in range(3):
        await until(partial(reports.of, f"before-{number}"), message=f"a report of before-{number}")
    server.delete("CustomResourceDefinition", CRD["metadata"]["name"], "")

    async def says_why() -> bool:
        status, text = await readiness(engine)
        return status == 503 and "failurereports.coroner.dev is not installed" in text

    await until(says_why)
    server.put(failed_pod("meanwhile"))
    server.drop_watches()  # so that the watch of reports meets the 404
    await until(lambda: "failurereports: GET" in caplog.text)
    assert not engine.ended.done()
    server.put(CRD)

    async def is_ready() -> bool:
        return (await readiness(engine))[0] == 200

    await until(is_ready)
    server.put(failed_pod("after"))
    for name in ("before-0", "before-1", "before-2", "meanwhile", "after"):
        report = await until(partial(reports.of, name), message=f"a report of {name}")
        assert report["status"]["failures"] == 1
    assert not [record for record in caplog.records if record.exc_info and record.levelno >= logging.ERROR]
