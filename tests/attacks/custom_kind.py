"""A custom kind on whose objects the operator may write the verdict, with the permissions that the chart gives for it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from tests.apiserver_conformance.client import Api
from tests.attacks.arena import Arena, Object
from tests.workload_status import kinds

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True)
class CustomKind:
    api: Api
    group: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        return f"{self.group}/v1"

    @property
    def listed(self) -> list[dict[str, str]]:
        """As the setting ``workloads`` wants it."""
        return [{"group": self.group, "version": "*", "resource": "trainings"}]

    async def create(self, name: str, namespace: str = "") -> Object:
        made = await self.api.post(self._path(namespace), {**self._type, "metadata": {"name": name}, "spec": {}})
        assert made.status == 201, made.body
        obj: Object = made.body
        return obj

    async def status(self, name: str, namespace: str = "") -> Object:
        answer = await self.api.get(f"{self._path(namespace)}/{name}")
        status: Object = answer.body.get("status", {})
        return status

    @property
    def _type(self) -> dict[str, str]:
        return {"apiVersion": self.api_version, "kind": "Training"}

    def _path(self, namespace: str) -> str:
        scope = f"/namespaces/{namespace}" if self.namespaced else ""
        return f"/apis/{self.api_version}{scope}/trainings"


@asynccontextmanager
async def custom_kind(arena: Arena, scope: str = "Namespaced") -> AsyncIterator[CustomKind]:
    api, group = arena.victim.kubelet, f"t{uuid4().hex[:8]}.example.com"
    kind = CustomKind(api, group, scope == "Namespaced")
    crd = kinds.crd(group, kinds.STATUS_FAILURE, scope=scope)
    name = crd["metadata"]["name"]
    role = {
        "metadata": {"name": group},
        "rules": [
            {"apiGroups": [group], "resources": ["trainings"], "verbs": ["get"]},
            {"apiGroups": [group], "resources": ["trainings/status"], "verbs": ["patch"]},
            {
                "apiGroups": ["apiextensions.k8s.io"],
                "resources": ["customresourcedefinitions"],
                "resourceNames": [name],
                "verbs": ["list", "watch"],
            },
        ],
    }
    binding = {
        "metadata": {"name": group},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": group},
        "subjects": [{"kind": "ServiceAccount", "name": "coroner", "namespace": "coroner"}],
    }
    try:
        for path, obj in ((_CRDS, crd), (f"{_RBAC}/clusterroles", role), (f"{_RBAC}/clusterrolebindings", binding)):
            answer = await api.post(path, obj)
            assert answer.status == 201, json.dumps(answer.body)
        await api.until(f"/apis/{group}/v1/trainings", lambda answer: answer.status == 200)
        yield kind
    finally:
        for path in (f"{_CRDS}/{name}", f"{_RBAC}/clusterroles/{group}", f"{_RBAC}/clusterrolebindings/{group}"):
            await api.delete(path)
