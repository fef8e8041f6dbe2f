"""One connection to the API server: raw JSON in and out, outcomes as named exceptions (``api_errors``).

Typed models of the client library are not used: they refuse real objects (an Event with ``eventTime: null``).
"""

from __future__ import annotations

import asyncio
import math
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import getproxies

import aiohttp
from kubernetes.aio import config as kube_config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from coroner_operator.kube import apply_body
from coroner_operator.kube.errors import NotLeader, WatchIdle, Transient, error_from_status, parse_status

FIELD_MANAGER = "coroner"
MAX_CONCURRENT_READS = (
    16  # 2,000 pods that fail together ask for 50 owners, or for 2,000: the API server is not to notice
)
REQUEST_TIMEOUT = 30.0  # the API server itself gives up after 60 s; a write that hangs longer is better tried again
CONNECT_TIMEOUT = 10.0

_CONNECTION_ERRORS = (aiohttp.ClientError, ConnectionError, TimeoutError, ssl.SSLError)


class ClientError(Exception):
    """There is no usable way to an API server: one line, what was tried."""


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes


async def load_configuration(kubeconfig: Path | None = None) -> Configuration:
    """From ``kubeconfig``, $KUBECONFIG, the pod's service account or ~/.kube/config, in this order.

    Raises ClientError.
    """
    configuration = Configuration()
    configuration.connection_pool_maxsize = 0  # every watch holds one; the number of writers and readers is bounded
    named = _require_file(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG")
    try:
        if not named and "KUBERNETES_SERVICE_HOST" in os.environ:
            kube_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            await kube_config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=named, client_configuration=configuration, persist_config=False
            )
    except (kube_config.ConfigException, OSError, ValueError, TypeError, KeyError) as error:
        raise ClientError(f"no connection to a cluster: {named or '~/.kube/config'}: {error}") from None
    return configuration


def _require_file(kubeconfig: Path) -> str:
    """Its path. Raises ClientError where there is no such file: the library would name what an empty one lacks."""
    if not kubeconfig.exists():
        raise ClientError(f"no connection to a cluster: {kubeconfig}: there is no such file")
    return str(kubeconfig)


class Client:
    """Requests against one API server. Use as an async context manager, or ``close()`` it."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        # To look the proxy up for each request costs two hops to a thread, 0.5 ms; mostly there is none.
        configuration.client_session_kwargs = {"trust_env": bool(getproxies())}
        self._api = ApiClient(configuration=configuration)
        self._reads = asyncio.Semaphore(MAX_CONCURRENT_READS)
        self.write_allowed_for: Callable[[], float] = lambda: math.inf
        """Seconds for which writing is allowed from now on: none begins, and none goes on, when they are over."""
        self._api.user_agent = FIELD_MANAGER
        # Compressing a LIST of 10,000 pods costs the API server seconds of CPU, and us as well.
        self._api.default_headers["Accept-Encoding"] = "identity"

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._api.close()  # type: ignore[no-untyped-call]

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        *,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = REQUEST_TIMEOUT,
        fenced: bool = True,
    ) -> Response:
        """The answer, if it is a success. Raises ApiError. ``body``: JSON-shaped; ``within``: seconds in all.

        A write raises NotLeading where ``may_write_for`` says so; ``fenced`` is False for the Lease itself.
        """
        if fenced and method != "GET":
            timeout = min(timeout, self.write_allowed_for())
            if timeout <= 0:
                raise NotLeader(f"{method} {path}: not sent, another replica may lead")
        limit = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_TIMEOUT)
        async with self._open(
            method, path, query, limit, body=body, content_type=content_type, accept=accept
        ) as response:
            try:
                return Response(response.status, await response.read())
            except _CONNECTION_ERRORS as error:
                raise Transient(f"{method} {path}: {_describe(error)}") from error

    async def get(
        self,
        path: str,
        query: Mapping[str, Any] | None = None,
        accept: str = "application/json",
        timeout: float = REQUEST_TIMEOUT,
    ) -> bytes:
        """The body of a GET; waits its turn where many are under way. Raises ApiError."""
        async with self._reads:
            return (await self.request("GET", path, query, accept=accept, timeout=timeout)).body

    async def apply(self, path: str, body: Mapping[str, Any]) -> Response:
        """Server-side apply with force, as field manager ``coroner``. Raises ApiError.

        ``metadata.resourceVersion`` in the body is a precondition: Conflict if the object has another one.
        The content type must always be said: with the library's default, a merge patch, lists that others
        co-own would be replaced.
        """
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self.request(
            "PATCH", path, query, body=apply_body.apply_body(body), content_type=apply_body.CONTENT_TYPE
        )

    @asynccontextmanager
    async def stream_lines(
        self, path: str, query: Mapping[str, Any], idle_timeout: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of an answer that does not end, as they arrive. Raises ApiError.

        Silent after ``silence`` seconds without a byte: a half-open connection looks just like a quiet one.
        """
        limit = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=idle_timeout)
        async with self._open("GET", path, query, limit) as response:
            yield _lines(f"GET {path}", response.content)

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        limit: aiohttp.ClientTimeout,
        *,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Accept": accept, "Content-Type": content_type}
        target = f"{path}?{urlencode(query)}" if query else path
        try:
            raw = body if isinstance(body, bytes) else None  # made by us: to be sent as it is
            _, url, headers, body, _ = await self._api.param_serialize(
                method, target, header_params=headers, body=None if raw else body, auth_settings=["BearerToken"]
            )
            body = raw or body
            answer = await self._api.call_api(
                method, url, headers, body, _request_timeout=limit, _preload_content=False
            )
        except _CONNECTION_ERRORS as error:
            raise Transient(f"{method} {path}: {_describe(error)}") from error
        response: aiohttp.ClientResponse = answer.response
        try:
            if response.status >= 400:
                try:
                    told = parse_status(await response.read())
                except _CONNECTION_ERRORS as error:
                    raise Transient(f"{method} {path}: {_describe(error)}") from error
                raise error_from_status(f"{method} {path}", response.status, told, response.headers)
            yield response
        finally:
            # Not release(): a body that was not read to its end would be waited for.
            response.close() if not response.content.at_eof() else response.release()


async def _lines(request: str, content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    # StreamReader.readline() refuses lines longer than its buffer; an object may have 1.5 MB.
    rest: list[bytes] = []
    try:
        async for chunk in content.iter_any():
            first, *others = chunk.split(b"\n")
            rest.append(first)
            for other in others:
                yield b"".join(rest)
                rest = [other]
    except TimeoutError as error:
        raise WatchIdle(f"{request}: nothing heard for too long") from error
    except _CONNECTION_ERRORS as error:
        raise Transient(f"{request}: {_describe(error)}") from error


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
