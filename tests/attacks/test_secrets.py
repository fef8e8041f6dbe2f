"""Programs that print secrets when they end: none of them is in anything that Coroner publishes (F14)."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from coroner_operator.publish.event_recorder import GLOBAL_LIMIT
from coroner_operator.telemetry.log_format import configure_logging
from embedded_apiserver import EmbeddedApiServer
from tests.redaction.corpus import HARMLESS, SAMPLES
from tests.support.live_objects import failed_pod
from tests.support.operators import Operators
from tests.support.reports import Reports
from tests.support.waiting import until

SHORTEST = 6  # characters of a secret; shorter ones are parts of the harmless words of other samples
MESSAGES = {
    f"s{number}": sample
    for number, sample in enumerate(SAMPLES)
    if not sample.is_cut and min(map(len, sample.secrets)) >= SHORTEST
}
"""Name of the pod → what it printed."""
NAMESPACES = 4
"""Over which the pods are spread: an Event of each is sent at once only while a namespace has few."""


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All loggers' output, at the level debug."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("text", "debug", stream)
    yield stream
    root.handlers[:], root.level = handlers, level
    root.setLevel(level)


async def test_no_secret_is_in_a_report_an_event_the_log_or_the_metrics(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, log: io.StringIO
) -> None:
    engine = await operators.start()
    for number in range(NAMESPACES):
        server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"team-{number}"}})
    for number, (name, sample) in enumerate(MESSAGES.items()):
        server.put(failed_pod(name, message=sample.text, namespace=f"team-{number % NAMESPACES}"))
    await until(lambda: all(reports.of(name) for name in MESSAGES), 120, "a report on each")
    at_once = min(GLOBAL_LIMIT[0], len(MESSAGES))  # more are dropped
    events = await until(lambda: (e := server.objects("Event")) and len(e) >= at_once and e, 60, "Events")
    common = log.getvalue() + engine.metrics.exposition().decode()
    about = {event["involvedObject"]["name"]: event for event in events}
    shown = {name: f"{_texts(reports.of(name))}\n{_texts(about.get(name))}\n{common}" for name in MESSAGES}
    assert {name: leaks for name, sample in MESSAGES.items() if (leaks := sample.leaks(shown[name]))} == {}


@pytest.mark.parametrize("output", ["text", "json", "yaml", "html"])
def test_no_secret_is_in_what_explain_prints(tmp_path: Path, output: str) -> None:
    file = tmp_path / "pods.json"
    pods = [failed_pod(name, message=sample.text) for name, sample in MESSAGES.items()]
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))
    command = [sys.executable, "-m", "coroner_operator", "explain", "-o", output, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1, done.stderr
    printed = (unescape(done.stdout) if output == "html" else done.stdout) + done.stderr
    folded = printed + " ".join(printed.split())  # lines are wrapped
    assert {name: leaks for name, sample in MESSAGES.items() if (leaks := sample.leaks(folded))} == {}


async def test_harmless_messages_are_shown_as_they_are(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    messages = {f"h{number}": text for number, text in enumerate(HARMLESS) if len(text) < 500}
    for name, text in messages.items():
        server.put(failed_pod(name, message=text))
    await until(lambda: all(reports.of(name) for name in messages), 120, "a report on each")
    assert [name for name in messages if "[redacted:" in _texts(reports.of(name))] == []


def _texts(obj: object) -> str:
    """All strings of an object, as they are."""
    match obj:
        case dict():
            return "\n".join(_texts(value) for value in obj.values())
        case list():
            return "\n".join(_texts(value) for value in obj)
        case _:
            return str(obj)
