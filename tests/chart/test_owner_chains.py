"""The workload of every known owner chain, on a real API server, with the controllers' own CRDs.

The objects are made by hand, but those of Kubernetes' own controllers, where these run. The operator has what the chart
gives it: its settings, and the permissions of its service account.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from coroner_operator.config.presets import presets
from coroner_operator.kube.client import Client, load_configuration
from coroner_operator.kube.errors import ApiError, NotFound
from coroner_operator.kube.paths import ApiPath
from tests.chart.charts import Helm, Manifest, settings_of
from tests.cluster.server import KubectlError, Server
from tests.e2e.conftest import account_kubeconfig
from tests.support.live_objects import ended, live_pod, running, waiting
from tests.support.operator_process import OperatorProcess
from tests.support.owner_chains import BUILT_IN, CHAINS, KINDS, definition, owned_by, steps_of
from tests.support.paths import parse_path
from tests.support.real_namespace import prepare
from tests.support.waiting import until, wait_for

NAMESPACE = "coroner-chains"
FIXTURE = Path(__file__).parents[1] / "fixtures" / "crds.json"
BY_CONTROLLERS = {("ReplicaSet", "Pod"), ("StatefulSet", "Pod"), ("Deployment", "ReplicaSet")}
"""What Kubernetes' own controllers make by themselves, and would delete if a test made it."""
APPLY = ("apply", "--server-side", "--force-conflicts", "-f", "-")

Object = dict[str, Any]


def definitions() -> dict[str, Object]:
    """By the word of a chain: its project's own CRD, or the smallest that is possible. None of kinds that are built in."""
    found = {
        (crd["spec"]["group"], crd["spec"]["names"]["kind"]): crd
        for module in json.loads(FIXTURE.read_text())
        for crd in module["crds"]
    }
    for kind in KINDS:
        found.setdefault((kind.group, kind.kind), definition(kind))
    words = {word for chain, _ in CHAINS for word, _ in steps_of(chain)} - BUILT_IN.keys()
    return {word: crd for word in sorted(words) for crd in _named(word, found)}


def _named(word: str, found: Mapping[tuple[str, str], Object]) -> list[Object]:
    """The CRD of this kind; none of a kind that nobody has listed."""
    kind, _, group = word.partition(".")
    crds = [crd for (its_group, its_kind), crd in found.items() if its_kind == kind and group in ("", its_group)]
    assert len(crds) <= 1, f"{kind} of which group?"
    return crds


DEFINITIONS = definitions()


@pytest.fixture
def installed(api_server: Server) -> Iterator[Server]:
    """The CRDs are served, until the test is over."""
    there = set(api_server.kubectl("get", "crd", "-o", "name").split())
    names = [f"customresourcedefinition.apiextensions.k8s.io/{crd['metadata']['name']}" for crd in DEFINITIONS.values()]
    if there & set(names):
        pytest.skip("this cluster has CRDs of its own, which are left alone")
    api_server.kubectl(*APPLY, input=_listed(DEFINITIONS.values()), timeout=120)
    try:
        api_server.kubectl("wait", "--for=condition=Established", "--timeout=60s", *names, timeout=120)
        yield api_server
    finally:
        api_server.kubectl("delete", "--ignore-not-found", "--timeout=120s", *names, timeout=180)


