"""``coroner clean``: removes what Coroner has written to the status of custom resources, and its reports.

What is Coroner's is known by its field manager: an apply without any field gives up all that it owns, and the API
server removes it. Nothing that another writer owns too is changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from coroner_operator.cli.connection import ConnectionOptions, connect
from coroner_operator.cli.errors import BadInput, OneLineCommand
from coroner_operator.cli.lines import print_line
from coroner_operator.cli.rules_argument import counted
from coroner_operator.kube.errors import ApiError, InvalidName, NotFound
from coroner_operator.kube.paging import PARTIAL_LIST, list_items
from coroner_operator.kube.resources import CUSTOM_RESOURCE_DEFINITION, REPORT, Resource

if TYPE_CHECKING:
    from coroner_operator.kube.client import Client

INCOMPLETE = 1
PAGE_SIZE = 250  # objects, metadata only


@click.command(cls=OneLineCommand, short_help="Remove what Coroner has written to the cluster.")
@click.argument("kinds", metavar="RESOURCE.GROUP...", nargs=-1)
@click.option("--reports", is_flag=True, help="Delete the FailureReports as well.")
@click.option("-n", "--namespace", default="", help="Only in this namespace; default: in all.")
@click.option("--yes", is_flag=True, help="Do it. Without this, only list what would be done.")
@click.option("--context", help="Context of the kubeconfig. Default: the current one.")
@click.option("--kubeconfig", help="Default: $KUBECONFIG, ~/.kube/config, the service account of the pod.")
@click.pass_context
def clean(
    ctx: click.Context,
    kinds: tuple[str, ...],
    reports: bool,
    namespace: str,
    yes: bool,
    context: str | None,
    kubeconfig: str | None,
) -> None:
    """Remove the conditions and blocks that Coroner has written to the status of objects of these kinds, for example
    jobsets.jobset.x-k8s.io, and with --reports the FailureReports.

    For kinds that are no longer listed in `workloads`, and after an uninstall: an operator that still lists a kind
    writes again. Without --yes nothing is changed.

    You need permission to get customresourcedefinitions, to list the objects and to patch their status; for --reports,
    to list and delete failurereports.

    \b
    Exit status: 0  nothing is left
                 1  something could not be removed
                 2  wrong usage, or the cluster cannot be reached
    """
    if not kinds and not reports:
        raise BadInput(ctx.command_path, "nothing to clean", "name kinds, e.g. jobsets.jobset.x-k8s.io, or --reports")
    options = ConnectionOptions(context, kubeconfig)
    left = asyncio.run(_clean(options, kinds, reports=reports, namespace=namespace, dry_run=not yes))
    ctx.exit(INCOMPLETE if left else 0)


class _Found(NamedTuple):
    """Something of ours."""

    resource: Resource
    name: str
    namespace: str

    def __str__(self) -> str:
        place = f" in {self.namespace}" if self.namespace else ""
        group = f".{self.resource.group}" if self.resource.group else ""
        return f"{self.resource.plural}{group}/{self.name}{place}"


async def _clean(
    options: ConnectionOptions, kinds: tuple[str, ...], *, reports: bool, namespace: str, dry_run: bool
) -> int:
    """How many objects could not be cleaned. Raises BadInput."""
    removed = left = 0
    async with connect(options, "coroner clean") as connection:
        client = connection.client
        resources = [await _resource(client, kind) for kind in dict.fromkeys(kinds)]
        for resource in (*resources, *((REPORT,) if reports else ())):
            async for found in _ours(client, resource, namespace):
                done = "deleted" if resource is REPORT else "cleaned"
                try:
                    if not dry_run:
                        await _remove(client, found)
                except ApiError as error:
                    left += 1
                    print_line(f"{found} not {done}: {error}", err=True)
                else:
                    removed += 1
                    print_line(f"{found} {done}{' (dry run)' if dry_run else ''}")
    if dry_run:
        print_line(f"{counted(removed, 'object')} found; nothing was changed. Use --yes to remove what Coroner wrote.")
    else:
        print_line(f"{counted(removed, 'object')} done, {left} failed")
    return left


async def _resource(client: Client, kind: str) -> Resource:
    """The kind that this CustomResourceDefinition defines, in its stored version. Raises BadInput, ApiError."""
    try:
        raw = await client.get(CUSTOM_RESOURCE_DEFINITION.object_path("", kind))
    except (NotFound, InvalidName) as error:
        fault = "no such CustomResourceDefinition"
        raise BadInput(kind, fault, "write RESOURCE.GROUP, as kubectl get crd lists it") from error
    spec = _CRD.decode(raw).spec
    stored = next((version.name for version in spec.versions if version.storage), "v1")
    names = spec.names
    return Resource(names.kind, f"{spec.group}/{stored}", names.plural, namespaced=spec.scope == "Namespaced")


async def _ours(client: Client, resource: Resource, namespace: str) -> AsyncIterator[_Found]:
    """Every report, or the objects in whose status we own a field. Raises ApiError."""
    async for raw in list_items(client, resource.path(namespace), limit=PAGE_SIZE, accept=PARTIAL_LIST):
        metadata = _OBJECT.decode(raw).metadata
        if resource is REPORT or any(entry.is_ours for entry in metadata.managed_fields):
            yield _Found(resource, metadata.name, metadata.namespace)


async def _remove(client: Client, found: _Found) -> None:
    """Raises ApiError; not where it is gone already."""
    resource = found.resource
    try:
        if resource is REPORT:
            await client.request("DELETE", resource.object_path(found.namespace, found.name))
            return
        metadata = {"name": found.name, **({"namespace": found.namespace} if found.namespace else {})}
        body = {"apiVersion": resource.group_version, "kind": resource.kind, "metadata": metadata}
        await client.apply(resource.object_path(found.namespace, found.name, "status"), body)
    except NotFound:
        pass


class _Entry(msgspec.Struct, frozen=True):
    manager: str = ""
    subresource: str = ""

    @property
    def is_ours(self) -> bool:
        return (self.manager, self.subresource) == ("coroner", "status")


class _Metadata(msgspec.Struct, frozen=True):
    name: str
    namespace: str = ""
    managed_fields: list[_Entry] = msgspec.field(default_factory=list, name="managedFields")


class _Object(msgspec.Struct, frozen=True):
    metadata: _Metadata


class _Version(msgspec.Struct, frozen=True):
    name: str
    storage: bool = False


class _Names(msgspec.Struct, frozen=True):
    kind: str
    plural: str


class _Spec(msgspec.Struct, frozen=True):
    group: str
    names: _Names
    scope: str
    versions: list[_Version]


class _Crd(msgspec.Struct, frozen=True):
    spec: _Spec


_OBJECT = msgspec.json.Decoder(_Object)
_CRD = msgspec.json.Decoder(_Crd)
