"""The JSONPath of printer columns: ``.a.b``, ``['a.b']``, ``[0]``, ``[*]``, ``[?(@.type=="Ready")]``."""

from __future__ import annotations

import re
from typing import Any

_STEP = re.compile(
    r"""\.(?P<name>[\w-]+)                                       # .status
      | \[\s*['"](?P<quoted>[^'"]+)['"]\s*\]                     # ['app.kubernetes.io/name']
      | \[(?P<index>-?\d+)\]                                     # [0]
      | (?P<all>\[\*\])                                          # [*]
      | \[\?\(\s*@(?P<path>[\w.]+)\s*==\s*['"](?P<value>[^'"]*)['"]\s*\)\]   # [?(@.type=="Ready")]
    """,
    re.VERBOSE,
)


def find(obj: Any, path: str) -> list[Any]:
    """All values at ``path``; empty if there is none. Raises ValueError for an unsupported path."""
    found = [obj]
    at = 0
    text = path.strip("{}").replace("\\.", "\x00")
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            raise ValueError(f"JSONPath {path}: unsupported syntax at {text[at:]}")
        found = [value for item in found for value in _step(item, step)]
        at = step.end()
    return found


def _step(item: Any, step: re.Match[str]) -> list[Any]:
    name = step["name"] or step["quoted"]
    if name:
        key = name.replace("\x00", ".")
        return [item[key]] if isinstance(item, dict) and key in item else []
    if not isinstance(item, list):
        return []
    if step["all"]:
        return list(item)
    if step["index"]:
        return item[int(step["index"]) :][:1]
    return [entry for entry in item if find(entry, step["path"]) == [step["value"]]]
