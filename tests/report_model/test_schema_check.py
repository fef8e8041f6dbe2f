"""The code and the CRD name the same fields, and a CRD that is too old is found out."""

import copy
from typing import Any

from coroner_operator.reports.schema_check import declared_fields, describe, missing_fields, written_fields
from tests.report_model.schemas import CRD, SCHEMA

WRITTEN = written_fields()


def older(*paths: str, versions: int = 1) -> dict[str, Any]:
    """The shipped CRD without these fields, served in so many versions; only the first one is older."""
    crd = copy.deepcopy(CRD)
    whole = crd["spec"]["versions"][0]
    for n in range(1, versions):
        crd["spec"]["versions"].append({**copy.deepcopy(whole), "name": f"v{n}", "storage": False})
    for path in paths:
        part = whole["schema"]["openAPIV3Schema"]
        *parents, last = path.split(".")
        for name in parents:
            part = part["properties"][name.removesuffix("[]")]
            part = part["items"] if name.endswith("[]") else part
        del part["properties"][last]
    return crd


def test_the_shipped_crd_declares_every_field_that_is_written() -> None:
    assert missing_fields(CRD, WRITTEN) == {}


def test_every_declared_field_is_written_by_some_report() -> None:
    declared = {path for path in declared_fields(SCHEMA) if path[0] in ("spec", "status")}
    assert declared - {path for path in declared if path[-1] == "[]"} == {p for p in WRITTEN if p[-1] != "[]"}


def test_an_older_crd_is_recognized_by_the_fields_that_it_lacks() -> None:
    crd = older("status.history[].exitCode", "status.pod.node", "status.counts")
    assert missing_fields(crd, WRITTEN) == {
        "v1alpha1": ("status.counts", "status.history[].exitCode", "status.pod.node"),
    }


def test_every_served_version_is_looked_at() -> None:
    assert list(missing_fields(older("status.hint", versions=2), WRITTEN)) == ["v1alpha1"]
    crd = older("status.hint", versions=2)
    crd["spec"]["versions"][0]["served"] = False
    assert missing_fields(crd, WRITTEN) == {"v1alpha1": ("status.hint",)}, "it is the stored version"


def test_a_version_that_is_not_served_is_missing_as_a_whole() -> None:
    crd = older()
    crd["spec"]["versions"][0]["name"] = "v1"
    assert missing_fields(crd, WRITTEN) == {"v1alpha1": ("",)}
    assert missing_fields({}, WRITTEN) == {"v1alpha1": ("",)}


def test_a_missing_status_subresource_is_found() -> None:
    crd = older()
    del crd["spec"]["versions"][0]["subresources"]
    assert missing_fields(crd, WRITTEN) == {"v1alpha1": ("status subresource",)}


def test_unknown_fields_that_the_server_keeps_are_not_missing() -> None:
    crd = older("status.hint")
    status = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    status["x-kubernetes-preserve-unknown-fields"] = True
    assert missing_fields(crd, WRITTEN) == {}


def test_the_sentence_says_what_is_missing_and_what_to_run() -> None:
    missing = missing_fields(older("status.history[].exitCode"), WRITTEN)
    assert describe("failurereports.coroner.dev", missing) == (
        "CustomResourceDefinition failurereports.coroner.dev is older than this operator; missing: "
        "status.history[].exitCode in version v1alpha1. "
        "Upgrade the chart with its CRDs, or run: kubectl apply --server-side -f crds/"
    )
    assert describe("failurereports.coroner.dev", {}) == ""
