"""What an apply sends is read back as it was, by YAML as by JSON."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coroner_operator.kube.bodies import apply_body


@pytest.mark.parametrize(
    "text", ["fire \U0001f525", "\x7f\x85\x9b", "\ufeff\ufffe\uffff", "\\ud83d", "a\u2028b\u202e", "\x00\x1b"]
)
def test_every_character_comes_back(text: str) -> None:
    assert json.loads(apply_body({"a": text})) == {"a": text}
    assert b"\\ud83d\\ud" not in apply_body({"a": text})


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_yaml_reads_what_json_reads(text: str) -> None:
    assert yaml.safe_load(apply_body({"a": text})) == json.loads(apply_body({"a": text})) == {"a": text}


def test_a_lone_surrogate_is_replaced() -> None:
    assert json.loads(apply_body({"a": "x\ud83dy"})) == {"a": "x\ufffdy"}
