"""Where a simulation runs: on the embedded API server, or on a real one on which nobody else touches its objects."""

from __future__ import annotations

import json
from typing import Any, Protocol

from coroner_operator.kube.client import Client
from coroner_operator.kube.errors import ApiError
from embedded_apiserver import EmbeddedApiServer
from tests.support.paths import parse_path

Object = dict[str, Any]
REPORTS = "/apis/coroner.dev/v1alpha1"
KEPT = ("name", "ownerReferences", "finalizers")
"""Of an object's metadata; a real API server sets the rest."""


class Backend(Protocol):
    namespace: str

    async def put(self, obj: Object) -> Object:
        """Create the object, or give the one that is there this status; as stored. With a deletionTimestamp: marked so."""
        ...

    async def delete(self, pod_name: str) -> None:
        """The pod is gone at once."""
        ...

    async def reports(self) -> list[Object]: ...


class EmbeddedBackend:
    """The simulation goes on while the server is stopped."""

    namespace = "default"

    def __init__(self, server: EmbeddedApiServer) -> None:
        self.server = server

    async def put(self, obj: Object) -> Object:
        return self.server.put(obj)

    async def delete(self, pod_name: str) -> None:
        self.server.delete("Pod", pod_name)

    async def reports(self) -> list[Object]:
        return self.server.objects("FailureReport")


class RealBackend:
    """A real API server; the test plays kubelet and controllers. Pods are bound to no node, so no kubelet is asked."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self._stored: dict[str, Object] = {}

    async def put(self, obj: Object) -> Object:
        path = self._path(obj)
        name = obj["metadata"]["name"]
        own = f"{path}/{name}"
        if own not in self._stored:
            kept = {key: obj["metadata"][key] for key in KEPT if key in obj["metadata"]}
            spec = {key: value for key, value in obj["spec"].items() if key != "nodeName"}
            body = {**obj, "metadata": kept, "spec": spec}
            self._stored[own] = json.loads((await self.client.request("POST", parse_path(path), body=body)).body)
        if "deletionTimestamp" in obj["metadata"] and "deletionTimestamp" not in self._stored[own]["metadata"]:
            await self.client.request("DELETE", parse_path(own))  # a finalizer keeps it
        self._stored[own] = await self._patch(f"{own}/status", {"status": obj["status"]})
        return self._stored[own]

    async def delete(self, pod_name: str) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod_name}"
        metadata = self._stored[path]["metadata"]
        if "deletionTimestamp" not in metadata:
            await self.client.request("DELETE", parse_path(path), {"gracePeriodSeconds": 0})
        if metadata.get("finalizers"):
            await self._patch(path, {"metadata": {"finalizers": None}})

    async def _patch(self, path: str, body: Object) -> Object:
        answer = await self.client.request(
            "PATCH", parse_path(path), body=body, content_type="application/merge-patch+json"
        )
        stored: Object = json.loads(answer.body)
        return stored

    async def reports(self) -> list[Object]:
        items = json.loads(await self.client.get(parse_path(f"{REPORTS}/namespaces/{self.namespace}/failurereports")))[
            "items"
        ]
        assert isinstance(items, list)
        return items

    async def list_errors(self) -> list[str]:
        """Why reports cannot be listed, if they cannot."""
        try:
            await self.reports()
        except ApiError as error:
            return [str(error)]
        return []

    def _path(self, obj: Object) -> str:
        version, kind = obj["apiVersion"], obj["kind"]
        group = f"/apis/{version}" if "/" in version else f"/api/{version}"
        return f"{group}/namespaces/{self.namespace}/{kind.lower()}s"
