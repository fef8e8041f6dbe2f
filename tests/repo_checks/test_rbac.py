"""The permissions of the operator are a short list that grows only on purpose."""

from typing import Any

import yaml

from tests.repo_checks.tracked import ROOT

READ = frozenset({"get", "list", "watch"})
ALLOWED = {
    ("", "pods"): READ,
    ("", "events"): READ,
    ("events.k8s.io", "events"): READ | {"create", "patch"},
    ("batch", "jobs"): READ,
    ("batch", "cronjobs"): READ,
    ("apps", "deployments"): READ,
    ("apps", "replicasets"): READ,
    ("apps", "statefulsets"): READ,
    ("apps", "daemonsets"): READ,
    ("coroner.dev", "failurereports"): READ | {"create", "patch", "delete"},
    ("coroner.dev", "failurereports/status"): {"get", "patch", "update"},
    ("apiextensions.k8s.io", "customresourcedefinitions"): READ,
    ("coordination.k8s.io", "leases"): {"get", "create", "update"},
}


def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / "deploy" / "rbac.yaml").read_text()))


def test_the_operator_has_exactly_these_permissions() -> None:
    granted: dict[tuple[str, str], set[str]] = {}
    for role in documents():
        for rule in role.get("rules", []):
            assert set(rule) <= {"apiGroups", "resources", "verbs", "resourceNames"}
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    granted.setdefault((group, resource), set()).update(rule["verbs"])
    assert granted == ALLOWED


def test_leases_are_limited_to_the_operators_namespace() -> None:
    (role,) = (each for each in documents() if "coordination.k8s.io" in str(each.get("rules")))
    assert (role["kind"], role["metadata"]["namespace"]) == ("Role", "coroner")


def test_only_the_operators_own_custom_resource_definition_is_read() -> None:
    rules = [rule for role in documents() for rule in role.get("rules", [])]
    (rule,) = (rule for rule in rules if "customresourcedefinitions" in rule["resources"])
    assert rule["resourceNames"] == ["failurereports.coroner.dev"]
