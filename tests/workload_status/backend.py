"""A namespace on an API server, embedded or real, on which a test plays the controllers and runs an operator."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from coroner_operator.config.settings import load_settings
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import Client, load_configuration
from coroner_operator.runtime.engine import Engine
from tests.apiserver_conformance.client import Answer, Api
from tests.support.default_pack import CATEGORIZER
from tests.support.live_objects import ended, live_pod, running, waiting
from tests.support.operators import QUICK
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OUR_CRD = yaml.safe_load((ROOT / "crds" / "failurereports.coroner.dev.yaml").read_text())
SYNC_SECONDS = 30.0

Object = dict[str, Any]


class Sandbox:
    def __init__(self, api: Api, kubeconfig: Path, namespace: str) -> None:
        self.api = api
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self.group = f"t{uuid4().hex[:8]}.example.com"
        """Of the test's own kind: no test meets another's CRD."""

    # -- custom kinds

    async def install(self, crd: Object) -> None:
        """Create or change the CRD; it is served when this returns."""
        answer = await self.api.apply(f"{CRDS}/{crd['metadata']['name']}", crd, "tests", force="true")
        assert answer.status in (200, 201), answer.body
        spec = crd["spec"]
        path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
        await self.api.until(path, lambda answer: answer.status == 200)

    async def uninstall(self, name: str) -> None:
        await self.api.delete(f"{CRDS}/{name}")
        await self.api.until(f"{CRDS}/{name}", lambda answer: answer.status == 404)

    @property
    def listed(self) -> list[dict[str, str]]:
        return [{"group": self.group, "version": "*", "resource": "trainings"}]

    def path(self, name: str) -> str:
        return f"/apis/{self.group}/v1/namespaces/{self.namespace}/trainings/{name}"

    async def training(self, name: str = "run", status: Object | None = None) -> Object:
        """A custom workload, with a status that its controller wrote."""
        body = {"apiVersion": f"{self.group}/v1", "kind": "Training", "metadata": {"name": name}, "spec": {}}
        if status is not None:
            body["status"] = status  # kept only where there is no status subresource
        made = await self.api.post(self.path(""), body, fieldManager="controller")
        assert made.status == 201, made.body
        if status is not None:
            response = await self.put_status(made.body, status)
            made = response if response.status == 200 else made
        training: Object = made.body
        return training

    async def put_status(self, obj: Object, status: Object) -> Answer:
        """As a controller does it: the whole status, from its own copy."""
        path = f"{self.path(obj['metadata']['name'])}/status"
        return await self.api.put(path, {**obj, "status": status}, fieldManager="controller")

    async def status(self, name: str = "run") -> Object:
        status: Object = (await self.api.get(self.path(name))).body.get("status", {})
        return status

    # -- pods

    async def set_pod(self, obj: Object) -> None:
        """Create the pod if it is not there, and give it this status. Bound to no node: no kubelet is asked."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        name = obj["metadata"]["name"]
        metadata = {key: value for key, value in obj["metadata"].items() if key in ("name", "ownerReferences")}
        spec = {key: value for key, value in obj["spec"].items() if key != "nodeName"}
        if (await self.api.get(f"{path}/{name}")).status == 404:
            made = await self.api.post(path, {**obj, "metadata": metadata, "spec": spec})
            assert made.status == 201, made.body
        response = await self.api.merge(f"{path}/{name}/status", {"status": obj["status"]})
        assert response.status == 200, response.body

    async def crash(self, owner: Object | None, *, number: int = 1, exit_code: int = 1, name: str = "run-0") -> None:
        """The pod's container has ended ``number`` times, last with this code."""
        last = ended(exit_code, number=number, ran=0)
        state = waiting("CrashLoopBackOff")
        await self.set_pod(live_pod(name, owner=owner, state=state, last=last, restarts=number - 1))

    async def heal(self, owner: Object, *, number: int = 1, exit_code: int = 1, name: str = "run-0") -> None:
        last = ended(exit_code, number=number, ran=0)
        await self.set_pod(live_pod(name, owner=owner, state=running(), last=last, restarts=number))

    # -- what the operator has written

    async def report(self, workload: str = "run") -> Object:
        """The status of the workload's report; {} where there is none."""
        path = f"/apis/coroner.dev/v1alpha1/namespaces/{self.namespace}/failurereports"
        items = (await self.api.get(path)).body.get("items", ())  # 429 in the moment in which a schema is exchanged
        found = (item.get("status", {}) for item in items if item["spec"]["workload"]["name"] == workload)
        status: Object = next(found, {})
        return status

    async def reported(self, workload: str = "run", **fields: Any) -> Object:
        """The report's status as soon as these fields have these values."""

        async def look() -> Object | None:
            status = await self.report(workload)
            return status if status and all(status.get(name) == value for name, value in fields.items()) else None

        return await until(look)

    async def events(self, namespace: str | None = None) -> list[Object]:
        """Coroner's own, in creation order."""
        path = f"/apis/events.k8s.io/v1/namespaces/{namespace or self.namespace}/events"
        items = (await self.api.get(path)).body["items"]
        ours = [item for item in items if item["reportingController"] == "coroner.dev/coroner"]
        return sorted(ours, key=lambda item: item["eventTime"])

    @asynccontextmanager
    async def operator(self, *, ready: bool = True, **settings: Any) -> AsyncIterator[Engine]:
        """An operator of this namespace; ``ready``: it has listed everything when this returns."""
        quick = {**QUICK, "workload_interval": 0.1, "namespaces": (self.namespace,), "workloads": self.listed}
        loaded = load_settings({**quick, **settings, "kubeconfig": self.kubeconfig})
        async with Client(await load_configuration(self.kubeconfig)) as client:
            engine = Engine(loaded, client, CATEGORIZER, back_off=lambda: BackOff(base=0.02, cap=0.3))
            await engine.listen()
            engine.start()
            try:
                if ready:
                    async with asyncio.timeout(SYNC_SECONDS):
                        await engine.synced()
                yield engine
            finally:
                await engine.stop()


def metric(engine: Engine, name: str, **labels: str) -> float:
    """The value of one metric, 0 where it was never set."""
    text = engine.metrics.exposition().decode()
    wanted = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    found = re.search(rf"^{name}\{{{re.escape(wanted)}\}} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0
