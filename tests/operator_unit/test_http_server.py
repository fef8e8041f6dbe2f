"""The ports that any pod of the network can reach: slow, silent and many clients stop nobody else (F12)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from http import HTTPStatus

import pytest

from coroner_operator.telemetry.health_server import CONNECTION_LIMIT, HealthServer
from coroner_operator.telemetry.http_server import REQUEST_LIMIT, HttpServer, Response
from coroner_operator.telemetry.metrics import Metrics
from tests.support.waiting import until

LIMIT = 4
BODY = b"x" * 100_000


def small(_headers: Mapping[str, str]) -> Response:
    return Response(HTTPStatus.OK, BODY)


def large(_headers: Mapping[str, str]) -> Response:
    return Response(HTTPStatus.OK, b"x" * 50_000_000)  # more than the buffers of a connection hold


def broken(_headers: Mapping[str, str]) -> Response:
    raise RuntimeError("a bug")


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def serve(stack: AsyncExitStack, timeout_seconds: float = 5.0) -> int:
    routes = {"/": small, "/large": large, "/broken": broken}
    server = HttpServer(routes, LIMIT, timeout_seconds)
    port = await server.start("127.0.0.1", 0)
    stack.push_async_callback(server.stop)
    return port


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, stack: AsyncExitStack, port: int, sent: bytes = b"") -> Client:
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        stack.callback(client.writer.close)
        client.writer.write(sent)
        return client

    async def rest(self) -> bytes:
        """Everything that still arrives; b"" for a connection that was ended."""
        async with asyncio.timeout(10):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


async def ask(stack: AsyncExitStack, port: int, request: str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n") -> bytes:
    return await (await Client.open(stack, port, request.encode())).rest()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"200 OK"),
        ("GET /?a=b HTTP/1.0\r\n\r\n", b"200 OK"),
        ("HEAD / HTTP/1.1\r\n\r\n", b"200 OK"),
        ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", b"405 Method Not Allowed"),
        ("GET /other HTTP/1.1\r\n\r\n", b"404 Not Found"),
        ("GET /broken HTTP/1.1\r\n\r\n", b"500 Internal Server Error"),
        ("GET /\r\n\r\n", b"400 Bad Request"),
        ("\r\n\r\n", b"400 Bad Request"),
        ("PRI * HTTP/2.0\r\n\r\n", b"400 Bad Request"),
        (f"GET / HTTP/1.1\r\nX: {'x' * 2 * REQUEST_LIMIT}", b"431 Request Header Fields Too Large"),
        (f"GET / HTTP/1.1\r\nX: {'x' * 2 * REQUEST_LIMIT}\r\n\r\n", b"431 Request Header Fields Too Large"),
    ],
)
async def test_a_request_is_answered_and_the_connection_closed(
    stack: AsyncExitStack, request_: str, status: bytes
) -> None:
    answer = await ask(stack, await serve(stack), request_)
    if answer:  # one that was closed before all of the request was read may be lost on the way
        assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n")
        assert b"\r\nConnection: close\r\n" in answer
    assert answer or "431" in status.decode()
    assert answer.endswith(b"\r\n\r\n" + BODY) == (status == b"200 OK" and not request_.startswith("HEAD"))


async def test_new_connections_are_served_while_silent_ones_hold_all_places(stack: AsyncExitStack) -> None:
    port = await serve(stack)
    silent = [await Client.open(stack, port, b"GET / HTTP/1.1\r\nX-Slow: ") for _ in range(20 * LIMIT)]
    assert (await ask(stack, port)).endswith(BODY)
    first = [await client.rest() for client in silent[: -2 * LIMIT]]
    assert first == [b""] * len(first)


async def test_a_client_that_sends_its_request_too_slowly_is_sent_away(stack: AsyncExitStack) -> None:
    port = await serve(stack, 0.3)
    client = await Client.open(stack, port, b"GET / HTTP/1.1\r\n")

    async def drip() -> bool:
        client.writer.write(b"X: y\r\n")  # progress does not extend the time
        return client.reader.at_eof() or client.reader.exception() is not None

    await until(drip, 5, "the connection is ended", poll=0.05)


async def test_a_client_that_does_not_read_is_sent_away(stack: AsyncExitStack) -> None:
    port = await serve(stack, 0.3)
    client = await Client.open(stack, port, b"GET /large HTTP/1.1\r\n\r\n")
    await asyncio.sleep(0)
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    before = len(asyncio.all_tasks())

    async def ended() -> bool:
        return len(asyncio.all_tasks()) < before

    await until(ended, 5, "the task of the connection has ended", poll=0.05)


async def test_stop_ends_connections(stack: AsyncExitStack) -> None:
    server = HttpServer({}, LIMIT)
    client = await Client.open(stack, await server.start("127.0.0.1", 0), b"GET")
    await server.stop()
    assert await client.rest() == b""


@pytest.mark.parametrize("attacked", ["health", "metrics"])
async def test_probes_are_answered_whoever_holds_connections(stack: AsyncExitStack, attacked: str) -> None:
    health = HealthServer(Metrics(), lambda: "", lambda: "")
    await health.start("127.0.0.1:0", "localhost:0")
    stack.push_async_callback(health.stop)
    ports = {"health": health.ports["127.0.0.1:0"], "metrics": health.ports["localhost:0"]}
    for _ in range(3 * CONNECTION_LIMIT):
        await Client.open(stack, ports[attacked], b"GET /metrics HTTP/1.1\r\nX-Slow: ")
    for name, path in (("health", "/healthz"), ("health", "/readyz"), ("metrics", "/metrics")):
        answer = await ask(stack, ports[name], f"GET {path} HTTP/1.1\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK")
