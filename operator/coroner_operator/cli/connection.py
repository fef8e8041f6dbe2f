"""The API server that ``explain`` reads from and ``clean`` writes to; every way in which that fails is one line."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from coroner_categorizer.redaction.sanitize import one_line
from coroner_operator.cli.errors import BadInput
from coroner_operator.kube.errors import ApiError, Forbidden, Unreachable

if TYPE_CHECKING:
    from coroner_operator.kube.client import Client

USER_AGENT = "coroner-explain"
_REASON_LIMIT = 300  # characters
# k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go, forbiddenMessage
_CANNOT = re.compile(
    r'cannot ([a-z]+) resource "([a-z0-9./-]+)" in API group "([a-z0-9.-]*)"(?: in the namespace "([a-z0-9-]+)")?'
)


class ConnectionOptions(NamedTuple):
    context: str | None
    """None: the current one of the kubeconfig."""
    kubeconfig: str | None
    """None: $KUBECONFIG, else ~/.kube/config, else the service account of the pod."""


class Connection(NamedTuple):
    client: Client
    namespace: str
    """Of the context."""


@asynccontextmanager
async def connect(options: ConnectionOptions, argument: str, *, or_file: bool = False) -> AsyncIterator[Connection]:
    """The cluster that the options name. Raises BadInput about ``argument`` for whatever a request in it raises.

    ``or_file``: the argument could also have been the name of a file.
    """
    # Imported here: half a second that reading files need not pay.
    from coroner_operator.kube.client import (  # noqa: PLC0415
        Client,
        ClientError,
        NoKubeconfig,
        load_cluster_config,
    )

    try:
        config = await load_cluster_config(options.kubeconfig, options.context)
    except NoKubeconfig as error:
        fault, remedy = (f"no such file, and {error}", "name a file, or set") if or_file else (str(error), "set")
        raise BadInput(argument, fault, f"{remedy} --kubeconfig") from error
    except ClientError as error:
        fault = f"the kubeconfig cannot be used: {_reason(error)}"
        raise BadInput(argument, fault, "correct it, or choose another with --kubeconfig and --context") from error
    host = config.configuration.host
    async with Client(config.configuration, USER_AGENT) as client:
        try:
            yield Connection(client, config.namespace)
        except Unreachable as error:
            fault = f"the API server {host} cannot be reached: {_reason(error)}"
            raise BadInput(argument, fault, "check --context, --kubeconfig and the network") from error
        except Forbidden as error:
            raise no_right(argument, error) from error
        except ApiError as error:
            fault = f"the API server rejected the request ({error.status}): {error.detail}"
            raise BadInput(argument, fault) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadInput(argument, f"{host} does not answer as a Kubernetes API server") from error


def no_right(argument: str, error: Forbidden) -> BadInput:
    """Which right the user lacks."""
    right = missing_right(error)
    if not right:
        return BadInput(argument, f"the API server rejected the request ({error.status}): {error.detail}")
    return BadInput(argument, f"you lack the right to {right}", "ask for it, or use another --context")


def missing_right(error: ApiError) -> str:
    """``list pods in namespace ml``, as the API server's message says it; "" where it says something else."""
    found = _CANNOT.search(error.detail) if isinstance(error, Forbidden) else None
    if found is None:
        return ""
    verb, resource, group, namespace = found.groups()
    kind = f"{resource}.{group}" if group else resource
    return f"{verb} {kind} in {f'namespace {namespace}' if namespace else 'all namespaces'}"


def _reason(error: BaseException) -> str:
    return one_line(str(error), _REASON_LIMIT)
