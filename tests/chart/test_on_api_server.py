"""A real API server takes the chart: every object, the pod under restricted admission, the roles, and what upgrades do to CRDs."""

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
class Place:
    """A namespace that admits restricted pods alone, and a helm to install into it."""

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

    def may(self, verb: str, resource: str, *, namespace: str = "", name: str = "") -> bool:
        """Whether the release's account is allowed to; resource as in `group/resource[/subresource]`, group "" for core."""
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
def place(api_server: Server, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Without a CRD before and after: helm would take one that it does not own for a clash."""
    if not api_server.has_controllers:
        pytest.skip("this API server has no controller manager: nobody makes a Deployment's pods")
    saved = api_server.kubectl("get", "crd", CRD, "--ignore-not-found", "-o", "name")
    namespace = f"coroner-chart-{next(numbers)}-{request.param}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
    api_server.kubectl("delete", "crd", CRD, "--ignore-not-found", "--wait=true")
    api_server.kubectl("apply", "-f", "-", input=json.dumps(made))
    place = Place(api_server, Helm(find_helm(request.param)), namespace)
    try:
        yield place
    finally:
        if "coroner" in place.run("list", "-q").split():
            place.run("uninstall", "coroner")
        api_server.kubectl("delete", "crd", CRD, "--ignore-not-found", "--wait=true")
        api_server.kubectl("delete", "namespace", namespace, "--wait=false")
        if saved:
            api_server.kubectl("apply", "--server-side", "-f", str(CHART / "files" / "crds"))
            api_server.kubectl("wait", "--for=condition=Established", REPORTS, "--timeout=30s")


def test_restricted_admission_takes_the_pods(place: Place) -> None:
    place.run("install", "coroner", str(CHART), values=CASES["defaults"])
    find = ("pods", "-n", place.namespace, "-l", "app.kubernetes.io/name=coroner")
    (pod,) = wait_for(lambda: place.objects(*find), 60, "the Deployment's pod")
    assert pod["spec"]["containers"][0]["image"] == "coroner:0.1.0"
    # guards what was seen above: here another pod is refused
    with pytest.raises(KubectlError, match='violates PodSecurity "restricted'):
        place.server.kubectl("create", "-n", place.namespace, "-f", "-", input=json.dumps(make_pod("loose")))


def test_every_object_of_everything_is_taken(place: Place) -> None:
    """What needs more than a bare cluster is left out: the monitoring kinds, namespaces of others."""
    values = {**CASES["everything"], "watchNamespaces": [place.namespace], "priorityClassName": ""}
    values["dashboard"] = {"enabled": True}
    place.run("install", "coroner", str(CHART), "--dry-run=server", values=values)
    place.run("install", "coroner", str(CHART), values=values)
    place.run("upgrade", "coroner", str(CHART), values=values)


def test_under_its_own_account_it_may_what_it_needs_and_nothing_else(place: Place) -> None:
    place.run("install", "coroner", str(CHART), values={**CASES["workloads"], **CASES["election"]})
    for verb in ("get", "list", "watch"):
        for resource in ("/pods", "/events", "batch/jobs", "apps/replicasets", "jobset.x-k8s.io/jobsets"):
            assert place.may(verb, resource, namespace="default"), (verb, resource)
        assert place.may(verb, "apiextensions.k8s.io/customresourcedefinitions", name=CRD)
        assert place.may(verb, "apiextensions.k8s.io/customresourcedefinitions", name="jobsets.jobset.x-k8s.io")
        assert not place.may(verb, "apiextensions.k8s.io/customresourcedefinitions", name="others.example.com")
        for resource in ("/secrets", "/configmaps", "/nodes", "/pods/log", "/serviceaccounts", "example.com/others"):
            assert not place.may(verb, resource, namespace="default"), (verb, resource)
    assert place.may("patch", "coroner.dev/failurereports/status", namespace="default")
    assert place.may("patch", "jobset.x-k8s.io/jobsets/status", namespace="default")
    assert place.may("create", "events.k8s.io/events", namespace="default")
    assert place.may("update", "coordination.k8s.io/leases", name="coroner")
    for verb in ("create", "update", "patch", "delete", "deletecollection"):
        for resource in ("/pods", "/pods/status", "/pods/exec", "/pods/eviction", "batch/jobs", "batch/jobs/status"):
            assert not place.may(verb, resource, namespace="default"), (verb, resource)
        for resource in (
            "apps/deployments",
            "jobset.x-k8s.io/jobsets",
            "rbac.authorization.k8s.io/clusterroles",
            "/secrets",
        ):
            assert not place.may(verb, resource, namespace="default"), (verb, resource)
        assert not place.may(verb, "apiextensions.k8s.io/customresourcedefinitions", name=CRD)
        assert not place.may(verb, "coordination.k8s.io/leases", namespace="default", name="coroner")
    assert not place.may("update", "coordination.k8s.io/leases", name="another")


def test_people_with_the_clusters_own_roles_see_reports(place: Place) -> None:
    place.run("install", "coroner", str(CHART), values={})

    def rules(role: str) -> str:
        return place.server.kubectl("get", "clusterrole", role, "-o", "json")

    wait_for(lambda: "failurereports" in rules("view"), 30, "reading reports is part of view")
    wait_for(lambda: "deletecollection" in rules("edit"), 30, "edit is aggregated")
    for role in ("view", "edit", "admin"):
        granted = [rule for rule in json.loads(rules(role))["rules"] if "coroner.dev" in rule.get("apiGroups", [])]
        assert "failurereports/status" not in str(granted)
        assert not {"create", "patch", "update"} & {verb for rule in granted for verb in rule["verbs"]}


def older(into: Path) -> Path:
    """A copy of the chart whose CRD has no hint yet."""
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


def served(place: Place) -> set[str]:
    (version,) = json.loads(place.server.kubectl("get", "crd", CRD, "-o", "json"))["spec"]["versions"]
    return set(version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"])


def test_an_upgrade_upgrades_the_definition_and_an_uninstall_leaves_it(place: Place, tmp_path: Path) -> None:
    place.run("install", "coroner", str(older(tmp_path)), values={})
    place.server.kubectl("wait", "--for=condition=Established", REPORTS, "--timeout=30s")
    assert "hint" not in served(place)
    workload = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    report = {"apiVersion": "coroner.dev/v1alpha1", "kind": "FailureReport", "metadata": {"name": "pod-p"}}
    place.server.kubectl(
        "create", "-n", place.namespace, "-f", "-", input=json.dumps({**report, "spec": {"workload": workload}})
    )

    place.run("upgrade", "coroner", str(CHART), values={})
    assert "hint" in served(place)

    assert CRD in place.run("uninstall", "coroner")
    assert [each["metadata"]["name"] for each in place.objects("failurereports", "-n", place.namespace)] == ["pod-p"]
    place.run("install", "coroner", str(CHART), values={})
    assert len(place.objects("failurereports", "-n", place.namespace)) == 1


def test_a_second_release_shares_the_cluster(place: Place) -> None:
    place.run("install", "coroner", str(CHART), values={})
    place.run(
        "install", "second", str(CHART), values={"crds": {"enabled": False}, "watchNamespaces": [place.namespace]}
    )
    names = {each["metadata"]["name"] for each in place.objects("deployments", "-n", place.namespace)}
    assert names == {"coroner", "second-coroner"}
    place.run("uninstall", "second")
