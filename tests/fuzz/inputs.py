"""Hostile inputs: texts from the beginnings and ends of secrets, JSON from the keys of pods and events."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.dictionary import JSON_KEYS, TEXT_FRAGMENTS

TEXT_LIMIT = 8192
"""Bytes; as much as is ever decoded of one text."""

_fragments = st.sampled_from(TEXT_FRAGMENTS)
_pieces = _fragments | st.text(max_size=8) | st.binary(max_size=8).map(lambda raw: raw.decode("latin-1"))


def _repeated(pieces: list[str], times: int, prefix: str) -> str:
    return (prefix + "".join(pieces) * times)[:TEXT_LIMIT]


TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(_pieces, max_size=60).map("".join),
    st.builds(
        _repeated,
        st.lists(_pieces, min_size=1, max_size=4),
        st.integers(1, 4000),
        st.lists(_pieces, max_size=3).map("".join),
    ),
)

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(("2026-11-21T21:15:50Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "-1", "\ud800")),
)


def _nest(depth: int, inner: Any) -> Any:
    for level in range(depth):
        inner = [inner] if level % 2 else {"state": inner}
    return inner


_NESTED = st.builds(_nest, st.integers(1, 300), _SCALARS)

VALUES = st.recursive(
    _SCALARS | _NESTED,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(JSON_KEYS) | st.text(max_size=5), inner, max_size=8)
    ),
    max_leaves=40,
)
DOCUMENTS = st.one_of(
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=200),
    st.builds(lambda value, cut: json.dumps(value).encode()[:cut], VALUES, st.integers(0, 400)),
    st.integers(1, 50_000).map(lambda depth: b"[" * depth),
    st.integers(1, 50_000).map(lambda depth: b'{"status":' * depth),
)
