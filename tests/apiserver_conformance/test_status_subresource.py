"""Main resource and /status: each ignores the other's fields."""

from tests.apiserver_conformance.client import Api, MakeObject


async def test_a_create_drops_the_status(api: Api, gadgets: str, gadget: MakeObject) -> None:
    answer = await api.post(gadgets, gadget(spec={"size": 1}, status={"state": "x"}))
    assert "status" not in answer.body


async def test_a_write_to_the_main_resource_leaves_the_status(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await api.post(gadgets, gadget(spec={"size": 1}))
    await api.merge(f"{gadgets}/a/status", {"status": {"state": "x"}})
    patched = await api.merge(f"{gadgets}/a", {"spec": {"size": 2}, "status": {"state": "y"}})
    assert (patched.body["spec"]["size"], patched.body["status"]) == (2, {"state": "x"})
    live = patched.body
    live["status"] = {"state": "z"}
    assert (await api.put(f"{gadgets}/a", live)).body["status"] == {"state": "x"}


async def test_a_write_to_status_changes_only_the_status(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await api.post(gadgets, gadget(labels={"l": "1"}, spec={"size": 1}))
    patch = {"metadata": {"labels": {"l": "2"}, "annotations": {"a": "1"}}, "spec": {"size": 2}}
    patched = await api.merge(f"{gadgets}/a/status", {**patch, "status": {"state": "x"}})
    assert patched.body["metadata"]["labels"] == {"l": "1"}
    assert "annotations" not in patched.body["metadata"]
    assert (patched.body["spec"]["size"], patched.body["status"]) == (1, {"state": "x"})
    assert patched.body["metadata"]["generation"] == 1


async def test_status_can_be_read_replaced_and_not_created(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await api.post(gadgets, gadget(spec={"size": 1}))
    read = await api.get(f"{gadgets}/a/status")
    assert (read.status, read.body["spec"]["size"]) == (200, 1)
    read.body["status"] = {"state": "x"}
    assert (await api.put(f"{gadgets}/a/status", read.body)).body["status"] == {"state": "x"}
    stale = await api.put(f"{gadgets}/a/status", read.body)
    assert (stale.status, stale.body["reason"]) == (409, "Conflict")
    assert (await api.post(f"{gadgets}/a/status", read.body)).status == 405


async def test_the_status_of_a_pod_takes_labels_along(api: Api, pods: str, pod: MakeObject) -> None:
    # Unlike a custom object's: podStatusStrategy restores the spec only.
    await api.post(pods, pod("a", labels={"l": "1"}))
    patch = {"metadata": {"labels": {"l": "2"}}, "status": {"phase": "Failed", "reason": "Evicted"}}
    patched = (await api.merge(f"{pods}/a/status", patch)).body
    assert patched["metadata"]["labels"] == {"l": "2"}
    assert (patched["status"]["phase"], patched["status"]["reason"]) == ("Failed", "Evicted")
    again = (await api.merge(f"{pods}/a", {"status": {"phase": "Running"}})).body
    assert again["status"]["phase"] == "Failed"


async def test_a_job_can_be_made_and_its_status_written(api: Api, namespace: str) -> None:
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/none"}]}}
    job = {"metadata": {"name": "a"}, "spec": {"suspend": True, "template": template}}
    assert (await api.post(path, job)).status == 201
    refused = await api.post(path, {"metadata": {"name": "b"}, "spec": {}})
    assert refused.body["message"] == (
        'Job.batch "b" is invalid: [spec.template.spec.containers: Required value, '
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"]'
    )
