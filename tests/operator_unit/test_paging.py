"""A list in pages: every object once, in order, whatever the server forgets in between."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, cast

import msgspec
import pytest

from coroner_operator.kube.bodies import HEAD_BYTES, PAGE_LIMIT, Head
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import Forbidden, Gone, TooLarge
from coroner_operator.kube.paging import MAX_RESTARTS, list_items, list_pages
from coroner_operator.kube.paths import ResourcePath
from coroner_operator.kube.resources import POD


class Pages:
    """A client whose server holds these UIDs, and forgets each list of which it has sent so many pages.

    ``sizes``: bytes of the objects, by UID; the others have about 30.
    """

    def __init__(
        self, uids: list[str], forgets_after: list[int] | None = None, sizes: Mapping[str, int] | None = None
    ) -> None:
        self.uids = uids
        self.bytes_read = 0
        self._sizes = sizes or {}
        self.queries: list[Mapping[str, Any]] = []
        self.pages_in_progress = 0
        self._forgets_after = forgets_after or []
        self._sent = 0

    async def get(self, path: ResourcePath, query: Mapping[str, Any], *, accept: str, max_bytes: int) -> bytes:
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
        items = [
            {"metadata": {"name": f"pod-{uid}", "uid": uid}, "message": "x" * self._sizes.get(uid, 0)}
            for uid in self.uids[start : start + limit]
        ]
        body = msgspec.json.encode({"metadata": {"resourceVersion": "7", **rest}, "items": items or None})
        self.bytes_read += min(len(body), max_bytes)
        if len(body) > max_bytes:
            raise TooLarge("GET /api/v1/pods", Head(body[:HEAD_BYTES]))
        return body


def client(pages: Pages) -> Client:
    return cast("Client", pages)


async def listed(pages: Pages, limit: int = 2) -> list[str]:
    items = list_items(client(pages), POD.path(), {"fieldSelector": "a=b"}, limit=limit)
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


MEGABYTE = 2**20


async def test_pages_shrink_where_objects_are_large_and_grow_where_they_are_small() -> None:
    uids = [f"u{number}" for number in range(2000)]
    pages = Pages(uids, sizes=dict.fromkeys(uids[700:720], MEGABYTE))
    assert await listed(pages, limit=250) == uids
    limits = [query["limit"] for query in pages.queries]
    assert limits[0] == limits[-1] == 250
    assert 1 < min(limits) <= 7
    assert len(limits) < 40
    assert pages.bytes_read < 20 * MEGABYTE + 6 * PAGE_LIMIT


async def test_an_object_that_is_too_large_is_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    uids = [f"u{number}" for number in range(20)]
    pages = Pages(uids, sizes={"u0": PAGE_LIMIT, "u9": 2 * PAGE_LIMIT, "u19": PAGE_LIMIT})
    assert await listed(pages, limit=250) == [uid for uid in uids if uid not in ("u0", "u9", "u19")]
    assert [record.getMessage() for record in caplog.records] == [
        f"/api/v1/pods: pod-{uid} is too large, and left out" for uid in ("u0", "u9", "u19")
    ]


async def test_a_list_that_does_not_say_what_follows_an_object_that_is_too_large_fails() -> None:
    class Answers:
        async def get(self, path: ResourcePath, *_: Any, **__: Any) -> bytes:
            raise TooLarge("GET", Head(b'{"items":[{"metadata":{"name":"x","resourceVersion":"7"'))

    with pytest.raises(TooLarge):
        await listed(cast("Pages", Answers()))


async def test_an_error_of_a_page_reaches_the_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(["u0"])

    async def forbidden(*_: Any, **__: Any) -> bytes:
        raise Forbidden("not allowed", 403)

    monkeypatch.setattr(pages, "get", forbidden)
    with pytest.raises(Forbidden):
        await listed(pages)
