"""Create, read, replace, patch, delete: codes, reasons and messages."""

import pytest

from tests.apiserver_conformance.client import Api, MakeObject, Object

STALE = "the object has been modified; please apply your changes to the latest version and try again"


async def test_a_created_object_gets_its_system_metadata_and_its_defaults(
    api: Api, gadgets: str, gadget: MakeObject, namespace: str
) -> None:
    created = await api.post(gadgets, gadget(spec={"size": 1}))
    assert created.status == 201
    metadata = created.body["metadata"]
    assert (metadata["name"], metadata["namespace"], metadata["generation"]) == ("a", namespace, 1)
    assert metadata["uid"] and metadata["creationTimestamp"].endswith("Z") and int(metadata["resourceVersion"]) > 0
    assert created.body["spec"] == {"size": 1, "color": "red"}
    assert (await api.get(f"{gadgets}/a")).body == created.body


async def test_a_generated_name_ends_in_five_letters(api: Api, gadgets: str, gadget: MakeObject) -> None:
    body = gadget(None, spec={"size": 1})
    body["metadata"]["generateName"] = "made-"
    first = (await api.post(gadgets, body)).body["metadata"]["name"]
    second = (await api.post(gadgets, body)).body["metadata"]["name"]
    assert first != second
    assert len(first) == len("made-") + 5


async def test_a_second_object_of_the_same_name_already_exists(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await api.post(gadgets, gadget(spec={"size": 1}))
    again = await api.post(gadgets, gadget(spec={"size": 2}))
    assert again.status == 409
    assert again.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'gadgets.tests.coroner.dev "a" already exists',
        "reason": "AlreadyExists",
        "details": {"name": "a", "group": "tests.coroner.dev", "kind": "gadgets"},
        "code": 409,
    }


async def test_an_absent_object_is_not_found_with_its_name(
    api: Api, gadgets: str, gadget: MakeObject, pods: str
) -> None:
    for answer in (
        await api.get(f"{gadgets}/none"),
        await api.delete(f"{gadgets}/none"),
        await api.merge(f"{gadgets}/none", {}),
        await api.put(f"{gadgets}/none", gadget("none", spec={"size": 1})),
        await api.merge(f"{gadgets}/none/status", {}),
    ):
        assert (answer.status, answer.body["reason"]) == (404, "NotFound")
        assert answer.body["message"] == 'gadgets.tests.coroner.dev "none" not found'
    assert (await api.get(f"{pods}/none")).body["details"] == {"name": "none", "kind": "pods"}


async def test_a_kind_that_is_not_served_is_a_plain_404(api: Api, namespace: str) -> None:
    for path in ("/apis/nowhere.example.com/v1", f"/apis/tests.coroner.dev/v1/namespaces/{namespace}/nothings"):
        answer = await api.get(path)
        assert (answer.status, answer.body) == (404, "404 page not found\n")


async def test_a_create_into_an_absent_namespace_is_refused(api: Api, gadget: MakeObject) -> None:
    answer = await api.post("/apis/tests.coroner.dev/v1/namespaces/none/gadgets", gadget(spec={"size": 1}))
    assert (answer.status, answer.body["message"]) == (404, 'namespaces "none" not found')


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"apiVersion": "v1"}, 400, "the API version in the data (v1) does not match the expected API version "),
        ({"metadata": {"name": "a", "namespace": "x"}}, 400, "the namespace of the provided object does not match"),
        ({"metadata": {}}, 422, "metadata.name: Required value: name or generateName is required"),
        ({"metadata": {"name": "A_"}}, 422, "a lowercase RFC 1123 subdomain must consist of lower case"),
        ({"metadata": {"name": "a", "resourceVersion": "5"}}, 500, "resourceVersion should not be set on objects"),
        ({"metadata": {"name": "a", "labels": {"a": "b c"}}}, 422, "a valid label must be an empty string or"),
    ],
)
async def test_a_create_that_contradicts_the_url_or_the_rules(
    api: Api, gadgets: str, gadget: MakeObject, change: Object, code: int, message: str
) -> None:
    answer = await api.post(gadgets, {**gadget(spec={"size": 1}), **change})
    assert answer.status == code
    assert message in answer.body["message"]


async def test_a_body_that_is_not_json_is_a_bad_request(api: Api, gadgets: str) -> None:
    answer = await api.post(gadgets, b'{"apiVersion"')
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")


async def test_replacing_needs_the_present_resource_version(api: Api, gadgets: str, gadget: MakeObject) -> None:
    created = (await api.post(gadgets, gadget(spec={"size": 1}))).body
    without = await api.put(f"{gadgets}/a", gadget(spec={"size": 2}))
    assert (without.status, without.body["details"]["causes"][0]["field"]) == (422, "metadata.resourceVersion")
    created["spec"]["size"] = 2
    replaced = await api.put(f"{gadgets}/a", created)
    assert (replaced.status, replaced.body["metadata"]["generation"]) == (200, 2)
    stale = await api.put(f"{gadgets}/a", created)
    assert (stale.status, stale.body["reason"]) == (409, "Conflict")
    assert stale.body["message"] == f'Operation cannot be fulfilled on gadgets.tests.coroner.dev "a": {STALE}'


