"""The Lease by which replicas elect a leader: raw JSON in and out, so that fields of other writers are kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import ceil
from typing import Any, Protocol

import msgspec

from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import Conflict, NotFound
from coroner_operator.kube.resources import LEASE


class LeaseRecord(msgspec.Struct, frozen=True):
    """The Lease as stored on the API server."""

    holder: str
    """"" = nobody."""
    duration: int
    """Seconds without a renewal after which another may take the Lease; 0 = not set."""
    renewed_at: str
    """By the holder's clock: only compared with earlier values of itself, never with our own clock."""
    transitions: int
    body: Mapping[str, Any]
    """The whole object, resource version included."""


class Lease(Protocol):
    """All methods raise ``ApiError``; Conflict if another writer was first."""

    async def read(self) -> LeaseRecord | None:
        """None: the Lease does not exist yet."""
        ...

    async def write(self, base: LeaseRecord | None, holder: str, duration: float) -> LeaseRecord:
        """Write ``holder``, and a transition if it is new. ``base``: what was read before; None: create the Lease."""
        ...


class ApiLease:
    """A ``coordination.k8s.io/v1`` Lease. Writes are a PUT with the resource version that was read."""

    def __init__(self, client: Client, namespace: str, name: str) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name

    def __str__(self) -> str:
        return f"Lease {self._namespace}/{self._name}"

    async def read(self) -> LeaseRecord | None:
        try:
            # Not Client.get: a renewal must not queue behind reads of owners and events.
            answer = await self._client.request("GET", LEASE.path(self._namespace, self._name))
        except NotFound:
            return None
        return _decode(answer.body)

    async def write(self, base: LeaseRecord | None, holder: str, duration: float) -> LeaseRecord:
        body = lease_body(base, holder, duration, datetime.now(UTC))
        if base is not None:
            answer = await self._client.request("PUT", LEASE.path(self._namespace, self._name), body=body, fenced=False)
        else:
            body["metadata"] = {"name": self._name, "namespace": self._namespace}
            answer = await self._client.request("POST", LEASE.path(self._namespace), body=body, fenced=False)
        return _decode(answer.body)


class MemoryLease:
    """A Lease in memory, for tests."""

    def __init__(self) -> None:
        self.record: LeaseRecord | None = None
        self._writes = 0

    async def read(self) -> LeaseRecord | None:
        return self.record

    async def write(self, base: LeaseRecord | None, holder: str, duration: float) -> LeaseRecord:
        current = self.record and self.record.body["metadata"]["resourceVersion"]
        if current != (base and base.body["metadata"]["resourceVersion"]):
            raise Conflict("the Lease has changed", 409)
        self._writes += 1
        body = lease_body(base, holder, duration, datetime.fromtimestamp(self._writes, UTC))
        body["metadata"] = {"resourceVersion": str(self._writes)}
        self.record = _decode(msgspec.json.encode(body))
        return self.record


def lease_body(base: LeaseRecord | None, holder: str, duration: float, now: datetime) -> dict[str, Any]:
    """The Lease with ``holder`` as its holder; acquired at ``now`` if that is a new one."""
    before = base.body if base else {}
    spec = {**(before.get("spec") or {})}
    spec["renewTime"] = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if base is None or base.holder != holder:
        spec["leaseTransitions"] = base.transitions + bool(holder) if base else 0
        spec["acquireTime"] = spec["renewTime"]
    # Whole seconds, and at least one: the API server accepts nothing else.
    spec["leaseDurationSeconds"] = max(1, ceil(duration))
    if holder:
        spec["holderIdentity"] = holder
    else:
        spec.pop("holderIdentity", None)
    return {"apiVersion": LEASE.group_version, "kind": LEASE.kind, **before, "spec": spec}


def _decode(body: bytes) -> LeaseRecord:
    obj = msgspec.json.decode(body)
    spec = obj.get("spec") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        duration=spec.get("leaseDurationSeconds") or 0,
        renewed_at=spec.get("renewTime") or "",
        transitions=spec.get("leaseTransitions") or 0,
        body=obj,
    )
