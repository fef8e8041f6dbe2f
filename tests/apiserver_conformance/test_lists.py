"""LIST: pages, selectors, versions, shapes."""

import pytest

from tests.apiserver_conformance.client import Answer, Api, MakeObject


async def _make(api: Api, path: str, gadget: MakeObject, count: int) -> None:
    for i in range(count):
        labels = {"parity": "even" if i % 2 == 0 else "odd", "n": str(i)}
        created = await api.post(path, gadget(f"g{i}", labels=labels, spec={"size": i + 1}))
        assert created.status == 201, created.body


def _names(answer: Answer) -> list[str]:
    return [item["metadata"]["name"] for item in answer.body["items"]]


async def test_pages_follow_each_other_and_all_show_one_version(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await _make(api, gadgets, gadget, 5)
    first = await api.get(gadgets, limit=2)
    assert (_names(first), first.body["metadata"]["remainingItemCount"]) == (["g0", "g1"], 3)
    await api.post(gadgets, gadget("g1a", spec={"size": 1}))
    await api.delete(f"{gadgets}/g4")
    second = await api.get(gadgets, limit=2, **{"continue": first.body["metadata"]["continue"]})
    third = await api.get(gadgets, limit=2, **{"continue": second.body["metadata"]["continue"]})
    assert (_names(second), _names(third)) == (["g2", "g3"], ["g4"])
    assert first.version == second.version == third.version
    assert not third.body["metadata"].get("continue")


async def test_items_of_custom_lists_say_their_kind_and_built_in_ones_do_not(
    api: Api, gadgets: str, gadget: MakeObject, pods: str, pod: MakeObject
) -> None:
    await _make(api, gadgets, gadget, 1)
    await api.post(pods, pod("a"))
    assert (await api.get(gadgets)).body["items"][0]["kind"] == "Gadget"
    listed = (await api.get(pods)).body
    assert (listed["kind"], listed["apiVersion"]) == ("PodList", "v1")
    assert "kind" not in listed["items"][0]


async def test_version_zero_has_no_pages(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await _make(api, gadgets, gadget, 3)
    await api.get(gadgets)
    answer = await api.get(gadgets, limit=1, resourceVersion=0)
    assert len(answer.body["items"]) == 3


async def test_a_continue_token_that_is_not_one_is_a_bad_request(api: Api, gadgets: str) -> None:
    answer = await api.get(gadgets, limit=1, **{"continue": "abc"})
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")
    assert answer.body["message"].startswith("invalid continue token: continue key is not valid: ")


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("parity=even", ["g0", "g2"]),
        ("parity==even,n!=0", ["g2"]),
        ("n in (1,2)", ["g1", "g2"]),
        ("n notin (1,2)", ["g0", "g3"]),
        ("parity", ["g0", "g1", "g2", "g3"]),
        ("!parity", []),
        ("absent!=x", ["g0", "g1", "g2", "g3"]),
        ("n in (1, 3),parity in (odd)", ["g1", "g3"]),
    ],
)
async def test_label_selectors(api: Api, gadgets: str, gadget: MakeObject, selector: str, names: list[str]) -> None:
    await _make(api, gadgets, gadget, 4)
    assert _names(await api.get(gadgets, labelSelector=selector)) == names


async def test_a_selector_that_cannot_be_read_is_a_bad_request(api: Api, gadgets: str) -> None:
    answer = await api.get(gadgets, labelSelector="a in (")
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")
    assert answer.body["message"] == "unable to parse requirement: found '', expected: ',', ')' or identifier"


async def test_field_selectors_of_a_custom_kind_are_those_it_declares(
    api: Api, gadgets: str, gadget: MakeObject
) -> None:
    await _make(api, gadgets, gadget, 3)
    await api.merge(f"{gadgets}/g1/status", {"status": {"state": "Failing"}})
    assert _names(await api.get(gadgets, fieldSelector="status.state=Failing")) == ["g1"]
    assert _names(await api.get(gadgets, fieldSelector="status.state!=Failing")) == ["g0", "g2"]
    assert _names(await api.get(gadgets, fieldSelector="spec.size=3")) == ["g2"]
    assert _names(await api.get(gadgets, fieldSelector="metadata.name=g0,status.state=")) == ["g0"]
    refused = await api.get(gadgets, fieldSelector="spec.color=red")
    assert (refused.status, refused.body["message"]) == (400, "field label not supported: spec.color")


