"""The operator on a real API server with the rights of deploy/rbac.yaml, and with fewer."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.server import KubectlError, Server
from tests.e2e.manifests import failed_status, make_deployment, make_pod
from tests.e2e.namespace import Namespace
from tests.support.waiting import wait_for

REPORT_SECONDS = 60
Rules = list[dict[str, Any]]


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fail_a_bare_pod(namespace: Namespace, name: str) -> None:
    namespace.create(make_pod(name))
    namespace.set_status(name, failed_status(3, now()))


def fail_a_pod_of_a_deployment(namespace: Namespace, name: str) -> dict[str, Any]:
    """The pod's controller, as the pod names it: a ReplicaSet of this Deployment."""
    namespace.apply(make_deployment(name, "exit 3", scheduler="nobody"))
    (pod,) = wait_for(lambda: namespace.objects("pods", "-l", f"app={name}"), 30, f"a pod of Deployment/{name}")
    namespace.set_status(pod["metadata"]["name"], failed_status(3, now()))
    (owner,) = pod["metadata"]["ownerReferences"]
    return dict(owner)


def fail_the_next_pod_of_a_deployment(namespace: Namespace, name: str) -> None:
    """That which replaces the one that has failed."""

    def replacements() -> list[Any]:
        pods = namespace.objects("pods", "-l", f"app={name}")
        return [pod for pod in pods if pod["status"]["phase"] == "Pending"]

    (pod, *_) = wait_for(replacements, 30, f"another pod of Deployment/{name}")
    namespace.set_status(pod["metadata"]["name"], failed_status(4, now()))


@pytest.fixture
def controlled(quiet_namespace: Namespace) -> Namespace:
    if not quiet_namespace.server.has_controllers:
        pytest.skip("this API server has no controller manager: nobody makes a Deployment's ReplicaSet")
    return quiet_namespace


def test_the_shipped_rights_are_enough(
    controlled: Namespace, start_operator: Any, own_rights: Callable[[Server], Path]
) -> None:
    operator = start_operator(own_rights(controlled.server))
    fail_a_bare_pod(controlled, "alone")
    fail_a_pod_of_a_deployment(controlled, "web")
    alone = wait_for(lambda: controlled.report("Pod", "alone"), REPORT_SECONDS, "a report of Pod/alone")
    owned = wait_for(lambda: controlled.report("Deployment", "web"), REPORT_SECONDS, "a report of Deployment/web")
    assert alone["status"]["subcategory"] == owned["status"]["subcategory"] == "error-exit"
    controlled.server.kubectl("annotate", "failurereport", owned["metadata"]["name"], "-n", controlled.name, "a=b")
    fail_the_next_pod_of_a_deployment(controlled, "web")  # the report is read before it is written over
    wait_for(lambda: controlled.report("Deployment", "web")["status"]["failures"] == 2, REPORT_SECONDS, "its failure")
    assert operator.stop() == 0
    assert "forbidden" not in operator.output().lower()


def test_what_is_not_in_the_rights_is_denied(quiet_namespace: Namespace) -> None:
    """Guards the test above: the account has rights at all, and only those."""
    server = quiet_namespace.server

    def may(*question: str) -> bool:
        account = "system:serviceaccount:coroner:coroner"
        try:
            return server.kubectl("auth", "can-i", *question, "-A", f"--as={account}").strip() == "yes"
        except KubectlError:  # "no" has exit status 1
            return False

    assert may("list", "pods")
    assert may("patch", "failurereports.coroner.dev", "--subresource=status")
    assert not may("get", "secrets")
    assert not may("get", "pods", "--subresource=log")
    assert not may("patch", "pods")
    assert not may("delete", "pods")
    assert not may("patch", "jobs.batch")
    assert not may("update", "leases.coordination.k8s.io")


def test_without_the_right_to_read_workloads_the_pods_own_reference_names_the_owner(
    controlled: Namespace, start_operator: Any, other_rights: Any
) -> None:
    def blind(rules: Rules) -> Rules:
        return [rule for rule in rules if not {"apps", "batch"} & set(rule["apiGroups"])]

    start_operator(other_rights(controlled.server, blind))
    owner = fail_a_pod_of_a_deployment(controlled, "web")
    name = owner["name"]
    report = wait_for(lambda: controlled.report("ReplicaSet", name), REPORT_SECONDS, f"a report of ReplicaSet/{name}")
    assert report["spec"]["workload"]["uid"] == owner["uid"]
    assert report["status"]["failures"] == 1


def test_one_namespace_can_be_watched_alone(
    quiet_namespace: Namespace, start_operator: Any, own_rights: Callable[[Server], Path]
) -> None:
    start_operator(own_rights(quiet_namespace.server), "-n", quiet_namespace.name)
    elsewhere = Namespace(quiet_namespace.server, "default")
    fail_a_bare_pod(elsewhere, f"elsewhere-{quiet_namespace.name}")
    try:
        fail_a_bare_pod(quiet_namespace, "here")
        wait_for(lambda: quiet_namespace.report("Pod", "here"), REPORT_SECONDS, "a report of Pod/here")
        assert elsewhere.objects("failurereports") == []
    finally:
        elsewhere.server.kubectl("delete", "pod", f"elsewhere-{quiet_namespace.name}", "-n", "default", "--wait=false")
