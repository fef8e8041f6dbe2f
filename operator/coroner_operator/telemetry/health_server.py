"""Serves /healthz, /readyz and /metrics. Liveness does not depend on the API server: a restart would not repair it.

Probes and metrics have servers of their own: whoever holds all connections of one cannot starve the other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from coroner_operator.config.settings import parse_address
from coroner_operator.telemetry.http_server import Handler, HttpServer, Response
from coroner_operator.telemetry.metrics import Metrics

log = logging.getLogger("coroner.health_server")

CONNECTION_LIMIT = 32  # on each address; a kubelet and some Prometheus replicas have one each
EXPOSITION_SHARE = 0.02  # of a core at most for each content type, however often it is asked for: it is served again

_TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class _Exposition(NamedTuple):
    body: bytes
    valid_until: float
    """By the clock of the event loop."""


class HealthServer:
    """``problem`` and ``unready`` say why a probe fails; "" = it succeeds. Any other text is the body of a 503."""

    def __init__(self, metrics: Metrics, problem: Callable[[], str], unready: Callable[[], str]) -> None:
        self._metrics = metrics
        self._problem = problem
        self._unready = unready
        self._servers: list[HttpServer] = []
        self._expositions: dict[str, _Exposition] = {}
        """By content type."""
        self.ports: dict[str, int] = {}
        """Address as set → port in use, also where port 0 is set."""

    async def start(self, health_address: str, metrics_address: str) -> None:
        """Raises OSError where an address cannot be bound."""
        health: dict[str, Handler] = {"/healthz": self._healthz, "/readyz": self._readyz}
        metrics: dict[str, Handler] = {"/metrics": self._metrics_page}
        if health_address == metrics_address:
            await self._serve(health_address, health | metrics)
        else:
            await self._serve(health_address, health)
            await self._serve(metrics_address, metrics)

    async def stop(self) -> None:
        while self._servers:
            await self._servers.pop().stop()

    async def _serve(self, address: str, routes: Mapping[str, Handler]) -> None:
        place = parse_address(address)
        if place is None:
            return
        server = HttpServer(routes, CONNECTION_LIMIT)
        self.ports[address] = await server.start(*place)
        self._servers.append(server)
        log.info("serving %s on port %d", ", ".join(routes), self.ports[address])

    def _healthz(self, _headers: Mapping[str, str]) -> Response:
        return _probe(self._problem())

    def _readyz(self, _headers: Mapping[str, str]) -> Response:
        return _probe(self._problem() or self._unready())

    def _metrics_page(self, headers: Mapping[str, str]) -> Response:
        wanted = _OPENMETRICS_TYPE if "application/openmetrics-text" in headers.get("accept", "") else _TEXT_TYPE
        return Response(HTTPStatus.OK, self._exposition(wanted), wanted)

    def _exposition(self, content_type: str) -> bytes:
        now = asyncio.get_running_loop().time
        began, made = now(), self._expositions.get(content_type)
        if made is None or began >= made.valid_until:
            is_text = content_type == _TEXT_TYPE
            body = self._metrics.exposition() if is_text else self._metrics.openmetrics()
            made = self._expositions[content_type] = _Exposition(body, now() + (now() - began) / EXPOSITION_SHARE)
        return made.body


def _probe(problem: str) -> Response:
    status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
    return Response(status, f"{problem or 'ok'}\n".encode("utf-8", "replace"))
