"""Whether workloads still exist: read where the kind may be read, and searched for above every pod that exists."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from typing import Protocol

import msgspec

from coroner_categorizer.objects.pod import Metadata
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import ApiError, Forbidden, InvalidName, NotFound
from coroner_operator.kube.owner_resolver import METADATA_ONLY, OwnerResolver, controller_of, owner_ref, workload_path
from coroner_operator.kube.paging import PARTIAL_LIST, list_items
from coroner_operator.kube.paths import ResourcePath
from coroner_operator.kube.resources import POD
from coroner_operator.model.workload_ref import WorkloadRef

log = logging.getLogger("coroner.workload_existence")

PAGE_SIZE = 500  # pods a page, metadata only: about 1 MB


class Existence(Enum):
    PRESENT = "it exists, or one of its pods does, or nobody can say now"
    UNKNOWN = "no pod of it exists; its kind may not be read"
    DELETED = "it does not exist, nor does any pod of it"


class ExistenceChecker(Protocol):
    async def check(self, workload: WorkloadRef) -> Existence:
        """What is there of a workload. Raises ApiError."""
        ...


class ApiExistenceChecker:
    """Of one namespace, for one walk over its reports: its pods are listed once, and only if that is needed."""

    def __init__(
        self,
        client: Client,
        owners: OwnerResolver,
        namespace: str,
        readable: Callable[[WorkloadRef], ResourcePath | None] = workload_path,
    ) -> None:
        """``readable``: the path of a workload, None where its kind may not be read."""
        self._client = client
        self._owners = owners
        self._namespace = namespace
        self._readable = readable
        self._with_pods: set[str] | None = None

    async def check(self, workload: WorkloadRef) -> Existence:
        found = await self._read(workload)
        if found is Existence.PRESENT or workload.uid in await self._workloads_with_pods():
            return Existence.PRESENT
        return found

    async def _read(self, workload: WorkloadRef) -> Existence:
        if (workload.api_version, workload.kind) == ("v1", "Pod"):
            path = _pod_path(workload)
        else:
            path = self._readable(workload)
        if path is None:
            return Existence.UNKNOWN
        try:
            there = _OBJECT.decode(await self._client.get(path, accept=METADATA_ONLY))
        except NotFound as error:
            # Without a kind in the answer the path itself is unknown: the kind is not served, which says nothing.
            return Existence.DELETED if error.missing_kind else Existence.UNKNOWN
        except Forbidden:
            return Existence.UNKNOWN
        except ApiError as error:
            log.info("%s/%s: whether it exists cannot be read: %s", workload.namespace, workload, error)
            return Existence.PRESENT
        return Existence.PRESENT if there.metadata.uid == workload.uid else Existence.DELETED

    async def _workloads_with_pods(self) -> set[str]:
        """UIDs of all pods, their controllers, and the workloads above."""
        if self._with_pods is not None:
            return self._with_pods
        found: set[str] = set()
        async for raw in list_items(self._client, POD.path(self._namespace), limit=PAGE_SIZE, accept=PARTIAL_LIST):
            pod = _OBJECT.decode(raw)
            found.add(pod.metadata.uid)
            controller = controller_of(pod.metadata)
            if controller is not None and controller.uid not in found:
                found.add(controller.uid)
                found.add((await self._owners.top_controller(owner_ref(controller, self._namespace))).uid)
        self._with_pods = found
        return found


class _Object(msgspec.Struct, frozen=True):
    metadata: Metadata = Metadata()


_OBJECT = msgspec.json.Decoder(_Object)


def _pod_path(workload: WorkloadRef) -> ResourcePath | None:
    try:
        return POD.path(workload.namespace, workload.name)
    except InvalidName:
        return None
