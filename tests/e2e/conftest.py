"""What a test of the operator on a real Kubernetes needs: CRD, namespace, the operator's process and its rights."""

import json
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.server import Server
from tests.e2e.namespace import Namespace
from tests.support.operator_process import OperatorProcess
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
CRD = "failurereports.coroner.dev"
Rules = list[dict[str, Any]]
StartOperator = Callable[..., OperatorProcess]
Permit = Callable[[Server, Callable[[Rules], Rules]], Path]

processes = pytest.StashKey[list[OperatorProcess]]()


def install(server: Server) -> None:
    """The CRD and the operator's own rights, as a user installs them."""
    server.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    server.kubectl("wait", "--for=condition=Established", f"crd/{CRD}", "--timeout=30s")
    server.kubectl("apply", "-f", str(ROOT / "deploy" / "rbac.yaml"))


@pytest.fixture(scope="session")
def installed_cluster(cluster: Server) -> Server:
    install(cluster)
    return cluster


@pytest.fixture(scope="session")
def installed_api_server(api_server: Server) -> Server:
    install(api_server)
    return api_server


def fresh_namespace(server: Server) -> Iterator[Namespace]:
    text = server.kubectl("create", "-f", "-", "-o", "name", input=json.dumps(GENERATED_NAMESPACE))
    name = text.strip().removeprefix("namespace/")
    if server.has_controllers:
        find = ("get", "serviceaccounts", "-n", name, "-o", "name")
        wait_for(lambda: server.kubectl(*find), 30, f"a service account in {name}")
    yield Namespace(server, name)
    server.kubectl("delete", "namespace", name, "--wait=false")


GENERATED_NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "coroner-test-"}}


@pytest.fixture
def namespace(installed_cluster: Server) -> Iterator[Namespace]:
    """A namespace of this test's own, where pods run."""
    yield from fresh_namespace(installed_cluster)


@pytest.fixture
def quiet_namespace(installed_api_server: Server) -> Iterator[Namespace]:
    """A namespace of this test's own, where pods are what the test writes."""
    yield from fresh_namespace(installed_api_server)


def account_kubeconfig(server: Server, namespace: str, account: str, file: Path) -> Path:
    """A kubeconfig of this service account alone, with a token of one hour."""
    token = server.kubectl("create", "token", account, "-n", namespace, "--duration=1h").strip()
    admin = yaml.safe_load(server.kubectl("config", "view", "--raw", "--minify", "--flatten"))
    admin["users"] = [{"name": account, "user": {"token": token}}]
    admin["contexts"] = [{"name": "it", "context": {"cluster": admin["clusters"][0]["name"], "user": account}}]
    admin["current-context"] = "it"
    file.write_text(yaml.safe_dump(admin))
    return file


@pytest.fixture
def own_rights(tmp_path: Path) -> Callable[[Server], Path]:
    """A kubeconfig with exactly the rights of deploy/rbac.yaml."""
    return lambda server: account_kubeconfig(server, "coroner", "coroner", tmp_path / "own-rights")


@pytest.fixture
def other_rights(tmp_path: Path) -> Iterator[Permit]:
    """A kubeconfig with the rights of deploy/rbac.yaml after a change: other_rights(server, change)."""
    made: list[Server] = []

    def permit(server: Server, change: Callable[[Rules], Rules]) -> Path:
        made.append(server)
        documents = list(yaml.safe_load_all((ROOT / "deploy" / "rbac.yaml").read_text()))
        (role,) = (each for each in documents if each["kind"] == "ClusterRole")
        (binding,) = (each for each in documents if each["kind"] == "ClusterRoleBinding")
        role["rules"] = change(role["rules"])
        role["metadata"]["name"] = binding["metadata"]["name"] = binding["roleRef"]["name"] = "coroner-other"
        binding["subjects"][0]["name"] = "other"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "other", "namespace": "coroner"}}
        items = {"apiVersion": "v1", "kind": "List", "items": [account, role, binding]}
        server.kubectl("apply", "-f", "-", input=json.dumps(items))
        return account_kubeconfig(server, "coroner", "other", tmp_path / "other-rights")

    yield permit
    for server in made:
        server.kubectl("delete", "clusterrole/coroner-other", "clusterrolebinding/coroner-other", "--ignore-not-found")


@pytest.fixture
def start_operator(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[StartOperator]:
    """start_operator(kubeconfig, *options): the operator's process, ready; ended with the test."""
    started: list[OperatorProcess] = []
    request.node.stash[processes] = started

    def start(kubeconfig: Path, *options: str) -> OperatorProcess:
        process = OperatorProcess(kubeconfig, tmp_path / "operator.log", *options)
        started.append(process)
        process.wait_until_ready()
        return process

    try:
        yield start
    finally:
        for process in started:
            process.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows the end of its operator's log."""
    report = yield
    started = item.stash.get(processes, [])
    if report.when == "call" and report.failed and started:
        report.sections.append(("operator's log, the end of it", started[-1].tail()))
    return report
