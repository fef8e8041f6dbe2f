"""The chart on a real API server: all objects, restricted admission, permissions, and upgrades of CRDs."""

import itertools
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.cases import CASES
from tests.chart.charts import CHART, Helm, Manifest, find_helm, output_of
from tests.cluster.server import KubectlError, Server
from tests.e2e.manifests import make_pod
from tests.support.waiting import wait_for

CRD = "failurereports.coroner.dev"
REPORTS = f"crd/{CRD}"
numbers = itertools.count(1)


@dataclass(frozen=True)
class HelmNamespace:
    """A namespace that enforces the restricted standard, and a helm to install into it."""

    server: Server
    helm: Helm
    namespace: str

    def run(self, *args: str, values: Any = None) -> str:
        options = ["-n", self.namespace, "--kubeconfig", str(self.server.kubeconfig)]
        given = [] if values is None else ["-f", "-"]
        text = None if values is None else json.dumps(values)
        return output_of.__wrapped__((str(self.helm.program), *args, *options, *given), text)

    def objects(self, *what: str) -> list[Manifest]:
        items: list[Manifest] = json.loads(self.server.kubectl("get", *what, "-o", "json"))["items"]
        return items

    def can(self, verb: str, resource: str, *, namespace: str = "", name: str = "") -> bool:
        """Whether the release's service account is allowed to. resource: `group/resource[/subresource]`, group "" for core."""
        group, kind, *rest = resource.split("/")
        about = {"verb": verb, "group": group, "resource": kind, "subresource": "".join(rest)}
        about |= {"namespace": namespace or self.namespace, "name": name}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": f"system:serviceaccount:{self.namespace}:coroner", "resourceAttributes": about},
        }
        answer = self.server.kubectl("create", "-f", "-", "-o", "json", input=json.dumps(review))
        return bool(json.loads(answer)["status"]["allowed"])


@pytest.fixture(params=[4, 3], ids=["helm4", "helm3"])
def helm_namespace(api_server: Server, request: pytest.FixtureRequest) -> Iterator[HelmNamespace]:
    """There is no CRD before and after: helm refuses to take over one that it does not own."""
    if not api_server.has_controllers:
        pytest.skip("this API server has no controller manager, which creates the pods of a Deployment")
    saved = api_server.kubectl("get", "crd", CRD, "--ignore-not-found", "-o", "name")
    namespace = f"coroner-chart-{next(numbers)}-{request.param}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
    api_server.kubectl("delete", "crd", CRD, "--ignore-not-found", "--wait=true")
    api_server.kubectl("apply", "-f", "-", input=json.dumps(made))
    helm_namespace = HelmNamespace(api_server, Helm(find_helm(request.param)), namespace)
    try:
        yield helm_namespace
    finally:
        if "coroner" in helm_namespace.run("list", "-q").split():
            helm_namespace.run("uninstall", "coroner")
        api_server.kubectl("delete", "crd", CRD, "--ignore-not-found", "--wait=true")
        api_server.kubectl("delete", "namespace", namespace, "--wait=false")
        if saved:
            api_server.kubectl("apply", "--server-side", "-f", str(CHART / "files" / "crds"))
            api_server.kubectl("wait", "--for=condition=Established", REPORTS, "--timeout=30s")


def test_restricted_admission_accepts_the_pods(helm_namespace: HelmNamespace) -> None:
    helm_namespace.run("install", "coroner", str(CHART), values=CASES["defaults"])
    find = ("pods", "-n", helm_namespace.namespace, "-l", "app.kubernetes.io/name=coroner")
    (pod,) = wait_for(lambda: helm_namespace.objects(*find), 60, "the Deployment's pod")
    assert pod["spec"]["containers"][0]["image"] == "coroner:0.1.0"
    # makes sure that the check above can fail: another pod is rejected
    with pytest.raises(KubectlError, match='violates PodSecurity "restricted'):
        helm_namespace.server.kubectl(
            "create", "-n", helm_namespace.namespace, "-f", "-", input=json.dumps(make_pod("loose"))
        )


def test_every_object_is_accepted(helm_namespace: HelmNamespace) -> None:
    """Without what a bare cluster does not have: the monitoring kinds, other namespaces."""
    values = {**CASES["everything"], "watchNamespaces": [helm_namespace.namespace], "priorityClassName": ""}
    values["dashboard"] = {"enabled": True}
    helm_namespace.run("install", "coroner", str(CHART), "--dry-run=server", values=values)
    helm_namespace.run("install", "coroner", str(CHART), values=values)
    helm_namespace.run("upgrade", "coroner", str(CHART), values=values)


