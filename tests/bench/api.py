"""Many requests at a time, on connections that stay open."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec

from coroner_operator.kube.client import load_configuration

T = TypeVar("T")

JSON = "application/json"
STRATEGIC = "application/strategic-merge-patch+json"


class RefusedError(Exception):
    """The API server said no."""


class Api:
    """``async with Api.connect(kubeconfig, 32) as api``"""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    @classmethod
    @asynccontextmanager
    async def connect(cls, kubeconfig: Path, connections: int) -> AsyncIterator[Api]:
        configuration = await load_configuration(kubeconfig)
        context: ssl.SSLContext | bool = True
        if configuration.host.startswith("https:"):
            context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
            if configuration.cert_file:
                context.load_cert_chain(configuration.cert_file, configuration.key_file)
        connector = aiohttp.TCPConnector(limit=connections, ssl=context)
        headers = {"User-Agent": "bench", "Accept-Encoding": "identity"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            yield cls(session, configuration.host.rstrip("/"))

    async def call(self, method: str, path: str, body: Any = None, *, kind: str = JSON, **query: str) -> bytes:
        """The answer's body. Raises RefusedError."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": kind}
        async with self._session.request(
            method, self._url + path, data=data, headers=headers, params=query
        ) as response:
            text = await response.read()
            if response.status >= 400:
                raise RefusedError(f"{method} {path}: {response.status}: {text[:300].decode(errors='replace')}")
            return text

    @asynccontextmanager
    async def lines(self, path: str, **query: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of an answer that does not end."""
        limit = aiohttp.ClientTimeout(total=None)
        async with self._session.get(self._url + path, params=query, timeout=limit) as response:
            response.raise_for_status()
            yield _lines(response.content)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line


async def at_once(work: Callable[[T], Awaitable[None]], items: Iterable[T], workers: int) -> None:
    """Do ``work`` on every item, so many at a time. Raises the first error."""
    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(worker())
