"""Stages, and processes that end with the test."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from coroner_operator.client import Client, load_configuration
from embedded_apiserver import EmbeddedApiServer
from tests.cluster.server import Server
from tests.enduring.plays import until_none
from tests.enduring.stages import REPORTS, EmbeddedStage, RealStage
from tests.flow.operators import ROOT, Operators
from tests.flow.playing import Reports

NAMESPACE = f"coroner-enduring-{os.getpid()}"


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedApiServer]:
    async with EmbeddedApiServer() as server:
        server.load(ROOT / "crds")
        yield server


@pytest.fixture
def stage(server: EmbeddedApiServer) -> EmbeddedStage:
    return EmbeddedStage(server)


@pytest.fixture
def reports(server: EmbeddedApiServer) -> Reports:
    return Reports(server)


@pytest.fixture
async def operators(server: EmbeddedApiServer, tmp_path: Path) -> AsyncIterator[Operators]:
    async with Operators(server.kubeconfig(tmp_path / "kubeconfig")) as operators:
        yield operators


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """Settings for processes that shall not dawdle."""
    settings = {
        "gather": 0.01,
        "write_interval": 0.05,
        "label_interval": 0.05,
        "recovery_after": 0.3,
        "log_level": "error",
    }
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


@pytest.fixture
async def real_stage(api_server: Server) -> AsyncIterator[RealStage]:
    api_server.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    api_server.kubectl("wait", "--for=condition=Established", "crd/failurereports.coroner.dev")
    api_server.kubectl("create", "namespace", NAMESPACE)
    service_account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    try:
        api_server.kubectl("apply", "-n", NAMESPACE, "-f", "-", input=json.dumps(service_account))
        async with Client(await load_configuration(api_server.kubeconfig)) as client:
            stage = RealStage(client, NAMESPACE)
            await until_none(stage.trouble, within=30)  # served a moment after it is established
            yield stage
            for path in ("/api/v1/{}/pods", "/apis/batch/v1/{}/jobs", REPORTS + "/{}/failurereports"):
                await client.request(
                    "DELETE", path.format(f"namespaces/{NAMESPACE}"), {"gracePeriodSeconds": 0}, within=60
                )
    finally:
        api_server.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
async def real_operators(api_server: Server) -> AsyncIterator[Operators]:
    async with Operators(api_server.kubeconfig) as operators:
        yield operators
