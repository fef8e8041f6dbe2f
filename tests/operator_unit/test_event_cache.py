"""Which events are kept in memory: about pods that exist, in a budget that no namespace can take from another."""

from __future__ import annotations

from typing import cast

import pytest

from coroner_categorizer.objects.event import TEXT_LIMIT, Event, EventMetadata, EventSource, ObjectReference
from coroner_categorizer.objects.pod import Metadata
from coroner_operator.kube import event_cache
from coroner_operator.kube.client import Client
from coroner_operator.kube.event_cache import (
    BYTES_LIMIT,
    EVENTS_PER_OBJECT,
    LIST_BYTES,
    WAITING_BYTES,
    WAITING_SECONDS,
    EventCache,
    EventTarget,
)
from embedded_apiserver import EmbeddedApiServer, Fault

BIG = "x " * (TEXT_LIMIT // 2)


class Pods:
    """What is known of pods, and the time."""

    def __init__(self) -> None:
        self.uids: set[str] = set()
        self.listed = True
        self.now = 0.0
        self.cache = EventCache(cast("Client", None), self.exists, lambda: self.now)

    def exists(self, uid: str) -> bool | None:
        return True if uid in self.uids else False if self.listed else None

    def event(self, namespace: str, pod: str, name: str = "e", message: str = "") -> None:
        self.cache.add(
            Event(
                metadata=EventMetadata(name=f"{pod}.{name}", namespace=namespace, uid=f"{namespace}/{pod}.{name}"),
                involvedObject=ObjectReference("v1", "Pod", namespace, pod, pod),
                reason="FailedMount",
                message=message,
            )
        )

    def kept(self, namespace: str, pod: str) -> list[str]:
        return [event.metadata.name for event in self.cache.cached(EventTarget("Pod", namespace, pod))]


@pytest.fixture
def pods() -> Pods:
    return Pods()


def test_the_newest_events_of_a_pod_are_kept(pods: Pods) -> None:
    pods.uids = {"p"}
    for number in range(EVENTS_PER_OBJECT + 3):
        pods.event("a", "p", str(number))
    pods.event("a", "p", "3", "again")
    assert pods.kept("a", "p") == [f"p.{number}" for number in (*range(4, EVENTS_PER_OBJECT + 3), 3)]
    pods.cache.forget(EventTarget("Pod", "a", "p"))
    assert (pods.kept("a", "p"), len(pods.cache), pods.cache.bytes) == ([], 0, 0)


def test_an_event_that_comes_before_its_pod_is_kept(pods: Pods) -> None:
    pods.event("a", "early")
    assert pods.kept("a", "early") == ["early.e"]
    pods.uids.add("early")
    pods.now = WAITING_SECONDS + 1
    pods.event("a", "other")
    pods.now = 10 * WAITING_SECONDS
    pods.event("a", "another")
    assert pods.kept("a", "early") == ["early.e"]


def test_events_about_pods_that_do_not_come_are_dropped_after_a_while(pods: Pods) -> None:
    pods.event("a", "none")
    pods.now = WAITING_SECONDS + 1
    pods.event("a", "other")
    assert pods.kept("a", "none") == []


def test_events_about_pods_that_do_not_exist_take_little(pods: Pods) -> None:
    pods.uids = {"p"}
    pods.event("a", "p")
    for number in range(1000):
        pods.event("a", f"none-{number}", message=BIG)
    assert pods.cache.bytes < WAITING_BYTES + 10_000
    assert pods.kept("a", "p") == ["p.e"]


def test_as_long_as_the_pods_are_not_listed_all_events_may_be_about_some(pods: Pods) -> None:
    pods.listed = False
    for number in range(2000):
        pods.event("a", f"p-{number}")
    pods.now = 10 * WAITING_SECONDS
    pods.event("a", "last")
    pods.uids = {f"p-{number}" for number in range(2000)}
    pods.listed = True
    pods.event("a", "p-0")
    assert all(pods.kept("a", f"p-{number}") for number in range(2000))


@pytest.mark.parametrize("exist", [True, False])
def test_one_namespace_evicts_its_own_events_alone(pods: Pods, exist: bool) -> None:
    pods.listed = False
    victims = [(f"ns-{number}", f"victim-{number}-{pod}") for number in range(20) for pod in range(20)]
    pods.uids = {pod for _, pod in victims}
    for namespace, pod in victims:
        pods.event(namespace, pod)
    for number in range(8000):
        if exist:
            pods.uids.add(f"pod-{number}")
        pods.event("hostile", f"pod-{number}", message=BIG)
        assert pods.cache.bytes <= BYTES_LIMIT
    assert all(pods.kept(namespace, pod) for namespace, pod in victims)
    assert pods.kept("hostile", "pod-7999")
    assert not pods.kept("hostile", "pod-0")


def test_of_pods_that_exist_and_pods_that_do_not_those_that_do_not_are_evicted_first(pods: Pods) -> None:
    pods.listed = False
    pods.uids = {"p"}
    pods.event("a", "p")
    pods.event("a", "late")
    pods.uids.add("late")
    for number in range(8000):
        pods.event("a", f"none-{number}", message=BIG)
    assert pods.kept("a", "p")
    assert pods.kept("a", "late")


def test_names_without_end_are_not_kept() -> None:
    long = "x" * 1_000_000
    event = Event(
        type=long,
        reason=long,
        reportingComponent=long,
        source=EventSource(long),
        involvedObject=ObjectReference(fieldPath=long, namespace=long),
    )
    assert event == Event(source=EventSource(), involvedObject=ObjectReference())


def put_events(server: EmbeddedApiServer, count: int, message: str) -> None:
    for number in range(count):
        server.put(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"e.{number}", "namespace": "default"},
                "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "p", "uid": "p"},
                "reason": "FailedMount",
                "message": message,
            }
        )


METADATA = Metadata(name="p", namespace="default", uid="p")


@pytest.mark.parametrize(("count", "message", "read"), [(7, "x", 7), (120, "x", 100), (40, "x " * 500_000, 9)])
async def test_of_one_object_a_limited_number_of_events_is_read(
    server: EmbeddedApiServer, client: Client, count: int, message: str, read: int
) -> None:
    put_events(server, count, message)
    assert len(await EventCache(client).read_all(METADATA)) == read
    assert LIST_BYTES == 8 * 2**20


async def test_events_that_cannot_be_listed_in_time_are_those_that_are_cached(
    server: EmbeddedApiServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_cache, "LIST_TIMEOUT", 0.1)
    server.faults.add(Fault(path="/events", delay=5))
    cache = EventCache(client)
    cached = Event(
        metadata=EventMetadata("e.1", "default", "u"), involvedObject=ObjectReference("v1", "Pod", "default", "p", "p")
    )
    cache.add(cached)
    assert await cache.read_all(METADATA) == (cached,)
