"""The embedded server's own powers: faults on demand, outages, expired pasts, objects put from beside."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from embedded_apiserver import EmbeddedApiServer, Fault, running_server
from tests.apiserver_conformance.client import Object

PODS = "/api/v1/namespaces/default/pods"
CRD_FILE = Path(__file__).with_name("gadgets.yaml")


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedApiServer]:
    async with EmbeddedApiServer(bookmark_interval=0.05) as server:
        server.load(CRD_FILE)
        yield server


@pytest.fixture
async def session(server: EmbeddedApiServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=server.url) as session:
        yield session


def _pod(name: str, **status: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": "x"}]},
        "status": {"phase": "Running", **status},
    }


async def _list(session: aiohttp.ClientSession, **query: str) -> tuple[int, Any, Mapping[str, str]]:
    async with session.get(PODS, params=query) as response:
        return response.status, await response.json(), response.headers


async def test_a_status_so_many_times_and_then_no_more(
    server: EmbeddedApiServer, session: aiohttp.ClientSession
) -> None:
    fault = server.faults.add(Fault(method="GET", path="/pods", status=429, retry_after=1, times=2))
    for _ in range(2):
        status, body, headers = await _list(session)
        assert (status, body["reason"], headers["Retry-After"]) == (429, "TooManyRequests", "1")
        assert body["details"] == {"retryAfterSeconds": 1}
    assert (await _list(session))[0] == 200
    assert server.faults.hits(fault) == 2


async def test_faults_choose_by_method_path_and_predicate(
    server: EmbeddedApiServer, session: aiohttp.ClientSession
) -> None:
    server.put(_pod("a"))
    fault = server.faults.add(Fault(method="PATCH", path=r"/status\?", status=500))
    assert (await _list(session))[0] == 200
    headers = {"Content-Type": "application/merge-patch+json"}
    async with session.patch(f"{PODS}/a/status", data=b"{}", headers=headers) as response:
        assert (response.status, (await response.json())["reason"]) == (500, "InternalError")
    server.faults.remove(fault)
    server.faults.add(Fault(match=lambda call: call.is_watch, status=503))
    async with session.get(PODS, params={"watch": "1"}) as response:
        assert response.status == 503
    server.faults.clear()
    assert (await _list(session))[0] == 200


async def test_a_drop_before_handling_writes_nothing_and_one_after_it_has_written(
    server: EmbeddedApiServer, session: aiohttp.ClientSession
) -> None:
    server.faults.add(Fault(method="POST", drop="before", times=1))
    with pytest.raises(aiohttp.ClientError):
        await session.post(PODS, json=_pod("a"))
    assert server.get("Pod", "a") is None
    server.faults.add(Fault(method="POST", drop="after", times=1))
    with pytest.raises(aiohttp.ClientError):
        await session.post(PODS, json=_pod("a"))
    assert server.get("Pod", "a") is not None


async def test_an_answer_that_breaks_off(server: EmbeddedApiServer, session: aiohttp.ClientSession) -> None:
    server.faults.add(Fault(path="/pods", drop="midway", times=1))
    with pytest.raises(aiohttp.ClientError):
        await _list(session)
    assert (await _list(session))[0] == 200


async def test_a_slow_answer(server: EmbeddedApiServer, session: aiohttp.ClientSession) -> None:
    server.faults.add(Fault(path="/pods", delay=30))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(_list(session), 0.1)


async def _watch(session: aiohttp.ClientSession, **query: str) -> aiohttp.ClientResponse:
    return await session.get(PODS, params={"watch": "1", **query})


async def test_dropped_watches_end_in_the_middle(server: EmbeddedApiServer, session: aiohttp.ClientSession) -> None:
    response = await _watch(session)
    assert server.watch_count == 1
    server.drop_watches()
    with pytest.raises(aiohttp.ClientError):
        await response.content.read()


async def test_expired_watches_get_410_and_so_does_their_old_version(
    server: EmbeddedApiServer, session: aiohttp.ClientSession
) -> None:
    version = server.put(_pod("a"))["metadata"]["resourceVersion"]
    server.put(_pod("b"))
    response = await _watch(session, resourceVersion=version)
    assert b'"ADDED"' in await response.content.readline()
    server.expire_watches()
    assert b'"code":410' in await response.content.readline()
    assert await response.content.readline() == b""
    again = await _watch(session, resourceVersion=version)
    assert b'"code":410' in await again.content.readline()
    present = (await _list(session))[1]["metadata"]["resourceVersion"]
    response = await _watch(session, resourceVersion=present, allowWatchBookmarks="true")
    assert b"BOOKMARK" in await response.content.readline()


async def test_an_expired_continue_token(server: EmbeddedApiServer, session: aiohttp.ClientSession) -> None:
    for i in range(3):
        server.put(_pod(f"p{i}"))
    token = (await _list(session, limit="1"))[1]["metadata"]["continue"]
    server.compact()
    status, body, _ = await _list(session, limit="1", **{"continue": token})
    assert (status, body["reason"]) == (410, "Expired")
    assert body["message"].startswith("The provided continue parameter is too old")


async def test_a_silent_watch_stays_open_and_says_nothing(
    server: EmbeddedApiServer, session: aiohttp.ClientSession
) -> None:
    response = await _watch(session, allowWatchBookmarks="true")
    assert b"BOOKMARK" in await response.content.readline()
    server.silence_watches()
    server.put(_pod("a"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):  # six bookmarks' time
            while b"BOOKMARK" in await response.content.readline():
                pass
    assert server.watch_count == 1


async def test_bookmarks_come_by_themselves(server: EmbeddedApiServer, session: aiohttp.ClientSession) -> None:
    response = await _watch(session, allowWatchBookmarks="true")
    line = await response.content.readline()
    assert b'"spec":{"containers":null}' in line
    assert b"initial-events-end" not in line


async def test_a_server_that_is_down_refuses_and_comes_back_with_everything(server: EmbeddedApiServer) -> None:
    server.put(_pod("a"))
    url = server.url
    async with aiohttp.ClientSession(base_url=url) as session:
        watch = await _watch(session)
        await watch.content.readline()
        await server.stop()
        with pytest.raises(aiohttp.ClientError):
            await watch.content.read()
        with pytest.raises(aiohttp.ClientConnectorError):
            await _list(session)
        await server.start()
        assert server.url == url
        _, body, _ = await _list(session)
    assert [item["metadata"]["name"] for item in body["items"]] == ["a"]


async def test_put_replaces_the_whole_object_and_keeps_who_it_is(server: EmbeddedApiServer) -> None:
    first = server.put(_pod("a"))
    second = server.put(_pod("a", phase="Failed"))
    assert second["status"] == {"phase": "Failed"}
    assert second["metadata"]["uid"] == first["metadata"]["uid"]
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    named = server.put({**_pod("a"), "metadata": {"name": "a", "uid": "given"}})
    assert named["metadata"]["uid"] == "given"
    assert server.delete("Pod", "a")["metadata"]["uid"] == "given"
    assert server.objects("Pod") == []


async def test_the_kinds_of_an_unknown_crd_cannot_be_put(server: EmbeddedApiServer) -> None:
    with pytest.raises(LookupError, match=r"not served: example.com/v1 Nothing"):
        server.put({"apiVersion": "example.com/v1", "kind": "Nothing", "metadata": {"name": "a"}})


async def test_calls_are_remembered(server: EmbeddedApiServer, session: aiohttp.ClientSession) -> None:
    await _list(session, limit="7")
    await session.post(PODS, json=_pod("a"))
    seen = [(call.method, call.path, call.query) for call in server.calls if call.path == PODS]
    assert seen == [("GET", PODS, "limit=7"), ("POST", PODS, "")]
    assert [call.is_write for call in server.calls] == [False, True]


@pytest.mark.embedded
def test_a_server_in_its_own_thread_takes_objects_from_ours(tmp_path: Path) -> None:
    async def first_event(server: EmbeddedApiServer) -> bytes:
        async with aiohttp.ClientSession(base_url=server.url) as session:
            response = await _watch(session, resourceVersion="1000000")
            server.put(_pod("a"))
            response = await _watch(session)
            return await response.content.readline()

    with running_server() as server:
        assert b'"name":"a"' in asyncio.run(first_event(server))
        assert "server: http://127.0.0.1:" in server.kubeconfig(tmp_path / "config").read_text()


async def test_ten_thousand_pods_are_listed_in_pages(server: EmbeddedApiServer, session: aiohttp.ClientSession) -> None:
    text = "x" * 6000
    for i in range(10_000):
        server.put({**_pod(f"p{i:05}"), "spec": {"containers": [{"name": "main", "image": text}]}})
    started = time.perf_counter()
    names: list[str] = []
    token = ""
    while True:
        query = {"limit": "500", **({"continue": token} if token else {})}
        _, body, _ = await _list(session, **query)
        names += [item["metadata"]["name"] for item in body["items"]]
        token = body["metadata"].get("continue", "")
        if not token:
            break
    print(f"10,000 pods of 6 KB listed in {time.perf_counter() - started:.2f} s")
    assert names == [f"p{i:05}" for i in range(10_000)]
