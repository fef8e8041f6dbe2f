"""Each test of ``sandbox`` runs twice: on our embedded API server, and on a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from embedded_apiserver import EmbeddedApiServer, running_server
from tests.apiserver_conformance.client import connected
from tests.cluster.server import Server
from tests.workload_status.backend import OUR_CRD, ROOT, Sandbox


@pytest.fixture
def embedded() -> Iterator[EmbeddedApiServer]:
    with running_server() as server:
        server.load(ROOT / "crds")
        yield server


@pytest.fixture
def kubeconfig(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if backend == "real":
        real: Server = request.getfixturevalue("api_server")
        return real.kubeconfig
    embedded: EmbeddedApiServer = request.getfixturevalue("embedded")
    return embedded.kubeconfig(tmp_path / "kubeconfig")


@pytest.fixture
async def sandbox(kubeconfig: Path, backend: str) -> AsyncIterator[Sandbox]:
    """A namespace with our CRD; the test's own kind and namespace are gone afterwards."""
    async with connected(kubeconfig) as api:
        made = await api.post("/api/v1/namespaces", {"metadata": {"generateName": "workloads-"}})
        sandbox = Sandbox(api, kubeconfig, made.body["metadata"]["name"])
        if backend == "real":  # pods are refused until a controller has made the service account
            account = f"/api/v1/namespaces/{sandbox.namespace}/serviceaccounts/default"
            await api.until(account, lambda answer: answer.status == 200)
        await sandbox.install(OUR_CRD)
        yield sandbox
        await sandbox.uninstall(f"trainings.{sandbox.group}")
        await api.delete(f"/api/v1/namespaces/{sandbox.namespace}")
