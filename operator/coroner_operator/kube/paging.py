"""LIST in pages: the only module that follows ``continue`` tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec

from coroner_operator.kube.errors import Gone

if TYPE_CHECKING:
    from coroner_operator.kube.client import Client
    from coroner_operator.kube.paths import ResourcePath

PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
"""Accept header: only apiVersion, kind and metadata of each object."""

MAX_RESTARTS = 3  # a continue token lives for five minutes; a list that outlives three of them never ends


class ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class Page(msgspec.Struct, frozen=True):
    metadata: ListMeta = ListMeta()
    items: list[msgspec.Raw] | None = None


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
    """The pages of a list, ``limit`` objects each; the next one is requested while one is handled.

    Raises ApiError; Gone where the server has forgotten the list before it ended. Raises msgspec.DecodeError for an
    answer that is no list.
    """

    async def page(token: str) -> Page:
        more = {"continue": token} if token else {}
        return _PAGE.decode(await client.get(path, {"limit": limit, **(query or {}), **more}, accept=accept))

    following = asyncio.create_task(page(""))
    try:
        while True:
            current = await following
            token = current.metadata.continue_
            if token:
                following = asyncio.create_task(page(token))
            yield current
            if not token:
                return
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def list_items(
    client: Client,
    path: ResourcePath,
    query: Mapping[str, Any] | None = None,
    *,
    limit: int,
    accept: str = "application/json",
) -> AsyncGenerator[bytes]:
    """The JSON of every object of a list, each object once.

    A list that the server has forgotten before it ended is started again, up to ``MAX_RESTARTS`` times. Raises as
    ``list_pages``.
    """
    seen: set[str] = set()
    for attempt in range(MAX_RESTARTS + 1):
        try:
            async with aclosing(list_pages(client, path, query, limit=limit, accept=accept)) as pages:
                async for page in pages:
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
