"""Serves /healthz, /readyz and /metrics. Liveness does not depend on the API server: a restart would not repair it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from aiohttp import web

from coroner_operator.config.settings import parse_address
from coroner_operator.telemetry.metrics import Metrics

log = logging.getLogger("coroner.health_server")


class HealthServer:
    """``problem`` and ``unready`` say why a probe fails; "" = it succeeds. Any other text is the body of a 503."""

    def __init__(self, metrics: Metrics, problem: Callable[[], str], unready: Callable[[], str]) -> None:
        self._metrics = metrics
        self._problem = problem
        self._unready = unready
        self._runners: list[web.AppRunner] = []
        self.ports: dict[str, int] = {}
        """Address as set → port in use, also where port 0 is set."""

    async def start(self, health_address: str, metrics_address: str) -> None:
        """Raises OSError where an address cannot be bound."""
        health = [web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)]
        metrics = [web.get("/metrics", self._exposition)]
        if health_address == metrics_address:
            await self._serve(health_address, health + metrics)
        else:
            await self._serve(health_address, health)
            await self._serve(metrics_address, metrics)

    async def stop(self) -> None:
        while self._runners:
            await self._runners.pop().cleanup()

    async def _serve(self, address: str, routes: list[web.RouteDef]) -> None:
        place = parse_address(address)
        if place is None:
            return
        app = web.Application()
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, *place).start()
        self.ports[address] = runner.addresses[0][1]
        log.info("serving %s on port %d", ", ".join(route.path for route in routes), self.ports[address])

    async def _healthz(self, _: web.Request) -> web.Response:
        return _response(self._problem())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _response(self._problem() or self._unready())

    async def _exposition(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )


def _response(problem: str) -> web.Response:
    return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)
