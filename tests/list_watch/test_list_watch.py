"""A list_watch of objects: what its consumer hears, whatever happens to the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from coroner_categorizer import Pod
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.bodies import PAGE_LIMIT
from coroner_operator.kube.client import Client
from coroner_operator.kube.list_watch import ListWatch
from coroner_operator.kube.resources import POD
from coroner_operator.telemetry.metrics import Metrics
from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.clients import client_of_app
from tests.support.live_objects import live_pod
from tests.support.waiting import until


class RecordingConsumer:
    """Writes down what the consumer is consumer."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.broken_by: str | None = None

    def on_update(self, pod: Pod) -> None:
        self.calls.append(f"update {pod.metadata.name}")
        if pod.metadata.name == self.broken_by:
            raise ZeroDivisionError("on purpose")

    def on_delete(self, pod: Pod) -> None:
        self.calls.append(f"delete {pod.metadata.name}")

    def on_list(self, namespace: str | None, uids: set[str]) -> None:
        self.calls.append(f"list {len(uids)}")


@pytest.fixture
def consumer() -> RecordingConsumer:
    return RecordingConsumer()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedApiServer]:
    async with EmbeddedApiServer(bookmark_interval=0.05) as server:
        yield server


@asynccontextmanager
async def watching(
    client: Client, consumer: RecordingConsumer, metrics: Metrics, idle_timeout: float = 30
) -> AsyncIterator[ListWatch[Pod]]:
    list_watch = ListWatch(
        client,
        "pods",
        POD.path(),
        Pod,
        consumer=consumer,
        metrics=metrics,
        idle_timeout=idle_timeout,
        back_off=BackOff(base=0.01, cap=0.05),
    )
    task = asyncio.create_task(list_watch.run())
    try:
        yield list_watch
    finally:
        assert not task.done(), task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_existing_objects_are_delivered_before_changes(
    server: EmbeddedApiServer, client: Client, consumer: RecordingConsumer, metrics: Metrics
) -> None:
    server.put(live_pod("old"))
    async with watching(client, consumer, metrics):
        await until(lambda: server.watch_count)
        server.put(live_pod("new"))
        server.delete("Pod", "old")
        await until(lambda: consumer.calls == ["update old", "list 1", "update new", "delete old"])


async def test_a_list_is_read_in_pages(
    server: EmbeddedApiServer, client: Client, consumer: RecordingConsumer, metrics: Metrics
) -> None:
    for number in range(1100):
        server.put(live_pod(f"pod-{number:04}"))
    async with watching(client, consumer, metrics) as list_watch:
        await list_watch.synced.wait()
    assert consumer.calls[:-1] == [f"update pod-{number:04}" for number in range(1100)]
    assert consumer.calls[-1] == "list 1100"
    pages = [call for call in server.calls if call.path == "/api/v1/pods" and "limit=250" in call.query]
    assert len(pages) == 5


async def test_a_dropped_watch_resumes_at_its_resource_version(
    server: EmbeddedApiServer, client: Client, consumer: RecordingConsumer, metrics: Metrics
) -> None:
    async with watching(client, consumer, metrics):
        await until(lambda: server.watch_count)
        server.put(live_pod("one"))
        await until(lambda: "update one" in consumer.calls)
        server.drop_watches()
        server.put(live_pod("two"))
        await until(lambda: "update two" in consumer.calls)
    assert consumer.calls == ["list 0", "update one", "update two"]


async def test_an_expired_watch_lists_again_and_reports_what_exists(
    server: EmbeddedApiServer, client: Client, consumer: RecordingConsumer, metrics: Metrics
) -> None:
    server.put(live_pod("stays"))
    server.put(live_pod("vanishes"))
    async with watching(client, consumer, metrics):
        await until(lambda: server.watch_count)
        away = server.faults.add(Fault(path="watch=true", status=410))
        server.drop_watches()
        await until(lambda: server.faults.hits(away))
        server.delete("Pod", "vanishes")
        await until(lambda: consumer.calls[-1] == "list 1")  # before a watch is served that would report the deletion
        server.faults.remove(away)
    assert b'reason="expired"' in metrics.exposition()


async def test_an_idle_watch_is_noticed(
    server: EmbeddedApiServer, client: Client, consumer: RecordingConsumer, metrics: Metrics
) -> None:
    async with watching(client, consumer, metrics, idle_timeout=0.3):
        await until(lambda: server.watch_count)
        server.silence_watches()
        server.put(live_pod("unheard"))
        await until(lambda: "update unheard" in consumer.calls)
    assert b'coroner_watch_restarts_total{kind="pods",reason="idle"}' in metrics.exposition()


