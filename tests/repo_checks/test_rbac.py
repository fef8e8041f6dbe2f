"""The rights of deploy/rbac.yaml are limited to names where they can be; tests/operator_flows derives the verbs."""

from tests.support.permissions import shipped_roles

RULE_KEYS = {"apiGroups", "resources", "verbs", "resourceNames"}


def test_rules_are_about_named_groups_resources_and_verbs() -> None:
    for role in shipped_roles():
        for rule in role.get("rules", []):
            assert set(rule) <= RULE_KEYS
            assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])


def test_leases_are_for_the_operators_own_namespace() -> None:
    (role,) = (each for each in shipped_roles() if "coordination.k8s.io" in str(each.get("rules")))
    assert (role["kind"], role["metadata"]["namespace"]) == ("Role", "coroner")


def test_of_the_custom_resource_definitions_only_our_own_is_read() -> None:
    rules = [rule for role in shipped_roles() for rule in role.get("rules", [])]
    (rule,) = (rule for rule in rules if "customresourcedefinitions" in rule["resources"])
    assert rule["resourceNames"] == ["failurereports.coroner.dev"]
