"""A server, its reports, and operators that end with the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from embedded_apiserver import EmbeddedApiServer
from tests.operator_flows.operators import ROOT, Operators
from tests.operator_flows.playing import Reports


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedApiServer]:
    async with EmbeddedApiServer() as server:
        server.load(ROOT / "crds")
        yield server


@pytest.fixture
def reports(server: EmbeddedApiServer) -> Reports:
    return Reports(server)


@pytest.fixture
async def operators(server: EmbeddedApiServer, tmp_path: Path) -> AsyncIterator[Operators]:
    async with Operators(server.kubeconfig(tmp_path / "kubeconfig")) as operators:
        yield operators