@pytest.fixture
def operator(installed: Server, helm: Helm, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Of the chart with all presets: its service account's permissions, its settings."""
    values = {"presets": list(presets()), "leaderElection": {"enabled": False}}
    objects = helm.render(values, namespace=NAMESPACE)
    kinds = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
    access = [each for each in objects if each["kind"] in kinds and "helm.sh/hook" not in _annotations(each)]
    prepare(installed, NAMESPACE)
    process = None
    try:
        installed.kubectl(*APPLY, "-n", NAMESPACE, input=_listed(access))
        settings = tmp_path / "settings.yaml"
        own = {key: value for key, value in settings_of(objects).items() if not key.endswith("_address")}
        settings.write_text(yaml.safe_dump(own))
        wait_for(lambda: _may_list_pods(installed), 30, "the API server knows the role bindings")
        kubeconfig = account_kubeconfig(installed, NAMESPACE, "coroner", tmp_path / "kubeconfig")
        process = OperatorProcess(kubeconfig, tmp_path / "operator.log", "--config", str(settings))
        process.wait_until_ready()
        yield process
    finally:
        if process:
            process.end()
        installed.kubectl("delete", "--ignore-not-found", "-f", "-", input=_listed(access))
        installed.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _may_list_pods(server: Server) -> bool:
    """A moment after the bindings were made."""
    account = f"system:serviceaccount:{NAMESPACE}:coroner"
    try:
        return bool(server.kubectl("auth", "can-i", "list", "pods", "--all-namespaces", "--as", account))
    except KubectlError:  # "no" is a failure of the command
        return False


def _annotations(manifest: Manifest) -> Object:
    annotations: Object = manifest["metadata"].get("annotations") or {}
    return annotations


def _listed(objects: Iterable[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


class Chains:
    """Makes the objects of chains, each with a pod that crashes."""

    def __init__(self, client: Client, *, has_controllers: bool) -> None:
        self._client = client
        self._has_controllers = has_controllers

    async def put(self, chain: str, number: int) -> str:
        """Name of the pod that crashes: the last one."""
        made: list[Object] = []
        steps = steps_of(chain)
        for step, (word, is_controlled) in enumerate(steps):
            owners = [owned_by(made[-1], controller=is_controlled)] if made else []
            below = steps[step + 1][0] if step + 1 < len(steps) else ""
            if self._has_controllers and step and (steps[step - 1][0], word) in BY_CONTROLLERS:
                obj = await self._made_by_controller(word, made[-1])
            else:
                obj = await self._make(word, f"c{number}-{step}", owners, below)
            if word == "Pod":
                await self._set_status(obj, crashes=step == len(steps) - 1)
            made.append(obj)
        name: str = made[-1]["metadata"]["name"]
        return name

    async def workloads(self) -> dict[str, str]:
        """Pod that fails → kind of the workload that is named."""
        reports = await self._list("/apis/coroner.dev/v1alpha1", "failurereports")
        return {
            report["status"]["pod"]["name"]: report["spec"]["workload"]["kind"]
            for report in reports
            if "pod" in report.get("status", {})
        }

    async def _make(self, word: str, name: str, owners: list[Object], below: str) -> Object:
        labels = {"chain": name}
        metadata = {"name": name, "ownerReferences": owners, "labels": labels}
        crd = DEFINITIONS.get(word)
        if crd is not None:
            version = next(each["name"] for each in crd["spec"]["versions"] if each["storage"])
            group, names = crd["spec"]["group"], crd["spec"]["names"]
            api_version, kind, plural = f"{group}/{version}", names["kind"], names["plural"]
            body: Object = {"spec": {}}
        elif word == "Pod":
            api_version, kind, plural = "v1", "Pod", "pods"
            body = {"spec": {"containers": [{"name": "main", "image": "app:1"}]}}
        elif word in BUILT_IN:
            api_version, kind, plural = BUILT_IN[word], word, f"{word.lower()}s"
            body = {"spec": _spec(word, labels, below)}
        else:  # nobody's: there is a reference only
            return {"apiVersion": "elsewhere.example.com/v1", "kind": word, "metadata": {**metadata, "uid": name}}
        path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        scope = "" if crd and crd["spec"]["scope"] == "Cluster" else f"/namespaces/{NAMESPACE}"
        body |= {"apiVersion": api_version, "kind": kind, "metadata": metadata}
        return await until(lambda: self._create(parse_path(f"{path}{scope}/{plural}"), body), 30, f"{kind} is served")

    async def _create(self, path: ApiPath, body: Object) -> Object | None:
        """None: the kind is not served yet, which it is a moment after its CRD is established."""
        try:
            answer = await self._client.request("POST", path, body=body)
        except NotFound:
            return None
        made: Object = json.loads(answer.body)
        return made

    async def _made_by_controller(self, word: str, owner: Object) -> Object:
        group, plural = ("/api/v1", "pods") if word == "Pod" else (f"/apis/{BUILT_IN[word]}", f"{word.lower()}s")

        async def find() -> Object | None:
            for each in await self._list(group, plural):
                if any(ref["uid"] == owner["metadata"]["uid"] for ref in each["metadata"].get("ownerReferences", ())):
                    return {"apiVersion": BUILT_IN.get(word, "v1"), "kind": word, **each}
            return None

        return await until(find, 60, f"the {word} of {owner['kind']} {owner['metadata']['name']}", poll=0.2)

    async def _list(self, group: str, plural: str) -> list[Object]:
        answer = await self._client.get(parse_path(f"{group}/namespaces/{NAMESPACE}/{plural}"))
        items: list[Object] = json.loads(answer)["items"]
        return items

    async def _set_status(self, pod: Object, *, crashes: bool) -> None:
        crash: Object = {"state": waiting("CrashLoopBackOff"), "last": ended(1), "restarts": 1}
        status = live_pod("it", **(crash if crashes else {"state": running()}))["status"]
        path = parse_path(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}/status")
        await self._client.request("PATCH", path, body={"status": status}, content_type="application/merge-patch+json")


def _spec(kind: str, labels: dict[str, str], below: str) -> Object:
    """Its controller makes one object of the next step if it can, and nothing else."""
    containers = [{"name": "main", "image": "app:1"}]
    if kind == "Job":
        template = {"spec": {"restartPolicy": "Never", "containers": containers}}
        return {"managedBy": "example.com/test", "template": template}
    spec: Object = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
    }
    if kind != "DaemonSet":
        spec["replicas"] = int((kind, below) in BY_CONTROLLERS)
    if kind == "StatefulSet":
        spec["serviceName"] = "none"
    return spec


@pytest.fixture
async def chains(operator: OperatorProcess, installed: Server) -> AsyncIterator[Chains]:
    async with Client(await load_configuration(installed.kubeconfig), "coroner-tests") as client:
        if installed.has_controllers:
            path = parse_path(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default")

            async def has_account() -> bool:
                try:
                    return bool(await client.get(path))
                except ApiError:
                    return False

            await until(has_account, 30)
        yield Chains(client, has_controllers=installed.has_controllers)
        for crd in DEFINITIONS.values():
            if crd["spec"]["scope"] == "Cluster":
                version = next(each["name"] for each in crd["spec"]["versions"] if each["storage"])
                collection = f"/apis/{crd['spec']['group']}/{version}/{crd['spec']['names']['plural']}"
                await client.request("DELETE", parse_path(collection))


@pytest.mark.timeout(400)
async def test_the_workload_of_every_known_chain_is_the_object_that_its_user_made(
    chains: Chains, operator: OperatorProcess
) -> None:
    pods = {chain: await chains.put(chain, number) for number, (chain, _) in enumerate(CHAINS)}

    async def all_reported() -> bool:
        found = await chains.workloads()
        assert [chain for chain, pod in pods.items() if pod not in found] == []
        return True

    await until(all_reported, 120, "a report on each chain", poll=0.5)
    found = await chains.workloads()
    wrong = {chain: found[pods[chain]] for chain, kind in CHAINS if found[pods[chain]] != kind.partition(".")[0]}
    assert wrong == {}
    assert "forbidden" not in operator.output().lower()
