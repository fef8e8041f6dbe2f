"""Server-side apply: who owns what, what conflicts, what goes away."""

import json

import pytest

from tests.apiserver_conformance.client import Answer, Api, MakeObject, Object


def _owners(answer: Answer) -> dict[tuple[str, str, str], Object]:
    """(manager, operation, subresource) -> fieldsV1."""
    return {
        (e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"]
        for e in answer.body["metadata"].get("managedFields", [])
    }


def _condition(name: str, status: str = "True", **more: str) -> Object:
    return {"type": name, "status": status, **more}


@pytest.fixture
async def made(api: Api, gadgets: str, gadget: MakeObject) -> str:
    """A Gadget "a", made by an apply of manager m1; its path."""
    answer = await api.apply(f"{gadgets}/a", gadget(labels={"l": "1"}, spec={"size": 1}))
    assert answer.status == 201, answer.body
    return f"{gadgets}/a"


async def test_an_apply_creates_and_owns_what_it_says(api: Api, gadgets: str, gadget: MakeObject) -> None:
    spec = {"size": 1, "tags": ["a", "b"], "env": {"A": "1"}, "any": {"x": {"y": 1}}}
    answer = await api.apply(f"{gadgets}/a", gadget(labels={"l": "1"}, spec=spec))
    assert (answer.status, answer.body["metadata"]["generation"]) == (201, 1)
    assert answer.body["spec"] == {**spec, "color": "red"}
    (entry,) = answer.body["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["fieldsType"]) == ("m1", "Apply", "FieldsV1")
    assert entry["apiVersion"] == "tests.coroner.dev/v1"
    fields = entry["fieldsV1"]
    del fields["f:spec"]["f:any"]
    assert fields == {
        "f:metadata": {"f:labels": {"f:l": {}}},
        "f:spec": {"f:size": {}, "f:tags": {'v:"a"': {}, 'v:"b"': {}}, "f:env": {"f:A": {}}},
    }


async def test_a_plain_create_is_owned_as_an_update_with_its_defaults(
    api: Api, gadgets: str, gadget: MakeObject
) -> None:
    created = await api.post(gadgets, gadget(labels={"l": "1"}, spec={"size": 1, "tags": ["a"]}))
    assert _owners(created) == {
        ("conformance", "Update", ""): {
            "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
            "f:spec": {".": {}, "f:size": {}, "f:color": {}, "f:tags": {".": {}, 'v:"a"': {}}},
        }
    }


async def test_an_apply_on_status_owns_there_and_leaves_the_rest_alone(api: Api, made: str, gadget: MakeObject) -> None:
    status = {
        "state": "Failing",
        "history": [{"text": "1"}],
        "conditions": [_condition("A")],
        "counts": [{"category": "c", "subcategory": "s", "count": 1}],
    }
    answer = await api.apply(f"{made}/status", gadget(labels={"q": "1"}, spec={"size": 9}, status=status))
    assert answer.status == 200
    assert answer.body["metadata"]["labels"] == {"l": "1"}
    assert (answer.body["spec"]["size"], answer.body["metadata"]["generation"]) == (1, 1)
    assert answer.body["status"] == status
    assert _owners(answer)[("m1", "Apply", "status")] == {
        "f:status": {
            "f:state": {},
            "f:history": {},
            "f:conditions": {'k:{"type":"A"}': {".": {}, "f:type": {}, "f:status": {}}},
            "f:counts": {
                'k:{"category":"c","subcategory":"s"}': {
                    ".": {},
                    "f:category": {},
                    "f:subcategory": {},
                    "f:count": {},
                }
            },
        }
    }


async def test_an_apply_on_the_main_resource_ignores_status(api: Api, gadgets: str, gadget: MakeObject) -> None:
    answer = await api.apply(f"{gadgets}/a", gadget(spec={"size": 1}, status={"state": "x"}))
    assert "status" not in answer.body
    assert _owners(answer) == {("m1", "Apply", ""): {"f:spec": {"f:size": {}}}}


async def test_an_apply_to_the_status_of_an_absent_object_creates_nothing(
    api: Api, gadgets: str, gadget: MakeObject
) -> None:
    answer = await api.apply(f"{gadgets}/a/status", gadget(status={"state": "x"}), force="true")
    assert (answer.status, answer.body["reason"]) == (404, "NotFound")
    assert (await api.get(f"{gadgets}/a")).status == 404


async def test_the_same_apply_again_changes_no_version(api: Api, made: str, gadget: MakeObject) -> None:
    body = gadget(status={"state": "x", "conditions": [_condition("A", reason="R", message="m")]})
    first = await api.apply(f"{made}/status", body, force="true")
    second = await api.apply(f"{made}/status", body, force="true")
    assert second.version == first.version
    assert second.body == first.body


async def test_fields_no_longer_applied_are_removed(api: Api, made: str, gadget: MakeObject) -> None:
    full = {"state": "x", "hint": "h", "history": [{"text": "1"}], "conditions": [_condition("A"), _condition("B")]}
    await api.apply(f"{made}/status", gadget(status=full))
    answer = await api.apply(f"{made}/status", gadget(status={"hint": "h", "conditions": [_condition("B", "False")]}))
    assert answer.body["status"] == {"hint": "h", "conditions": [_condition("B", "False")]}
    answer = await api.apply(f"{made}/status", gadget(status={"hint": "h"}))
    assert answer.body["status"] == {"hint": "h"}


async def test_labels_no_longer_applied_are_removed_and_others_stay(api: Api, made: str, gadget: MakeObject) -> None:
    await api.merge(made, {"metadata": {"labels": {"theirs": "1"}}})
    answer = await api.apply(made, gadget(labels={"new": "1"}, spec={"size": 1}))
    assert answer.body["metadata"]["labels"] == {"theirs": "1", "new": "1"}
    answer = await api.apply(made, gadget(spec={"size": 1}))
    assert answer.body["metadata"]["labels"] == {"theirs": "1"}


async def test_an_item_that_another_manager_also_applies_stays(api: Api, made: str, gadget: MakeObject) -> None:
    await api.apply(f"{made}/status", gadget(status={"state": "x", "conditions": [_condition("A")]}))
    both = gadget(status={"conditions": [_condition("A"), _condition("B")]})
    assert (await api.apply(f"{made}/status", both, "m2")).status == 200
    answer = await api.apply(f"{made}/status", gadget(status={"state": "x"}))
    assert answer.body["status"] == {"state": "x", "conditions": [_condition("A"), _condition("B")]}
    answer = await api.apply(f"{made}/status", gadget(status={"conditions": [_condition("B")]}), "m2")
    assert answer.body["status"] == {"state": "x", "conditions": [_condition("B")]}


async def test_another_value_for_an_owned_field_conflicts_naming_manager_and_field(
    api: Api, made: str, gadget: MakeObject
) -> None:
    await api.apply(f"{made}/status", gadget(status={"state": "x", "history": [], "conditions": [_condition("A")]}))
    theirs = gadget(status={"state": "y", "history": [{"text": "2"}], "conditions": [_condition("A", "False")]})
    answer = await api.apply(f"{made}/status", theirs, "m2")
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")
    assert answer.body["message"] == (
        'Apply failed with 3 conflicts: conflicts with "m1" with subresource "status":\n'
        '- .status.history\n- .status.state\n- .status.conditions[type="A"].status'
    )
    cause = {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "m1" with subresource "status"',
        "field": ".status.history",
    }
    assert answer.body["details"]["causes"][0] == cause


async def test_conflicts_with_several_managers_are_grouped(api: Api, made: str, gadget: MakeObject) -> None:
    await api.apply(f"{made}/status", gadget(status={"state": "x"}))
    await api.apply(f"{made}/status", gadget(status={"hint": "x"}), "m2")
    answer = await api.apply(f"{made}/status", gadget(status={"state": "y", "hint": "y"}), "m3")
    assert answer.body["message"] == (
        'Apply failed with 2 conflicts: conflicts with "m1" with subresource "status":\n- .status.state\n'
        'conflicts with "m2" with subresource "status":\n- .status.hint'
    )


async def test_force_takes_the_field_from_its_owner(api: Api, made: str, gadget: MakeObject) -> None:
    await api.apply(f"{made}/status", gadget(status={"state": "x", "hint": "h"}))
    answer = await api.apply(f"{made}/status", gadget(status={"state": "y"}), "m2", force="true")
    assert answer.body["status"] == {"state": "y", "hint": "h"}
    owners = _owners(answer)
    assert owners[("m1", "Apply", "status")] == {"f:status": {"f:hint": {}}}
    assert owners[("m2", "Apply", "status")] == {"f:status": {"f:state": {}}}


async def test_the_same_value_is_owned_together(api: Api, made: str, gadget: MakeObject) -> None:
    await api.apply(f"{made}/status", gadget(status={"state": "x"}))
    answer = await api.apply(f"{made}/status", gadget(status={"state": "x"}), "m2")
    owners = _owners(answer)
    assert owners[("m1", "Apply", "status")] == owners[("m2", "Apply", "status")] == {"f:status": {"f:state": {}}}
    answer = await api.apply(f"{made}/status", gadget(status={}))
    assert answer.body["status"] == {"state": "x"}


async def test_an_update_takes_ownership_without_asking(api: Api, made: str, gadget: MakeObject) -> None:
    await api.apply(f"{made}/status", gadget(status={"state": "x", "conditions": [_condition("A")]}))
    patch = {"status": {"conditions": [_condition("A", "False")]}}
    answer = await api.merge(f"{made}/status", patch, fieldManager="other")
    owners = _owners(answer)
    assert owners[("m1", "Apply", "status")]["f:status"]["f:conditions"] == {'k:{"type":"A"}': {".": {}, "f:type": {}}}
    assert owners[("other", "Update", "status")] == {"f:status": {"f:conditions": {'k:{"type":"A"}': {"f:status": {}}}}}
    again = await api.apply(f"{made}/status", gadget(status={"state": "x", "conditions": [_condition("A")]}))
    assert again.status == 409
    assert again.body["message"] == (
        'Apply failed with 1 conflict: conflict with "other" with subresource "status" using tests.coroner.dev/v1: '
        '.status.conditions[type="A"].status'
    )


async def test_a_put_that_rebuilds_the_status_takes_ours_and_its_ownership_away(
    api: Api, made: str, gadget: MakeObject
) -> None:
    await api.apply(f"{made}/status", gadget(status={"state": "x", "conditions": [_condition("A")]}))
    live = (await api.get(made)).body
    live["status"] = {"conditions": [_condition("B")]}
    answer = await api.put(f"{made}/status", live, fieldManager="other")
    assert answer.body["status"] == {"conditions": [_condition("B")]}
    assert ("m1", "Apply", "status") not in _owners(answer)


async def test_a_put_that_keeps_our_fields_keeps_our_ownership(api: Api, made: str, gadget: MakeObject) -> None:
    await api.apply(f"{made}/status", gadget(status={"conditions": [_condition("A")]}))
    live = (await api.get(made)).body
    live["status"]["conditions"].append(_condition("B"))
    answer = await api.put(f"{made}/status", live, fieldManager="other")
    owners = _owners(answer)
    item: Object = {".": {}, "f:type": {}, "f:status": {}}
    assert owners[("m1", "Apply", "status")] == {"f:status": {"f:conditions": {'k:{"type":"A"}': item}}}
    assert owners[("other", "Update", "status")] == {"f:status": {"f:conditions": {'k:{"type":"B"}': item}}}


async def test_new_items_follow_those_that_were_there(api: Api, made: str, gadget: MakeObject) -> None:
    await api.apply(f"{made}/status", gadget(status={"conditions": [_condition("X"), _condition("Y")]}))
    answer = await api.apply(f"{made}/status", gadget(status={"conditions": [_condition("A"), _condition("Y")]}), "m2")
    assert [c["type"] for c in answer.body["status"]["conditions"]] == ["X", "A", "Y"]


async def test_the_order_of_the_configuration_counts(api: Api, made: str, gadget: MakeObject) -> None:
    await api.apply(f"{made}/status", gadget(status={"conditions": [_condition("X"), _condition("Y")]}))
    body = gadget(status={"conditions": [_condition("Y"), _condition("X")]})
    answer = await api.apply(f"{made}/status", body)
    assert [c["type"] for c in answer.body["status"]["conditions"]] == ["Y", "X"]


async def test_a_resource_version_in_the_body_is_a_precondition(api: Api, made: str, gadget: MakeObject) -> None:
    first = await api.apply(f"{made}/status", gadget(status={"state": "x"}))
    body = gadget(status={"state": "y"})
    body["metadata"]["resourceVersion"] = first.version
    assert (await api.apply(f"{made}/status", body)).status == 200
    again = await api.apply(f"{made}/status", body)
    assert (again.status, again.body["reason"]) == (409, "Conflict")


async def test_a_foreign_uid_is_refused_on_the_main_resource_and_ignored_on_status(
    api: Api, made: str, gadget: MakeObject
) -> None:
    body = gadget(spec={"size": 1}, status={"state": "x"})
    body["metadata"]["uid"] = "other"
    assert (await api.apply(made, body)).status == 422
    assert (await api.apply(f"{made}/status", body)).status == 200


async def test_a_uid_in_the_body_creates_nothing(api: Api, gadgets: str, gadget: MakeObject) -> None:
    body = gadget(spec={"size": 1})
    body["metadata"]["uid"] = "other"
    answer = await api.apply(f"{gadgets}/a", body)
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")
    assert "uid mismatch: the provided object specified uid other" in answer.body["message"]
    assert (await api.get(f"{gadgets}/a")).status == 404


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({"nothing": 1}, ".status.nothing: field not declared in schema"),
        ({"state": 1}, ".status.state: expected string, got "),
        (
            {"conditions": [_condition("A"), _condition("A", "False")]},
            '.status.conditions: duplicate entries for key [type="A"]',
        ),
    ],
)
async def test_a_configuration_that_does_not_fit_the_schema_is_an_error(
    api: Api, made: str, gadget: MakeObject, status: int, message: str
) -> None:
    answer = await api.apply(f"{made}/status", gadget(status=status))
    assert answer.status == 500
    assert answer.body["message"].startswith("failed to create typed patch object (")
    assert message in answer.body["message"]


