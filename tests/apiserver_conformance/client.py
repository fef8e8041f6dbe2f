"""A thin Kubernetes client for the API tests: the same for both servers, nothing raised on 4xx."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

Object = dict[str, Any]
MakeObject = Callable[..., Object]
PATIENCE = 20.0  # seconds until a condition that must come is given up


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    """Decoded JSON, or text."""
    headers: Any

    @property
    def version(self) -> str:
        version: str = self.body["metadata"]["resourceVersion"]
        return version


class WatchReader:
    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    async def next(self) -> tuple[str, dict[str, Any]]:
        """(type, object) of the next event; raises EOFError at the end of the stream."""
        line = await asyncio.wait_for(self._content.readline(), PATIENCE)
        if not line:
            raise EOFError
        event = json.loads(line)
        return event["type"], event["object"]

    async def names(self, count: int) -> list[tuple[str, str]]:
        """(type, name) of the next events."""
        events = [await self.next() for _ in range(count)]
        return [(kind, obj["metadata"]["name"]) for kind, obj in events]

    async def rest(self) -> list[tuple[str, dict[str, Any]]]:
        events = []
        while True:
            try:
                events.append(await self.next())
            except EOFError:
                return events


class Api:
    """A thin client: paths in, status and JSON out. Nothing raises on 4xx."""

    def __init__(self, session: aiohttp.ClientSession, url: str, context: ssl.SSLContext | None) -> None:
        self._session = session
        self._url = url
        self._ssl = context or False

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        kind: str = "application/json",
        accept: str = "",
        **query: Any,
    ) -> Answer:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {"Content-Type": kind} | ({"Accept": accept} if accept else {})
        params = {name: str(value) for name, value in query.items()}
        async with self._session.request(
            method, self._url + path, data=data, headers=headers, params=params, ssl=self._ssl
        ) as response:
            text = await response.text()
            decoded = json.loads(text) if response.content_type == "application/json" else text
            return Answer(response.status, decoded, response.headers)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any, **options: Any) -> Answer:
        return await self.call("POST", path, body, **options)

    async def put(self, path: str, body: Any, **options: Any) -> Answer:
        return await self.call("PUT", path, body, **options)

    async def delete(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.call("DELETE", path, body, **options)

    async def merge(self, path: str, body: Any, **options: Any) -> Answer:
        return await self.call("PATCH", path, body, kind="application/merge-patch+json", **options)

    async def apply(self, path: str, body: Any, manager: str = "m1", **options: Any) -> Answer:
        kind = "application/apply-patch+yaml"
        return await self.call("PATCH", path, body, kind=kind, fieldManager=manager, **options)

    @asynccontextmanager
    async def watch(self, path: str, *, accept: str = "application/json", **query: Any) -> AsyncIterator[WatchReader]:
        params = {"watch": "1", "timeoutSeconds": "30", **{name: str(value) for name, value in query.items()}}
        async with self._session.get(
            self._url + path, params=params, headers={"Accept": accept}, ssl=self._ssl
        ) as response:
            assert response.status == 200, await response.text()
            yield WatchReader(response.content)

    async def until(self, path: str, condition: Any) -> Answer:
        """GETs ``path`` until ``condition(answer)``; fails after PATIENCE."""
        async with asyncio.timeout(PATIENCE):
            while not condition(answer := await self.get(path)):  # noqa: ASYNC110 - another process changes it
                await asyncio.sleep(0.05)
        return answer


@asynccontextmanager
async def connected(kubeconfig: Path) -> AsyncIterator[Api]:
    config = yaml.safe_load(kubeconfig.read_text())  # noqa: ASYNC240 - a small local file
    names = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
    cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == names["cluster"])
    user = next(u["user"] for u in config["users"] if u["name"] == names["user"])
    headers = {"User-Agent": "conformance/1"} | (
        {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    )
    async with aiohttp.ClientSession(headers=headers, read_bufsize=2**22) as session:
        yield Api(session, cluster["server"], _context(cluster, user))


def _context(cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext | None:
    if not cluster["server"].startswith("https"):
        return None
    authority = cluster.get("certificate-authority-data")
    context = ssl.create_default_context(
        cafile=cluster.get("certificate-authority"),
        cadata=base64.b64decode(authority).decode() if authority else None,
    )
    certificate, key = user.get("client-certificate"), user.get("client-key")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("client-certificate", "client-key"):
            if f"{name}-data" in user:
                (Path(folder) / name).write_bytes(base64.b64decode(user[f"{name}-data"]))
        if "client-certificate-data" in user:
            certificate, key = Path(folder) / "client-certificate", Path(folder) / "client-key"
        if certificate:
            context.load_cert_chain(certificate, key)
    return context
