"""WATCH: where it starts, what a selection sees, bookmarks, the ends."""

import pytest

from tests.apiserver_conformance.client import Answer, Api, MakeObject


async def _gadget_at(api: Api, gadgets: str, gadget: MakeObject, name: str, size: int, **labels: str) -> Answer:
    return await api.post(gadgets, gadget(name, labels=labels or None, spec={"size": size}))


async def test_a_watch_goes_on_from_the_version_of_a_list(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await _gadget_at(api, gadgets, gadget, "before", 1)
    listed = await api.get(gadgets)
    async with api.watch(gadgets, resourceVersion=listed.version) as watch:
        await _gadget_at(api, gadgets, gadget, "a", 1)
        await api.merge(f"{gadgets}/a", {"spec": {"size": 2}})
        await api.delete(f"{gadgets}/a")
        assert await watch.names(3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_events_carry_whole_objects_with_rising_versions(api: Api, gadgets: str, gadget: MakeObject) -> None:
    listed = await api.get(gadgets)
    created = await _gadget_at(api, gadgets, gadget, "a", 1)
    patched = await api.merge(f"{gadgets}/a", {"spec": {"size": 2}})
    await api.delete(f"{gadgets}/a")
    async with api.watch(gadgets, resourceVersion=listed.version) as watch:
        assert (await watch.next())[1] == created.body
        assert (await watch.next())[1] == patched.body
        _, deleted = await watch.next()
    assert deleted["spec"] == patched.body["spec"]
    assert int(deleted["metadata"]["resourceVersion"]) > int(patched.version)


@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}])
async def test_without_a_version_the_present_objects_come_first(
    api: Api, gadgets: str, gadget: MakeObject, query: dict[str, str]
) -> None:
    for name in ("b", "a"):
        await _gadget_at(api, gadgets, gadget, name, 1)
    await api.get(gadgets)
    async with api.watch(gadgets, **query) as watch:
        assert sorted(await watch.names(2)) == [("ADDED", "a"), ("ADDED", "b")]
        await _gadget_at(api, gadgets, gadget, "c", 1)
        assert await watch.names(1) == [("ADDED", "c")]


async def test_an_object_that_leaves_the_selection_is_deleted_and_one_that_enters_is_added(
    api: Api, gadgets: str, gadget: MakeObject
) -> None:
    listed = await api.get(gadgets)
    async with api.watch(gadgets, resourceVersion=listed.version, labelSelector="on=yes") as watch:
        await _gadget_at(api, gadgets, gadget, "a", 1, on="no")
        await api.merge(f"{gadgets}/a", {"metadata": {"labels": {"on": "yes"}}})
        await api.merge(f"{gadgets}/a", {"spec": {"size": 2}})
        left = await api.merge(f"{gadgets}/a", {"metadata": {"labels": {"on": "no"}}})
        assert await watch.names(2) == [("ADDED", "a"), ("MODIFIED", "a")]
        kind, gone = await watch.next()
    assert kind == "DELETED"
    assert gone["metadata"]["labels"] == {"on": "yes"}  # as it was when it was last selected
    assert gone["metadata"]["resourceVersion"] == left.version


async def test_a_field_selector_watches_pods_by_phase(api: Api, pods: str, pod: MakeObject) -> None:
    listed = await api.get(pods)
    async with api.watch(pods, resourceVersion=listed.version, fieldSelector="status.phase!=Succeeded") as watch:
        await api.post(pods, pod("a"))
        await api.merge(f"{pods}/a/status", {"status": {"phase": "Succeeded"}})
        assert await watch.names(2) == [("ADDED", "a"), ("DELETED", "a")]


async def test_a_watch_of_all_namespaces_sees_this_one(
    api: Api, gadgets: str, gadget: MakeObject, namespace: str
) -> None:
    listed = await api.get("/apis/tests.coroner.dev/v1/gadgets")
    async with api.watch("/apis/tests.coroner.dev/v1/gadgets", resourceVersion=listed.version) as watch:
        await _gadget_at(api, gadgets, gadget, "a", 1)
        _, seen = await watch.next()
        while seen["metadata"]["namespace"] != namespace:  # those of the test before are still being deleted
            _, seen = await watch.next()
    assert seen["metadata"]["name"] == "a"


