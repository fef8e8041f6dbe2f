"""FailureReports from the API server: of a selection, or of one workload, also where nothing else is left of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from coroner_operator.cli.connection import connect, no_right
from coroner_operator.cli.errors import BadInput
from coroner_operator.cli.inputs.cluster_reader import Target
from coroner_operator.cli.reports.selection import Selection, newest_first
from coroner_operator.kube.errors import Forbidden, NotFound
from coroner_operator.kube.paging import list_items
from coroner_operator.kube.resources import DISCOVERY, DISCOVERY_ACCEPT, REPORT, find_by_name, parse_discovery
from coroner_operator.model.report import Report
from coroner_operator.model.report_codec import GROUP, from_object
from coroner_operator.model.workload_ref import WorkloadRef, name_as_label, report_name

if TYPE_CHECKING:
    from coroner_operator.kube.client import Client

PAGE_SIZE = 50  # a report may have 64 KiB: 3 MB a page


class Found(NamedTuple):
    reports: list[Report]
    namespace: str
    """Where was looked; "" = in all."""
    obstacle: str = ""
    """Why reports cannot be read; "" = they can."""
    left_out: int = 0
    """How many reports are there that are not what Coroner writes; of a workload or pod: those that may be about it."""

    @property
    def omission(self) -> str:
        """That reports were left out; "" = none."""
        number = f"{self.left_out} report{'' if self.left_out == 1 else 's'}"
        return f"{number} could not be read" if self.left_out else ""


class Listed(NamedTuple):
    reports: list[Report]
    left_out: list[bytes]
    """Those that cannot be read, as the API server sent them."""


def read_selection(selection: Selection) -> Found:
    """Reports of the selection, the newest failure first. Raises BadInput where the API server cannot be asked."""
    return asyncio.run(_read(selection, None))


def read_target(selection: Selection, target: Target) -> Found:
    """Those on a workload of this kind and name, or on which this pod is shown; the newest failure first."""
    return asyncio.run(_read(selection, target))


async def _read(selection: Selection, target: Target | None) -> Found:
    argument = target.argument if target else "coroner"
    async with connect(selection.connection, argument) as connection:
        namespace = "" if selection.all_namespaces else selection.namespace or connection.namespace
        try:
            if target is None:
                listed = await list_reports(connection.client, namespace, selection.label_selector)
                reports = selection.select(listed.reports)
            else:
                listed = await _of(connection.client, namespace, target)
                reports = newest_first(listed.reports)
        except Forbidden as error:
            return Found([], namespace, no_right(argument, error).fault)
        except NotFound:
            return Found([], namespace, "Coroner is not installed: the API server has no FailureReports")
        return Found(reports, namespace, left_out=len(listed.left_out))


async def list_reports(client: Client, namespace: str, label_selector: str = "") -> Listed:
    """Those that cannot be read are named on standard error. Raises ApiError."""
    query = {"labelSelector": label_selector} if label_selector else {}
    path = REPORT.path(namespace)
    return _parsed([raw async for raw in list_items(client, path, query, limit=PAGE_SIZE)])


def _parsed(raws: Iterable[bytes], name: str = "") -> Listed:
    listed = Listed([], [])
    for raw in raws:
        report = parse(raw, name)
        if report is None:
            listed.left_out.append(bytes(raw))
        else:
            listed.reports.append(report)
    return listed


def parse(raw: bytes, name: str = "") -> Report | None:
    """None: it is not what Coroner writes, which is said on standard error. ``name``: where the object has none."""
    obj: object = None
    try:
        obj = msgspec.json.decode(raw)
        return from_object(obj)
    except (ValueError, msgspec.DecodeError) as error:
        where = f"failurereport {_name_of(obj) or name}".rstrip()
        click.echo(BadInput(where, f"left out: {error}").format_message(), err=True)
        return None


def _name_of(obj: object) -> str:
    """ "" = it has none that is a text."""
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


async def _of(client: Client, namespace: str, target: Target) -> Listed:
    resource = find_by_name(target.kind)
    if resource == REPORT:
        try:
            return _parsed([await client.get(REPORT.object_path(namespace, target.name))], target.name)
        except NotFound:
            return Listed([], [])
    by_name = f"{GROUP}/workload-name={name_as_label(target.name)}"
    listed = await list_reports(client, namespace, by_name)
    named = [report for report in listed.reports if report.workload.name == target.name]
    called = [report for report in named if is_called(target.kind, report.workload)]
    if resource is None and named and not called:
        kinds = await _kinds_called(client, target.kind)
        called = [report for report in named if (report.workload.group, report.workload.kind) in kinds]
    if called or resource is None or resource.kind != "Pod":
        return Listed(called, listed.left_out)
    every = await list_reports(client, namespace)
    naming = [raw for raw in every.left_out if target.name.encode() in raw]
    return Listed([report for report in every.reports if shows_pod(report, target.name)], naming)


async def _kinds_called(client: Client, word: str) -> set[tuple[str, str]]:
    """Group and kind of what the cluster serves by this name, e.g. a short name."""
    try:
        kinds = parse_discovery(await client.get(DISCOVERY, accept=DISCOVERY_ACCEPT))
    except (Forbidden, NotFound):
        return set()
    return {(kind.group, kind.kind) for kind in kinds if kind.matches_name(word)}


def is_called(word: str, workload: WorkloadRef) -> bool:
    """Whether a person calls its kind so: ``job``, ``jobs``, ``deploy``, ``jobset``, ``jobsets.jobset.x-k8s.io``."""
    builtin = find_by_name(word)
    if builtin is not None:
        return (builtin.group, builtin.kind) == (workload.group, workload.kind)
    name, _, group = word.lower().partition(".")
    kind = workload.kind.lower()
    plurals = (f"{kind}s", f"{kind}es", f"{kind.removesuffix('y')}ies")
    return group in ("", workload.group) and name in (kind, *plurals)


def shows_pod(report: Report, name: str) -> bool:
    """Whether the pod is one of those that the report names."""
    pods = (record.pod for record in (report.current, *report.history) if record is not None)
    return any(pod is not None and pod.name == name for pod in pods)


def resource_name(report: Report) -> str:
    """As ``kubectl get -o name`` prints it."""
    return f"failurereport.{GROUP}/{report_name(report.workload)}"
