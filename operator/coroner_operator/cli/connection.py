"""The API server that ``explain`` reads from and ``clean`` writes to; every way in which that fails is one line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from coroner_categorizer.redaction.sanitize import one_line
from coroner_operator.cli.errors import BadInput
from coroner_operator.kube.errors import ApiError, Unreachable

if TYPE_CHECKING:
    from coroner_operator.kube.client import Client

USER_AGENT = "coroner-explain"
_REASON_LIMIT = 300  # characters


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
async def connect(options: ConnectionOptions, argument: str) -> AsyncIterator[Connection]:
    """The cluster that the options name. Raises BadInput about ``argument`` for whatever a request in it raises."""
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
        raise BadInput(argument, f"no such file, and {error}", "name a file, or set --kubeconfig") from error
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
        except ApiError as error:
            fault = f"the API server rejected the request ({error.status}): {error.detail}"
            raise BadInput(argument, fault) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadInput(argument, f"{host} does not answer as a Kubernetes API server") from error


def _reason(error: BaseException) -> str:
    return one_line(str(error), _REASON_LIMIT)
