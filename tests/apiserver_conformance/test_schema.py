"""CRDs: a kind is served with its schema, prunes, validates, and goes away."""

import uuid
from pathlib import Path

import pytest
import yaml

from tests.apiserver_conformance.client import Api, MakeObject, Object

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CRD = yaml.safe_load(Path(__file__).with_name("gadgets.yaml").read_text())
REPORTS = Path(__file__).parents[2] / "crds" / "failurereports.coroner.dev.yaml"


async def test_unknown_fields_are_pruned_with_a_warning(api: Api, gadgets: str, gadget: MakeObject) -> None:
    spec = {"size": 1, "junk": 1, "any": {"kept": {"x": 1}}, "env": {"A": "1"}}
    answer = await api.post(gadgets, gadget(spec=spec, other=1))
    assert answer.body["spec"] == {"size": 1, "color": "red", "any": {"kept": {"x": 1}}, "env": {"A": "1"}}
    assert "other" not in answer.body
    assert '299 - "unknown field \\"spec.junk\\""' in answer.headers.getall("Warning")


async def test_strict_validation_refuses_unknown_fields(api: Api, gadgets: str, gadget: MakeObject) -> None:
    answer = await api.post(gadgets, gadget(spec={"size": 1, "junk": 1}), fieldValidation="Strict")
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")
    assert answer.body["message"] == (
        'Gadget in version "v1" cannot be handled as a Gadget: strict decoding error: unknown field "spec.junk"'
    )


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({}, ("spec.size", "FieldValueRequired", "Required value")),
        (
            {"size": "1"},
            (
                "spec.size",
                "FieldValueTypeInvalid",
                'Invalid value: "string": spec.size in body must be of type integer: "string"',
            ),
        ),
        (
            {"size": 11},
            (
                "spec.size",
                "FieldValueInvalid",
                "Invalid value: 11: spec.size in body should be less than or equal to 10",
            ),
        ),
        (
            {"size": 0},
            (
                "spec.size",
                "FieldValueInvalid",
                "Invalid value: 0: spec.size in body should be greater than or equal to 1",
            ),
        ),
        (
            {"size": 1, "color": "green"},
            ("spec.color", "FieldValueNotSupported", 'Unsupported value: "green": supported values: "red", "blue"'),
        ),
        (
            {"size": 1, "name": "abcdef"},
            ("spec.name", "FieldValueTooLong", "Too long: may not be more than 5 bytes"),
        ),
        (
            {"size": 1, "name": "A"},
            ("spec.name", "FieldValueInvalid", "Invalid value: \"A\": spec.name in body should match '^[a-z]+$'"),
        ),
        (
            {"size": 1, "tags": ["a", "a"]},
            ("spec.tags[1]", "FieldValueDuplicate", 'Duplicate value: "a"'),
        ),
        (
            {"size": 1, "when": "yesterday"},
            (
                "spec.when",
                "FieldValueTypeInvalid",
                'Invalid value: "yesterday": spec.when in body must be of type date-time: "yesterday"',
            ),
        ),
        (
            {"size": 1, "port": True},
            (
                "spec.port",
                "FieldValueTypeInvalid",
                'Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"',
            ),
        ),
    ],
)
async def test_an_invalid_value_is_refused_with_its_path(
    api: Api, gadgets: str, gadget: MakeObject, spec: Object, cause: tuple[str, str, str]
) -> None:
    answer = await api.post(gadgets, gadget(spec=spec))
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    found = [(c["field"], c["reason"], c["message"]) for c in answer.body["details"]["causes"]]
    assert found == [cause]
    assert answer.body["message"] == f'Gadget.tests.coroner.dev "a" is invalid: {cause[0]}: {cause[2]}'


async def test_all_faults_are_reported_at_once(api: Api, gadgets: str, gadget: MakeObject) -> None:
    answer = await api.post(gadgets, gadget(spec={"size": 11, "color": "green"}))
    assert {c["field"] for c in answer.body["details"]["causes"]} == {"spec.size", "spec.color"}


