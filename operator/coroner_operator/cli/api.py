"""Reading from the API server that a kubeconfig names: raw JSON, no models, every failure as one line."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from coroner_categorizer.redaction.sanitize import one_line
from coroner_operator.cli.errors import BadInput

PAGE = 500  # objects a request, as kubectl does
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
"""Accept header: only apiVersion, kind and metadata of each object."""

_TIMEOUT = 30.0  # seconds; a page of 500 pods takes well under one
_IN_CLUSTER_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class RefusedError(Exception):
    """The API server answered, but not with the object."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @property
    def not_found(self) -> bool:
        return self.status == HTTPStatus.NOT_FOUND


class Connection(NamedTuple):
    context: str | None
    """None: the kubeconfig's current one."""
    kubeconfig: str | None
    """None: $KUBECONFIG, else ~/.kube/config, else the pod's service account."""


class _Status(msgspec.Struct):
    message: str = ""


class _ListMetadata(msgspec.Struct):
    continue_: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct):
    metadata: _ListMetadata = msgspec.field(default_factory=_ListMetadata)
    items: list[msgspec.Raw] | None = None


class Api:
    def __init__(self, client: Any, namespace: str) -> None:
        self._client = client
        self.namespace = namespace
        """Of the context; ``default`` where it names none."""

    async def get(self, path: str, accept: str = "application/json", **query: str | int) -> bytes:
        """The body. Raises RefusedError for every answer but 200."""
        request = await self._client.param_serialize(
            "GET",
            path,
            query_params=list(query.items()),
            header_params={"Accept": accept},
            auth_settings=["BearerToken"],
        )
        response = await self._client.call_api(*request, _request_timeout=_TIMEOUT)
        body: bytes = await response.read()
        if response.status != HTTPStatus.OK:
            raise RefusedError(response.status, _message(body) or response.reason or "no reason given")
        return body

    async def items(self, path: str, accept: str = "application/json", **query: str | int) -> AsyncIterator[bytes]:
        """The JSON of every object of a list, page by page."""
        token = ""
        while True:
            more: dict[str, str | int] = {"continue": token} if token else {}
            page = msgspec.json.decode(await self.get(path, accept, limit=PAGE, **query, **more), type=_Page)
            for item in page.items or []:
                yield bytes(item)
            token = page.metadata.continue_
            if not token:
                return


def _message(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Status).message
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body[:200].decode(errors="replace")


@asynccontextmanager
async def connected(connection: Connection, subject: str) -> AsyncIterator[Api]:
    """The API server; ``subject`` (what was asked for) begins the line where it cannot be reached or refuses."""
    # Imported here: half a second that reading files need not pay.
    import aiohttp  # noqa: PLC0415
    import yaml  # noqa: PLC0415
    from kubernetes.aio import client, config  # noqa: PLC0415

    configuration = client.Configuration()
    try:
        namespace = await _configure(config, configuration, connection, subject)
    except (config.ConfigException, yaml.YAMLError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        fault = f"the kubeconfig cannot be used: {_first_line(error)}"
        raise BadInput(subject, fault, "correct it, or choose with --kubeconfig and --context") from error
    async with client.ApiClient(configuration) as api_client:
        try:
            yield Api(api_client, namespace)
        except RefusedError as refused:
            raise BadInput(subject, f"the API server refuses ({refused.status}): {refused.message}") from refused
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            fault = f"the API server {configuration.host} does not answer: {_first_line(error)}"
            raise BadInput(subject, fault, "check --context, --kubeconfig and the network") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadInput(subject, f"{configuration.host} does not answer as a Kubernetes API server") from error


async def _configure(config: Any, configuration: Any, connection: Connection, subject: str) -> str:
    """Fills the configuration; the namespace to look in."""
    paths = _kubeconfig(connection, subject)
    if paths is None:
        config.load_incluster_config(client_configuration=configuration)
        return _own_namespace()
    loader = await config.load_kube_config(paths, connection.context, configuration, persist_config=False)
    context = loader.current_context["context"]
    return str(context.get("namespace") or "default")


def _kubeconfig(connection: Connection, subject: str) -> str | None:
    """The kubeconfig, or several joined as in $KUBECONFIG; None: we run in a pod. Raises BadInput if there is none."""
    paths = connection.kubeconfig or os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    if any(Path(path).is_file() for path in paths.split(os.pathsep)):
        return paths
    if connection.kubeconfig or connection.context or not os.environ.get("KUBERNETES_SERVICE_HOST"):
        fault = f"no file of that name, and no kubeconfig at {paths} to ask a cluster"
        raise BadInput(subject, fault, "name a file, or set --kubeconfig")
    return None


def _own_namespace() -> str:
    return _IN_CLUSTER_NAMESPACE.read_text().strip()


def _first_line(error: BaseException) -> str:
    return one_line(str(error) or type(error).__name__, 300)
