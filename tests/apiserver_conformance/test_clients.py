"""Clients that were not written for our server: the Python client, kopf, kubectl."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kopf
import pytest
from kubernetes import client, config, watch

from embedded_apiserver import EmbeddedApiServer, running_server
from tests.apiserver_conformance.client import Object

CRD_FILE = Path(__file__).with_name("gadgets.yaml")
Kubectl = Callable[..., str]

GADGET: Object = {
    "apiVersion": "tests.coroner.dev/v1",
    "kind": "Gadget",
    "metadata": {"name": "a", "namespace": "default"},
    "spec": {"size": 3},
    "status": {"state": "Failing", "hint": "look", "seen": "2020-01-01T00:00:00Z"},
}
POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "default", "labels": {"job-name": "j"}},
    "spec": {"containers": [{"name": "main", "image": "x"}], "nodeName": "n1"},
    "status": {
        "phase": "Running",
        "containerStatuses": [
            {
                "name": "main",
                "ready": False,
                "restartCount": 4,
                "image": "x",
                "imageID": "",
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            }
        ],
    },
}
EVENT: Object = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "p.1", "namespace": "default"},
    "involvedObject": {"kind": "Gadget", "namespace": "default", "name": "a", "uid": "ua"},
    "reason": "Failing",
    "message": "it broke",
    "type": "Warning",
    "count": 1,
    "firstTimestamp": "2026-01-01T00:00:00Z",
    "lastTimestamp": "2026-01-01T00:00:00Z",
}


@pytest.fixture
def server() -> Iterator[EmbeddedApiServer]:
    with running_server() as server:
        server.load(CRD_FILE)
        server.put({**GADGET, "metadata": {**GADGET["metadata"], "uid": "ua"}})
        server.put(POD)
        server.put(EVENT)
        yield server


@pytest.fixture
def kubeconfig(server: EmbeddedApiServer, tmp_path: Path) -> Path:
    return server.kubeconfig(tmp_path / "kubeconfig")


def test_the_python_client_lists_watches_and_writes(server: EmbeddedApiServer, kubeconfig: Path) -> None:
    api: Any = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
    core: Any = client.CoreV1Api(api)
    custom: Any = client.CustomObjectsApi(api)
    place = ("tests.coroner.dev", "v1", "default", "gadgets")
    assert [pod.metadata.name for pod in core.list_pod_for_all_namespaces(limit=10).items] == ["p"]
    condition = {"conditions": [{"type": "Failing", "status": "True"}]}
    body = {k: GADGET[k] for k in ("apiVersion", "kind")} | {"metadata": {"name": "a"}, "status": condition}
    applied = custom.patch_namespaced_custom_object_status(
        *place, "a", body, field_manager="coroner", force=True, _content_type="application/apply-patch+yaml"
    )
    assert applied["status"]["conditions"] == condition["conditions"]
    with pytest.raises(client.ApiException) as refused:
        custom.get_namespaced_custom_object(*place, "none")
    assert refused.value.status == 404
    patched = core.patch_namespaced_pod_status("p", "default", {"status": {"phase": "Failed"}})
    assert patched.status.phase == "Failed"
    assert len(patched.status.container_statuses) == 1
    watching: Any = watch.Watch()  # type: ignore[no-untyped-call]
    events = watching.stream(core.list_namespaced_pod, "default", timeout_seconds=1)
    assert [(e["type"], e["object"].status.phase) for e in events] == [("ADDED", "Failed")]
    api.close()


@pytest.mark.embedded
async def test_kopf_sees_objects_come_change_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: asyncio.Queue[tuple[str | None, str]] = asyncio.Queue()
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)

    @kopf.on.event("pods", registry=registry)
    async def pod_event(type: str, name: str, **_: Any) -> None:  # noqa: A002
        await seen.put((type, name))

    @kopf.on.event("tests.coroner.dev", "v1", "gadgets", registry=registry)
    async def gadget_event(type: str, name: str, **_: Any) -> None:  # noqa: A002
        await seen.put((type, name))

    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.watching.server_timeout = 5
    async with EmbeddedApiServer() as server:
        server.load(CRD_FILE)
        server.put(POD)
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
        stop, ready = asyncio.Event(), asyncio.Event()
        operator = asyncio.create_task(
            kopf.operator(
                registry=registry,
                settings=settings,
                clusterwide=True,
                standalone=True,
                ready_flag=ready,
                stop_flag=stop,
                memo=kopf.Memo(),
            )
        )
        async with asyncio.timeout(20):
            assert await seen.get() == (None, "p")
            server.put(GADGET)
            assert (await seen.get())[1] == "a"
            server.put({**POD, "status": {"phase": "Failed"}})
            assert await seen.get() == ("MODIFIED", "p")
            server.delete("Pod", "p")
            assert await seen.get() == ("DELETED", "p")
            stop.set()
            await operator
        assert not [call for call in server.calls if call.is_write]


@pytest.fixture
def kubectl(kubeconfig: Path, tmp_path: Path) -> Kubectl:
    program = os.environ.get("KUBECTL") or shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not on PATH (or in KUBECTL)")

    def run(*arguments: str, stdin: str | None = None) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(kubeconfig)}
        done = subprocess.run(
            [program, *arguments], input=stdin, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def _cells(output: str) -> list[list[str]]:
    return [line.split() for line in output.splitlines()]


def test_kubectl_prints_the_columns_of_a_custom_kind(kubectl: Kubectl) -> None:
    header, row = _cells(kubectl("get", "gadgets", "-A"))
    assert header == ["NAMESPACE", "NAME", "SIZE", "STATE", "SEEN"]
    assert row[:4] == ["default", "a", "3", "Failing"]
    header, row = _cells(kubectl("get", "gd", "-o", "wide"))
    assert (header[-2:], row[3]) == (["HINT", "SEEN"], "look")
    assert kubectl("get", "gd", "-o", "name", "--field-selector", "status.state=Failing").split() == [
        "gadget.tests.coroner.dev/a"
    ]
    assert kubectl("get", "gd", "-o", "name", "-l", "a=b") == ""


def test_kubectl_describes_an_object_with_its_events(kubectl: Kubectl) -> None:
    text = kubectl("describe", "gd", "a")
    assert "Kind:         Gadget" in text
    assert "State:  Failing" in text
    assert "it broke" in text


def test_kubectl_prints_pods(kubectl: Kubectl) -> None:
    header, row = _cells(kubectl("get", "pods", "-A"))
    assert header == ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row[:5] == ["default", "p", "0/1", "CrashLoopBackOff", "4"]
    assert "n1" in kubectl("describe", "pod", "p")


def test_kubectl_writes(kubectl: Kubectl) -> None:
    manifest = (
        "apiVersion: tests.coroner.dev/v1\nkind: Gadget\nmetadata: {name: b, namespace: default}\nspec: {size: 1}\n"
    )
    assert "created" in kubectl("create", "-f", "-", stdin=manifest)
    assert "serverside-applied" in kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)
    assert "labeled" in kubectl("label", "gd", "b", "x=y")
    assert kubectl("get", "gd", "-l", "x=y", "-o", "jsonpath={.items[*].metadata.name}") == "b"
    assert "deleted" in kubectl("delete", "gd", "b")
