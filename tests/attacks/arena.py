"""Where attacks take place: a real API server with an attacker's namespace, a victim's, and an operator between them.

The attacker has what the built-in ClusterRole ``edit`` gives in one namespace, and nothing else. Pods' statuses are
written by the test, as a kubelet would: whoever may create pods decides by the program what stands in them. The
operator has the permissions of deploy/rbac.yaml.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.apiserver_conformance.client import Answer, Api, connected
from tests.cluster.server import Server
from tests.e2e.conftest import account_kubeconfig
from tests.support.waiting import until

Object = dict[str, Any]
REPORTS = "/apis/coroner.dev/v1alpha1"
REPORT_SECONDS = 45.0
"""That an operator reports at all: generous, the machine is shared. How soon is measured in tests.attacks.measure."""

KEEP = "attacks.coroner.dev/keep"

_numbers = itertools.count(1)


def now(ago: float = 0) -> str:
    return (datetime.now(UTC) - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def owner(api_version: str, kind: str, name: str, uid: str) -> Object:
    return {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": True}


def failed(message: str = "", exit_code: int = 3, number: int = 1, reason: str = "Error", ago: float = 0) -> Object:
    """The status of a pod that has failed for good, that many seconds ago."""
    ended = {
        "exitCode": exit_code,
        "reason": reason,
        "message": message,
        "startedAt": now(ago),
        "finishedAt": now(ago),
        "containerID": f"containerd://{number:064x}",
    }
    return {"phase": "Failed", "containerStatuses": [_container({"terminated": ended})]}


def ready() -> Object:
    """The status of a pod that is well."""
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": now()}
    running = _container({"running": {"startedAt": now()}}) | {"ready": True, "started": True}
    return {"phase": "Running", "conditions": [condition], "containerStatuses": [running]}


def _container(state: Object) -> Object:
    return {"name": "main", "image": "busybox", "imageID": "", "ready": False, "restartCount": 0, "state": state}


def idle_job(name: str, *owners: Object) -> Object:
    """A Job that wants a pod and gets none: its controller is nobody."""
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]}}
    spec = {"managedBy": "attacks.coroner.dev/nobody", "template": template}
    return {"metadata": {"name": name, "ownerReferences": list(owners)}, "spec": spec}


@dataclass(frozen=True)
class Tenant:
    """A namespace, and what somebody may do there."""

    namespace: str
    api: Api
    """With the rights of ``edit`` in this namespace alone."""
    kubelet: Api
    """With all rights."""

    async def create(self, plural: str, obj: Mapping[str, Any], group: str = "/api/v1") -> Object:
        return _made(await self.api.post(f"{group}/namespaces/{self.namespace}/{plural}", obj))

    async def pod(
        self,
        name: str,
        status: Object | None = None,
        *owners: Object,
        restart_policy: str = "Never",
        **metadata: Any,
    ) -> Object:
        """A pod that nobody schedules, with the status that a kubelet would have written."""
        made = await self.create(
            "pods",
            {
                "metadata": {"name": name, "ownerReferences": list(owners), **metadata},
                "spec": {
                    "schedulerName": "nobody",
                    "restartPolicy": restart_policy,
                    "containers": [{"name": "main", "image": "busybox"}],
                },
            },
        )
        return await self.set_status(name, status) if status is not None else made

    async def kept_pod(self, name: str, status: Object, *owners: Object) -> Object:
        """As ``pod``; the garbage collector, which deletes pods whose owner does not exist, cannot take it away."""
        return await self.pod(name, status, *owners, finalizers=[KEEP])

    async def set_status(self, pod: str, status: Object) -> Object:
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/status"
        return _made(await self.kubelet.merge(path, {"status": status}))

    async def event(self, involved: Object, reason: str, message: str, **more: Any) -> Object:
        """A Warning of the core API, as anybody who may create events can write it."""
        return await self.create(
            "events",
            {
                "metadata": {"name": f"attack.{next(_numbers):x}", "namespace": self.namespace},
                "involvedObject": {"namespace": self.namespace, **involved},
                "reason": reason,
                "message": message,
                "type": "Warning",
                "source": {"component": "kubelet"},
                "firstTimestamp": now(),
                "lastTimestamp": now(),
                "count": 1,
                **more,
            },
        )

    async def reports(self) -> list[Object]:
        answer = await self.kubelet.get(f"{REPORTS}/namespaces/{self.namespace}/failurereports")
        items: list[Object] = answer.body["items"]
        return items

    async def report(self, name: str) -> Object | None:
        """The report of the workload of this name; None while there is none with a status."""
        found = (r for r in await self.reports() if r["spec"]["workload"]["name"] == name and "status" in r)
        return next(found, None)

    async def reported(self, name: str, within: float = REPORT_SECONDS) -> Object:
        async def found() -> Object | None:
            return await self.report(name)

        return await until(found, within, f"a report of {self.namespace}/{name}", poll=0.1)

    async def fails(self, name: str = "") -> Object:
        """A pod of this namespace fails; its report, after it has been checked."""
        name = name or f"victim-{next(_numbers)}"
        await self.pod(name, failed(f"ValueError: the words of {name}"))
        report = await self.reported(name)
        status = report["status"]
        assert (status["state"], status["exitCode"], status["failures"]) == ("Failed", 3, 1), status
        assert f"the words of {name}" in status["message"], status
        return report


@dataclass(frozen=True)
class Arena:
    server: Server
    attacker: Tenant
    victim: Tenant
    operator_kubeconfig: Path

    async def fence(self) -> None:
        """What the attacker did to pods before this has reached the operator: a later failure of his own is reported."""
        await self.attacker.fails(f"fence-{next(_numbers)}")

    async def event_fence(self) -> None:
        """The same for Events: a later one, about a Job that exists, is reported."""
        job = await self.attacker.create("jobs", idle_job(name := f"fence-{next(_numbers)}"), "/apis/batch/v1")
        involved = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"]["uid"]}
        await self.attacker.event(involved, "FailedCreate", "Error creating: pods are forbidden")
        await self.attacker.reported(name)


@asynccontextmanager
async def open_arena(server: Server, folder: Path) -> AsyncIterator[Arena]:
    """Two namespaces with a user each. The CRDs and deploy/rbac.yaml are installed."""
    suffix = f"{next(_numbers)}-{datetime.now(UTC):%H%M%S%f}"
    names = {role: f"{role}-{suffix}" for role in ("attacker", "victim")}
    operator = account_kubeconfig(server, "coroner", "coroner", folder / "operator")
    async with connected(server.kubeconfig) as admin:
        try:
            kubeconfigs = {role: await _admit(admin, server, name, folder / role) for role, name in names.items()}
            async with connected(kubeconfigs["attacker"]) as attacker, connected(kubeconfigs["victim"]) as victim:
                tenants = Tenant(names["attacker"], attacker, admin), Tenant(names["victim"], victim, admin)
                yield Arena(server, *tenants, operator)
        finally:
            for name in names.values():
                await _clear(admin, name)


async def _admit(admin: Api, server: Server, namespace: str, kubeconfig: Path) -> Path:
    """A service account ``user`` with ``edit`` in a new namespace."""
    _made(await admin.post("/api/v1/namespaces", {"metadata": {"name": namespace}}))
    for account in ("user", "default"):  # the controller may have been first
        await admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": account}})
    binding = {
        "metadata": {"name": "user"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "user", "namespace": namespace}],
    }
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    _made(await admin.post(path, binding))
    file = await asyncio.to_thread(account_kubeconfig, server, namespace, "user", kubeconfig)
    async with connected(file) as api:  # aggregated roles and new bindings take a moment
        await api.until(f"/api/v1/namespaces/{namespace}/pods", lambda answer: answer.status == 200)
    return file


async def _clear(admin: Api, namespace: str) -> None:
    pods = (await admin.get(f"/api/v1/namespaces/{namespace}/pods")).body["items"]
    for pod in (pod for pod in pods if KEEP in pod["metadata"].get("finalizers", ())):
        path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}"
        await admin.merge(path, {"metadata": {"finalizers": None}})
    for path in (f"/api/v1/namespaces/{namespace}/pods", f"/api/v1/namespaces/{namespace}/events"):
        await admin.delete(path, {"gracePeriodSeconds": 0})
    await admin.delete(f"{REPORTS}/namespaces/{namespace}/failurereports")
    await admin.delete(f"/api/v1/namespaces/{namespace}")


def _made(answer: Answer) -> Object:
    assert answer.status in (200, 201), answer.body
    made: Object = answer.body
    return made
