"""The notes of a release, from CHANGELOG.md: `python tools/release_notes.py v0.1.0 > notes.md`.

Exit status 1, and one line for each reason, if the tag, the package and the chart do not have the same version, or if
the changelog has no dated section for it: `## 0.1.0 (2026-12-01)`.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
HEADING = re.compile(r"^## (\S+)(?: \((.+)\))?$", re.MULTILINE)


def section(changelog: str, version: str) -> tuple[str, str] | None:
    """The date and the text of a version; None: there is none."""
    headings = list(HEADING.finditer(changelog))
    for found, following in zip(headings, [*headings[1:], None], strict=True):
        if found[1] == version:
            end = following.start() if following else len(changelog)
            return found[2] or "", changelog[found.end() : end].strip()
    return None


def problems(tag: str, package: str, chart: dict[str, str], changelog: str) -> Iterator[str]:
    """What keeps this tag from being released."""
    version = tag.removeprefix("v")
    for name, other in (
        ("pyproject.toml", package),
        ("Chart.yaml", chart["version"]),
        ("appVersion", chart["appVersion"]),
    ):
        if other != version:
            yield f"{name} has version {other}, the tag is {tag}"
    found = section(changelog, version)
    if found is None or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", found[0]):
        yield f"CHANGELOG.md has no dated section: ## {version} (YYYY-MM-DD)"


def main(tag: str) -> int:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((ROOT / "deploy" / "helm" / "coroner" / "Chart.yaml").read_text())
    found = list(problems(tag, package, chart, changelog))
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    notes = section(changelog, tag.removeprefix("v"))
    if not found and notes is not None:
        sys.stdout.write(f"{notes[1]}\n")
    return int(bool(found))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} TAG")
    sys.exit(main(sys.argv[1]))