async def test_a_watch_in_one_namespace_sees_no_other(api: Api, gadgets: str, gadget: MakeObject) -> None:
    listed = await api.get(gadgets)
    async with api.watch(gadgets, resourceVersion=listed.version) as watch:
        elsewhere = "/apis/tests.coroner.dev/v1/namespaces/default/gadgets"
        await api.post(elsewhere, gadget("elsewhere", spec={"size": 1}))
        await api.delete(f"{elsewhere}/elsewhere")
        await _gadget_at(api, gadgets, gadget, "here", 1)
        assert await watch.names(1) == [("ADDED", "here")]


async def test_the_timeout_ends_a_watch_quietly(api: Api, gadgets: str) -> None:
    async with api.watch(gadgets, timeoutSeconds=1) as watch:
        assert await watch.rest() == []


async def test_initial_events_end_with_a_marked_bookmark(api: Api, gadgets: str, gadget: MakeObject) -> None:
    created = await _gadget_at(api, gadgets, gadget, "a", 1)
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with api.watch(gadgets, **query) as watch:
        assert await watch.names(1) == [("ADDED", "a")]
        kind, bookmark = await watch.next()
        assert kind == "BOOKMARK"
        version = bookmark["metadata"].pop("resourceVersion")
        assert int(version) >= int(created.version)
        assert bookmark == {
            "kind": "Gadget",
            "apiVersion": "tests.coroner.dev/v1",
            "metadata": {"annotations": {"k8s.io/initial-events-end": "true"}},
        }
        await _gadget_at(api, gadgets, gadget, "b", 1)
        while True:
            kind, seen = await watch.next()
            if kind != "BOOKMARK":
                break
        assert (kind, seen["metadata"]["name"]) == ("ADDED", "b")


async def test_bookmarks_of_pods_carry_containers_that_are_null(api: Api, pods: str) -> None:
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with api.watch(pods, **query) as watch:
        kind, bookmark = await watch.next()
    assert kind == "BOOKMARK"
    assert (bookmark["kind"], bookmark["spec"], bookmark["status"]) == ("Pod", {"containers": None}, {})
    assert set(bookmark["metadata"]) == {"resourceVersion", "annotations"}


async def test_initial_events_need_a_version_match(api: Api, pods: str) -> None:
    answer = await api.get(pods, watch="1", sendInitialEvents="true", timeoutSeconds=1)
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")


async def test_a_watch_from_a_forgotten_version_gets_an_expired_error(
    api: Api, gadgets: str, gadget: MakeObject, backend: str, request: pytest.FixtureRequest
) -> None:
    await _gadget_at(api, gadgets, gadget, "a", 1)
    await api.get(gadgets)
    if backend == "embedded":
        request.getfixturevalue("embedded").compact()
    async with api.watch(gadgets, resourceVersion=1) as watch:
        ((kind, status),) = await watch.rest()
    assert kind == "ERROR"
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert status["message"].startswith("too old resource version: 1 (")


async def test_a_metadata_only_watch(api: Api, gadgets: str, gadget: MakeObject) -> None:
    listed = await api.get(gadgets)
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    async with api.watch(gadgets, resourceVersion=listed.version, accept=accept) as watch:
        await _gadget_at(api, gadgets, gadget, "a", 1)
        _, seen = await watch.next()
    assert (seen["kind"], seen["metadata"]["name"]) == ("PartialObjectMetadata", "a")
    assert "spec" not in seen


async def test_a_status_write_is_one_event_and_an_idle_write_none(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await _gadget_at(api, gadgets, gadget, "a", 1)
    listed = await api.get(gadgets)
    async with api.watch(gadgets, resourceVersion=listed.version) as watch:
        for _ in range(2):
            await api.merge(f"{gadgets}/a/status", {"status": {"state": "Failing"}})
        await _gadget_at(api, gadgets, gadget, "b", 1)
        assert await watch.names(2) == [("MODIFIED", "a"), ("ADDED", "b")]
