"""How much is read at one time, and what is known of what is too large."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from hypothesis import given
from hypothesis import strategies as st

from coroner_operator.kube.bodies import (
    HEAD_BYTES,
    OBJECT_LIMIT,
    Head,
    ListHead,
    ObjectId,
    read_lines,
    read_up_to,
)
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import DETAIL_LENGTH, Status, TooLarge, Transient, error_from_status
from coroner_operator.kube.fair_queue import FairSlots
from coroner_operator.kube.resources import POD
from tests.support.clients import client_of_app

TOTAL, SHARE = 16, 4


class Reads:
    """Reads of namespaces, of which some never end."""

    def __init__(self) -> None:
        self.slots = FairSlots(TOTAL, SHARE)
        self.in_progress: Counter[str] = Counter()
        self.served: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._ends = asyncio.Event()

    def start(self, namespace: str, count: int = 1, *, hang: bool = False) -> None:
        self.tasks += [asyncio.create_task(self._read(namespace, hang)) for _ in range(count)]

    async def _read(self, namespace: str, hang: bool) -> None:
        async with self.slots.slot(namespace):
            self.served.append(namespace)
            self.in_progress[namespace] += 1
            try:
                await (self._ends.wait() if hang else asyncio.sleep(0))
            finally:
                self.in_progress[namespace] -= 1

    async def settle(self) -> None:
        for _ in range(200):
            await asyncio.sleep(0)

    async def end(self) -> None:
        self._ends.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_reads_that_hang_in_some_namespaces_leave_slots_to_another() -> None:
    reads = Reads()
    for number in range(3):
        reads.start(f"hostile-{number}", 100, hang=True)
    reads.start("honest", 20)
    await reads.settle()
    assert [reads.in_progress[f"hostile-{number}"] for number in range(3)] == [SHARE] * 3
    assert reads.served.count("honest") == 20
    await reads.end()
    assert len(reads.served) == 320


async def test_who_waits_is_served_in_turn() -> None:
    reads = Reads()
    reads.start("many", 60)
    reads.start("few", 3)
    await reads.end()
    assert max(index for index, namespace in enumerate(reads.served) if namespace == "few") < 30


async def test_reads_that_are_cancelled_give_their_slot_back() -> None:
    reads = Reads()
    reads.start("a", 40, hang=True)
    await reads.settle()
    for task in reads.tasks[:36]:  # those that hold a slot, and some that wait
        task.cancel()
    await reads.settle()
    assert reads.in_progress["a"] == SHARE
    reads.start("b", 5)
    await reads.settle()
    assert reads.served.count("b") == 5
    await reads.end()


async def test_a_read_that_is_cancelled_as_its_turn_comes_gives_its_slot_back() -> None:
    slots = FairSlots(1, 1)
    async with slots.slot("a"):
        cancelled, granted = (asyncio.create_task(slots.slot("a").__aenter__()) for _ in range(2))
        await asyncio.sleep(0)
        cancelled.cancel()
    granted.cancel()
    for task in (cancelled, granted):
        with suppress(asyncio.CancelledError):
            await task
    async with asyncio.timeout(1), slots.slot("b"):
        pass


EVENT = (
    b'{"type":"DELETED","object":{"kind":"Event","apiVersion":"v1","metadata":{"name":"x.1","namespace":"ns","uid":"u-1",'
    b'"resourceVersion":"42","annotations":{"name":"forged","uid":"forged"}},"message":"\\"uid\\":\\"forged\\"'
)


def test_the_head_of_a_line_names_its_object() -> None:
    head = Head(EVENT)
    assert head.change_type == "DELETED"
    assert head.object_id == ObjectId("ns", "x.1", "u-1", "42")
    assert str(head.object_id) == "ns/x.1"


def test_the_head_of_a_list_says_what_follows() -> None:
    head = Head(
        b'{"kind":"EventList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"abc"},'
        b'"items":[{"metadata":{"name":"x","namespace":"ns","uid":"u","resourceVersion":"3"},"message":"..'
    )
    assert head.list_head == ListHead("7", "abc", ObjectId("ns", "x", "u", "3"))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b'{"items":[', b'{"metadata":{"name":', b'{"metadata":{"name":"a\\u0041', b'{"metadata":{"name":7'],
)
def test_what_the_head_does_not_say_is_not_guessed(data: bytes) -> None:
    assert Head(data).object_id == ObjectId()
    assert Head(data).list_head is None


def stream(*chunks: bytes) -> aiohttp.StreamReader:
    loop = asyncio.get_running_loop()
    reader = aiohttp.StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    for chunk in chunks:
        reader.feed_data(chunk)
    reader.feed_eof()
    return reader


async def test_an_answer_is_read_up_to_its_limit() -> None:
    assert await read_up_to(stream(b"12345", b"67890"), 10) == b"1234567890"
    assert await read_up_to(stream(b"12345", b"67890", b"1"), 10) == Head(b"12345678901")
    assert await read_up_to(stream(b"x" * 9000, b"y" * 9000), 100) == Head(b"x" * HEAD_BYTES)


@given(
    st.lists(st.sampled_from([b"", b"a", b"bcd", b"0123456789", b"0123456789ab", b"x" * 50]), max_size=8),
    st.integers(1, 30),
)
def test_lines_are_whole_or_a_head_however_they_arrive(lines: list[bytes], chunk: int) -> None:
    data = b"".join(line + b"\n" for line in lines) + b"rest"

    async def read() -> list[bytes | Head]:
        chunks = (data[start : start + chunk] for start in range(0, len(data), chunk))
        return [line async for line in read_lines(stream(*chunks), 10)]

    read_back = asyncio.run(read())
    assert read_back == [line if len(line) <= 10 else Head(line) for line in lines]


@pytest.fixture
async def client_of_large_answers(tmp_path: Path) -> AsyncIterator[Client]:
    """The pod ``large`` has more than may be read; asking for any other is an error that says as much."""

    async def pod(request: web.Request) -> web.Response:
        return web.Response(
            status=200 if request.match_info["name"] == "large" else 503, body=b"x" * (OBJECT_LIMIT + 1)
        )

    app = web.Application()
    app.router.add_get("/api/v1/namespaces/default/pods/{name}", pod)
    async with client_of_app(app, tmp_path) as client:
        yield client


async def test_an_answer_that_is_too_large_is_an_error_that_says_so(client_of_large_answers: Client) -> None:
    with pytest.raises(TooLarge, match="more than 4,194,304 bytes") as caught:
        await client_of_large_answers.get(POD.path("default", "large"))
    assert caught.value.head == Head(b"x" * HEAD_BYTES)


async def test_an_error_that_is_too_large_is_the_error_that_its_status_says(client_of_large_answers: Client) -> None:
    with pytest.raises(Transient, match="503"):
        await client_of_large_answers.get(POD.path("default", "other"))


def test_of_the_servers_message_the_beginning_is_repeated() -> None:
    error = error_from_status("GET /", 422, Status(message="x" * 1_000_000))
    assert error.detail == "x" * DETAIL_LENGTH
    assert len(str(error)) < DETAIL_LENGTH + 100
