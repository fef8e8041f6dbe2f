"""The docstring of every package lists its modules, so that it can be used as a map."""

import ast
import re
from pathlib import Path

import pytest

from tests.repo_checks.tracked import ROOT

SOURCES = ("categorizer/coroner_categorizer", "operator/coroner_operator", "embedded/embedded_apiserver")
PACKAGES = sorted(file.parent for source in SOURCES for file in (ROOT / source).rglob("__init__.py"))
NAMES = re.compile(r"\s*(?:… )?(\w+(?:, \w+)*)")
MODULES_LIMIT = 14  # modules in one folder


def modules_of(package: Path) -> set[str]:
    """Modules and subpackages."""
    modules = {file.stem for file in package.glob("*.py")} - {"__init__", "__main__"}
    return modules | {file.parent.name for file in package.glob("*/__init__.py")}


def listed_in(package: Path) -> set[str]:
    """The names at the start of each line of the docstring: one, or several separated by commas."""
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    starts = [found[1] for line in docstring.splitlines() if (found := NAMES.match(line))]
    return {name for start in starts for name in start.split(", ")}


def test_there_are_packages() -> None:
    assert len(PACKAGES) > 15


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.relative_to(ROOT)))
def test_the_docstring_of_a_package_lists_its_modules(package: Path) -> None:
    assert modules_of(package) - listed_in(package) == set()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.relative_to(ROOT)))
def test_no_folder_has_too_many_modules(package: Path) -> None:
    assert len(modules_of(package)) <= MODULES_LIMIT
