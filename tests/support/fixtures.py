"""Fixtures that tests of several folders use: an embedded API server, its reports, and operators."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coroner_operator.kube.client import Client
from embedded_apiserver import EmbeddedApiServer
from tests.support.clients import client_of
from tests.support.operators import ROOT, Operators
from tests.support.reports import Reports


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedApiServer]:
    """An embedded API server in the test's loop, with our CRDs."""
    async with EmbeddedApiServer() as server:
        server.load(ROOT / "crds")
        yield server


@pytest.fixture
async def client(server: EmbeddedApiServer, tmp_path: Path) -> AsyncIterator[Client]:
    async with client_of(server, tmp_path) as client:
        yield client


@pytest.fixture(
    params=[pytest.param("embedded", marks=pytest.mark.embedded), pytest.param("real", marks=pytest.mark.apiserver)]
)
def backend(request: pytest.FixtureRequest) -> str:
    """A test that asks for it runs twice: on the embedded API server, and on a real one."""
    return str(request.param)


@pytest.fixture
def reports(server: EmbeddedApiServer) -> Reports:
    return Reports(server)


@pytest.fixture
async def operators(server: EmbeddedApiServer, tmp_path: Path) -> AsyncIterator[Operators]:
    """Operators of the embedded API server; they end with the test."""
    async with Operators(server.kubeconfig(tmp_path / "kubeconfig")) as operators:
        yield operators
