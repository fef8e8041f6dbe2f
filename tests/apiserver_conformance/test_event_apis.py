"""Events: one store, two APIs, and what the new one insists on."""

from typing import Any

import pytest

from tests.apiserver_conformance.client import Answer, Api, Object


@pytest.fixture
def core(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/events"


@pytest.fixture
def new(namespace: str) -> str:
    return f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"


def _legacy(namespace: str, name: str = "e1", **more: Any) -> Object:
    return {
        "metadata": {"name": name},
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": "x", "uid": "u1"},
        "reason": "Failed",
        "message": "m",
        "type": "Warning",
        "count": 3,
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:01Z",
        "source": {"component": "kubelet", "host": "n1"},
        **more,
    }


def _modern(namespace: str, name: str = "e2", **more: Any) -> Object:
    return {
        "metadata": {"name": name},
        "regarding": {"kind": "Pod", "namespace": namespace, "name": "x", "uid": "u2"},
        "reason": "Failed",
        "note": "m",
        "type": "Warning",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "coroner.dev/operator",
        "reportingInstance": "i",
        "action": "Judge",
        **more,
    }


def _body(answer: Answer) -> Object:
    return {key: value for key, value in answer.body.items() if key != "metadata"}


async def test_a_legacy_event_shown_by_both_apis(api: Api, core: str, new: str, namespace: str) -> None:
    created = await api.post(core, _legacy(namespace))
    assert created.status == 201
    target = {"kind": "Pod", "namespace": namespace, "name": "x", "uid": "u1"}
    assert _body(await api.get(f"{core}/e1")) == {
        "kind": "Event",
        "apiVersion": "v1",
        "involvedObject": target,
        "reason": "Failed",
        "message": "m",
        "source": {"component": "kubelet", "host": "n1"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:01Z",
        "count": 3,
        "type": "Warning",
        "eventTime": None,
        "reportingComponent": "",
        "reportingInstance": "",
    }
    assert _body(await api.get(f"{new}/e1")) == {
        "kind": "Event",
        "apiVersion": "events.k8s.io/v1",
        "eventTime": None,
        "reason": "Failed",
        "regarding": target,
        "note": "m",
        "type": "Warning",
        "deprecatedSource": {"component": "kubelet", "host": "n1"},
        "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z",
        "deprecatedLastTimestamp": "2026-01-01T00:00:01Z",
        "deprecatedCount": 3,
    }


async def test_a_modern_event_shown_by_the_core_api(api: Api, core: str, new: str, namespace: str) -> None:
    assert (await api.post(new, _modern(namespace))).status == 201
    shown = _body(await api.get(f"{core}/e2"))
    assert shown == {
        "kind": "Event",
        "apiVersion": "v1",
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": "x", "uid": "u2"},
        "reason": "Failed",
        "message": "m",
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "type": "Warning",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "action": "Judge",
        "reportingComponent": "coroner.dev/operator",
        "reportingInstance": "i",
    }


async def test_both_are_selected_by_their_own_field_names(api: Api, core: str, new: str, namespace: str) -> None:
    await api.post(core, _legacy(namespace))
    await api.post(new, _modern(namespace))

    async def names(path: str, selector: str) -> list[str]:
        answer = await api.get(path, fieldSelector=selector)
        return [item["metadata"]["name"] for item in answer.body["items"]]

    assert await names(core, "involvedObject.uid=u1") == ["e1"]
    assert await names(new, "regarding.uid=u2") == ["e2"]
    assert await names(core, "involvedObject.kind=Pod,reason=Failed,type=Warning") == ["e1", "e2"]
    assert await names(core, "type!=Warning") == []
    refused = await api.get(new, fieldSelector="involvedObject.uid=u1")
    assert (refused.status, refused.body["message"]) == (400, "field label not supported: involvedObject.uid")


async def test_a_watch_of_either_api_sees_both(api: Api, core: str, new: str, namespace: str) -> None:
    listed = await api.get(core)
    async with (
        api.watch(core, resourceVersion=listed.version) as old_watch,
        api.watch(new, resourceVersion=listed.version) as new_watch,
    ):
        await api.post(core, _legacy(namespace))
        await api.post(new, _modern(namespace))
        assert await old_watch.names(2) == [("ADDED", "e1"), ("ADDED", "e2")]
        seen = [obj for _, obj in [await new_watch.next(), await new_watch.next()]]
    assert [event["note"] for event in seen] == ["m", "m"]


@pytest.mark.parametrize("field", ["action", "reportingController", "reportingInstance", "reason", "eventTime"])
async def test_a_modern_event_needs_its_fields(api: Api, new: str, namespace: str, field: str) -> None:
    event = _modern(namespace)
    del event[field]
    answer = await api.post(new, event)
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")


async def test_a_note_is_bounded_in_bytes(api: Api, new: str, namespace: str) -> None:
    assert (await api.post(new, _modern(namespace, "fits", note="я" * 512))).status == 201
    assert (await api.post(new, _modern(namespace, "long", note="я" * 513))).status == 422


async def test_a_legacy_message_is_not_bounded(api: Api, core: str, namespace: str) -> None:
    assert (await api.post(core, _legacy(namespace, message="x" * 4000))).status == 201


async def test_of_a_modern_event_only_the_series_may_change(api: Api, new: str, namespace: str) -> None:
    await api.post(new, _modern(namespace))
    refused = await api.merge(f"{new}/e2", {"note": "other"})
    assert refused.status == 422
    assert "field is immutable" in refused.body["message"]
    series = {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}
    assert (await api.merge(f"{new}/e2", {"series": series})).body["series"] == series
    assert (await api.merge(f"{new}/e2", {"series": {"count": 1}})).status == 422


async def test_an_event_lives_where_its_object_does(api: Api, core: str, namespace: str) -> None:
    answer = await api.post(core, _legacy("elsewhere"))
    assert answer.status == 422
    assert (
        'involvedObject.namespace: Invalid value: "elsewhere": does not match event.namespace'
        in (answer.body["message"])
    )


async def test_the_type_is_normal_or_warning(api: Api, new: str, namespace: str) -> None:
    answer = await api.post(new, _modern(namespace, type="Oops"))
    assert (answer.status, [c["field"] for c in answer.body["details"]["causes"]]) == (422, ["type"])
