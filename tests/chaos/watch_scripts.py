"""An API server that delivers the changes of pods as a script says: LISTs of any age, WATCHes that go back and break.

For an operator without HTTP: takes the place of its client.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from kubernetes.aio.client.configuration import Configuration

from coroner_operator.kube.client import Response
from coroner_operator.kube.errors import Forbidden, Gone, NotFound, Transient
from coroner_operator.kube.paths import ApiPath
from coroner_operator.kube.resources import POD

Object = dict[str, Any]
EMPTY = msgspec.json.encode({"metadata": {"resourceVersion": "1"}, "items": []})


class Change(NamedTuple):
    type: str
    """ADDED, MODIFIED or DELETED."""
    pod: Object


class Listed(NamedTuple):
    """A LIST of what there was after so many changes; older than what was delivered before, if a cache is stale."""

    after: int


class Watched(NamedTuple):
    """The changes from one to another, and then the connection breaks."""

    begin: int
    end: int


Delivery = Listed | Watched


class ScriptedClient:
    """Tells of pods what the deliveries say, and knows nothing else.

    ``delivered`` is set when all of them are through; ``list_again`` may be set then, for one more LIST of what there is.
    """

    def __init__(self, changes: Sequence[Change], deliveries: Sequence[Delivery]) -> None:
        self.configuration = Configuration()
        self.delivered = asyncio.Event()
        self.list_again = asyncio.Event()
        self._changes = changes
        self._left = list(reversed(deliveries))
        self._listed = Listed(0)

    async def get(self, path: ApiPath, query: Mapping[str, Any] | None = None, **_: Any) -> bytes:
        if str(path).endswith(("/events", "/failurereports")):
            return EMPTY
        if "customresourcedefinitions" in str(path):
            raise Forbidden(f"GET {path}: 403", 403)
        if path != POD.path():
            raise NotFound(f"GET {path}: 404", 404)
        match self._left:
            case [*_, Listed() as listed]:
                self._listed = listed
                self._left.pop()
        there: dict[str, Object] = {}
        for change in self._changes[: self._listed.after]:
            there.pop(change.pod["metadata"]["uid"], None)
            if change.type != "DELETED":
                there[change.pod["metadata"]["uid"]] = change.pod
        return msgspec.json.encode({"metadata": {"resourceVersion": "1"}, "items": list(there.values())})

    async def request(self, method: str, path: ApiPath, *_: Any, **__: Any) -> Response:
        raise NotFound(f"{method} {path}: 404", 404)

    @asynccontextmanager
    async def stream_lines(
        self, path: ApiPath, query: Mapping[str, Any], idle_timeout: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        yield self._pods() if path == POD.path() else _nothing()

    async def _pods(self) -> AsyncIterator[bytes]:
        if not self._left:
            self.delivered.set()
            await self.list_again.wait()
            self.list_again.clear()
            self._left.append(Listed(len(self._changes)))
        delivery = self._left[-1]
        if isinstance(delivery, Listed):
            raise Gone("WATCH: 410", 410)
        self._left.pop()
        begin, end = delivery
        for change in self._changes[begin:end]:
            yield msgspec.json.encode({"type": change.type, "object": change.pod})
            await asyncio.sleep(0)
        raise Transient("WATCH: cut off")


async def _nothing() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""
