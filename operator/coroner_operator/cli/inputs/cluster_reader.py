"""Pods, workloads and their events from a cluster: a pod with its owner, or all pods of a workload."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click
import msgspec

from coroner_categorizer.findings.job_condition import may_be_queued
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.lenient_decode import lenient_decode
from coroner_categorizer.objects.pod import Metadata, OwnerReference, Pod
from coroner_categorizer.objects.workload import Workload
from coroner_categorizer.stuck.pods import is_never_ready
from coroner_operator.cli.connection import ConnectionOptions, connect, missing_right, no_right
from coroner_operator.cli.errors import BadInput
from coroner_operator.cli.inputs.input_objects import InputObjects, outcome
from coroner_operator.kube import resources
from coroner_operator.kube.errors import ApiError, Forbidden, InvalidName, NotFound, Unreachable
from coroner_operator.kube.paging import PARTIAL_LIST, list_items
from coroner_operator.kube.paths import field_selector
from coroner_operator.kube.resources import Resource

if TYPE_CHECKING:
    from coroner_operator.kube.client import Client

T = TypeVar("T")

_OWNERS_LIMIT = 200  # custom owners that are read one by one; with more of them, the rest is ignored
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9-]*(\.[a-z0-9.-]+)?")
_PODS = msgspec.json.Decoder(Pod)
_WORKLOADS = msgspec.json.Decoder(Workload)
_PAGE_SIZE = 500  # objects a request, as kubectl does


class Target(NamedTuple):
    kind: str
    """As the user wrote it: ``job``, ``deploy``, ``JobSet``, ``jobs.batch``."""
    name: str
    argument: str
    """For messages."""


class _ReportedWorkload(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""


class _ReportSpec(msgspec.Struct):
    workload: _ReportedWorkload = msgspec.field(default_factory=_ReportedWorkload)


class _Report(msgspec.Struct):
    spec: _ReportSpec = msgspec.field(default_factory=_ReportSpec)


def may_be_kind(word: str) -> bool:
    """Whether the word can be a kind; only the cluster knows which kinds exist."""
    return _KIND.fullmatch(word) is not None


class ClusterReader:
    """The cluster of the kubeconfig; nothing is requested before the first ``add_to``."""

    def __init__(self, namespace: str | None, context: str | None, kubeconfig: str | None) -> None:
        self._namespace = namespace
        self._options = ConnectionOptions(context, kubeconfig)

    def add_to(self, objects: InputObjects, target: Target) -> None:
        """The target with its pods, owners and events. Raises BadInput where it cannot be read."""
        try:
            resources.POD.path(self._namespace or "default", target.name)  # before any request
        except InvalidName as error:
            raise BadInput(target.argument, str(error), "check the name and -n") from error
        asyncio.run(self._add_to(objects, target))

    def add_namespace(self, objects: InputObjects, argument: str) -> None:
        """All pods of the namespace with their workloads and events. Raises BadInput where the pods cannot be read."""
        asyncio.run(self._add_namespace(objects, argument))

    async def _add_namespace(self, objects: InputObjects, argument: str) -> None:
        objects.begin_cluster(datetime.now(UTC))
        async with connect(self._options, argument) as connection:
            reading = _TargetReader(connection.client, self._namespace or connection.namespace, objects, argument)
            await reading.everything()

    async def _add_to(self, objects: InputObjects, target: Target) -> None:
        objects.begin_cluster(datetime.now(UTC))
        async with connect(self._options, target.argument, or_file=True) as connection:
            namespace = self._namespace or connection.namespace
            reading = _TargetReader(connection.client, namespace, objects, target.argument)
            resource = resources.find_by_name(target.kind) or await reading.custom_kind(target.kind)
            if resource == resources.POD:
                await reading.pod(target.name)
            elif resource == resources.REPORT:
                await reading.reported(target.name)
            else:
                workload = await reading.get(resource, target.name, Workload)
                await reading.workload(resource, workload)


class _TargetReader:
    """One target's objects."""

    def __init__(self, client: Client, namespace: str, objects: InputObjects, argument: str) -> None:
        self.client = client
        self.namespace = namespace
        self.objects = objects
        self.argument = argument
        self._custom: list[Resource] | None = None

    async def get(self, resource: Resource, name: str, type_: type[T]) -> T:
        try:
            raw = await self.client.get(resource.path(self.namespace, name))
        except NotFound as missing:
            no_file = "no file and no" if self.argument == name else "no"
            fault = f'{no_file} {resource.kind} called "{name}" in namespace {self.namespace}'
            raise BadInput(self.argument, fault, "check the name, -n and --context") from missing
        found = lenient_decode(raw, msgspec.json.Decoder(type_), type_)
        if isinstance(found, Workload):
            self.objects.record_outcome(found.metadata.uid, outcome(raw, resource.group, resource.kind))
        return found

    async def pod(self, name: str) -> None:
        pod = await self.get(resources.POD, name, Pod)
        self.objects.add_pod(msgspec.structs.replace(pod, kind="Pod", apiVersion="v1"))
        uids = [pod.metadata.uid]
        for reference in pod.metadata.ownerReferences:
            owner = await self._owner(reference)
            if owner is not None:
                self.objects.add_owner(owner)
                if is_never_ready(pod):  # its Deployment says how long that may last
                    await self._add_owner_of(owner)
                if may_be_queued(pod, owner):
                    uids.append(owner.metadata.uid)
        for uid in uids:
            await self._add_events({uid}, {"fieldSelector": field_selector({"involvedObject.uid": uid})})

    async def _add_owner_of(self, owner: Workload) -> None:
        controller = next((reference for reference in owner.metadata.ownerReferences if reference.controller), None)
        above = await self._owner(controller) if controller else None
        if above is not None:
            self.objects.add_owner(above)

    async def reported(self, name: str) -> None:
        """The pods of the workload that a FailureReport is about, also when the workload itself is deleted."""
        about = (await self.get(resources.REPORT, name, _Report)).spec.workload
        if about.kind == "Pod":
            await self.pod(about.name)
            return
        metadata = Metadata(name=about.name, namespace=self.namespace, uid=about.uid)
        resource = resources.find_by_kind(about.api_version, about.kind) or await self.custom_kind(about.kind)
        await self.workload(resource, Workload(apiVersion=about.api_version, kind=about.kind, metadata=metadata))

    async def workload(self, resource: Resource, workload: Workload) -> None:
        """The workload, the objects between it and its pods, the pods, and the events about all of them."""
        workload = msgspec.structs.replace(workload, kind=resource.kind, apiVersion=resource.group_version)
        between = await self._between(resource)
        pods = [lenient_decode(raw, _PODS, Pod) async for raw in self._list_raw(resources.POD)]
        owners = {found.metadata.uid: found.metadata.ownerReferences for found in between}
        if resource not in resources.BUILTIN_KINDS:
            await self._add_custom_owners(owners, pods, workload.metadata.uid)
        family = _descendants(workload.metadata.uid, owners)
        self.objects.add_workload(workload)
        for found in between:
            if found.metadata.uid in family:
                self.objects.add_workload(found)
        uids = set(family)
        for pod in pods:
            if any(reference.uid in family for reference in pod.metadata.ownerReferences):
                self.objects.add_pod(msgspec.structs.replace(pod, kind="Pod", apiVersion="v1"))
                uids.add(pod.metadata.uid)
        await self._add_events(uids)

    async def everything(self) -> None:
        """Pods, the built-in workloads as far as they may be read, and all events."""
        uids: set[str] = set()
        async for raw in self._list_raw(resources.POD):
            pod = lenient_decode(raw, _PODS, Pod)
            self.objects.add_pod(msgspec.structs.replace(pod, kind="Pod", apiVersion="v1"))
            uids.add(pod.metadata.uid)
        for kind in resources.READABLE_OWNER_KINDS:
            try:
                async for raw in self._list_raw(kind):
                    found = lenient_decode(raw, _WORKLOADS, Workload)
                    self.objects.record_outcome(found.metadata.uid, outcome(raw, kind.group, kind.kind))
                    self.objects.add_workload(
                        msgspec.structs.replace(found, kind=kind.kind, apiVersion=kind.group_version)
                    )
                    uids.add(found.metadata.uid)
            except Forbidden as error:
                note = f"explained without {kind.plural}: {no_right(self.argument, error).fault}"
                click.echo(BadInput(self.argument, note).format_message(), err=True)
        await self._add_events(uids)

    async def custom_kind(self, word: str) -> Resource:
        """The kind of this name, from the cluster's discovery. Raises BadInput if there is none."""
        for resource in await self._custom_kinds():
            if resource.matches_name(word):
                return resource
        raise BadInput(self.argument, f'no such file, and no kind called "{word}" in the cluster', "e.g. job/train")

    async def _custom_kinds(self) -> list[Resource]:
        if self._custom is None:
            self._custom = list(
                resources.parse_discovery(await self.client.get(resources.DISCOVERY, accept=resources.DISCOVERY_ACCEPT))
            )
        return self._custom

    async def _between(self, resource: Resource) -> list[Workload]:
        kinds: tuple[Resource, ...] = ()
        if resource not in resources.POD_OWNERS:
            kinds = resources.INTERMEDIATE_KINDS.get(resource, resources.CUSTOM_INTERMEDIATE_KINDS)
        found: list[Workload] = []
        for kind in kinds:
            # Complete objects of the owners of pods: a Job's conditions and a ReplicaSet's counts are classified.
            accept = "application/json" if kind in resources.POD_OWNERS else PARTIAL_LIST
            async for raw in self._list_raw(kind, accept):
                workload = lenient_decode(raw, _WORKLOADS, Workload)
                self.objects.record_outcome(workload.metadata.uid, outcome(raw, kind.group, kind.kind))
                found.append(msgspec.structs.replace(workload, kind=kind.kind, apiVersion=kind.group_version))
        return found

    def _list_raw(self, resource: Resource, accept: str = "application/json") -> AsyncIterator[bytes]:
        return list_items(self.client, resource.path(self.namespace), limit=_PAGE_SIZE, accept=accept)

    async def _add_custom_owners(
        self, owners: dict[str, list[OwnerReference]], pods: Iterable[Pod], root_uid: str
    ) -> None:
        """Completes ``owners`` (UID → its owners) upwards from the pods through kinds that are not built in."""
        waiting = [r for references in owners.values() for r in references]
        waiting += [r for pod in pods for r in pod.metadata.ownerReferences]
        asked = 0
        while waiting and asked < _OWNERS_LIMIT:
            reference = waiting.pop()
            if reference.uid in owners or reference.uid == root_uid:
                continue
            asked += 1
            owner = await self._owner(reference)
            owners[reference.uid] = owner.metadata.ownerReferences if owner else []
            if owner is not None:
                self.objects.add_owner(owner)
            waiting += owners[reference.uid]

    async def _owner(self, reference: OwnerReference) -> Workload | None:
        """The owner itself; None where it does not exist, may not be read, or its kind is not served."""
        resource = resources.find_by_kind(reference.apiVersion, reference.kind)
        try:
            if resource is None:
                group = reference.apiVersion.rpartition("/")[0]
                kinds = (kind for kind in await self._custom_kinds() if kind.group == group)
                resource = next((kind for kind in kinds if kind.kind == reference.kind), None)
            if resource is None:
                return None
            raw = await self.client.get(resource.path(self.namespace, reference.name))
        except Unreachable:
            raise
        except ApiError:
            return None
        owner = lenient_decode(raw, _WORKLOADS, Workload)
        if owner.metadata.uid != reference.uid:  # names are reused
            return None
        self.objects.record_outcome(owner.metadata.uid, outcome(raw, resource.group, resource.kind))
        return msgspec.structs.replace(owner, kind=resource.kind, apiVersion=resource.group_version)

    async def _add_events(self, uids: set[str], query: Mapping[str, str] | None = None) -> None:
        decoder = msgspec.json.Decoder(Event)
        try:
            async for raw in list_items(self.client, resources.EVENT.path(self.namespace), query, limit=_PAGE_SIZE):
                event = lenient_decode(raw, decoder, Event)
                if event.involved.uid in uids:
                    self.objects.add_event(event)
        except Unreachable:
            raise
        except ApiError as error:
            right = missing_right(error)
            why = f": you lack the right to {right}" if right else f" ({error.status}): {error.detail}"
            note = BadInput(self.argument, f"explained without events{why}")
            click.echo(note.format_message(), err=True)


def _descendants(root_uid: str, owners: dict[str, list[OwnerReference]]) -> set[str]:
    """The root and everything that it owns, directly or not."""
    family = {root_uid}
    grown = True
    while grown:
        grown = False
        for uid, references in owners.items():
            if uid not in family and any(reference.uid in family for reference in references):
                family.add(uid)
                grown = True
    return family