async def test_replacing_without_labels_removes_them(api: Api, gadgets: str, gadget: MakeObject) -> None:
    created = (await api.post(gadgets, gadget(labels={"x": "1"}, spec={"size": 1}))).body
    del created["metadata"]["labels"]
    assert "labels" not in (await api.put(f"{gadgets}/a", created)).body["metadata"]


async def test_a_name_in_the_body_must_be_the_one_in_the_url(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await api.post(gadgets, gadget(spec={"size": 1}))
    answer = await api.put(f"{gadgets}/a", gadget("b", spec={"size": 1}))
    assert answer.status == 400
    assert answer.body["message"] == "the name of the object (b) does not match the name on the URL (a)"


async def test_a_merge_patch_sets_and_removes(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await api.post(gadgets, gadget(labels={"x": "1", "y": "2"}, spec={"size": 1, "tags": ["a", "b"]}))
    patch = {"metadata": {"labels": {"x": None}}, "spec": {"size": 3, "tags": ["c"]}}
    patched = (await api.merge(f"{gadgets}/a", patch)).body
    assert patched["metadata"]["labels"] == {"y": "2"}
    assert patched["spec"] == {"size": 3, "color": "red", "tags": ["c"]}
    assert patched["metadata"]["generation"] == 2


async def test_a_patch_with_a_stale_resource_version_conflicts(api: Api, gadgets: str, gadget: MakeObject) -> None:
    created = await api.post(gadgets, gadget(spec={"size": 1}))
    patch = {"metadata": {"resourceVersion": created.version}, "spec": {"size": 2}}
    assert (await api.merge(f"{gadgets}/a", patch)).status == 200
    again = await api.merge(f"{gadgets}/a", patch)
    assert (again.status, again.body["reason"]) == (409, "Conflict")


async def test_a_patch_that_changes_nothing_makes_no_new_version(api: Api, gadgets: str, gadget: MakeObject) -> None:
    created = await api.post(gadgets, gadget(spec={"size": 1}))
    assert (await api.merge(f"{gadgets}/a", {"spec": {"size": 1}})).version == created.version


async def test_a_patch_cannot_change_the_uid(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await api.post(gadgets, gadget(spec={"size": 1}))
    answer = await api.merge(f"{gadgets}/a", {"metadata": {"uid": "1"}})
    assert (answer.status, answer.body["details"]["causes"][0]["field"]) == (422, "metadata.uid")


async def test_json_patch_operations(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await api.post(gadgets, gadget(spec={"size": 1, "tags": ["a"]}))
    operations = [
        {"op": "test", "path": "/spec/size", "value": 1},
        {"op": "add", "path": "/spec/tags/-", "value": "b"},
        {"op": "replace", "path": "/spec/size", "value": 2},
        {"op": "add", "path": "/metadata/labels", "value": {"a/b": "c"}},
        {"op": "copy", "from": "/metadata/labels/a~1b", "path": "/metadata/labels/d"},
    ]
    patched = await api.call("PATCH", f"{gadgets}/a", operations, kind="application/json-patch+json")
    assert patched.body["spec"] == {"size": 2, "color": "red", "tags": ["a", "b"]}
    assert patched.body["metadata"]["labels"] == {"a/b": "c", "d": "c"}


@pytest.mark.parametrize(
    "operation",
    [{"op": "test", "path": "/spec/size", "value": 7}, {"op": "remove", "path": "/spec/none"}],
)
async def test_a_json_patch_that_cannot_be_done_is_unprocessable(
    api: Api, gadgets: str, gadget: MakeObject, operation: str
) -> None:
    await api.post(gadgets, gadget(spec={"size": 1}))
    answer = await api.call("PATCH", f"{gadgets}/a", [operation], kind="application/json-patch+json")
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")


@pytest.mark.parametrize("kind", ["application/json", "application/strategic-merge-patch+json"])
async def test_other_patches_of_a_custom_object_are_unsupported(
    api: Api, gadgets: str, gadget: MakeObject, kind: str
) -> None:
    await api.post(gadgets, gadget(spec={"size": 1}))
    answer = await api.call("PATCH", f"{gadgets}/a", {}, kind=kind)
    assert (answer.status, answer.body["reason"]) == (415, "UnsupportedMediaType")


async def test_a_strategic_merge_patch_of_a_pod_merges_conditions_by_type(api: Api, pods: str, pod: MakeObject) -> None:
    await api.post(pods, pod("a"))
    kind = "application/strategic-merge-patch+json"
    for condition in (
        {"type": "A", "status": "True"},
        {"type": "B", "status": "True"},
        {"type": "A", "status": "False"},
    ):
        patch = {"status": {"conditions": [condition]}}
        patched = await api.call("PATCH", f"{pods}/a/status", patch, kind=kind)
        assert patched.status == 200, patched.body
    found = {c["type"]: c["status"] for c in patched.body["status"]["conditions"]}
    assert found == {"A": "False", "B": "True"}


async def test_force_belongs_to_apply_only(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await api.post(gadgets, gadget(spec={"size": 1}))
    answer = await api.merge(f"{gadgets}/a", {}, force="true")
    assert answer.status == 422
    assert "force: Forbidden: may not be specified for non-apply patch" in answer.body["message"]


async def test_a_deleted_object_is_gone(api: Api, gadgets: str, gadget: MakeObject) -> None:
    created = (await api.post(gadgets, gadget(spec={"size": 1}))).body
    deleted = await api.delete(f"{gadgets}/a")
    assert (deleted.status, deleted.body["status"]) == (200, "Success")
    assert deleted.body["details"]["uid"] == created["metadata"]["uid"]
    assert (await api.get(f"{gadgets}/a")).status == 404


async def test_an_object_with_a_finalizer_stays_until_that_is_removed(
    api: Api, gadgets: str, gadget: MakeObject
) -> None:
    body = gadget(spec={"size": 1})
    body["metadata"]["finalizers"] = ["tests.coroner.dev/hold"]
    await api.post(gadgets, body)
    deleted = (await api.delete(f"{gadgets}/a")).body
    assert deleted["metadata"]["deletionTimestamp"]
    assert (deleted["metadata"]["deletionGracePeriodSeconds"], deleted["metadata"]["generation"]) == (0, 2)
    assert (await api.get(f"{gadgets}/a")).version == deleted["metadata"]["resourceVersion"]
    released = await api.merge(f"{gadgets}/a", {"metadata": {"finalizers": None}})
    assert released.status == 200
    assert (await api.get(f"{gadgets}/a")).status == 404


@pytest.mark.parametrize("preconditions", [{"uid": "other"}, {"resourceVersion": "1"}])
async def test_a_delete_with_a_false_precondition_conflicts(
    api: Api, gadgets: str, gadget: MakeObject, preconditions: Object
) -> None:
    await api.post(gadgets, gadget(spec={"size": 1}))
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions}
    answer = await api.delete(f"{gadgets}/a", options)
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")
    assert "in the precondition" in answer.body["message"]
    assert (await api.get(f"{gadgets}/a")).status == 200


async def test_a_collection_is_deleted_by_selector(api: Api, gadgets: str, gadget: MakeObject) -> None:
    for name in ("a", "b", "c"):
        await api.post(gadgets, gadget(name, labels={"keep": "yes" if name == "b" else "no"}, spec={"size": 1}))
    deleted = await api.delete(gadgets, labelSelector="keep!=yes")
    assert (deleted.status, deleted.body["kind"]) == (200, "GadgetList")
    left = (await api.get(gadgets)).body["items"]
    assert [item["metadata"]["name"] for item in left] == ["b"]


async def test_a_pod_bound_to_a_node_is_deleted_in_two_steps(api: Api, pods: str, pod: MakeObject) -> None:
    body = pod("a")
    body["spec"]["nodeName"] = "nowhere"
    body["spec"]["terminationGracePeriodSeconds"] = 7
    await api.post(pods, body)
    deleted = (await api.delete(f"{pods}/a")).body
    assert deleted["kind"] == "Pod"
    assert deleted["metadata"]["deletionGracePeriodSeconds"] == 7
    assert (await api.get(f"{pods}/a")).status == 200
    assert (await api.delete(f"{pods}/a", gracePeriodSeconds=0)).status == 200
    assert (await api.get(f"{pods}/a")).status == 404


async def test_a_pod_without_a_node_is_deleted_at_once(api: Api, pods: str, pod: MakeObject) -> None:
    await api.post(pods, pod("a"))
    assert (await api.delete(f"{pods}/a")).body["kind"] == "Pod"
    assert (await api.get(f"{pods}/a")).status == 404


async def test_a_pod_needs_containers(api: Api, pods: str) -> None:
    answer = await api.post(pods, {"metadata": {"name": "a"}, "spec": {"containers": []}})
    assert answer.body["message"] == 'Pod "a" is invalid: spec.containers: Required value'


async def test_a_lease_is_created_by_put_and_replaced_only_with_its_version(api: Api, namespace: str) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/leader"
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "leader"}}
    body: Object = {**lease, "spec": {"holderIdentity": "one", "renewTime": "2026-01-01T00:00:00.000000Z"}}
    created = await api.put(path, body)
    assert created.status == 201
    assert (await api.put(path, body)).status == 422
    body["metadata"] = {"name": "leader", "resourceVersion": created.version}
    body["spec"]["holderIdentity"] = "two"
    assert (await api.put(path, body)).status == 200
    assert (await api.put(path, body)).status == 409


async def test_dry_run_stores_nothing(api: Api, gadgets: str, gadget: MakeObject) -> None:
    answer = await api.post(gadgets, gadget(spec={"size": 1}), dryRun="All")
    assert (answer.status, answer.body["spec"]["color"]) == (201, "red")
    assert (await api.get(f"{gadgets}/a")).status == 404