async def test_field_selectors_of_pods(api: Api, pods: str, pod: MakeObject, namespace: str) -> None:
    await api.post(pods, pod("a"))
    placed = pod("b")
    placed["spec"]["nodeName"] = "n1"
    await api.post(pods, placed)
    await api.merge(f"{pods}/a/status", {"status": {"phase": "Failed"}})
    assert _names(await api.get(pods, fieldSelector="status.phase=Failed")) == ["a"]
    assert _names(await api.get(pods, fieldSelector="status.phase!=Failed")) == ["b"]
    assert _names(await api.get(pods, fieldSelector="spec.nodeName=n1")) == ["b"]
    everywhere = await api.get("/api/v1/pods", fieldSelector=f"metadata.namespace={namespace}")
    assert _names(everywhere) == ["a", "b"]
    await api.delete(f"{pods}/b", gracePeriodSeconds=0)


async def test_pages_with_a_selector_hold_only_what_matches(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await _make(api, gadgets, gadget, 5)
    first = await api.get(gadgets, limit=2, labelSelector="parity=even")
    assert "remainingItemCount" not in first.body["metadata"]
    token = first.body["metadata"]["continue"]
    second = await api.get(gadgets, limit=2, labelSelector="parity=even", **{"continue": token})
    assert (_names(first), _names(second)) == (["g0", "g2"], ["g4"])


async def test_a_version_from_the_future_times_out(api: Api, pods: str) -> None:
    answer = await api.get(pods, resourceVersion=2**40)
    assert (answer.status, answer.body["reason"]) == (504, "Timeout")
    assert answer.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_a_version_that_is_not_a_number_is_a_bad_request(api: Api, gadgets: str) -> None:
    assert (await api.get(gadgets, resourceVersion="x")).status == 400


async def test_metadata_only_answers(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await _make(api, gadgets, gadget, 1)
    one = await api.get(f"{gadgets}/g0", accept="application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
    assert (one.body["kind"], one.body["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert one.body["metadata"]["name"] == "g0"
    assert "spec" not in one.body
    listed = await api.get(gadgets, accept="application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
    assert (listed.body["kind"], listed.body["items"][0]["kind"]) == (
        "PartialObjectMetadataList",
        "PartialObjectMetadata",
    )


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


async def test_a_table_has_the_printer_columns_of_the_crd(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await _make(api, gadgets, gadget, 2)
    await api.merge(
        f"{gadgets}/g1/status", {"status": {"state": "Failing", "hint": "h", "seen": "2020-01-01T00:00:00Z"}}
    )
    table = (await api.get(gadgets, accept=TABLE)).body
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    shown = [(c["name"], c["type"], c["priority"]) for c in table["columnDefinitions"]]
    assert shown == [
        ("Name", "string", 0),
        ("Size", "integer", 0),
        ("State", "string", 0),
        ("Hint", "string", 1),
        ("Seen", "date", 0),
    ]
    cells = [row["cells"] for row in table["rows"]]
    assert cells[0] == ["g0", 1, None, None, None]
    assert cells[1][:4] == ["g1", 2, "Failing", "h"]
    assert cells[1][4].endswith(("d", "y")) or "y" in cells[1][4]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


async def test_pod_tables_show_ready_status_and_restarts(api: Api, pods: str, pod: MakeObject) -> None:
    await api.post(pods, pod("a"))
    table = (await api.get(pods, accept=TABLE)).body
    names = [c["name"] for c in table["columnDefinitions"]]
    assert names[:5] == ["Name", "Ready", "Status", "Restarts", "Age"]
    assert table["rows"][0]["cells"][:4] == ["a", "0/1", "Pending", "0"]


async def test_discovery_says_what_is_served(api: Api) -> None:
    assert (await api.get("/version")).body["major"] == "1"
    assert (await api.get("/api")).body["versions"] == ["v1"]
    groups = {group["name"] for group in (await api.get("/apis")).body["groups"]}
    assert {"apps", "batch", "events.k8s.io", "coordination.k8s.io", "tests.coroner.dev"} <= groups
    core = {r["name"]: r for r in (await api.get("/api/v1")).body["resources"]}
    assert core["pods"]["shortNames"] == ["po"]
    assert core["pods/status"]["verbs"] == ["get", "patch", "update"]
    custom = (await api.get("/apis/tests.coroner.dev/v1")).body
    assert custom["groupVersion"] == "tests.coroner.dev/v1"
    entry = {k: v for k, v in custom["resources"][0].items() if k not in ("storageVersionHash", "verbs")}
    assert entry == {
        "name": "gadgets",
        "singularName": "gadget",
        "namespaced": True,
        "kind": "Gadget",
        "shortNames": ["gd"],
        "categories": ["testing"],
    }
    assert set(custom["resources"][0]["verbs"]) == {
        "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
    }  # fmt: skip
    assert custom["resources"][1]["name"] == "gadgets/status"
