"""A list in pages: every object once, in order, whatever the server forgets in between."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, cast

import msgspec
import pytest

from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import Forbidden, Gone
from coroner_operator.kube.paging import MAX_RESTARTS, list_items, list_pages
from coroner_operator.kube.paths import ResourcePath
from coroner_operator.kube.resources import POD


class Pages:
    """A client whose server holds these UIDs, and forgets each list of which it has sent so many pages."""

    def __init__(self, uids: list[str], forgets_after: list[int] | None = None) -> None:
        self.uids = uids
        self.queries: list[Mapping[str, Any]] = []
        self.pages_in_progress = 0
        self._forgets_after = forgets_after or []
        self._sent = 0

    async def get(self, path: ResourcePath, query: Mapping[str, Any], *, accept: str) -> bytes:
        assert str(path) == "/api/v1/pods"
        self.queries.append(query)
        self.pages_in_progress += 1
        try:
            await asyncio.sleep(0)
        finally:
            self.pages_in_progress -= 1
        if "continue" not in query:
            self._sent = 0
        elif self._forgets_after and self._sent == self._forgets_after[0]:
            self._forgets_after.pop(0)
            raise Gone("the continue token has expired", 410)
        self._sent += 1
        start, limit = int(query.get("continue", 0)), query["limit"]
        rest = {"continue": str(start + limit)} if start + limit < len(self.uids) else {}
        items = [{"metadata": {"uid": uid}} for uid in self.uids[start : start + limit]]
        return msgspec.json.encode({"metadata": {"resourceVersion": "7", **rest}, "items": items or None})


def client(pages: Pages) -> Client:
    return cast("Client", pages)


async def listed(pages: Pages) -> list[str]:
    items = list_items(client(pages), POD.path(), {"fieldSelector": "a=b"}, limit=2)
    return [msgspec.json.decode(item)["metadata"]["uid"] async for item in items]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
async def test_every_object_is_listed_once_in_order(count: int) -> None:
    pages = Pages([f"u{number}" for number in range(count)])
    assert await listed(pages) == pages.uids
    assert all(query["fieldSelector"] == "a=b" and query["limit"] == 2 for query in pages.queries)


async def test_a_list_that_is_forgotten_is_started_again_and_nothing_is_listed_twice() -> None:
    pages = Pages([f"u{number}" for number in range(7)], forgets_after=[1, 3, 2])
    assert await listed(pages) == pages.uids


async def test_a_list_that_is_always_forgotten_ends() -> None:
    pages = Pages([f"u{number}" for number in range(7)], forgets_after=[1] * (MAX_RESTARTS + 1))
    with pytest.raises(Gone):
        await listed(pages)


async def test_a_consumer_that_stops_leaves_no_request_behind() -> None:
    pages = Pages([f"u{number}" for number in range(7)])
    async with aclosing(list_pages(client(pages), POD.path(), limit=2)) as all_pages:
        async for page in all_pages:
            assert page.metadata.resource_version == "7"
            break
    assert pages.pages_in_progress == 0
    assert len(asyncio.all_tasks()) == 1


async def test_an_error_of_a_page_reaches_the_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(["u0"])

    async def forbidden(*_: Any, **__: Any) -> bytes:
        raise Forbidden("not allowed", 403)

    monkeypatch.setattr(pages, "get", forbidden)
    with pytest.raises(Forbidden):
        await listed(pages)