@pytest.mark.parametrize(
    ("status", "field", "reason"),
    [
        ({"history": [{}] * 4}, "status.history", "FieldValueTooMany"),
        ({"conditions": [{"type": "A"}]}, "status.conditions[0].status", "FieldValueRequired"),
        (
            {"conditions": [{"type": "A", "status": "True"}, {"type": "A", "status": "True"}]},
            "status.conditions[1]",
            "FieldValueDuplicate",
        ),
    ],
)
async def test_status_is_validated_too(
    api: Api, gadgets: str, gadget: MakeObject, status: int, field: str, reason: str
) -> None:
    await api.post(gadgets, gadget(spec={"size": 1}))
    answer = await api.merge(f"{gadgets}/a/status", {"status": status})
    causes = answer.body["details"]["causes"]
    assert (answer.status, [(c["field"], c["reason"]) for c in causes]) == (422, [(field, reason)])


async def test_numbers_and_texts_fit_int_or_string(api: Api, gadgets: str, gadget: MakeObject) -> None:
    for name, port in (("a", 80), ("b", "http")):
        answer = await api.post(gadgets, gadget(name, spec={"size": 1, "port": port}))
        assert (answer.status, answer.body["spec"]["port"]) == (201, port)


async def test_a_null_is_dropped(api: Api, gadgets: str, gadget: MakeObject) -> None:
    answer = await api.post(gadgets, gadget(spec={"size": 1, "name": None, "color": None}))
    assert answer.body["spec"] == {"size": 1, "color": "red"}


async def test_a_kind_comes_with_its_crd_and_goes_with_it(api: Api, namespace: str) -> None:
    group = f"x{uuid.uuid4().hex[:8]}.tests.coroner.dev"
    spec = {**CRD["spec"], "group": group}
    crd = {**CRD, "metadata": {"name": f"gadgets.{group}"}, "spec": spec}
    created = await api.post(CRDS, crd)
    assert created.status == 201, created.body
    path = f"/apis/{group}/v1/namespaces/{namespace}/gadgets"
    try:
        await api.until(f"/apis/{group}/v1/gadgets", lambda answer: answer.status == 200)
        live = await api.until(f"{CRDS}/gadgets.{group}", lambda answer: "conditions" in answer.body.get("status", {}))
        conditions = {c["type"]: (c["status"], c["reason"]) for c in live.body["status"]["conditions"]}
        assert conditions == {
            "NamesAccepted": ("True", "NoConflicts"),
            "Established": ("True", "InitialNamesAccepted"),
        }
        assert live.body["status"]["storedVersions"] == ["v1"]
        body = {"apiVersion": f"{group}/v1", "kind": "Gadget", "metadata": {"name": "a"}, "spec": {"size": 1}}
        assert (await api.post(path, body)).status == 201
    finally:
        await api.delete(f"{CRDS}/gadgets.{group}")
    await api.until(path, lambda answer: answer.status == 404)


async def test_a_crd_that_is_no_crd_is_refused(api: Api) -> None:
    crd = {**CRD, "metadata": {"name": "wrong.tests.coroner.dev"}}
    answer = await api.post(CRDS, crd)
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    assert 'must be spec.names.plural+"."+spec.group' in answer.body["message"]


async def test_our_own_crd_is_accepted_and_served(api: Api) -> None:
    crd = yaml.safe_load(REPORTS.read_text())
    path = f"{CRDS}/{crd['metadata']['name']}"
    existed = (await api.get(path)).status == 200
    assert (await api.apply(path, crd, "conformance", force="true")).status in (200, 201)
    try:
        group, version = crd["spec"]["group"], crd["spec"]["versions"][0]["name"]
        served = await api.until(f"/apis/{group}/{version}", lambda answer: answer.status == 200)
        assert {"failurereports", "failurereports/status"} <= {r["name"] for r in served.body["resources"]}
    finally:
        if not existed:
            await api.delete(path)
