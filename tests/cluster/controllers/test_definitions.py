"""What is changed in the definitions of a controller, and which controllers are selected."""

import pytest

from tests.cluster.controllers.catalogue import CONTROLLERS, Controller, selected
from tests.cluster.controllers.definitions import CALLED_FOR, LABEL, Object, installed

CONTROLLER = Controller(
    name="it",
    pinned_in="",
    module="",
    package="",
    health="",
    webhook_port=19999,
    left_out=frozenset(["others.example.com"]),
)


def crd(name: str) -> Object:
    spec = {"group": "example.com", "conversion": {"strategy": "Webhook", "webhook": {}}}
    return {"kind": "CustomResourceDefinition", "metadata": {"name": name}, "spec": spec, "status": {}}


def webhooks(*groups: str) -> Object:
    hooks = [
        {"clientConfig": {"service": {"path": f"/of-{group}"}}, "rules": [{"apiGroups": [group]}]} for group in groups
    ]
    return {
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "v", "annotations": {"a": "b"}},
        "webhooks": hooks,
    }


def test_a_crd_has_no_conversion_and_the_controllers_label() -> None:
    (found,) = installed(CONTROLLER, [crd("its.example.com"), crd("others.example.com")], "CA")
    assert found["metadata"] == {"name": "its.example.com", "labels": {LABEL: "it"}}
    assert found["spec"] == {"group": "example.com"}
    assert "status" not in found


def test_a_webhook_is_called_on_this_machine() -> None:
    (found,) = installed(CONTROLLER, [webhooks("example.com")], "CA")
    (hook,) = found["webhooks"]
    assert hook["clientConfig"] == {"url": "https://127.0.0.1:19999/of-example.com", "caBundle": "Q0E="}
    assert "namespaceSelector" not in hook


@pytest.mark.parametrize("group", ["", "apps", "batch"])
def test_a_webhook_on_a_built_in_kind_is_called_where_a_test_asks_for_it(group: str) -> None:
    (found,) = installed(CONTROLLER, [webhooks(group)], "CA")
    assert found["webhooks"][0]["namespaceSelector"] == {"matchLabels": CALLED_FOR}


def test_the_modules_own_definitions_are_not_changed() -> None:
    definitions = [crd("its.example.com"), webhooks("apps")]
    installed(CONTROLLER, definitions, "CA")
    assert definitions == [crd("its.example.com"), webhooks("apps")]


def test_the_selection_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTROLLERS", raising=False)
    assert [each.name for each in selected()] == list(CONTROLLERS)
    monkeypatch.setenv("CONTROLLERS", "lws, kuberay")
    assert [each.name for each in selected()] == ["lws", "kuberay"]


def test_no_two_controllers_want_the_same_port() -> None:
    ports = [each.webhook_port for each in CONTROLLERS.values() if each.webhook_port]
    health = [each.health for each in CONTROLLERS.values()]
    assert len(set(ports)) == len(ports)
    assert len(set(health)) == len(health)
