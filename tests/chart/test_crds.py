"""The CustomResourceDefinitions of the chart equal those in crds/, and are kept on uninstall."""

from typing import Any

import pytest
import yaml

from tests.chart.cases import CASES
from tests.chart.charts import CHART, NEWEST, OLDEST, ROOT, Helm, Manifest, only

SOURCES = sorted((ROOT / "crds").glob("*.yaml"))
KEEP = {"helm.sh/resource-policy": "keep"}


def test_there_is_at_least_one_definition() -> None:
    assert SOURCES


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_the_copies_in_the_chart_are_up_to_date(source: Any) -> None:
    """`make chart` copies them."""
    assert (CHART / "files" / "crds" / source.name).read_bytes() == source.read_bytes()


def test_there_are_no_other_copies() -> None:
    assert sorted(file.name for file in (CHART / "files" / "crds").iterdir()) == [file.name for file in SOURCES]
    assert not (CHART / "crds").exists(), "helm never upgrades files in crds/"


def definition(helm: Helm, **how: Any) -> Manifest:
    return only(helm.render(**how), "CustomResourceDefinition")


def test_the_rendered_definition_equals_the_source(either_helm: Helm) -> None:
    (source,) = (yaml.safe_load(file.read_text()) for file in SOURCES)
    rendered = definition(either_helm, kube_version=NEWEST)
    assert rendered["spec"] == source["spec"]
    assert rendered["metadata"]["name"] == source["metadata"]["name"]


def test_the_oldest_kubernetes_gets_no_field_that_it_would_reject(helm: Helm) -> None:
    rendered = definition(helm, kube_version=OLDEST)
    newest = definition(helm, kube_version=NEWEST)
    assert all("selectableFields" not in version for version in rendered["spec"]["versions"])
    for version in newest["spec"]["versions"]:
        del version["selectableFields"]
    assert rendered["spec"] == newest["spec"]


def test_an_uninstall_keeps_them_unless_crds_keep_is_false(helm: Helm) -> None:
    assert definition(helm)["metadata"]["annotations"] == KEEP
    more = definition(helm, values=CASES["crd-annotations"])["metadata"]["annotations"]
    assert more == {**KEEP, "example.com/a": "b"}
    assert "annotations" not in definition(helm, values=CASES["crds-not-kept"])["metadata"]
    assert not [each for each in helm.render(CASES["no-crds"]) if each["kind"] == "CustomResourceDefinition"]