async def test_an_invalid_value_is_refused_as_in_any_write(api: Api, made: str, gadget: MakeObject) -> None:
    answer = await api.apply(f"{made}/status", gadget(status={"conditions": [_condition("A", "Maybe")]}))
    assert answer.status == 422
    assert 'Unsupported value: "Maybe": supported values: "True", "False", "Unknown"' in answer.body["message"]


async def test_an_apply_needs_a_field_manager(api: Api, gadgets: str, gadget: MakeObject) -> None:
    kind = "application/apply-patch+yaml"
    answer = await api.call("PATCH", f"{gadgets}/a", gadget(spec={"size": 1}), kind=kind)
    assert answer.status == 422
    assert "fieldManager: Required value: is required for apply patch" in answer.body["message"]


async def test_an_apply_with_managed_fields_is_refused(api: Api, gadgets: str, gadget: MakeObject) -> None:
    body = gadget(spec={"size": 1})
    body["metadata"]["managedFields"] = [{"manager": "m1"}]
    answer = await api.apply(f"{gadgets}/a", body)
    assert (answer.status, answer.body["message"]) == (400, "metadata.managedFields must be nil")


async def test_the_name_must_be_given_and_right(api: Api, gadgets: str, gadget: MakeObject) -> None:
    other = await api.apply(f"{gadgets}/a", gadget("b", spec={"size": 1}))
    assert other.body["message"] == "the name of the object (b) does not match the name on the URL (a)"
    none = await api.apply(f"{gadgets}/a", gadget(None, spec={"size": 1}))
    assert none.status == 400
    assert none.body["message"].endswith("was undeterminable: name must be provided")


