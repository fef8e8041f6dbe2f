"""Between an operator and its API server: what the operator asks for, counted, and single requests that a test answers.

The API server's own audit log would say the same, but only where a test started the server itself.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

HOP_HEADERS = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    """With the query, as it was sent."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


Answer = Callable[[Request], int | asyncio.Event | None]
"""What becomes of a request: an HTTP status of the test's own; an event until which it waits; None: it is passed on."""


class RecordingProxy:
    """Plain HTTP towards the operator; credentials are passed on as they come."""

    def __init__(self, upstream: str, context: ssl.SSLContext | None) -> None:
        self.requests: list[Request] = []
        """In the order of their arrival."""
        self.answer: Answer = lambda request: None
        self.url = ""
        self._upstream = upstream
        self._context = context
        self._session: aiohttp.ClientSession | None = None

    def matching(self, condition: Callable[[Request], bool]) -> list[Request]:
        return [request for request in self.requests if condition(request)]

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[RecordingProxy]:
        app = web.Application(client_max_size=8 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(
            app, access_log=None, handle_signals=False, handler_cancellation=True, shutdown_timeout=0.2
        )
        connector = aiohttp.TCPConnector(limit=0, ssl=self._context or False)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as self._session:
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
                yield self
            finally:
                await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        seen = Request(request.method, request.raw_path)
        self.requests.append(seen)
        what = self.answer(seen)
        if isinstance(what, int):
            return web.json_response({"kind": "Status", "apiVersion": "v1", "code": what, "message": "no"}, status=what)
        if what is not None:
            await what.wait()
        return await self._pass_on(request)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_HEADERS}
        timeout = aiohttp.ClientTimeout(total=None)
        url = URL(self._upstream + request.raw_path, encoded=True)
        body = await request.read()
        async with self._session.request(
            request.method, url, headers=headers, data=body or None, timeout=timeout, allow_redirects=False
        ) as upstream:
            kept = {name: value for name, value in upstream.headers.items() if name.lower() not in HOP_HEADERS}
            response = web.StreamResponse(status=upstream.status, headers=kept)
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):  # the operator has hung up
                async for chunk in upstream.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            return response


@asynccontextmanager
async def recording_proxy(kubeconfig: Path) -> AsyncIterator[RecordingProxy]:
    """In front of the server of this kubeconfig. ``redirected`` makes the kubeconfig that leads through it."""
    cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]  # noqa: ASYNC240 - a small local file
    authority = cluster.get("certificate-authority-data")
    context = None
    if cluster["server"].startswith("https"):
        context = ssl.create_default_context(cadata=_decoded(authority) if authority else None)
    async with RecordingProxy(cluster["server"], context).serve() as proxy:
        yield proxy


def redirected(kubeconfig: Path, url: str, file: Path) -> Path:
    """The same credentials, another address."""
    document = yaml.safe_load(kubeconfig.read_text())
    document["clusters"][0]["cluster"] = {"server": url}
    file.write_text(yaml.safe_dump(document))
    return file


def _decoded(authority: str) -> str:
    return base64.b64decode(authority).decode()
