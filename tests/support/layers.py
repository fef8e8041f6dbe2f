"""What a test needs decides its marker: `pytest -m unit` is what needs no server and is over in a moment.

| marker | needs | found by |
|---|---|---|
| `controllers` | the same, and controllers that people run on it (JobSet, KubeRay, …) | the fixture `controllers` |
| `cluster` | a real node that runs pods | the fixture `cluster` |
| `apiserver` | a real API server | the fixture `api_server` |
| `embedded` | our embedded API server | its fixtures, or the marker on the test |
| `slow` | seconds: it runs other programs (helm, pip), or a property over many inputs | fixtures, `max_examples` |
| `unit` | nothing | none of the others |

With pytest-xdist (`-n`) this also decides where and in which order tests run: what waits longest starts first, and tests
that share something costly share a worker.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from unittest import mock

import pytest

LAYERS = {
    "controllers": frozenset(("controllers",)),
    "cluster": frozenset(("cluster",)),
    "apiserver": frozenset(("api_server", "real_kubeconfig")),
    "embedded": frozenset(("server", "embedded")),
    "slow": frozenset(("helm", "either_helm", "promtool", "wheel", "archive")),
    "unit": frozenset[str](),
}
"""Marker → fixtures of which a test of this layer asks for one. The first that fits counts."""
MANY_EXAMPLES = 100
"""A property with no more inputs than Hypothesis draws by itself is still over in a moment."""

_LAYER = pytest.StashKey[str]()


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        layer = item.stash[_LAYER] = layer_of(item)
        item.add_marker(layer)
        if group := group_of(item):
            item.add_marker(pytest.mark.xdist_group(group))
    if hasattr(config, "workerinput"):
        sizes = Counter(item.path for item in items)
        items.sort(key=lambda item: _start_order(item, sizes[item.path]))


def layer_of(item: pytest.Item) -> str:
    marked = {mark.name for mark in item.iter_markers()}
    needs = frozenset(getattr(item, "fixturenames", ()))
    for layer, fixtures in LAYERS.items():
        if layer in marked or fixtures & needs:
            return layer
    return "slow" if _is_long_property(item) else "unit"


def _is_long_property(item: pytest.Item) -> bool:
    settings = getattr(getattr(item, "obj", None), "_hypothesis_internal_use_settings", None)
    return settings is not None and settings.max_examples > MANY_EXAMPLES


def group_of(item: pytest.Item) -> str | None:
    """Tests of one group run on one worker; None: this one may run on any, or its own mark names the group.

    A machine has room for two clusters with a node: one is for the live scenarios, which change the node, and one for what
    is installed. A given cluster is one. Tests of one folder install the same on a real API server (CRDs, roles), of which
    each worker has its own. A module of other tests keeps what it has read or built.
    """
    if item.get_closest_marker("xdist_group"):
        return None
    match item.stash[_LAYER]:
        case "controllers" | "cluster":
            scenarios = item.path.parent.name == "e2e" and "E2E_KUBECONFIG" not in os.environ
            return "cluster: live scenarios" if scenarios else "cluster"
        case "apiserver":
            return f"apiserver: {item.path.parent.name}"
        case "embedded":
            return None
    return None if _is_long_property(item) else item.path.stem


def _start_order(item: pytest.Item, module_size: int) -> tuple[int, float, int]:
    """Layers in their order; in each, what may take longest comes first. Of unit tests that is the largest module."""
    layer, limit = item.stash[_LAYER], item.get_closest_marker("timeout")
    return list(LAYERS).index(layer), -float(limit.args[0]) if limit else 0.0, -module_size if layer == "unit" else 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A test without a server's marker that starts the embedded one fails: it is to be marked `embedded`."""
    embedded = sys.modules.get("embedded_apiserver")
    if embedded is None or item.stash[_LAYER] not in ("unit", "slow"):
        return (yield)
    refusal = AssertionError("this test starts a server: mark it `embedded`")
    with mock.patch.object(embedded.EmbeddedApiServer, "start", side_effect=refusal):
        return (yield)
