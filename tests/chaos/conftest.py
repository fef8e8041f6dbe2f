"""Backends, and processes that end with the test."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from coroner_operator.kube.client import Client, load_configuration
from embedded_apiserver import EmbeddedApiServer
from tests.chaos.backends import REPORTS, EmbeddedBackend, RealBackend
from tests.chaos.failure_simulation import wait_until_none
from tests.cluster.server import Server
from tests.support.operators import Operators
from tests.support.paths import parse_path
from tests.support.real_namespace import prepare

_numbers = itertools.count(1)


@pytest.fixture
def backend(server: EmbeddedApiServer) -> EmbeddedBackend:
    return EmbeddedBackend(server)


@pytest.fixture
def fast_settings(tmp_path: Path) -> Path:
    """Settings for processes that shall not dawdle."""
    settings = {
        "batch_window": 0.01,
        "write_interval": 0.05,
        "label_interval": 0.05,
        "recovery_after": 0.3,
        "log_level": "error",
    }
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


@pytest.fixture
async def real_backend(api_server: Server) -> AsyncIterator[RealBackend]:
    namespace = f"coroner-chaos-{os.getpid()}-{next(_numbers)}"
    prepare(api_server, namespace)
    try:
        async with Client(await load_configuration(api_server.kubeconfig), "coroner-tests") as client:
            backend = RealBackend(client, namespace)
            await wait_until_none(backend.list_errors, within=30)  # served a moment after it is established
            yield backend
            for path in ("/api/v1/{}/pods", "/apis/batch/v1/{}/jobs", REPORTS + "/{}/failurereports"):
                await client.request(
                    "DELETE",
                    parse_path(path.format(f"namespaces/{namespace}")),
                    {"gracePeriodSeconds": 0},
                    timeout_seconds=60,
                )
    finally:
        api_server.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
async def real_operators(api_server: Server) -> AsyncIterator[Operators]:
    async with Operators(api_server.kubeconfig) as operators:
        yield operators
