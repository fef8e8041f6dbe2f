"""A small HTTP server for GET requests that any pod of the network may send.

A client has ``REQUEST_TIMEOUT`` seconds to send its request and as long to read the response, one request a
connection. At most ``limit`` connections are open: a new one ends the one that has been open the longest, so that slow
clients hold up each other, and neither those who ask and read at once nor the rest of the process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import NamedTuple

log = logging.getLogger("coroner.http_server")

REQUEST_TIMEOUT = 5.0  # s; the kubelet's probes have 1 to 5 s, Prometheus reads in milliseconds
REQUEST_LIMIT = 8192  # bytes of a request with its headers; Prometheus sends 300
_BACKLOG = 64  # connections that are accepted in one turn of the event loop

_METHODS = ("GET", "HEAD")


class Response(NamedTuple):
    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


Handler = Callable[[Mapping[str, str]], Response]
"""The response to a request with these headers, whose names are in lower case."""


class HttpServer:
    """Serves ``routes`` (path → handler) until ``stop()``."""

    def __init__(self, routes: Mapping[str, Handler], limit: int, timeout_seconds: float = REQUEST_TIMEOUT) -> None:
        self._routes = routes
        self._limit = limit
        self._timeout = timeout_seconds
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        """Connections in the order in which they were accepted."""

    async def start(self, host: str | None, port: int) -> int:
        """The port in use. Raises OSError where the address cannot be bound."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=REQUEST_LIMIT, backlog=_BACKLOG)
        in_use: int = self._server.sockets[0].getsockname()[1]
        return in_use

    async def stop(self) -> None:
        """Ends all connections."""
        if self._server is not None:
            self._server.close()
        tasks = tuple(self._open)
        for task in tasks:
            self._end(task)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= self._limit:
            self._end(next(iter(self._open)))
        task = asyncio.create_task(self._serve(reader, writer), name="http connection")
        self._open[task] = writer
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        writer = self._open.pop(task, None)
        if writer is not None:
            task.cancel()
            writer.transport.abort()  # closing would wait until the client has read everything

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._respond(reader)
            async with asyncio.timeout(self._timeout):
                writer.write(response)
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # the client is slow, or gone: nothing to tell it

    async def _respond(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _encoded(_plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        first, *lines = head.decode("latin-1").split("\r\n")
        parts = first.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            return _encoded(_plain(HTTPStatus.BAD_REQUEST))
        method, target, _ = parts
        response = self._response(method, target.partition("?")[0], _headers(lines))
        return _encoded(response, with_body=method != "HEAD")

    def _response(self, method: str, path: str, headers: Mapping[str, str]) -> Response:
        handler = self._routes.get(path)
        if handler is None:
            return _plain(HTTPStatus.NOT_FOUND)
        if method not in _METHODS:
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED)
        try:
            return handler(headers)
        except Exception:
            log.exception("%s cannot be served", path)
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR)


def _headers(lines: Iterable[str]) -> dict[str, str]:
    """Header names in lower case → values; of a repeated header, the last value."""
    split = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in split}


def _plain(status: HTTPStatus) -> Response:
    return Response(status, f"{status.phrase}\n".encode())


def _encoded(response: Response, *, with_body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {response.status.value} {response.status.phrase}\r\n"
        f"Content-Type: {response.content_type}\r\n"
        f"Content-Length: {len(response.body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (response.body if with_body else b"")
