"""The chart on a real API server: all objects, restricted admission, permissions, and upgrades of CRDs."""

import itertools
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.chart.cases import CASES
from tests.chart.charts import CHART, Helm, Manifest, find_helm, output_of
from tests.cluster.server import KubectlError, Server
from tests.e2e.manifests import make_pod
from tests.support.waiting import wait_for

CRD = "failurereports.coroner.dev"
JOBSETS = "jobsets.jobset.x-k8s.io"
REPORTS = f"crd/{CRD}"
numbers = itertools.count(1)


class Question(NamedTuple):
    """Whether the release's service account may do this."""

    verb: str
    resource: str
    """``group/resource[/subresource]``, group "" for core."""
    namespace: str = ""
    """"" = the release's own."""
    name: str = ""


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

    def allowed(self, questions: Iterable[Question]) -> list[Question]:
        """Those of the questions to which the answer for the release's service account is yes."""
        asked = list(questions)
        reviews = [self._review(question) for question in asked]
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": reviews})
        answers = self.server.kubectl("create", "-f", "-", "-o", "jsonpath={.status.allowed} ", input=listed).split()
        return [question for question, answer in zip(asked, answers, strict=True) if json.loads(answer)]

    def _review(self, question: Question) -> Manifest:
        group, kind, *rest = question.resource.split("/")
        about = {"verb": question.verb, "group": group, "resource": kind, "subresource": "".join(rest)}
        about |= {"namespace": question.namespace or self.namespace, "name": question.name}
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": f"system:serviceaccount:{self.namespace}:coroner", "resourceAttributes": about},
        }


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
    definitions, leases = "apiextensions.k8s.io/customresourcedefinitions", "coordination.k8s.io/leases"
    granted = [
        *(Question(verb, "/pods", "default") for verb in ("get", "list", "watch")),
        *(Question(verb, "/events", "default") for verb in ("list", "watch")),
        Question("get", "events.k8s.io/events", "default"),
        Question("get", "batch/jobs", "default"),
        Question("get", "apps/replicasets", "default"),
        *(Question(verb, "coroner.dev/failurereports", "default") for verb in ("get", "list", "watch")),
        Question("get", "jobset.x-k8s.io/jobsets", "default"),
        *(Question(verb, definitions, "", name) for name in (CRD, JOBSETS) for verb in ("list", "watch")),
        Question("patch", "coroner.dev/failurereports/status", "default"),
        Question("patch", "jobset.x-k8s.io/jobsets/status", "default"),
        Question("create", "events.k8s.io/events", "default"),
        Question("update", leases, "", "coroner"),
    ]
    reads = [
        *("/pods", "/events", "events.k8s.io/events", "batch/jobs", "apps/replicasets", "coroner.dev/failurereports"),
        *("coroner.dev/failurereports/status", "jobset.x-k8s.io/jobsets"),
        *("/secrets", "/configmaps", "/nodes", "/pods/log", "/serviceaccounts", "example.com/others"),
    ]
    writes = [
        *("/pods", "/pods/status", "/pods/exec", "/pods/eviction", "batch/jobs", "batch/jobs/status"),
        *("apps/deployments", "jobset.x-k8s.io/jobsets", "rbac.authorization.k8s.io/clusterroles", "/secrets"),
    ]
    questions = [*granted, Question("update", leases, "", "another")]
    for verb in ("get", "list", "watch"):
        questions += [Question(verb, resource, "default") for resource in reads]
        questions += [Question(verb, definitions, "", name) for name in (CRD, JOBSETS, "others.example.com")]
    for verb in ("create", "update", "patch", "delete", "deletecollection"):
        questions += [Question(verb, resource, "default") for resource in writes]
        questions += [Question(verb, definitions, "", CRD), Question(verb, leases, "default", "coroner")]
    assert set(helm_namespace.allowed(dict.fromkeys(questions))) == set(granted)


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
