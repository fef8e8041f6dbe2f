"""Generated files of the chart: `python tools/chart.py` writes them, `--check` lists outdated ones (exit status 1).

* files/crds, files/presets.yaml: copies, because helm packages no files from outside the chart folder;
* the two tables in README.md, from the comments in values.yaml and from values.schema.json.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "deploy" / "helm" / "coroner"
CRDS = ROOT / "crds"
PRESETS = ROOT / "operator" / "coroner_operator" / "config" / "presets.yaml"
KEY = re.compile(r"^( *)([A-Za-z][A-Za-z0-9]*):")


@dataclass(frozen=True)
class Value:
    """A value in values.yaml that has a description."""

    path: tuple[str, ...]
    default: Any
    description: str


def described_values(text: str) -> Iterator[Value]:
    """The keys below a comment `# -- …`, in order. Continuation lines of the comment start with `# `."""
    values = yaml.safe_load(text)
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("# -- "):
            comment = [bare.removeprefix("# -- ")]
        elif bare.startswith("# ") and comment:
            comment.append(bare.removeprefix("# "))
        elif found := KEY.match(line):
            path = [*path[: len(found[1]) // 2], found[2]]
            if comment:
                yield Value(tuple(path), value_at(values, path), " ".join(comment))
            comment = []


def value_at(values: Mapping[str, Any], path: list[str]) -> Any:
    found: Any = values
    for key in path:
        found = found[key]
    return found


def values_table() -> str:
    values = described_values((CHART / "values.yaml").read_text())
    return table(("value", "default", "description"), [(".".join(v.path), v.default, v.description) for v in values])


def settings_table() -> str:
    schema = json.loads((CHART / "values.schema.json").read_text())
    return table(("setting", "default", "description"), list(settings(schema["properties"]["config"], ())))


def settings(schema: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, Any, str]]:
    for name, entry in schema["properties"].items():
        if "properties" in entry:
            yield from settings(entry, (*path, name))
        else:
            yield ".".join((*path, name)), entry["default"], entry["description"]


def table(head: tuple[str, str, str], rows: list[tuple[str, Any, str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|---|---|---|"]
    for name, default, description in rows:
        shown = json.dumps(default).replace("|", "\\|")
        lines.append(f"| `{name}` | `{shown}` | {description.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def filled(text: str, mark: str, content: str) -> str:
    """`text` with `content` between `<!-- mark -->` and `<!-- end of mark -->`."""
    begin, end = f"<!-- {mark} -->\n", f"\n<!-- end of {mark} -->"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"README.md of the chart has no marker <!-- {mark} -->")
    return before + begin + content + end + after


def wanted_files() -> dict[Path, bytes]:
    """Every generated file with its expected content."""
    files = {CHART / "files" / "crds" / source.name: source.read_bytes() for source in sorted(CRDS.glob("*.yaml"))}
    files[CHART / "files" / "presets.yaml"] = PRESETS.read_bytes()
    readme = (CHART / "README.md").read_text()
    readme = filled(readme, "values", values_table())
    readme = filled(readme, "settings", settings_table())
    return {**files, CHART / "README.md": readme.encode()}


def out_of_date() -> list[Path]:
    """Files that differ from their expected content, and copies whose source no longer exists."""
    wanted = wanted_files()
    differing = [file for file, content in wanted.items() if not file.exists() or file.read_bytes() != content]
    return differing + [file for file in (CHART / "files" / "crds").iterdir() if file not in wanted]


def main() -> int:
    stale = out_of_date()
    if "--check" in sys.argv[1:]:
        for file in stale:
            print(f"{file.relative_to(ROOT)} is out of date: make chart", file=sys.stderr)  # noqa: T201
        return 1 if stale else 0
    wanted = wanted_files()
    for file in stale:
        if file in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(wanted[file])
        else:
            file.unlink()
        print(f"wrote {file.relative_to(ROOT)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
