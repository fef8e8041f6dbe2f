"""One module builds the paths of the API server, and one package sends requests to it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repo_checks.tracked import ROOT

OPERATOR = ROOT / "operator" / "coroner_operator"
PATHS = OPERATOR / "kube" / "paths.py"
CLIENT = OPERATOR / "kube" / "client.py"

ENCODERS = {"quote", "quote_plus", "quote_from_bytes", "urljoin", "urlunsplit", "urlunparse"}


def built_paths(source: str) -> Iterator[str]:
    """What builds a path in this source, with its line: texts that begin or go on like one, and encoders of parts."""
    nodes = list(ast.walk(ast.parse(source)))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module in ("urllib.parse", "yarl"):
            for name in {alias.name for alias in node.names} & (ENCODERS | {"URL"}):
                yield f"line {node.lineno}: {name}"
        elif isinstance(node, ast.Constant) and id(node) not in docstrings and _is_part_of_a_path(node.value):
            yield f"line {node.lineno}: {node.value!r}"


def _is_part_of_a_path(value: object) -> bool:
    if not isinstance(value, str):
        return False
    parts = ("/api/", "/apis/", "namespaces/", "/namespaces")
    return value in ("/api", "/apis", "api", "apis") or any(part in value for part in parts)


@pytest.mark.parametrize(
    "line",
    [
        'path = f"/api/v1/namespaces/{namespace}/pods"',
        'path = "/apis/" + group',
        'root = "/apis" if group else "/api"',
        'path = "/".join(("apis", group))',
        'path = f"{root}/namespaces/{namespace}"',
        "from urllib.parse import quote",
        "from yarl import URL",
    ],
)
def test_what_builds_a_path_is_found(line: str) -> None:
    assert list(built_paths(line))


@pytest.mark.parametrize(
    "line", ['"""GET /api/v1/pods."""', 'log.info("%d namespaces", 3)', "from urllib.parse import urlencode"]
)
def test_what_builds_none_is_left_alone(line: str) -> None:
    assert not list(built_paths(line))


def modules() -> list[Path]:
    return sorted(OPERATOR.rglob("*.py"))


def test_paths_are_built_in_one_module() -> None:
    found = {
        f"{module.relative_to(ROOT)}: {place}"
        for module in modules()
        if module != PATHS
        for place in built_paths(module.read_text())
        if not (module == CLIENT and place.endswith("URL"))  # it sends what paths.py has built, unchanged
    }
    assert found == set()
    assert list(built_paths(PATHS.read_text()))


def test_requests_are_sent_by_one_module() -> None:
    """The health server only answers; kopf has a client of its own for what it watches."""
    senders = {"ApiClient", "ClientSession", "urlopen"}
    found = {
        str(module.relative_to(ROOT))
        for module in modules()
        for node in ast.walk(ast.parse(module.read_text()))
        if (isinstance(node, ast.Name) and node.id in senders)
        or (isinstance(node, ast.Attribute) and node.attr in senders)
    }
    assert found == {str(CLIENT.relative_to(ROOT))}
