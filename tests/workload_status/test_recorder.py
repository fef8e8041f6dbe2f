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
from coroner_operator.publish.event_recorder import GLOBAL_LIMIT, PER_OBJECT, Recorder
from coroner_operator.publish.event_series import Regarding
from coroner_operator.publish.token_bucket import TokenBucket
from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.waiting import until
from tests.workload_status.backend import World

JOB = Regarding("batch/v1", "Job", "default", "train", "0123abcd-0000-4000-8000-000000000000")
NODE = Regarding("v1", "Node", "", "node-1", "node-1")
TOKEN = "ghp_" + "a1B2" * 9


class Outcomes(Counter[str]):
    def count_event(self, outcome: str) -> None:
        self[outcome] += 1


class Playing:
    def __init__(self, recorder: Recorder, outcomes: Outcomes) -> None:
        self.recorder = recorder
        self.outcomes = outcomes

    def happens(self, note: str = "it failed", about: Regarding = JOB, reason: str = "Error") -> None:
        self.recorder.record(about, reason, note, action="Categorized")


@asynccontextmanager
async def recording(kubeconfig: Path, **options: Any) -> AsyncIterator[Playing]:
    outcomes = Outcomes()
    async with Client(await load_configuration(kubeconfig)) as client:
        recorder = Recorder(client, outcomes, **options)
        recorder.start()
        try:
            yield Playing(recorder, outcomes)
        finally:
            await recorder.close(5)


@pytest.fixture
def place(embedded: EmbeddedApiServer, tmp_path: Path) -> Path:
    return embedded.kubeconfig(tmp_path / "embedded.kubeconfig")


def events(server: EmbeddedApiServer) -> list[Any]:
    return server.objects("Event", api_version="events.k8s.io/v1")


async def test_an_event_says_who_saw_what_of_which_object_and_a_repetition_is_counted_in_its_series(
    world: World,
) -> None:
    about = Regarding("batch/v1", "Job", world.namespace, "train", "0123abcd-0000-4000-8000-000000000000")
    began = datetime.now(UTC) - timedelta(seconds=1)
    async with recording(world.kubeconfig, resend_interval=0) as playing:
        playing.happens("it failed", about)
        (event,) = await until(world.events)
        assert event["regarding"] == {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "namespace": world.namespace,
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
        playing.happens("it failed", about)
        playing.happens("it failed", about)

        async def counted() -> bool:
            return ((await world.events())[0].get("series") or {}).get("count") == 3

        await until(counted)
        assert len(await world.events()) == 1
    assert playing.outcomes["dropped"] == 0


async def test_the_series_goes_on_after_a_restart(world: World) -> None:
    about = Regarding("batch/v1", "Job", world.namespace, "train", "0123abcd-0000-4000-8000-000000000000")
    for _ in range(2):
        async with recording(world.kubeconfig) as playing:
            playing.happens("it failed", about)
            playing.happens("it failed", about)
    (event,) = await world.events()
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
async def test_a_note_is_clean_and_short(world: World, note: str, shown: str) -> None:
    async with recording(world.kubeconfig) as playing:
        playing.happens(note, Regarding("v1", "Pod", world.namespace, "a", "u"))
        (event,) = await until(world.events)
        assert event["note"] == shown


async def test_events_of_objects_of_the_whole_cluster_are_in_default(place: Path, embedded: EmbeddedApiServer) -> None:
    async with recording(place) as playing:
        playing.happens(about=NODE)
    (event,) = events(embedded)
    assert event["metadata"]["namespace"] == "default"
    assert "namespace" not in event["regarding"]


async def test_repetitions_are_told_once_in_a_while_and_at_the_end(place: Path, embedded: EmbeddedApiServer) -> None:
    async with recording(place) as playing:
        for _ in range(50):
            playing.happens()
        await until(lambda: events(embedded))
        for _ in range(50):
            playing.happens()
    (event,) = events(embedded)
    assert event["series"]["count"] == 100
    writes = [call.method for call in embedded.calls if call.is_write]
    assert writes == ["POST", "PATCH"]


async def test_an_event_that_the_api_server_has_forgotten_begins_anew(place: Path, embedded: EmbeddedApiServer) -> None:
    async with recording(place, resend_interval=0) as playing:
        playing.happens()
        (event,) = await until(lambda: events(embedded))
        embedded.delete("Event", event["metadata"]["name"])
        playing.happens()
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
    place: Path, embedded: EmbeddedApiServer, fault: Fault
) -> None:
    embedded.faults.add(fault)
    async with recording(place) as playing:
        playing.happens()
        await until(lambda: playing.outcomes["dropped"] == 1)
        embedded.faults.clear()
        playing.happens()
        await until(lambda: events(embedded))
    assert playing.outcomes == {"dropped": 1, "created": 1}