async def test_an_apply_may_be_yaml(api: Api, gadgets: str) -> None:
    text = b"apiVersion: tests.coroner.dev/v1\nkind: Gadget\nmetadata: {name: a}\nspec: {size: 1, when: 2026-01-01T00:00:00Z}\n"
    answer = await api.call("PATCH", f"{gadgets}/a", text, kind="application/apply-patch+yaml", fieldManager="m1")
    assert (answer.status, answer.body["spec"]["when"]) == (201, "2026-01-01T00:00:00Z")


async def test_a_field_of_a_plain_create_conflicts_with_its_maker(api: Api, gadgets: str, gadget: MakeObject) -> None:
    await api.post(gadgets, gadget(spec={"size": 1}))
    answer = await api.apply(f"{gadgets}/a", gadget(spec={"size": 2}))
    assert answer.body["message"] == (
        'Apply failed with 1 conflict: conflict with "conformance" using tests.coroner.dev/v1: .spec.size'
    )


async def test_a_default_returns_when_the_field_is_no_longer_applied(
    api: Api, gadgets: str, gadget: MakeObject
) -> None:
    await api.apply(f"{gadgets}/a", gadget(spec={"size": 1, "color": "blue"}))
    answer = await api.apply(f"{gadgets}/a", gadget(spec={"size": 1}))
    assert answer.body["spec"] == {"size": 1, "color": "red"}


