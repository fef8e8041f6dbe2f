"""Whatever a tenant writes into a name, a request asks for the object of that name or is not sent."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.aio.client.configuration import Configuration

from coroner_categorizer.objects.pod import Pod, parse_pod
from coroner_operator.kube import resources
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import InvalidName, NotFound
from coroner_operator.kube.owner_resolver import OwnerResolver, workload_path
from coroner_operator.kube.paths import ResourcePath, field_selector, is_object_name
from coroner_operator.model.workload_ref import WorkloadRef

PATHS = {
    "/api/v1/pods": resources.POD.path(),
    "/api/v1/namespaces/ml/pods": resources.POD.path("ml"),
    "/api/v1/namespaces/ml/pods/a.b-c": resources.POD.path("ml", "a.b-c"),
    "/apis/batch/v1/namespaces/ml/jobs/train": resources.JOB.path("ml", "train"),
    "/apis/coroner.dev/v1alpha1/namespaces/ml/failurereports/x/status": resources.REPORT.path("ml", "x", "status"),
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": resources.CUSTOM_RESOURCE_DEFINITION.path(),
    "/apis": resources.DISCOVERY,
}


@pytest.mark.parametrize("path", PATHS)
def test_paths_are_those_of_the_api_server(path: str) -> None:
    assert str(PATHS[path]) == path


HOSTILE = [
    "", ".", "..", "../x", "../../tenant-b/trainjobs/x", "a/b", "a/../b", "x?watch=true", "x#y", "x%2e%2e", "%2e%2e", "a\\b",
    "A", "a_b", "a b", "a\n", "\0", "-a", "a-", "a..b", ".a", "ä", "a" * 254,
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_part_that_can_be_no_name_is_refused_everywhere(name: str) -> None:
    fields = {
        "group": "batch",
        "version": "v1",
        "resource": "jobs",
        "namespace": "ml",
        "name": "x",
        "subresource": "status",
    }
    for field in fields:
        if name or field in ("version", "resource", "name"):  # the others may be left out
            with pytest.raises(InvalidName) as caught:
                ResourcePath(**{**fields, field: name})
            assert len(str(caught.value)) < 200
            assert str(caught.value).isprintable()
    assert not is_object_name(name)


def test_an_invalid_name_is_an_object_that_is_not_there() -> None:
    assert issubclass(InvalidName, NotFound)
    with pytest.raises(InvalidName, match="without a namespace"):
        resources.POD.path("", "train")


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_path_has_as_many_segments_as_it_was_made_of(namespace: str, name: str) -> None:
    try:
        path = str(resources.JOB.path(namespace, name))
    except InvalidName:
        return
    url = urlsplit(path)
    wanted = [
        "apis",
        "batch",
        "v1",
        *(["namespaces", namespace] if namespace else []),
        "jobs",
        *([name] if name else []),
    ]
    assert url.path.strip("/").split("/") == wanted
    assert (url.query, url.fragment, url.netloc) == ("", "", "")


@given(st.text(max_size=40))
def test_a_value_of_a_field_selector_adds_no_condition(value: str) -> None:
    selector = field_selector({"involvedObject.uid": value})
    unescaped = selector.replace("\\\\", "").replace("\\,", "").replace("\\=", "")
    assert unescaped.count(",") == 0
    assert unescaped.count("=") == 1


def pod(name: str, api_version: str = "batch/v1", kind: str = "Job") -> Pod:
    owner = {"apiVersion": api_version, "kind": kind, "name": name, "uid": "u-1", "controller": True}
    return parse_pod({"metadata": {"name": "p", "namespace": "ml", "uid": "u-0", "ownerReferences": [owner]}})


@pytest.fixture
async def requests() -> AsyncIterator[tuple[Client, list[str]]]:
    """A client, and the paths that its server is asked for, as they come over the wire."""
    received: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        received.append(request.raw_path)
        return web.json_response({"metadata": {"uid": "u-1"}})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
    async with Client(configuration) as client:
        yield client, received
    await runner.cleanup()


@pytest.mark.embedded
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(("api_version", "kind"), [("batch/v1", "Job"), ("train.example/v1", "TrainJob")])
async def test_an_owner_whose_name_nothing_can_have_is_not_followed(
    requests: tuple[Client, list[str]], name: str, api_version: str, kind: str
) -> None:
    client, received = requests
    failed = pod(name, api_version, kind)
    async with asyncio.timeout(5):
        owners = await OwnerResolver(client).owners_of(failed)
    assert owners.workload == WorkloadRef("v1", "Pod", "ml", "p", "u-0")
    assert received == []


@pytest.mark.parametrize(
    ("api_version", "namespace"), [("batch/../v1", "ml"), ("batch/v1?x", "ml"), ("batch/v1", "ml/../other")]
)
def test_a_workload_of_an_impossible_version_or_namespace_is_not_read(api_version: str, namespace: str) -> None:
    assert workload_path(WorkloadRef(api_version, "Job", namespace, "train", "1")) is None


@pytest.mark.parametrize("resource", [resources.POD, resources.REPORT, resources.JOB])
def test_the_path_of_an_object_is_never_that_of_a_list(resource: resources.Resource) -> None:
    with pytest.raises(InvalidName):
        resource.object_path("ml", "")
    assert workload_path(WorkloadRef("batch/v1", "Job", "ml", "", "1")) is None
    assert workload_path(WorkloadRef("batch/v1", "Job", "", "train", "1")) is None


class _Crooked(ResourcePath, frozen=True):
    def __str__(self) -> str:
        return "/api/v1/namespaces/a/../b/%2e%2e/c"


@pytest.mark.embedded
async def test_the_client_sends_a_path_as_it_is(requests: tuple[Client, list[str]]) -> None:
    """The library would resolve "..", which a check of the parts could not undo."""
    client, received = requests
    await client.get(_Crooked("", "v1", "pods"), {"fieldSelector": "a=../b&watch=true", "continue": "x/y+z="})
    path, _, query = received[0].partition("?")
    assert path == "/api/v1/namespaces/a/../b/%2e%2e/c"
    assert parse_qs(query) == {"fieldSelector": ["a=../b&watch=true"], "continue": ["x/y+z="]}
