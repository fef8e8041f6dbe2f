"""Names are valid for release names of any length, and do not conflict between releases."""

import re

import pytest

from tests.chart.cases import EVERYTHING
from tests.chart.charts import MONITORING, Helm, HelmError, Manifest

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
CLUSTER_SCOPED = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
# helm accepts up to 53 characters
LONG = "a-release-with-a-name-as-long-as-helm-will-ever-take"


def identity(manifest: Manifest, namespace: str) -> tuple[str, str, str]:
    own = "" if manifest["kind"] in CLUSTER_SCOPED else manifest["metadata"].get("namespace", namespace)
    return manifest["kind"], own, manifest["metadata"]["name"]


def identities(objects: list[Manifest], namespace: str) -> set[tuple[str, str, str]]:
    found = [identity(each, namespace) for each in objects if each["kind"] != "CustomResourceDefinition"]
    assert len(found) == len(set(found)), "a release contains an object twice"
    return set(found)


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"nameOverride": "n" * 63},
        {"nameOverride": "n" * 51 + "-" + "m" * 11},
        {"fullnameOverride": "f" * 80},
        {"fullnameOverride": "f" * 42 + "-" + "g" * 40},
    ],
    ids=["defaults", "long name", "long name with a dash", "long full name", "long full name with a dash"],
)
@pytest.mark.parametrize("release", ["c", "coroner", LONG])
def test_names_and_labels_are_valid(helm: Helm, release: str, names: dict[str, str]) -> None:
    objects = helm.render({**EVERYTHING, "extraObjects": [], **names}, release=release, apis=MONITORING)
    for each in objects:
        name = each["metadata"]["name"]
        if each["kind"] not in CLUSTER_SCOPED:
            assert len(name) <= 63
            assert LABEL.fullmatch(name), name
        for value in labels_in(each):
            assert len(value) <= 63
            assert VALUE.fullmatch(value), value


def labels_in(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [
            value
            for key in ("labels", "matchLabels")
            if isinstance(node.get(key), dict)
            for value in node[key].values()
            if isinstance(value, str)
        ]
        return own + [label for value in node.values() for label in labels_in(value)]
    if isinstance(node, list):
        return [label for item in node for label in labels_in(item)]
    return []


def test_truncated_names_stay_unique(helm: Helm) -> None:
    one, two = (
        helm.render({"fullnameOverride": "f" * 60 + end}, namespace="apps")[-1]["metadata"]["name"] for end in "ab"
    )
    assert one != two


def test_the_chart_name_is_not_repeated_in_the_full_name(helm: Helm) -> None:
    def name(release: str) -> str:
        (account,) = (each for each in helm.render(release=release) if each["kind"] == "ServiceAccount")
        found: str = account["metadata"]["name"]
        return found

    assert (name("coroner"), name("prod-coroner"), name("x")) == ("coroner", "prod-coroner", "x-coroner")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("coroner", "apps"), ("coroner", "ops")),
        (("a", "apps"), ("b", "apps")),
        # with a dash between name and namespace these would be equal
        (("coroner-a", "b"), ("coroner", "a-b")),
    ],
    ids=["one name, two namespaces", "two names, one namespace", "names that join"],
)
def test_two_releases_do_not_conflict(helm: Helm, one: tuple[str, str], two: tuple[str, str]) -> None:
    own = {"nameOverride": "", "extraObjects": [], "leaderElection": {"enabled": True}}
    values = {**EVERYTHING, **own, "dashboard": {"enabled": True, "namespace": ""}}
    first, second = (
        identities(helm.render(values, release=release, namespace=namespace, apis=MONITORING), namespace)
        for release, namespace in (one, two)
    )
    assert first & second == set()


def test_a_name_override_that_is_too_long_is_rejected(helm: Helm) -> None:
    with pytest.raises(HelmError, match="nameOverride"):
        helm.render({"nameOverride": "n" * 64})
