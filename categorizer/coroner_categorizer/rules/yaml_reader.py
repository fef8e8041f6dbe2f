"""Reads YAML nodes into values, and records every error instead of stopping at the first."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from coroner_categorizer.rules.field_path import FieldErrors, Path
from coroner_categorizer.rules.pattern_set import (
    TOTAL_LIMIT,
    PatternBudget,
    PatternError,
    PatternTooLargeError,
    compile_pattern,
)

_CHOICES_NAMED = 5  # an error lists all choices where there are no more than these
NAME_LIMIT = 63  # bytes; a label value's limit, and Armada's

TOO_LARGE = TOTAL_LIMIT // 5
"""Counted for a pattern that is too large on its own: compiling it until it fails takes 0.1 s."""

_SMALLER = r"use smaller repetition counts, and [A-Za-z] instead of \pL"
_TOO_LARGE_TOGETHER = "the patterns up to here are too large together when compiled, the later ones were not checked"


class YamlReader:
    """Typed access to nodes of one document. A method returns None where it recorded an error."""

    def __init__(self, errors: FieldErrors) -> None:
        self.errors = errors
        self._budget = PatternBudget()

    def mapping(self, node: Any, path: Path, keys: Iterable[str]) -> Mapping[str, Any] | None:
        """A mapping with no other keys than these."""
        if not isinstance(node, dict):
            self.errors.add(path, f"expected a mapping, found {kind_of(node)}", "write `key: value` pairs here")
            return None
        known = list(keys)
        for key in node:
            if key not in known:
                close = closest(str(key), known)
                remedy = f'did you mean "{close}"?' if close else f"known here: {', '.join(known)}"
                self.errors.add(path / str(key), "unknown key", remedy)
        return node

    def items(self, node: Any, path: Path, what: str) -> list[Any] | None:
        """A list."""
        if not isinstance(node, list):
            self.errors.add(path, f"expected a list of {what}, found {kind_of(node)}", "write `- …` items here")
            return None
        return node

    def text(self, node: Any, path: Path, *, default: str = "", limit: int | None = None) -> str | None:
        """A string; absent = ``default``. ``limit`` is in bytes."""
        if node is None:
            return default
        if not isinstance(node, str):
            self.errors.add(path, f"expected a string, found {kind_of(node)}", "put it in quotes")
            return None
        if limit is not None and (size := len(node.encode("utf-8", "replace"))) > limit:
            self.errors.add(path, f"{size} bytes long", f"use at most {limit}")
            return None
        return node

    def one_of(self, node: Any, path: Path, allowed: Iterable[str], *, default: str | None = None) -> str | None:
        """One of a closed set of strings; absent = ``default`` if there is one."""
        if node is None and default is not None:
            return default
        choices = list(allowed)
        if isinstance(node, str) and node in choices:
            return node
        if isinstance(node, str):
            self.errors.add(path, f'unknown value "{node}"', _one_of_these(node, choices))
        else:
            self.errors.add(path, f"expected a string, found {kind_of(node)}", _one_of_these("", choices))
        return None

    def boolean(self, node: Any, path: Path) -> bool:
        """``true`` or ``false``; absent = false."""
        if node is None or isinstance(node, bool):
            return bool(node)
        self.errors.add(path, "expected true or false", "write true or false")
        return False

    def whole_number(self, node: Any, path: Path) -> int | None:
        if isinstance(node, bool) or not isinstance(node, int) or abs(node) >= 2**31:
            self.errors.add(path, f"expected a whole number, found {kind_of(node)}", "write it without quotes")
            return None
        return node

    def pattern(self, node: Any, path: Path) -> str | None:
        """An RE2 pattern that compiles, and whose size fits with that of the patterns before it."""
        if node is None:
            self.errors.add(path, "missing", "give a pattern (RE2 syntax, as in Go)")
            return None
        text = self.text(node, path)
        if text is None or self._budget.is_exceeded:
            return None
        try:
            size = compile_pattern(text).programsize
        except PatternTooLargeError:
            self.errors.add(path, "too large when compiled", _SMALLER)
            self.count_pattern(TOO_LARGE, path)  # some are worth the time, thousands are not
            return None
        except PatternError as refused:
            self.errors.add(path, f"not a pattern: {refused}", "use RE2 syntax (no look-around, no back-references)")
            return None
        return text if self.count_pattern(size, path) else None

    def count_pattern(self, size: int, path: Path) -> bool:
        """``size``: of a compiled pattern. False, and an error: with it all patterns are too large together."""
        if self._budget.is_exceeded:
            return False
        fits = self._budget.take(size)
        if not fits:
            self.errors.add(path, _TOO_LARGE_TOGETHER, "use fewer patterns, or smaller repetition counts")
        return fits


def _one_of_these(given: str, choices: list[str]) -> str:
    """The choice that was probably meant, if there are too many to name them all."""
    if len(choices) > _CHOICES_NAMED and (close := closest(given, choices)):
        return f'did you mean "{close}"?'
    *others, last = (f'"{choice}"' for choice in choices)
    return f"use {', '.join(others)} or {last}" if others else f"use {last}"


def closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that is most like this one, in whatever case it is written; None: none is like it."""
    by_lower_case = {each.lower(): each for each in known}
    found = difflib.get_close_matches(word.lower(), by_lower_case, n=1, cutoff=cutoff)
    return by_lower_case[found[0]] if found else None


def kind_of(node: Any) -> str:
    """The node, as an error message names it."""
    match node:
        case None:
            return "nothing"
        case bool():
            return f"{str(node).lower()} (a boolean)"
        case int() | float():
            return f"the number {node}"
        case str():
            shown = node if len(node) <= 40 else f"{node[:40]}…"
            return f'the string "{shown}"'
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return type(node).__name__
