"""Whether workloads still exist: read where the kind may be read, and searched for above the pods that exist.

What cannot be known is not waited for. The search reads at most ``PODS_LIMIT`` pods and ``OWNERS_LIMIT`` of their
owners: a namespace with more keeps its reports.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, Protocol

import msgspec

from coroner_categorizer.objects.lenient_decode import lenient_decode
from coroner_categorizer.objects.pod import Metadata
from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import ApiError, Forbidden, InvalidName, InvalidRequest, NotFound, TooLarge
from coroner_operator.kube.owner_resolver import METADATA_ONLY, OwnerResolver
from coroner_operator.kube.paging import PARTIAL_LIST, list_items
from coroner_operator.kube.paths import ResourcePath
from coroner_operator.kube.resources import POD
from coroner_operator.model.workload_ref import WorkloadRef

log = logging.getLogger("coroner.workload_existence")

PAGE_SIZE = 500  # pods a page, metadata only: about 1 MB
PODS_LIMIT = 50_000  # of one namespace; 100 pages
OWNERS_LIMIT = 10_000  # controllers of pods in one namespace that are read, with a GET each: half a minute


class Existence(Enum):
    PRESENT = "it exists, or one of its pods does, or nobody can say now"
    UNKNOWN = "no pod of it is found; it may not or cannot be read"
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
        readable: Callable[[WorkloadRef], ResourcePath | None] | None = None,
    ) -> None:
        """``readable``: the path of a workload, None where its kind may not be read; default: that of ``owners``."""
        self._client = client
        self._owners = owners
        self._namespace = namespace
        self._readable = readable or owners.path_of
        self._with_pods: _WithPods | None = None

    async def check(self, workload: WorkloadRef) -> Existence:
        found = await self._read(workload)
        if found is Existence.PRESENT:
            return found
        if self._with_pods is None:
            self._with_pods = await self._workloads_with_pods()
        may_have_pods = workload.uid in self._with_pods.uids or not self._with_pods.complete
        return Existence.PRESENT if may_have_pods else found

    async def _read(self, workload: WorkloadRef) -> Existence:
        if (workload.api_version, workload.kind) == ("v1", "Pod"):
            path = _pod_path(workload)
        else:
            path = self._readable(workload)
        if path is None:
            return Existence.UNKNOWN
        try:
            there = lenient_decode(await self._client.get(path, accept=METADATA_ONLY), _OBJECT, _Object)
        except NotFound as error:
            # Without a kind in the answer the path itself is unknown: the kind is not served, which says nothing.
            return Existence.DELETED if error.missing_kind else Existence.UNKNOWN
        except TooLarge:
            return Existence.PRESENT
        except (Forbidden, InvalidRequest) as error:
            log.debug("%s/%s: whether it exists cannot be known: %s", workload.namespace, workload, error)
            return Existence.UNKNOWN
        except ApiError as error:
            log.info("%s/%s: whether it exists cannot be read: %s", workload.namespace, workload, error)
            return Existence.PRESENT
        return Existence.PRESENT if there.metadata.uid == workload.uid else Existence.DELETED

    async def _workloads_with_pods(self) -> _WithPods:
        """Of all pods the UID, and those of the controllers above. Raises ApiError."""
        found: set[str] = set()
        pods = owners = 0
        async for raw in list_items(self._client, POD.path(self._namespace), limit=PAGE_SIZE, accept=PARTIAL_LIST):
            pod = lenient_decode(raw, _OBJECT, _Object)
            pods += 1
            found.add(pod.metadata.uid)
            references = {owner.uid for owner in pod.metadata.ownerReferences if owner.uid}
            if not references <= found:
                owners += 1
                found |= references
                found |= {owner.uid for owner in await self._owners.chain_of(pod.metadata)}
            if pods >= PODS_LIMIT or owners >= OWNERS_LIMIT:
                log.info("%s: too many pods to find all of their workloads: its reports are kept", self._namespace)
                return _WithPods(found, complete=False)
        return _WithPods(found)


class _WithPods(NamedTuple):
    uids: set[str]
    """Of pods and of workloads that have pods."""
    complete: bool = True
    """Whether there are no others."""


class _Object(msgspec.Struct, frozen=True):
    metadata: Metadata = Metadata()


_OBJECT = msgspec.json.Decoder(_Object)


def _pod_path(workload: WorkloadRef) -> ResourcePath | None:
    try:
        return POD.object_path(workload.namespace, workload.name)
    except InvalidName:
        return None
