"""YAML is read as Kubernetes reads it, and nothing in it can grow without bound."""

import json
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coroner_operator.cli.errors import BadInput
from coroner_operator.cli.inputs.safe_yaml import yaml_documents

SCALARS = {
    "null": None,
    "~": None,
    "": None,
    "true": True,
    "no": False,
    "137": 137,
    "-1": -1,
    "0": 0,
    "0.5": 0.5,
    "1e3": "1e3",
    "1.5e+3": 1500.0,
    "007": "007",
    "123456789012345678901234567890": "123456789012345678901234567890",
    "2026-11-21T21:15:44Z": "2026-11-21T21:15:44Z",
    "2026-11-21": "2026-11-21",
    "12:30:45": "12:30:45",
    "=": "=",
    "-": "-",
    '"137"': "137",
    "'true'": "true",
    "!!str 137": "137",
    "|-\n  a\n  b": "a\nb",
    "0x1F": "0x1F",
    ".inf": ".inf",
}


def read(text: str) -> list[object]:
    return [document.value for document in yaml_documents("file", text.encode())]


@pytest.mark.parametrize("text", [t for t in SCALARS if t != "-"])
def test_a_scalar_is_read_as_its_kind(text: str) -> None:
    assert read(f"a: {text}\n") == [{"a": SCALARS[text]}]


def test_documents_know_the_line_where_they_begin() -> None:
    found = list(yaml_documents("file", b"a: 1\n---\n---\n# b\nb: 2\n--- \n- c\n"))
    assert [(document.line, document.value) for document in found] == [(1, {"a": 1}), (3, {"b": 2}), (6, ["c"])]


def test_an_error_has_line_and_column() -> None:
    with pytest.raises(BadInput, match=r"^file: line 2, column 4: neither JSON nor YAML: .*; correct it there$"):
        read("a: 1\n  b: 2\n")


def test_keys_are_text() -> None:
    assert read("1: a\ntrue: b\n? [x]\n: c\n") == [{"1": "a", "true": "b", "": "c"}]


def test_an_alias_stands_for_the_value_of_its_anchor() -> None:
    assert read("a: &x {b: [1]}\nc: *x\nd: &y 5\ne: *y\n") == [{"a": {"b": [1]}, "c": {"b": [1]}, "d": 5, "e": 5}]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**50), 2**50)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_what_yaml_can_say_is_read_as_json_would_be(value: object) -> None:
    dumped = yaml.safe_dump(value, allow_unicode=False)
    assert read(dumped) == ([] if value is None else [json.loads(json.dumps(value))])


@given(st.text())
def test_any_text_is_read_or_rejected(text: str) -> None:
    try:
        read(text.encode(errors="replace").decode())
    except BadInput as refused:
        assert "\n" not in refused.message


def test_no_value_is_infinite() -> None:
    [found] = read("[1e999, -1e999, 1.5]")
    assert isinstance(found, list)
    assert not any(isinstance(value, float) and math.isnan(value) for value in found)
