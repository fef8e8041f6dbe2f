"""FailureReports from the API server: of a selection, or of one workload, also where nothing else is left of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from coroner_operator.cli.connection import connect, no_right
from coroner_operator.cli.errors import BadInput
from coroner_operator.cli.inputs.cluster_reader import Target
from coroner_operator.cli.reports.selection import Selection
from coroner_operator.kube.errors import Forbidden, NotFound
from coroner_operator.kube.paging import list_items
from coroner_operator.kube.resources import REPORT, find_by_name
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
                reports = selection.select(await list_reports(connection.client, namespace, selection.label_selector))
            else:
                reports = await _of(connection.client, namespace, target)
        except Forbidden as error:
            return Found([], namespace, no_right(argument, error).fault)
        except NotFound:
            return Found([], namespace, "Coroner is not installed: the API server has no FailureReports")
        newest = sorted(reports, key=lambda report: report.last_seen.timestamp() if report.last_seen else 0.0)
        return Found(newest[::-1], namespace)


async def list_reports(client: Client, namespace: str, label_selector: str = "") -> list[Report]:
    """Those that can be read; others are named on standard error. Raises ApiError."""
    query = {"labelSelector": label_selector} if label_selector else {}
    path = REPORT.path(namespace)
    found = [parse(raw) async for raw in list_items(client, path, query, limit=PAGE_SIZE)]
    return [report for report in found if report is not None]


def parse(raw: bytes) -> Report | None:
    """None: it is not what Coroner writes, which is said on standard error."""
    obj: Any = msgspec.json.decode(raw)
    try:
        return from_object(obj)
    except ValueError as error:
        name = obj.get("metadata", {}).get("name", "") if isinstance(obj, dict) else ""
        click.echo(BadInput(f"failurereport {name}", f"left out: {error}").format_message(), err=True)
        return None


async def _of(client: Client, namespace: str, target: Target) -> list[Report]:
    resource = find_by_name(target.kind)
    if resource == REPORT:
        try:
            report = parse(await client.get(REPORT.object_path(namespace, target.name)))
        except NotFound:
            return []
        return [report] if report is not None else []
    by_name = f"{GROUP}/workload-name={name_as_label(target.name)}"
    named = [
        report
        for report in await list_reports(client, namespace, by_name)
        if report.workload.name == target.name and is_called(target.kind, report.workload)
    ]
    if named or resource is None or resource.kind != "Pod":
        return named
    return [report for report in await list_reports(client, namespace) if shows_pod(report, target.name)]


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
