"""What others see of the operator itself: probes, metrics, logs."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import aiohttp
import pytest

from coroner_operator.telemetry.health_server import HealthServer
from coroner_operator.telemetry.log_format import configure_logging
from coroner_operator.telemetry.metrics import CATEGORY_LIMIT, Metrics

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


def test_categories_beyond_the_limit_are_counted_as_other() -> None:
    metrics = Metrics()
    for number in range(CATEGORY_LIMIT + 50):
        metrics.count_failures("site", f"name-{number}")
    text = metrics.exposition().decode()
    assert text.count("coroner_failures_total{") == CATEGORY_LIMIT + 1
    assert 'coroner_failures_total{category="other",subcategory="other"} 50.0' in text


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
