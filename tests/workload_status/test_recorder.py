"""The event recorder: what the API server gets, how often, and that nobody ever waits for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coroner_operator.kube.client import Client, load_configuration
from coroner_operator.publish.event_recorder import GLOBAL_LIMIT, PER_NAMESPACE, PER_OBJECT, Recorder
from coroner_operator.publish.event_series import Regarding
from coroner_operator.publish.token_bucket import TokenBucket
from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.waiting import until
from tests.workload_status.backend import Sandbox

JOB = Regarding("batch/v1", "Job", "default", "train", "0123abcd-0000-4000-8000-000000000000")
NODE = Regarding("v1", "Node", "", "node-1", "node-1")
TOKEN = "ghp_" + "a1B2" * 9


class Outcomes(Counter[str]):
    def count_event(self, outcome: str) -> None:
        self[outcome] += 1


class RecorderSession:
    def __init__(self, recorder: Recorder, outcomes: Outcomes) -> None:
        self.recorder = recorder
        self.outcomes = outcomes

    def record(self, note: str = "it failed", about: Regarding = JOB, reason: str = "Error") -> None:
        self.recorder.record(about, reason, note, action="Categorized")


@asynccontextmanager
async def recording(kubeconfig: Path, **options: Any) -> AsyncIterator[RecorderSession]:
    outcomes = Outcomes()
    async with Client(await load_configuration(kubeconfig)) as client:
        recorder = Recorder(client, outcomes, **options)
        recorder.start()
        try:
            yield RecorderSession(recorder, outcomes)
        finally:
            await recorder.close(5)


@pytest.fixture
def kubeconfig_path(embedded: EmbeddedApiServer, tmp_path: Path) -> Path:
    return embedded.kubeconfig(tmp_path / "embedded.kubeconfig")


def events(server: EmbeddedApiServer) -> list[Any]:
    return server.objects("Event", api_version="events.k8s.io/v1")


async def test_an_event_names_reporter_object_and_reason_and_a_repetition_is_counted_in_its_series(
    sandbox: Sandbox,
) -> None:
    about = Regarding("batch/v1", "Job", sandbox.namespace, "train", "0123abcd-0000-4000-8000-000000000000")
    began = datetime.now(UTC) - timedelta(seconds=1)
    async with recording(sandbox.kubeconfig, resend_interval=0) as session:
        session.record("it failed", about)
        (event,) = await until(sandbox.events)
        assert event["regarding"] == {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "namespace": sandbox.namespace,
            "name": "train",
            "uid": about.uid,
        }
        assert [event[name] for name in ("type", "reason", "action", "note")] == [
            "Warning",
            "Error",
            "Categorized",
            "it failed",
        ]
        assert event["reportingInstance"].startswith("coroner-")
        assert datetime.fromisoformat(event["eventTime"]) > began
        assert not event.get("series")
        session.record("it failed", about)
        session.record("it failed", about)

        async def counted() -> bool:
            return ((await sandbox.events())[0].get("series") or {}).get("count") == 3

        await until(counted)
        assert len(await sandbox.events()) == 1
    assert session.outcomes["dropped"] == 0


async def test_a_series_continues_after_a_restart(sandbox: Sandbox) -> None:
    about = Regarding("batch/v1", "Job", sandbox.namespace, "train", "0123abcd-0000-4000-8000-000000000000")
    for _ in range(2):
        async with recording(sandbox.kubeconfig) as session:
            session.record("it failed", about)
            session.record("it failed", about)
    (event,) = await sandbox.events()
    assert event["series"]["count"] == 4


@pytest.mark.parametrize(
    ("note", "shown"),
    [
        pytest.param("x" * 1024, "x" * 1024, id="1,024 bytes fit"),
        pytest.param("x" * 1025, "x" * 1021 + "…", id="one more does not"),
        pytest.param("ж" * 1024, "ж" * 510 + "…", id="bytes, not characters"),
        pytest.param("a" + "😀" * 300, "a" + "😀" * 255 + "…", id="cut between characters"),
        pytest.param("one\x1b[31mtwo\x00\nthree", "onetwo three", id="one clean line"),
        pytest.param(f"token {TOKEN}", "token [redacted:github-token]", id="no secrets"),
        pytest.param("x" * 1010 + " " + TOKEN, "x" * 1010 + " [redacted:…", id="redacted before it is cut"),
        pytest.param("half \ud800 pair", "half \ufffd pair", id="valid UTF-8"),
    ],
)
async def test_a_note_is_redacted_and_short(sandbox: Sandbox, note: str, shown: str) -> None:
    async with recording(sandbox.kubeconfig) as session:
        session.record(note, Regarding("v1", "Pod", sandbox.namespace, "a", "u"))
        (event,) = await until(sandbox.events)
        assert event["note"] == shown


async def test_events_about_cluster_scoped_objects_are_in_default(
    kubeconfig_path: Path, embedded: EmbeddedApiServer
) -> None:
    async with recording(kubeconfig_path) as session:
        session.record(about=NODE)
    (event,) = events(embedded)
    assert event["metadata"]["namespace"] == "default"
    assert "namespace" not in event["regarding"]


async def test_repetitions_are_sent_at_intervals_and_at_the_end(
    kubeconfig_path: Path, embedded: EmbeddedApiServer
) -> None:
    async with recording(kubeconfig_path) as session:
        for _ in range(50):
            session.record()
        await until(lambda: events(embedded))
        for _ in range(50):
            session.record()
    (event,) = events(embedded)
    assert event["series"]["count"] == 100
    writes = [call.method for call in embedded.calls if call.is_write]
    assert writes == ["POST", "PATCH"]


async def test_an_event_that_the_api_server_has_deleted_is_created_again(
    kubeconfig_path: Path, embedded: EmbeddedApiServer
) -> None:
    async with recording(kubeconfig_path, resend_interval=0) as session:
        session.record()
        (event,) = await until(lambda: events(embedded))
        embedded.delete("Event", event["metadata"]["name"])
        session.record()
        (again,) = await until(lambda: events(embedded))
    assert not again.get("series")
    assert again["eventTime"] > event["eventTime"]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(method="POST", path="/events", status=403), id="forbidden"),
        pytest.param(Fault(method="POST", path="/events", status=404), id="no such namespace"),
        pytest.param(Fault(method="POST", path="/events", status=422), id="refused"),
    ],
)
async def test_what_cannot_be_posted_is_dropped_and_the_next_is_not(
    kubeconfig_path: Path, embedded: EmbeddedApiServer, fault: Fault
) -> None:
    embedded.faults.add(fault)
    async with recording(kubeconfig_path) as session:
        session.record()
        await until(lambda: session.outcomes["dropped"] == 1)
        embedded.faults.clear()
        session.record()
        await until(lambda: events(embedded))
    assert session.outcomes == {"dropped": 1, "created": 1}


async def test_nothing_is_retried_in_a_terminating_namespace(sandbox: Sandbox) -> None:
    gone = Regarding("batch/v1", "Job", "no-such-namespace", "train", "u")
    async with recording(sandbox.kubeconfig) as session:
        session.record(about=gone)
        await until(lambda: session.outcomes["dropped"] == 1)


async def test_a_lost_response_makes_no_second_event(kubeconfig_path: Path, embedded: EmbeddedApiServer) -> None:
    embedded.faults.add(Fault(method="POST", path="/events", drop="after", times=1))
    async with recording(kubeconfig_path) as session:
        session.record()
        await until(lambda: session.outcomes["counted"] or session.outcomes["created"])
    assert len(events(embedded)) == 1


async def test_the_rate_limit_of_one_object_affects_no_other(
    kubeconfig_path: Path, embedded: EmbeddedApiServer
) -> None:
    clock = 0.0

    def now() -> float:
        return clock

    async with recording(kubeconfig_path, clock=now) as session:
        for number in range(50):
            session.record(f"in a new way: {number}")
        session.record(about=NODE)
        assert session.outcomes["dropped"] == 50 - PER_OBJECT[0]
        clock = 60.0
        session.record("a minute later")
        session.record("and at once again")
        assert session.outcomes["dropped"] == 50 - PER_OBJECT[0] + 1
    assert len(events(embedded)) == PER_OBJECT[0] + 2


async def test_all_objects_together_have_a_rate_limit_too(kubeconfig_path: Path, embedded: EmbeddedApiServer) -> None:
    async with recording(kubeconfig_path, clock=lambda: 0.0) as session:
        for number in range(GLOBAL_LIMIT[0] + 30):
            session.record(about=Regarding("batch/v1", "Job", f"team-{number % 5}", f"train-{number}", f"u-{number}"))
        assert session.outcomes["dropped"] == 30


async def test_a_namespace_cannot_use_up_the_limit_of_all(kubeconfig_path: Path, embedded: EmbeddedApiServer) -> None:
    async with recording(kubeconfig_path, clock=lambda: 0.0) as session:
        for number in range(GLOBAL_LIMIT[0]):
            session.record(about=Regarding("batch/v1", "Job", "attacker", f"train-{number}", f"u-{number}"))
        dropped = session.outcomes["dropped"]
        assert dropped == GLOBAL_LIMIT[0] - PER_NAMESPACE[0]
        session.record(about=Regarding("batch/v1", "Job", "victim", "train", "u"))
        assert session.outcomes["dropped"] == dropped


async def test_close_does_not_wait_for_an_api_server_that_does_not_answer(
    kubeconfig_path: Path, embedded: EmbeddedApiServer
) -> None:
    silence = embedded.faults.add(Fault(method="POST", path="/events", delay=60))
    outcomes = Outcomes()
    async with Client(await load_configuration(kubeconfig_path)) as client:
        recorder = Recorder(client, outcomes)
        recorder.start()
        recorder.record(JOB, "Error", "it failed", action="Categorized")
        await until(lambda: embedded.faults.hits(silence))
        async with asyncio.timeout(10):
            await recorder.close(0.1)


async def test_the_hint_is_no_part_of_a_series_identity(kubeconfig_path: Path, embedded: EmbeddedApiServer) -> None:
    async with recording(kubeconfig_path) as session:
        for pod in ("train-0", "train-1"):
            session.recorder.record(JOB, "Error", "it failed", action="Categorized", hint=f"Look at the log of {pod}.")
    (event,) = events(embedded)
    assert (event["note"], event["series"]["count"]) == ("it failed Look at the log of train-0.", 2)


async def test_an_event_in_flight_at_close_is_counted_once(kubeconfig_path: Path, embedded: EmbeddedApiServer) -> None:
    slow = embedded.faults.add(Fault(method="POST", path="/events", delay=0.3))
    async with recording(kubeconfig_path) as session:
        session.record()
        await until(lambda: embedded.faults.hits(slow))
    (event,) = events(embedded)
    assert "series" not in event
    assert session.outcomes == {"created": 1}


async def test_warnings_of_the_operator_are_about_its_own_pod(
    kubeconfig_path: Path, embedded: EmbeddedApiServer
) -> None:
    own = Regarding("v1", "Pod", "default", "coroner-0")
    async with recording(kubeconfig_path, own=own) as session:
        session.recorder.warn(None, "InvalidRules", "the rules have a mistake")
    async with recording(kubeconfig_path) as session:
        session.recorder.warn(None, "InvalidRules", "there is no pod to say it about")
    (event,) = events(embedded)
    assert (event["regarding"]["name"], event["reason"], event["type"]) == ("coroner-0", "InvalidRules", "Warning")


@pytest.mark.parametrize(
    ("times", "taken"),
    [([0] * 5, 3), ([0, 0, 0, 1, 2], 5), ([0, 0, 0, 0.5, 1.0], 4), ([0, 0, 0, 100, 100, 100, 100], 6)],
)
def test_a_token_bucket_allows_its_burst_and_then_its_rate(times: list[float], taken: int) -> None:
    bucket = TokenBucket(3, 1)
    assert sum(bucket.take(time) for time in times) == taken
