"""The operator's client, connected to an embedded API server, or to an application that answers in its place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from coroner_operator.kube.client import Client, load_configuration
from embedded_apiserver import EmbeddedApiServer


@asynccontextmanager
async def client_of(server: EmbeddedApiServer, folder: Path) -> AsyncIterator[Client]:
    """``folder``: where the kubeconfig is written."""
    async with Client(await load_configuration(server.kubeconfig(folder / "kubeconfig"))) as client:
        yield client


@asynccontextmanager
async def client_of_app(app: web.Application, folder: Path) -> AsyncIterator[Client]:
    """The application is served meanwhile."""
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with client_of(EmbeddedApiServer(port=runner.addresses[0][1]), folder) as client:
            yield client
    finally:
        await runner.cleanup()
