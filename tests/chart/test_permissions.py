"""The permissions of the operator and of users are a short list, the same as in deploy/rbac.yaml."""

from typing import Any

import pytest
import yaml

from tests.chart.cases import CASES, JOBSET
from tests.chart.charts import MONITORING, ROOT, Helm, Manifest, of_kind

READ = frozenset({"get", "list", "watch"})
Grant = tuple[str, str, str, str]
"""Group, resource, verb, and the resource name or "" for all."""

BUILT_IN = [
    ("", "pods"), ("", "events"), ("events.k8s.io", "events"), ("batch", "jobs"), ("batch", "cronjobs"), ("apps", "deployments"),
    ("apps", "replicasets"), ("apps", "statefulsets"), ("apps", "daemonsets"), ("coroner.dev", "failurereports"),
]  # fmt: skip
WATCHED: set[Grant] = {(group, resource, verb, "") for group, resource in BUILT_IN for verb in READ}
WATCHED |= {("coroner.dev", "failurereports", verb, "") for verb in ("create", "patch", "delete")}
WATCHED |= {("coroner.dev", "failurereports/status", verb, "") for verb in ("get", "patch", "update")}
WATCHED |= {("events.k8s.io", "events", verb, "") for verb in ("create", "patch")}
CRD = "failurereports.coroner.dev"
SCHEMAS: set[Grant] = {("apiextensions.k8s.io", "customresourcedefinitions", verb, CRD) for verb in READ}
OWN: set[Grant] = {
    ("coordination.k8s.io", "leases", "create", ""),
    ("coordination.k8s.io", "leases", "get", "coroner"),
    ("coordination.k8s.io", "leases", "update", "coroner"),
    ("events.k8s.io", "events", "get", ""),
    ("events.k8s.io", "events", "create", ""),
    ("events.k8s.io", "events", "patch", ""),
}


def grants(role: Manifest) -> set[Grant]:
    return {
        (group, resource, verb, name)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def roles(objects: list[Manifest]) -> list[Manifest]:
    return of_kind(objects, "Role") + of_kind(objects, "ClusterRole")


def bound(objects: list[Manifest]) -> dict[tuple[str, str], set[Grant]]:
    """The permissions of the operator's service account, by kind of role and its namespace ("" = the cluster)."""
    by_name = {
        (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): each for each in roles(objects)
    }
    granted: dict[tuple[str, str], set[Grant]] = {}
    for binding in of_kind(objects, "RoleBinding") + of_kind(objects, "ClusterRoleBinding"):
        (subject,) = binding["subjects"]
        assert (subject["kind"], subject["namespace"]) == ("ServiceAccount", "coroner")
        reference, namespace = binding["roleRef"], binding["metadata"].get("namespace", "")
        role = by_name[reference["kind"], namespace, reference["name"]]
        granted.setdefault((reference["kind"], namespace), set()).update(grants(role))
    return granted


def test_the_operator_has_exactly_these_permissions(helm: Helm) -> None:
    assert bound(helm.render(CASES["election"])) == {("ClusterRole", ""): WATCHED | SCHEMAS, ("Role", "coroner"): OWN}
    unelected = {grant for grant in OWN if grant[1] != "leases"}
    assert bound(helm.render(CASES["no-election"]))["Role", "coroner"] == unelected


def test_with_namespaces_there_is_a_role_in_each_of_them(helm: Helm) -> None:
    assert bound(helm.render({**CASES["namespaced"], **CASES["election"]})) == {
        ("Role", "team-a"): WATCHED,
        ("Role", "team-b"): WATCHED,
        ("ClusterRole", ""): SCHEMAS,
        ("Role", "coroner"): OWN,
    }


def test_a_namespaced_install_needs_no_cluster_scoped_objects(helm: Helm) -> None:
    kinds = {each["kind"] for each in helm.render(CASES["namespaced-alone"])}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}


def test_only_the_status_of_listed_kinds_may_be_patched(helm: Helm) -> None:
    more = bound(helm.render({"workloads": [JOBSET]}))["ClusterRole", ""] - WATCHED
    group, kinds = "jobset.x-k8s.io", "customresourcedefinitions"
    assert more - SCHEMAS == {
        *((group, "jobsets", verb, "") for verb in READ),
        (group, "jobsets/status", "patch", ""),
        # to read their schema
        *(("apiextensions.k8s.io", kinds, verb, f"jobsets.{group}") for verb in READ),
    }


@pytest.mark.parametrize("case", CASES)
def test_no_wildcards_no_secrets_no_pod_writes(helm: Helm, case: str) -> None:
    objects = helm.render(CASES[case], apis=MONITORING)
    for role in roles(objects):
        for rule in role["rules"]:
            assert set(rule) <= {"apiGroups", "resources", "resourceNames", "verbs"}
        for group, resource, verb, _name in grants(role):
            assert "*" not in group + resource + verb
            assert resource not in ("secrets", "configmaps", "serviceaccounts", "nodes", "pods/log", "pods/exec")
            assert group != "rbac.authorization.k8s.io"
            if (group, resource.partition("/")[0]) != ("coroner.dev", "failurereports") and verb not in READ:
                assert (group, resource) in {
                    ("events.k8s.io", "events"), ("coordination.k8s.io", "leases"),
                    ("jobset.x-k8s.io", "jobsets/status"), ("ray.io", "rayjobs/status"),
                }  # fmt: skip


def test_without_rbac_nothing_is_granted(helm: Helm) -> None:
    assert bound(helm.render(CASES["no-rbac"])) == {}


def test_users_may_read_and_delete_reports_but_not_write_their_status(helm: Helm) -> None:
    people = {each["metadata"]["name"]: each for each in of_kind(helm.render(), "ClusterRole")}
    view, edit = people["coroner:coroner:view"], people["coroner:coroner:edit"]
    reports = ("coroner.dev", "failurereports")
    assert grants(view) == {(*reports, verb, "") for verb in READ}
    assert grants(edit) == {(*reports, "delete", ""), (*reports, "deletecollection", "")}
    label = "rbac.authorization.k8s.io/aggregate-to-"
    assert {key for key in view["metadata"]["labels"] if key.startswith(label)} == {
        f"{label}view", f"{label}edit", f"{label}admin",
    }  # fmt: skip
    assert {key for key in edit["metadata"]["labels"] if key.startswith(label)} == {f"{label}edit", f"{label}admin"}
    unaggregated = of_kind(helm.render(CASES["user-roles-not-aggregated"]), "ClusterRole")
    assert "aggregate-to" not in str(unaggregated)


def test_the_plain_manifest_grants_the_same_permissions(helm: Helm) -> None:
    """deploy/rbac.yaml is for installations without Helm; its Lease has the operator's default name."""
    documents: list[Any] = list(yaml.safe_load_all((ROOT / "deploy" / "rbac.yaml").read_text()))
    assert bound(documents) == bound(helm.render(CASES["election"]))
