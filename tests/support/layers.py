"""What a test needs decides its marker: `pytest -m unit` is everything that runs in seconds without a server.

| marker | needs | found by |
|---|---|---|
| `unit` | nothing beside itself (a `helm` or `promtool` where it says so) | no other marker |
| `embedded` | our embedded API server | the fixture, or the marker on the test |
| `apiserver` | a real API server | the fixture `api_server` |
| `cluster` | a real node that runs pods | the fixture `cluster` |

With pytest-xdist (`-n`) this also decides where and in which order tests run: what waits longest begins first, and tests
that share something costly share a worker.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from unittest import mock

import pytest

LAYERS = {
    "cluster": ("cluster",),
    "apiserver": ("api_server", "real_kubeconfig"),
    "embedded": ("server", "embedded"),
    "unit": (),
}
"""Marker → fixtures that a test of this layer asks for; the first that fits counts."""


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if not any(item.get_closest_marker(name) for name in LAYERS):
            item.add_marker(layer_of(item))
        if group := group_of(item):
            item.add_marker(pytest.mark.xdist_group(group))
    if hasattr(config, "workerinput"):
        items.sort(key=_start_order)


def layer_of(item: pytest.Item) -> str:
    needs = set(getattr(item, "fixturenames", ()))
    return next(name for name, fixtures in LAYERS.items() if needs.intersection(fixtures) or not fixtures)


def group_of(item: pytest.Item) -> str | None:
    """Tests of one group run on one worker; None: this one may run anywhere.

    There is one node a machine. What tests install on a real API server (CRDs, roles) must not meet what others
    install. A module of unit tests caches what it has read.
    """
    marker = next(name for name in LAYERS if item.get_closest_marker(name))
    if marker == "cluster":
        return "cluster"
    if marker == "apiserver":
        return "apiserver"
    return item.path.stem if marker == "unit" else None


def _start_order(item: pytest.Item) -> tuple[int, float]:
    """Layers in their order; in each, what may take longest comes first."""
    layer = next(number for number, name in enumerate(LAYERS) if item.get_closest_marker(name))
    limit = item.get_closest_marker("timeout")
    return layer, -float(limit.args[0]) if limit else 0.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A unit test that starts a server fails: it is no unit test, and its module must say so (`pytestmark`)."""
    embedded = sys.modules.get("embedded_apiserver")
    if embedded is None or not item.get_closest_marker("unit"):
        return (yield)
    refusal = AssertionError("a unit test starts no server: mark it `embedded`")
    with mock.patch.object(embedded.EmbeddedApiServer, "start", side_effect=refusal):
        return (yield)
