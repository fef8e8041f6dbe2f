"""The permissions of the operator and of users are a short list, the same as in deploy/rbac.yaml."""

import pytest

from coroner_operator.config.presets import merged, presets
from tests.chart.cases import CASES, JOBSET
from tests.chart.charts import MONITORING, Helm, Manifest, of_kind
from tests.support.permissions import of_a_listed_kind, shipped_roles

READ = frozenset({"get", "list", "watch"})
Grant = tuple[str, str, str, str]
"""Group, resource, verb, and the resource name or "" for all."""

CRD = "failurereports.coroner.dev"


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


SHIPPED = bound(shipped_roles())
"""Of deploy/rbac.yaml, which tests/operator_flows compares with what the operator asks for."""
CLUSTER, OWN = SHIPPED["ClusterRole", ""], SHIPPED["Role", "coroner"]
SCHEMAS = {grant for grant in CLUSTER if grant[1] == "customresourcedefinitions"}
NAMESPACES = {grant for grant in CLUSTER if grant[1] == "namespaces"}
NAMESPACED = CLUSTER - SCHEMAS - NAMESPACES
EVENTS = {grant for grant in CLUSTER if grant[0] == "events.k8s.io"}


def test_the_chart_grants_exactly_what_the_plain_manifest_does(helm: Helm) -> None:
    """There the Lease has the name that the operator gives it by default."""
    assert bound(helm.render(CASES["election"])) == SHIPPED
    without_election = {grant for grant in OWN if grant[1] != "leases"}
    assert bound(helm.render(CASES["no-election"]))["Role", "coroner"] == without_election


def test_the_plain_manifest_reads_one_definition_and_holds_one_lease() -> None:
    assert {name for *_, name in SCHEMAS} == {CRD}
    assert {name for _, resource, verb, name in OWN if resource == "leases" and verb != "create"} == {"coroner"}


def test_with_namespaces_there_is_a_role_in_each_of_them(helm: Helm) -> None:
    assert bound(helm.render({**CASES["namespaced"], **CASES["election"]})) == {
        ("Role", "team-a"): NAMESPACED,
        ("Role", "team-b"): NAMESPACED,
        ("ClusterRole", ""): SCHEMAS,
        ("Role", "coroner"): OWN,
    }


def test_without_events_none_may_be_written(helm: Helm) -> None:
    granted = bound(helm.render({**CASES["election"], "config": {"events": False}}))
    assert granted == {("ClusterRole", ""): CLUSTER - EVENTS, ("Role", "coroner"): OWN - EVENTS}


def test_a_namespaced_install_needs_no_cluster_scoped_objects(helm: Helm) -> None:
    kinds = {each["kind"] for each in helm.render(CASES["namespaced-alone"])}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}


def test_only_the_status_of_listed_kinds_may_be_patched(helm: Helm) -> None:
    more = bound(helm.render({"workloads": [JOBSET]}))["ClusterRole", ""] - CLUSTER
    group = "jobset.x-k8s.io"
    assert more == {
        *((*permission, "") for permission in of_a_listed_kind(group, "jobsets")),
        # whether they are there, and what their schema has
        *((*grant[:3], f"jobsets.{group}") for grant in SCHEMAS),
    }


def test_a_cluster_scoped_workload_is_granted_in_the_whole_cluster(helm: Helm) -> None:
    listed = {**JOBSET, "resource": "clusterjobs", "scope": "Cluster"}
    granted = bound(helm.render({"workloads": [JOBSET, listed], "watchNamespaces": ["team-a"]}))
    its_own = {(*grant, "") for grant in of_a_listed_kind("jobset.x-k8s.io", "clusterjobs")}
    assert its_own <= granted["ClusterRole", ""]
    assert not its_own & granted["Role", "team-a"]
    assert {(*grant, "") for grant in of_a_listed_kind("jobset.x-k8s.io", "jobsets")} <= granted["Role", "team-a"]


def test_a_preset_grants_what_the_kinds_of_its_controller_need(helm: Helm) -> None:
    every = list(presets())
    granted = bound(helm.render({"presets": every}))["ClusterRole", ""] - CLUSTER
    wanted: set[Grant] = set()
    for kind in merged(every):
        wanted.add((kind.group, kind.resource, "get", ""))
        wanted |= {(*grant[:3], f"{kind.resource}.{kind.group}") for grant in SCHEMAS}
        if kind.write:
            wanted.add((kind.group, f"{kind.resource}/status", "patch", ""))
    assert granted == wanted


def test_a_kind_that_is_only_read_is_not_written(helm: Helm) -> None:
    step = {"group": "example.com", "version": "*", "resource": "steps"}
    read_only = {**JOBSET, "write": False}
    granted = bound(helm.render({"walk": [step], "workloads": [read_only], "presets": ["jobset"]}))["ClusterRole", ""]
    assert {grant[:3] for grant in granted - CLUSTER if grant[0] != "apiextensions.k8s.io"} == {
        ("example.com", "steps", "get"),
        ("jobset.x-k8s.io", "jobsets", "get"),
    }


def test_events_about_what_has_no_namespace_may_be_created_in_default(helm: Helm) -> None:
    granted = bound(helm.render(CASES["presets-namespaced"]))["Role", "default"]
    assert granted == {grant for grant in NAMESPACED if grant[0] == "events.k8s.io"}


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
                    ("ray.io", "rayclusters/status"), ("ray.io", "rayservices/status"),
                    ("pkg.crossplane.io", "providers/status"), ("pkg.crossplane.io", "functions/status"),
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