async def test_in_a_namespace_that_ends_nothing_is_tried_twice(world: World) -> None:
    gone = Regarding("batch/v1", "Job", "no-such-namespace", "train", "u")
    async with recording(world.kubeconfig) as playing:
        playing.happens(about=gone)
        await until(lambda: playing.outcomes["dropped"] == 1)


async def test_a_lost_answer_makes_no_second_event(place: Path, embedded: EmbeddedApiServer) -> None:
    embedded.faults.add(Fault(method="POST", path="/events", drop="after", times=1))
    async with recording(place) as playing:
        playing.happens()
        await until(lambda: playing.outcomes["counted"] or playing.outcomes["created"])
    assert len(events(embedded)) == 1


async def test_one_talkative_object_silences_itself_and_no_other(place: Path, embedded: EmbeddedApiServer) -> None:
    clock = 0.0

    def now() -> float:
        return clock

    async with recording(place, clock=now) as playing:
        for number in range(50):
            playing.happens(f"in a new way: {number}")
        playing.happens(about=NODE)
        assert playing.outcomes["dropped"] == 50 - PER_OBJECT[0]
        clock = 60.0
        playing.happens("a minute later")
        playing.happens("and at once again")
        assert playing.outcomes["dropped"] == 50 - PER_OBJECT[0] + 1
    assert len(events(embedded)) == PER_OBJECT[0] + 2


async def test_all_objects_together_have_a_limit_too(place: Path, embedded: EmbeddedApiServer) -> None:
    async with recording(place, clock=lambda: 0.0) as playing:
        for number in range(GLOBAL_LIMIT[0] + 30):
            playing.happens(about=Regarding("batch/v1", "Job", "default", f"train-{number}", f"u-{number}"))
        assert playing.outcomes["dropped"] == 30


async def test_nobody_waits_for_an_api_server_that_does_not_answer(place: Path, embedded: EmbeddedApiServer) -> None:
    silence = embedded.faults.add(Fault(method="POST", path="/events", delay=60))
    outcomes = Outcomes()
    async with Client(await load_configuration(place)) as client:
        recorder = Recorder(client, outcomes)
        recorder.start()
        recorder.record(JOB, "Error", "it failed", action="Categorized")
        await until(lambda: embedded.faults.hits(silence))
        async with asyncio.timeout(10):
            await recorder.close(0.1)


async def test_the_hint_is_no_part_of_a_series_identity(place: Path, embedded: EmbeddedApiServer) -> None:
    async with recording(place) as playing:
        for pod in ("train-0", "train-1"):
            playing.recorder.record(JOB, "Error", "it failed", action="Categorized", hint=f"Look at the log of {pod}.")
    (event,) = events(embedded)
    assert (event["note"], event["series"]["count"]) == ("it failed Look at the log of train-0.", 2)


async def test_an_event_that_is_on_its_way_at_the_end_is_counted_once(place: Path, embedded: EmbeddedApiServer) -> None:
    slow = embedded.faults.add(Fault(method="POST", path="/events", delay=0.3))
    async with recording(place) as playing:
        playing.happens()
        await until(lambda: embedded.faults.hits(slow))
    (event,) = events(embedded)
    assert "series" not in event
    assert playing.outcomes == {"created": 1}


async def test_the_operators_own_troubles_are_about_its_own_pod(place: Path, embedded: EmbeddedApiServer) -> None:
    own = Regarding("v1", "Pod", "default", "coroner-0")
    async with recording(place, own=own) as playing:
        playing.recorder.warn(None, "InvalidRules", "the rules have a mistake")
    async with recording(place) as playing:
        playing.recorder.warn(None, "InvalidRules", "there is no pod to say it about")
    (event,) = events(embedded)
    assert (event["regarding"]["name"], event["reason"], event["type"]) == ("coroner-0", "InvalidRules", "Warning")


@pytest.mark.parametrize(
    ("times", "taken"),
    [([0] * 5, 3), ([0, 0, 0, 1, 2], 5), ([0, 0, 0, 0.5, 1.0], 4), ([0, 0, 0, 100, 100, 100, 100], 6)],
)
def test_a_bucket_gives_its_burst_and_then_so_many_a_second(times: list[float], taken: int) -> None:
    bucket = TokenBucket(3, 1)
    assert sum(bucket.take(time) for time in times) == taken
