"""LIST in pages: the only module that follows ``continue`` tokens.

A page is bounded in bytes as well as in objects: one that is too large is requested again with fewer objects, and an
object that is too large on its own is passed over. Pages grow again where objects are small.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec

from coroner_operator.kube.bodies import PAGE_LIMIT, ObjectId
from coroner_operator.kube.errors import Gone, TooLarge

if TYPE_CHECKING:
    from coroner_operator.kube.client import Client
    from coroner_operator.kube.paths import ResourcePath

log = logging.getLogger("coroner.paging")

PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
"""Accept header: only apiVersion, kind and metadata of each object."""

SHRINK = 4  # a page of 250 objects of the largest size is found to be too large four times; each costs PAGE_LIMIT bytes
GROW_BELOW = PAGE_LIMIT // 8  # bytes; the next page may have twice as many objects

MAX_RESTARTS = 3  # a continue token lives for five minutes; a list that outlives three of them never ends


class ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class Page(msgspec.Struct, frozen=True):
    metadata: ListMeta = ListMeta()
    items: list[msgspec.Raw] | None = None
    too_large: ObjectId | None = None
    """The one object of this page, which is too large to be read."""


class _Metadata(msgspec.Struct, frozen=True):
    uid: str = ""


class _Object(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()


_PAGE = msgspec.json.Decoder(Page)
_OBJECT = msgspec.json.Decoder(_Object)


async def list_pages(
    client: Client,
    path: ResourcePath,
    query: Mapping[str, Any] | None = None,
    *,
    limit: int,
    accept: str = "application/json",
) -> AsyncGenerator[Page]:
    """The pages of a list, at most ``limit`` objects and ``PAGE_LIMIT`` bytes each; the next one is requested while one
    is handled.

    Raises ApiError; Gone where the server has forgotten the list before it ended. Raises msgspec.DecodeError for an
    answer that is no list.
    """
    pages = _PageReader(client, path, query or {}, limit, accept)
    following = asyncio.create_task(pages.read(""))
    try:
        while True:
            current = await following
            token = current.metadata.continue_
            if token:
                following = asyncio.create_task(pages.read(token))
            yield current
            if not token:
                return
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


class _PageReader:
    """One page after the other, with as many objects as fit."""

    def __init__(self, client: Client, path: ResourcePath, query: Mapping[str, Any], limit: int, accept: str) -> None:
        self._client = client
        self._path = path
        self._query = query
        self._accept = accept
        self._max_limit = self._limit = limit

    async def read(self, token: str) -> Page:
        """The page at this continue token; "" = the first. Raises ApiError, msgspec.DecodeError."""
        while True:
            try:
                return await self._read(token)
            except TooLarge as error:
                if self._limit == 1:
                    return _without_object(error)
                self._limit = max(1, self._limit // SHRINK)

    async def _read(self, token: str) -> Page:
        query = {"limit": self._limit, **self._query, **({"continue": token} if token else {})}
        body = await self._client.get(self._path, query, accept=self._accept, max_bytes=PAGE_LIMIT)
        if len(body) < GROW_BELOW:
            self._limit = min(self._max_limit, self._limit * 2)
        return _PAGE.decode(body)


def _without_object(error: TooLarge) -> Page:
    """The page of the one object that is too large. Raises ``error`` where what follows the object is not known."""
    head = error.head.list_head
    if head is None:
        raise error
    return Page(ListMeta(head.version, head.continue_token), too_large=head.first)


async def list_items(
    client: Client,
    path: ResourcePath,
    query: Mapping[str, Any] | None = None,
    *,
    limit: int,
    accept: str = "application/json",
) -> AsyncGenerator[bytes]:
    """The JSON of every object of a list, each object once; one that is too large is logged and left out.

    A list that the server has forgotten before it ended is started again, up to ``MAX_RESTARTS`` times. Raises as
    ``list_pages``.
    """
    seen: set[str] = set()
    for attempt in range(MAX_RESTARTS + 1):
        try:
            async with aclosing(list_pages(client, path, query, limit=limit, accept=accept)) as pages:
                async for page in pages:
                    if page.too_large is not None:
                        log.warning("%s: %s is too large, and left out", path, page.too_large)
                    for item in page.items or ():
                        uid = _OBJECT.decode(item).metadata.uid
                        if uid in seen:
                            continue
                        if uid:
                            seen.add(uid)
                        yield bytes(item)
            return
        except Gone:
            if attempt == MAX_RESTARTS:
                raise
