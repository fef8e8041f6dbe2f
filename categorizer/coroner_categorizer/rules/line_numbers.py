"""In which line of a YAML text a place is that an error names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import yaml

from coroner_categorizer.rules.field_path import FieldError, Path

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # used for its events only: nothing is constructed


def with_lines(text: str, errors: Iterable[FieldError]) -> list[FieldError]:
    """The errors with the lines of their places; of what is absent, the line of what it is absent from.

    The text has been parsed: it is YAML, and neither deep nor multiplied by aliases.
    """
    found = list(errors)
    lines = lines_of(text, [error.path for error in found])
    return [error._replace(line=line) for error, line in zip(found, lines, strict=True)]


def lines_of(text: str, paths: Sequence[str]) -> list[int]:
    """The line of each place, as in ``with_lines``; 0 where not even a part of the path is there."""
    lines = _lines(text, {place for path in paths for place in _with_parents(path)})
    return [next((lines[place] for place in _with_parents(path) if place in lines), 0) for path in paths]


def _with_parents(path: str) -> Iterable[str]:
    """``a.b[0]``, ``a.b``, ``a``."""
    while path:
        yield path
        path = path[: path.rindex("[")] if path.endswith("]") and "[" in path else path.rpartition(".")[0]


class _OpenCollection:
    """An open mapping or list. ``path`` is None where nothing below it is wanted."""

    __slots__ = ("expects_key", "index", "is_list", "key", "path")

    def __init__(self, path: Path | None, *, is_list: bool) -> None:
        self.path = path
        self.is_list = is_list
        self.index = 0
        self.expects_key = not is_list
        self.key: Path | None = None
        """The place of the value that comes next in a mapping; None: a key comes next, or nobody asks."""


def _lines(text: str, wanted: Collection[str]) -> dict[str, int]:
    """The lines, counted from 1, of those of the wanted places that are there: of a key, or of an item of a list."""
    lines: dict[str, int] = {}
    open_: list[_OpenCollection] = []
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionEndEvent):
            open_.pop()
            continue
        if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            continue
        place: Path | None = None
        line = _line_of(event)
        if open_:
            within = open_[-1]
            if within.is_list:
                place = _below(within.path, within.index, wanted)
                within.index += 1
            elif within.expects_key:
                name = event.value if isinstance(event, yaml.ScalarEvent) else ""
                within.key = _below(within.path, name, wanted)
                _note(within.key, line, lines)
                within.expects_key = False
                if isinstance(event, yaml.ScalarEvent):
                    continue
            else:
                place, within.key = within.key, None
                within.expects_key = True
        else:
            place = Path()
        _note(place, line, lines)
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append(_OpenCollection(place, is_list=isinstance(event, yaml.SequenceStartEvent)))
    return lines


def _line_of(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _below(path: Path | None, part: str | int, wanted: Collection[str]) -> Path | None:
    if path is None:
        return None
    below = path / part
    return below if str(below) in wanted else None


def _note(place: Path | None, line: int, lines: dict[str, int]) -> None:
    if place is not None and place.parts:
        lines.setdefault(str(place), line)
