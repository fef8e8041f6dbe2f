"""One connection to the API server: raw JSON in and out, failures as the exceptions of ``errors``.

The typed models of the client library are not used: they reject real objects (an Event with ``eventTime: null``).
"""

from __future__ import annotations

import math
import os
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode
from urllib.request import getproxies

import aiohttp
import yaml
from kubernetes.aio import config as kube_config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from yarl import URL

from coroner_operator.kube.bodies import (
    APPLY_CONTENT_TYPE,
    OBJECT_LIMIT,
    Head,
    apply_body,
    read_lines,
    read_up_to,
)
from coroner_operator.kube.errors import (
    ApiError,
    NotLeader,
    Status,
    TooLarge,
    Unreachable,
    WatchIdle,
    error_from_status,
    parse_status,
)
from coroner_operator.kube.fair_queue import FairSlots
from coroner_operator.kube.paths import ApiPath

FIELD_MANAGER = "coroner"
MAX_CONCURRENT_READS = 32  # 2,000 pods that fail together need up to 2,000 owners: the API server must not notice
READS_PER_NAMESPACE = 8  # so that reads that hang or are slow in one namespace do not hold up another's
REQUEST_TIMEOUT = 30.0  # s; the API server itself gives up after 60 s; a write that takes longer is better retried
CONNECT_TIMEOUT = 10.0  # s

_CONNECTION_ERRORS = (aiohttp.ClientError, ConnectionError, TimeoutError, ssl.SSLError)
_CONFIG_ERRORS = (kube_config.ConfigException, yaml.YAMLError, OSError, ValueError, KeyError, TypeError, AttributeError)
_SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class ClientError(Exception):
    """No API server can be reached: one line that says what was tried."""


class NoKubeconfig(ClientError):  # noqa: N818 - an outcome
    """There is no kubeconfig, and the process does not run in a pod either."""


class Response(NamedTuple):
    status: int
    body: bytes


class ClusterConfig(NamedTuple):
    """Which API server, as whom, and where."""

    configuration: Configuration
    namespace: str
    """Of the context or of the pod's service account; ``default`` where the context has none."""


async def load_cluster_config(kubeconfig: str | Path | None = None, context: str | None = None) -> ClusterConfig:
    """From ``kubeconfig``, else $KUBECONFIG, else ~/.kube/config, else the service account of the pod, as kubectl does.

    Raises NoKubeconfig where there is none of them; ClientError where the one that is there cannot be used.
    """
    configuration = Configuration()
    configuration.connection_pool_maxsize = 0  # every watch holds one; the number of writers and readers is bounded
    paths = _kubeconfig_paths(kubeconfig, context)
    try:
        if paths is None:
            kube_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            return ClusterConfig(configuration, service_account_namespace())
        loader = await kube_config.load_kube_config(  # type: ignore[no-untyped-call]
            paths, context, configuration, persist_config=False
        )
        namespace = loader.current_context["context"].get("namespace")
    except _CONFIG_ERRORS as error:
        raise ClientError(f"{paths or 'service account'}: {error}") from error
    return ClusterConfig(configuration, str(namespace or "default"))


def _kubeconfig_paths(kubeconfig: str | Path | None, context: str | None) -> str | None:
    """One path, or several joined as in $KUBECONFIG; None: the service account of the pod. Raises NoKubeconfig."""
    paths = str(kubeconfig or os.environ.get("KUBECONFIG") or Path("~/.kube/config").expanduser())
    if any(Path(path).is_file() for path in paths.split(os.pathsep)):
        return paths
    if kubeconfig or context or not os.environ.get("KUBERNETES_SERVICE_HOST"):
        raise NoKubeconfig(f"no kubeconfig at {paths}")
    return None


def service_account_namespace() -> str:
    """Namespace of the pod that this process runs in. Raises OSError outside of a cluster."""
    return _SERVICE_ACCOUNT_NAMESPACE.read_text("utf-8").strip()


async def load_configuration(kubeconfig: Path | None = None) -> Configuration:
    """Which API server, and as whom. Raises ClientError."""
    return (await load_cluster_config(kubeconfig)).configuration


