"""What others see of the operator itself: probes, metrics, logs."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from coroner_categorizer import Evidence
from coroner_operator.kube.client import Client, load_configuration
from coroner_operator.kube.errors import NotFound, Unreachable
from coroner_operator.kube.resources import POD
from coroner_operator.model.failure_record import FailureRecord
from coroner_operator.telemetry.health_server import HealthServer
from coroner_operator.telemetry.log_format import configure_logging
from coroner_operator.telemetry.metrics import Metrics
from embedded_apiserver import EmbeddedApiServer
from tests.operator_unit.test_store_contract import report
from tests.support.default_pack import CATEGORIZER

TOKEN = "ghp_" + "a1B2" * 9


async def get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_readiness_says_what_is_missing_and_liveness_does_not_care() -> None:
    unready = "not listed yet: pods"
    health = HealthServer(Metrics(), lambda: "", lambda: unready)
    await health.start("127.0.0.1:0", "")
    try:
        port = health.ports["127.0.0.1:0"]
        assert await get(port, "/readyz") == (503, "not listed yet: pods\n")
        assert await get(port, "/healthz") == (200, "ok\n")
        assert (await get(port, "/metrics"))[0] == 404
        unready = ""
        assert await get(port, "/readyz") == (200, "ok\n")
    finally:
        await health.stop()


async def test_a_part_that_has_ended_is_neither_ready_nor_alive() -> None:
    health = HealthServer(Metrics(), lambda: "a part has ended", lambda: "")
    await health.start("127.0.0.1:0", "")
    try:
        port = health.ports["127.0.0.1:0"]
        assert [(await get(port, path))[0] for path in ("/healthz", "/readyz")] == [503, 503]
    finally:
        await health.stop()


async def test_one_address_can_serve_both() -> None:
    metrics = Metrics("abc")
    health = HealthServer(metrics, lambda: "", lambda: "")
    await health.start("127.0.0.1:0", "127.0.0.1:0")
    try:
        status, text = await get(health.ports["127.0.0.1:0"], "/metrics")
        assert status == 200
        assert 'coroner_build_info{rules="abc"' in text
    finally:
        await health.stop()


async def test_prometheus_gets_openmetrics_where_it_asks_for_it() -> None:
    metrics = Metrics("abc")
    health = HealthServer(metrics, lambda: "", lambda: "")
    await health.start("", "127.0.0.1:0")
    try:
        url = f"http://127.0.0.1:{health.ports['127.0.0.1:0']}/metrics"
        wanted = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}
        async with aiohttp.ClientSession() as session, session.get(url, headers=wanted) as answer:
            assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
            families = {family.name: family for family in parse_openmetrics(await answer.text())}  # type: ignore[no-untyped-call]
        assert {"coroner_failures", "coroner_failing_workloads", "coroner_build_info"} <= families.keys()
        assert (await get(health.ports["127.0.0.1:0"], "/metrics"))[1].endswith("\n")
        assert "# EOF" not in (await get(health.ports["127.0.0.1:0"], "/metrics"))[1]
    finally:
        await health.stop()


async def test_requests_are_counted_by_status_and_measured(server: EmbeddedApiServer, tmp_path: Path) -> None:
    metrics = Metrics()
    async with Client(await load_configuration(server.kubeconfig(tmp_path / "kubeconfig"))) as client:
        client.on_response = metrics.observe_request
        await client.get(POD.path("default"))
        with pytest.raises(NotFound):
            await client.get(POD.object_path("default", "missing"))
        await server.stop()
        with pytest.raises(Unreachable):
            await client.get(POD.path("default"))
    text = metrics.exposition().decode()
    for code in ("200", "404", "error"):
        assert f'coroner_api_requests_total{{code="{code}",method="GET"}} 1.0' in text
    assert 'coroner_api_request_duration_seconds_count{method="GET"} 3.0' in text
    assert 'coroner_api_request_duration_seconds_count{method="PATCH"} 0.0' in text


def test_a_secret_is_counted_once_by_the_type_of_its_mark() -> None:
    metrics = Metrics(redactions=CATEGORIZER.redactor.types)
    token = CATEGORIZER.redactor.redact(f"token {TOKEN} and {TOKEN}")
    assert metrics.exposition().count(b"coroner_redactions_total{") == len(CATEGORIZER.redactor.types) + 1
    metrics.count_redactions([record(message=token, evidence=(Evidence("message", token),))])
    metrics.count_redactions([record(message="the program printed [redacted:whatever-it-likes] itself")])
    text = metrics.exposition().decode()
    assert 'coroner_redactions_total{type="github-token"} 2.0' in text
    assert 'coroner_redactions_total{type="other"} 1.0' in text
    assert "whatever" not in text


def record(**changes: Any) -> FailureRecord:
    """A failure whose verdict has these texts."""
    stored = report(1).history[0]
    return msgspec.structs.replace(stored, verdict=msgspec.structs.replace(stored.verdict, **changes))


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_record_of_any_logger_shows_a_secret(form: str, root_logger: logging.Logger) -> None:
    stream = io.StringIO()
    configure_logging(form, "info", stream)  # type: ignore[arg-type]
    logging.getLogger("coroner.test").warning("token %s", TOKEN)
    logging.getLogger("kopf.objects").error("argument %r", {"token": TOKEN})
    try:
        raise ValueError(f"in an exception: {TOKEN}")
    except ValueError:
        logging.getLogger("some.library").exception("failed")
    assert TOKEN not in stream.getvalue()
    assert stream.getvalue().count("[redacted:github-token]") >= 3


def test_a_json_record_is_one_line_whatever_its_text(root_logger: logging.Logger) -> None:
    stream = io.StringIO()
    configure_logging("json", "info", stream)
    logging.getLogger("coroner.test").info('two\nlines and a "quote"')
    record = json.loads(stream.getvalue())
    assert (record["level"], record["logger"], record["message"]) == (
        "info",
        "coroner.test",
        'two\nlines and a "quote"',
    )
    assert stream.getvalue().count("\n") == 1


def test_only_the_entry_module_knows_kopf() -> None:
    package = Path(__file__).parents[2] / "operator" / "coroner_operator"
    knowing = {file.name for file in package.rglob("*.py") if "import kopf" in file.read_text()}
    assert knowing == {"kopf_app.py"}
