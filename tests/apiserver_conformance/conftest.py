"""The same behaviour tests on two backends: our embedded API server and a real kube-apiserver.

The real one comes from ``E2E_KUBECONFIG``, else from the session fixture ``api_server``; without either its tests are
skipped with the reason (``REQUIRE_CLUSTER=1``: they fail).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded_apiserver import EmbeddedApiServer, running_server
from tests.apiserver_conformance.client import Api, MakeObject, Object, connected

CRD_FILE = Path(__file__).with_name("gadgets.yaml")
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="session")
def real_kubeconfig(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A real API server with our CRD on it; the CRD is taken away again."""
    given = os.environ.get("E2E_KUBECONFIG")
    try:
        kubeconfig = Path(given or request.getfixturevalue("api_server").kubeconfig)
    except pytest.FixtureLookupError:
        if os.environ.get("REQUIRE_CLUSTER") == "1":
            pytest.fail("REQUIRE_CLUSTER=1, but there is neither E2E_KUBECONFIG nor an api_server fixture")
        pytest.skip("no real API server: E2E_KUBECONFIG is not set and there is no api_server fixture")
    asyncio.run(_install_crd(kubeconfig))
    yield kubeconfig
    asyncio.run(_remove_crd(kubeconfig))


async def _install_crd(kubeconfig: Path) -> None:
    crd = yaml.safe_load(CRD_FILE.read_text())
    async with connected(kubeconfig) as api:
        path = f"{CRDS}/{crd['metadata']['name']}"
        answer = await api.apply(path, crd, "conformance", force="true")
        assert answer.status in (200, 201), answer.body
        # Served a moment after it is established.
        await api.until(f"/apis/{crd['spec']['group']}/v1/gadgets", lambda a: a.status == 200)


async def _remove_crd(kubeconfig: Path) -> None:
    async with connected(kubeconfig) as api:
        await api.delete(f"{CRDS}/{yaml.safe_load(CRD_FILE.read_text())['metadata']['name']}")


@pytest.fixture
def embedded() -> Iterator[EmbeddedApiServer]:
    """Our server in a thread of its own, with the CRD of these tests."""
    with running_server() as server:
        server.load(CRD_FILE)
        yield server


@pytest.fixture
def kubeconfig(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if backend == "real":
        real: Path = request.getfixturevalue("real_kubeconfig")
        return real
    embedded: EmbeddedApiServer = request.getfixturevalue("embedded")
    return embedded.kubeconfig(tmp_path / "kubeconfig")


@pytest.fixture
async def api(kubeconfig: Path) -> AsyncIterator[Api]:
    async with connected(kubeconfig) as client:
        yield client


@pytest.fixture
async def namespace(api: Api, backend: str) -> AsyncIterator[str]:
    """A namespace of the test's own."""
    created = await api.post("/api/v1/namespaces", {"metadata": {"generateName": "conformance-"}})
    assert created.status == 201, created.body
    name = created.body["metadata"]["name"]
    if backend == "real":
        # Pods are refused until a controller has made the service account.
        await api.until(f"/api/v1/namespaces/{name}/serviceaccounts/default", lambda a: a.status == 200)
    yield name
    await api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def gadgets(namespace: str) -> str:
    """The path of the Gadgets of the test's namespace."""
    return f"/apis/tests.coroner.dev/v1/namespaces/{namespace}/gadgets"


@pytest.fixture
def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def _gadget(name: str | None = "a", *, labels: dict[str, str] | None = None, **fields: Any) -> Object:
    metadata: Object = {"name": name} if name else {}
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": "tests.coroner.dev/v1", "kind": "Gadget", "metadata": metadata, **fields}


@pytest.fixture
def gadget() -> MakeObject:
    """``gadget("a", spec={"size": 1})`` builds a Gadget."""
    return _gadget


def _pod(name: str, **metadata: Any) -> Object:
    spec = {"containers": [{"name": "main", "image": "example/none"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


@pytest.fixture
def pod() -> MakeObject:
    """``pod("a", labels={...})`` builds a small Pod."""
    return _pod