async def test_bookmarks_keep_a_quiet_watch_alive(
    server: EmbeddedApiServer, client: Client, consumer: RecordingConsumer, metrics: Metrics
) -> None:
    async with watching(client, consumer, metrics, idle_timeout=0.5):
        await until(lambda: server.watch_count)
        began = asyncio.get_running_loop().time()
        await until(lambda: asyncio.get_running_loop().time() - began > 1.2)
    assert b"coroner_watch_restarts_total{" not in metrics.exposition()
    assert consumer.calls == ["list 0"]


async def test_a_consumer_that_fails_on_one_object_gets_the_next(
    server: EmbeddedApiServer,
    client: Client,
    consumer: RecordingConsumer,
    metrics: Metrics,
    caplog: pytest.LogCaptureFixture,
) -> None:
    consumer.broken_by = "bad"
    server.put(live_pod("bad"))
    server.put(live_pod("good"))
    async with watching(client, consumer, metrics):
        await until(lambda: server.watch_count)
        server.put(live_pod("later"))
        await until(lambda: "update later" in consumer.calls)
    assert consumer.calls == ["update bad", "update good", "list 2", "update later"]
    assert "could not be handled" in caplog.text


async def test_a_pod_of_the_wrong_shape_is_delivered_all_the_same(
    server: EmbeddedApiServer, client: Client, consumer: RecordingConsumer, metrics: Metrics
) -> None:
    odd = live_pod("odd")
    odd["status"]["containerStatuses"] = "none"
    server.put(odd)
    async with watching(client, consumer, metrics) as list_watch:
        await list_watch.synced.wait()
    assert consumer.calls == ["update odd", "list 1"]


async def test_objects_that_are_too_large_are_left_out_and_everything_else_goes_on(
    server: EmbeddedApiServer,
    client: Client,
    consumer: RecordingConsumer,
    metrics: Metrics,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Listed or watched, created, changed or deleted: the watch is not restarted for them."""
    too_large = {"nodeName": "x" * (PAGE_LIMIT + 1)}
    server.put(live_pod("a"))
    server.put(live_pod("listed") | {"spec": too_large})
    server.put(live_pod("z"))
    async with watching(client, consumer, metrics):
        await until(lambda: server.watch_count)
        server.put(live_pod("watched") | {"spec": too_large})
        server.put(live_pod("grows"))
        server.put(live_pod("grows") | {"spec": too_large})
        server.delete("Pod", "listed")
        server.put(live_pod("later"))
        await until(lambda: "update later" in consumer.calls)
        server.drop_watches()
        server.put(live_pod("last"))
        await until(lambda: "update last" in consumer.calls)
    assert consumer.calls == [
        *("update a", "update z", "list 3"),
        *("update grows", "delete listed", "update later", "update last"),
    ]
    named = [record.getMessage() for record in caplog.records if "too large" in record.getMessage()]
    assert [message.partition(" is ")[0] for message in named] == [
        f"pods: default/{name}" for name in ("listed", "watched", "grows")
    ]
    assert b'coroner_objects_too_large_total{kind="pods"} 4.0' in metrics.exposition()


async def test_malformed_lines_restart_the_watch(tmp_path: Path, consumer: RecordingConsumer, metrics: Metrics) -> None:
    watches = 0

    async def pods(request: web.Request) -> web.StreamResponse:
        nonlocal watches
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "7"}, "items": None})
        watches += 1
        response = web.StreamResponse()
        await response.prepare(request)
        if watches == 1:
            await response.write(b'{"type":"ADDED","object":{"metadata":{"name":"cut o\n')
        else:
            assert request.query["resourceVersion"] == "7"
            line = b'{"type":"ADDED","object":{"metadata":{"name":"whole","resourceVersion":"8"}}}\n'
            await response.write(line[:20])
            await response.write(line[20:])
        await asyncio.sleep(30)
        return response

    app = web.Application()
    app.router.add_get("/api/v1/pods", pods)
    async with client_of_app(app, tmp_path) as client, watching(client, consumer, metrics):
        await until(lambda: consumer.calls == ["list 0", "update whole"])
    assert b'reason="malformed"' in metrics.exposition()