class Client:
    """Requests against one API server. Use as an async context manager, or ``close()`` it."""

    def __init__(self, configuration: Configuration, user_agent: str = FIELD_MANAGER) -> None:
        """``user_agent``: what the API server's audit log calls the caller."""
        self.configuration = configuration
        # Looking up the proxy for each request takes two hops to a thread, 0.5 ms; usually there is none.
        configuration.client_session_kwargs = {"trust_env": bool(getproxies())}
        self._api = ApiClient(configuration=configuration)
        self._reads = FairSlots(MAX_CONCURRENT_READS, READS_PER_NAMESPACE)
        self.write_allowed_for: Callable[[], float] = lambda: math.inf
        """Seconds for which writes are allowed from now on; when they are over no write starts, and none continues."""
        self.on_response: Callable[[str, int, float], None] = lambda method, status, seconds: None  # noqa: ARG005
        """Called after each request but those of watches: method, HTTP status (0 = there was no response), seconds."""
        self._api.user_agent = user_agent
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
        path: ApiPath,
        query: Mapping[str, Any] | None = None,
        *,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout_seconds: float = REQUEST_TIMEOUT,
        max_bytes: int = OBJECT_LIMIT,
        fenced: bool = True,
    ) -> Response:
        """The response, if it is a success. Raises ApiError. ``body``: JSON-shaped; ``timeout_seconds``: in total.

        Raises TooLarge where the response has more than ``max_bytes``; a write has then been made. A write raises
        NotLeader where ``write_allowed_for`` is over; ``fenced`` is False for the Lease itself.
        """
        if fenced and method != "GET":
            timeout_seconds = min(timeout_seconds, self.write_allowed_for())
            if timeout_seconds <= 0:
                raise NotLeader(f"{method} {path}: not sent, another replica may be the leader")
        limit = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=CONNECT_TIMEOUT)
        began, status = time.perf_counter(), 0
        try:
            async with self._open(
                method, path, query, limit, body=body, content_type=content_type, accept=accept
            ) as response:
                status = response.status
                return Response(status, await _read(f"{method} {path}", response.content, max_bytes))
        except ApiError as error:
            status = status or error.status
            raise
        finally:
            self.on_response(method, status, time.perf_counter() - began)

    async def get(
        self,
        path: ApiPath,
        query: Mapping[str, Any] | None = None,
        accept: str = "application/json",
        timeout_seconds: float = REQUEST_TIMEOUT,
        max_bytes: int = OBJECT_LIMIT,
    ) -> bytes:
        """The body of a GET. Raises ApiError; TooLarge where the body has more than ``max_bytes``.

        Waits while ``MAX_CONCURRENT_READS`` others are in progress, or too many in the same namespace.
        """
        async with self._reads.slot(path.namespace):
            answer = await self.request(
                "GET", path, query, accept=accept, timeout_seconds=timeout_seconds, max_bytes=max_bytes
            )
        return answer.body

    async def apply(self, path: ApiPath, body: Mapping[str, Any]) -> Response:
        """Server-side apply with force, as field manager ``coroner``. Raises ApiError.

        ``metadata.resourceVersion`` in the body is a precondition: Conflict if the object has another one.
        The content type is always explicit: with the library's default, a merge patch, lists that others co-own would
        be replaced.
        """
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self.request("PATCH", path, query, body=apply_body(body), content_type=APPLY_CONTENT_TYPE)

    @asynccontextmanager
    async def stream_lines(
        self, path: ApiPath, query: Mapping[str, Any], idle_timeout: float
    ) -> AsyncIterator[AsyncIterator[bytes | Head]]:
        """The lines of a response that does not end, as they arrive. Raises ApiError.

        Of a line with more than ``OBJECT_LIMIT`` bytes only the head; the next one follows all the same.
        WatchIdle after ``idle_timeout`` seconds without a byte: a half-open connection looks just like a quiet one.
        """
        limit = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=idle_timeout)
        async with self._open("GET", path, query, limit) as response:
            yield _lines(f"GET {path}", response.content)

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: ApiPath,
        query: Mapping[str, Any] | None,
        limit: aiohttp.ClientTimeout,
        *,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Accept": accept, "Content-Type": content_type}
        target = f"{path}?{urlencode(query)}" if query else str(path)
        try:
            raw = body if isinstance(body, bytes) else None  # encoded by us: sent as it is
            _, url, headers, body, _ = await self._api.param_serialize(
                method, target, header_params=headers, body=None if raw else body, auth_settings=["BearerToken"]
            )
            body = raw or body
            # As a URL that is encoded already: given text, aiohttp would resolve "..", and encode a second time.
            answer = await self._api.call_api(
                method, URL(url, encoded=True), headers, body, _request_timeout=limit, _preload_content=False
            )
        except _CONNECTION_ERRORS as error:
            raise Unreachable(f"{method} {path}: {_describe(error)}") from error
        response: aiohttp.ClientResponse = answer.response
        try:
            if response.status >= 400:
                status = await _read_status(f"{method} {path}", response.content)
                raise error_from_status(f"{method} {path}", response.status, status, response.headers)
            yield response
        finally:
            # Not release(): it would wait for a body that was not read to its end.
            response.close() if not response.content.at_eof() else response.release()


async def _read(request: str, content: aiohttp.StreamReader, max_bytes: int) -> bytes:
    """All of a response. Raises TooLarge, Unreachable."""
    try:
        body = await read_up_to(content, max_bytes)
    except _CONNECTION_ERRORS as error:
        raise Unreachable(f"{request}: {_describe(error)}") from error
    if isinstance(body, Head):
        raise TooLarge(f"{request}: the response has more than {max_bytes:,} bytes, which is the limit", body)
    return body


async def _read_status(request: str, content: aiohttp.StreamReader) -> Status:
    """The Status of an error; an empty one where it is too large. Raises Unreachable."""
    try:
        return parse_status(await _read(request, content, OBJECT_LIMIT))
    except TooLarge:
        return Status()


async def _lines(request: str, content: aiohttp.StreamReader) -> AsyncIterator[bytes | Head]:
    try:
        async for line in read_lines(content, OBJECT_LIMIT):
            yield line
    except TimeoutError as error:
        raise WatchIdle(f"{request}: no data received within the idle timeout") from error
    except _CONNECTION_ERRORS as error:
        raise Unreachable(f"{request}: {_describe(error)}") from error


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