def test_the_service_account_has_exactly_the_permissions_that_it_needs(helm_namespace: HelmNamespace) -> None:
    helm_namespace.run("install", "coroner", str(CHART), values={**CASES["workloads"], **CASES["election"]})
    reads = {
        "/pods": {"get", "list", "watch"},
        "/events": {"list", "watch"},
        "events.k8s.io/events": {"get"},
        "batch/jobs": {"get"},
        "apps/replicasets": {"get"},
        "coroner.dev/failurereports": {"get", "list", "watch"},
        "coroner.dev/failurereports/status": set(),
        "jobset.x-k8s.io/jobsets": {"get"},
    }
    for verb in ("get", "list", "watch"):
        for resource, verbs in reads.items():
            assert helm_namespace.can(verb, resource, namespace="default") == (verb in verbs), (verb, resource)
        for name in (CRD, "jobsets.jobset.x-k8s.io"):
            kind = "apiextensions.k8s.io/customresourcedefinitions"
            assert helm_namespace.can(verb, kind, name=name) == (verb != "get"), (verb, name)
        assert not helm_namespace.can(verb, "apiextensions.k8s.io/customresourcedefinitions", name="others.example.com")
        for resource in ("/secrets", "/configmaps", "/nodes", "/pods/log", "/serviceaccounts", "example.com/others"):
            assert not helm_namespace.can(verb, resource, namespace="default"), (verb, resource)
    assert helm_namespace.can("patch", "coroner.dev/failurereports/status", namespace="default")
    assert helm_namespace.can("patch", "jobset.x-k8s.io/jobsets/status", namespace="default")
    assert helm_namespace.can("create", "events.k8s.io/events", namespace="default")
    assert helm_namespace.can("update", "coordination.k8s.io/leases", name="coroner")
    for verb in ("create", "update", "patch", "delete", "deletecollection"):
        for resource in ("/pods", "/pods/status", "/pods/exec", "/pods/eviction", "batch/jobs", "batch/jobs/status"):
            assert not helm_namespace.can(verb, resource, namespace="default"), (verb, resource)
        for resource in (
            "apps/deployments",
            "jobset.x-k8s.io/jobsets",
            "rbac.authorization.k8s.io/clusterroles",
            "/secrets",
        ):
            assert not helm_namespace.can(verb, resource, namespace="default"), (verb, resource)
        assert not helm_namespace.can(verb, "apiextensions.k8s.io/customresourcedefinitions", name=CRD)
        assert not helm_namespace.can(verb, "coordination.k8s.io/leases", namespace="default", name="coroner")
    assert not helm_namespace.can("update", "coordination.k8s.io/leases", name="another")


def test_users_with_the_default_roles_can_read_reports(helm_namespace: HelmNamespace) -> None:
    helm_namespace.run("install", "coroner", str(CHART), values={})

    def rules(role: str) -> str:
        return helm_namespace.server.kubectl("get", "clusterrole", role, "-o", "json")

    wait_for(lambda: "failurereports" in rules("view"), 30, "reading reports is part of view")
    wait_for(lambda: "deletecollection" in rules("edit"), 30, "edit is aggregated")
    for role in ("view", "edit", "admin"):
        granted = [rule for rule in json.loads(rules(role))["rules"] if "coroner.dev" in rule.get("apiGroups", [])]
        assert "failurereports/status" not in str(granted)
        assert not {"create", "patch", "update"} & {verb for rule in granted for verb in rule["verbs"]}


def older(into: Path) -> Path:
    """A copy of the chart whose CRD does not have the field hint."""
    copy = into / "older-chart"
    shutil.copytree(CHART, copy)
    file = copy / "files" / "crds" / f"{CRD}.yaml"
    crd = yaml.safe_load(file.read_text())
    (version,) = crd["spec"]["versions"]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    del status["properties"]["hint"]
    del status["x-kubernetes-validations"]  # they name the field
    version["additionalPrinterColumns"] = [c for c in version["additionalPrinterColumns"] if c["name"] != "Hint"]
    file.write_text(yaml.safe_dump(crd))
    return copy


def served(helm_namespace: HelmNamespace) -> set[str]:
    (version,) = json.loads(helm_namespace.server.kubectl("get", "crd", CRD, "-o", "json"))["spec"]["versions"]
    return set(version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"])


def test_an_upgrade_upgrades_the_definition_and_an_uninstall_keeps_it(
    helm_namespace: HelmNamespace, tmp_path: Path
) -> None:
    helm_namespace.run("install", "coroner", str(older(tmp_path)), values={})
    helm_namespace.server.kubectl("wait", "--for=condition=Established", REPORTS, "--timeout=30s")
    assert "hint" not in served(helm_namespace)
    workload = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    report = {"apiVersion": "coroner.dev/v1alpha1", "kind": "FailureReport", "metadata": {"name": "pod-p"}}
    helm_namespace.server.kubectl(
        "create",
        "-n",
        helm_namespace.namespace,
        "-f",
        "-",
        input=json.dumps({**report, "spec": {"workload": workload}}),
    )

    helm_namespace.run("upgrade", "coroner", str(CHART), values={})
    assert "hint" in served(helm_namespace)

    assert CRD in helm_namespace.run("uninstall", "coroner")
    assert [
        each["metadata"]["name"] for each in helm_namespace.objects("failurereports", "-n", helm_namespace.namespace)
    ] == ["pod-p"]
    helm_namespace.run("install", "coroner", str(CHART), values={})
    assert len(helm_namespace.objects("failurereports", "-n", helm_namespace.namespace)) == 1


def test_a_second_release_can_be_installed_without_definitions(helm_namespace: HelmNamespace) -> None:
    helm_namespace.run("install", "coroner", str(CHART), values={})
    helm_namespace.run(
        "install",
        "second",
        str(CHART),
        values={"crds": {"enabled": False}, "watchNamespaces": [helm_namespace.namespace]},
    )
    names = {each["metadata"]["name"] for each in helm_namespace.objects("deployments", "-n", helm_namespace.namespace)}
    assert names == {"coroner", "second-coroner"}
    helm_namespace.run("uninstall", "second")
