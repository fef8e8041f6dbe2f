"""The pods of a measurement: thousands that are well, some that failed before anybody looked, and a burst to come."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec
import yaml

from tests.bench.api import STRATEGIC, Api, RefusedError, at_once
from tests.bench.control_plane import CRDS
from tests.bench.pods import Owner, failed, job, pod, running

NAMESPACES = tuple(f"bench-{number}" for number in range(8))
PODS_A_WORKLOAD = 40  # of the healthy ones
FAILED_WORKLOADS = 20
REPORTS = "/apis/coroner.dev/v1alpha1/failurereports"


@dataclass(frozen=True)
class Made:
    """A pod that exists."""

    owner: Owner
    name: str
    uid: str

    @property
    def status_path(self) -> str:
        return f"/api/v1/namespaces/{self.owner.namespace}/pods/{self.name}/status"


class _Metadata(msgspec.Struct, frozen=True):
    uid: str = ""


class _Object(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()


_OBJECT = msgspec.json.Decoder(_Object)


@dataclass
class Population:
    api: Api
    workers: int
    failed: list[Made] = field(default_factory=list)
    well: int = 0
    """Healthy pods, those to come to grief included."""
    to_fail: list[list[Made]] = field(default_factory=list)
    """For each burst its pods, neighbours of different workloads."""

    async def found(self) -> None:
        """The CRD and the namespaces."""
        for file in sorted(CRDS.glob("*.yaml")):
            crd = yaml.safe_load(file.read_text("utf-8"))
            await self.api.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
        for namespace in NAMESPACES:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            await self.api.call("POST", "/api/v1/namespaces", body)
        await _until_served(self.api)

    async def add_failed(self, count: int) -> None:
        """Jobs' pods that have failed; every second Job is gone already, as after its TTL."""
        owners = [await self._job(f"broken-{n:02}", exists=n % 2 == 0) for n in range(FAILED_WORKLOADS)]
        wanted = [(owners[n % len(owners)], n) for n in range(count)]

        async def make(each: tuple[Owner, int]) -> None:
            owner, number = each
            made = await self._pod(owner, number)
            await self.set_status(made, failed(made.name, number // len(owners)))
            self.failed.append(made)

        await at_once(make, wanted, self.workers)

    async def add_to_fail(self, failures: int, workloads: int) -> None:
        """Running pods of Jobs, for one more burst."""
        burst = len(self.to_fail)
        owners = [await self._job(f"batch-{burst}-{n:02}", exists=True) for n in range(workloads)]
        self.to_fail.append(await self._add_well((owners[n % workloads], n) for n in range(failures)))

    async def grow(self, pods: int) -> None:
        """Up to so many pods that are well, in ReplicaSets' hands."""
        await self._add_well(islice(self._replicas(), max(0, pods - self.well)))

    async def set_status(self, made: Made, status: dict[str, Any]) -> None:
        """As the kubelet does."""
        body = {"metadata": {"uid": made.uid}, "status": status}
        await self.api.call("PATCH", made.status_path, body, kind=STRATEGIC, fieldManager="kubelet")

    async def delete_reports(self) -> None:
        """For another start from nothing."""
        for namespace in NAMESPACES:
            await self.api.call("DELETE", f"/apis/coroner.dev/v1alpha1/namespaces/{namespace}/failurereports")

    async def pod_size(self) -> float:
        """Mean size of a pod as JSON, in bytes."""
        count = 100
        page = await self.api.call("GET", f"/api/v1/namespaces/{NAMESPACES[0]}/pods", limit=str(count))
        return len(page) / min(count, len(msgspec.json.decode(page)["items"]))

    def _replicas(self) -> Iterator[tuple[Owner, int]]:
        while True:
            number = self.well // PODS_A_WORKLOAD
            name = f"web-{number:04}-{uuid.uuid4().hex[:6]}"
            owner = Owner(_namespace(number), "ReplicaSet", name, str(uuid.uuid4()))
            yield from ((owner, n) for n in range(PODS_A_WORKLOAD))

    async def _add_well(self, wanted: Iterable[tuple[Owner, int]]) -> list[Made]:
        added: list[Made] = []

        async def make(each: tuple[Owner, int]) -> None:
            self.well += 1
            made = await self._pod(*each)
            await self.set_status(made, running(made.name))
            added.append(made)

        await at_once(make, wanted, self.workers)
        return added

    async def _job(self, name: str, *, exists: bool) -> Owner:
        namespace = _namespace(int(name.rpartition("-")[2]))
        if not exists:
            return Owner(namespace, "Job", name, str(uuid.uuid4()))
        answer = await self.api.call("POST", f"/apis/batch/v1/namespaces/{namespace}/jobs", job(name))
        return Owner(namespace, "Job", name, _OBJECT.decode(answer).metadata.uid)

    async def _pod(self, owner: Owner, number: int) -> Made:
        name = f"{owner.name}-{number:05}"
        path = f"/api/v1/namespaces/{owner.namespace}/pods"
        answer = await self.api.call("POST", path, pod(owner, name), fieldManager="kube-controller-manager")
        return Made(owner, name, _OBJECT.decode(answer).metadata.uid)


def _namespace(number: int) -> str:
    return NAMESPACES[number % len(NAMESPACES)]


async def _until_served(api: Api, seconds: float = 30) -> None:
    """A new CRD's kind is served a moment after it was accepted."""
    end = time.monotonic() + seconds
    while True:
        try:
            await api.call("GET", REPORTS)
            return
        except RefusedError:
            if time.monotonic() > end:
                raise