async def test_a_set_keeps_what_others_added(api: Api, made: str, gadget: MakeObject) -> None:
    await api.apply(made, gadget(spec={"size": 1, "tags": ["a", "b"]}))
    await api.apply(made, gadget(spec={"tags": ["b", "c"]}), "m2")
    answer = await api.apply(made, gadget(spec={"size": 1, "tags": ["a"]}))
    assert sorted(answer.body["spec"]["tags"]) == ["a", "b", "c"]
    answer = await api.apply(made, gadget(spec={"size": 1}))
    assert sorted(answer.body["spec"]["tags"]) == ["b", "c"]


@pytest.mark.parametrize(
    ("written", "status"),
    [
        (b'"a\\ud83d\\udd25"', 400),
        ('"a\u009b"'.encode(), 400),
        ('"a\ufffe"'.encode(), 400),
        (b'"a\\u009b\\u202e"', 201),
        ('"a\U0001f525"'.encode(), 201),
    ],
    ids=["surrogate pair", "raw control", "raw noncharacter", "escaped", "raw emoji"],
)
async def test_an_apply_is_read_as_yaml(
    api: Api, gadgets: str, gadget: MakeObject, written: bytes, status: int
) -> None:
    body = json.dumps(gadget(labels={}, spec={"size": 1, "env": {"A": "TEXT"}})).encode().replace(b'"TEXT"', written)
    assert (await api.apply(f"{gadgets}/a", body)).status == status
