"""YAML text as plain values, with limits on everything that hostile YAML can make grow.

PyYAML's own loaders are not usable here: the C loader crashes on deep nesting, aliases can turn a page of text into
gigabytes, unquoted times become datetimes, and a bare ``=`` is an error. The values are therefore built from the
parser's events. Plain scalars are read as Kubernetes reads them (YAML 1.1); times remain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from coroner_operator.cli.errors import BadInput

YAML_LIMIT = 10 * 1024 * 1024
"""Bytes. About 1,200 pods, a few seconds; JSON is read a hundred times faster."""
DEPTH_LIMIT = 100  # a pod nests about 12 deep
VALUES_LIMIT = 5_000_000  # 10 MiB of YAML hold at most about this many values; more can only come from aliases

_Parser: Any = getattr(yaml, "CLoader", yaml.Loader)  # used for its events only: nothing is constructed

_KEYWORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")  # up to 64 bits; a longer number is no field of a pod
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]{1,3})?")  # 1e3 is text in YAML 1.1


class YamlDocument(NamedTuple):
    line: int
    """Counted from 1; where the document begins."""
    value: Any


def yaml_documents(name: str, data: bytes) -> Iterator[YamlDocument]:
    """Every document of the text that is not null. Raises BadInput with line and column where it is not YAML."""
    if len(data) > YAML_LIMIT:
        fault = f"not JSON, and larger than the limit of {YAML_LIMIT // 2**20} MiB for YAML"
        raise BadInput(name, fault, 'use "kubectl ... -o json"')
    try:
        yield from _Builder(name).documents(data.decode())
    except yaml.MarkedYAMLError as error:
        problem = error.problem or error.context or "cannot be parsed"
        place = _place(name, error.problem_mark or error.context_mark)
        raise BadInput(place, f"neither JSON nor YAML: {problem}", "correct it there") from error
    except yaml.YAMLError as error:
        raise BadInput(name, f"neither JSON nor YAML: {_first_line(error)}", "use the output of kubectl") from error


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _place(name: str, mark: Any) -> str:
    return f"{name}: line {mark.line + 1}, column {mark.column + 1}" if mark else name


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]


class _Anchored(NamedTuple):
    value: Any
    size: int


class _Builder:
    """One pass over the events, without recursion."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.size = 0
        """Values read so far, each alias counted with everything that it expands to."""

    def documents(self, text: str) -> Iterator[YamlDocument]:
        loader = _Parser(text)
        try:
            line = 1
            while loader.check_event():
                event = loader.get_event()
                if isinstance(event, yaml.DocumentStartEvent):
                    line = _line(event)
                    value = self._document(loader)
                    if value is not None:
                        yield YamlDocument(line, value)
        finally:
            loader.dispose()

    def _document(self, loader: Any) -> Any:
        root: list[Any] = []
        open_: list[_OpenContainer] = [_OpenContainer(root, "", 0)]
        anchors: dict[str, _Anchored] = {}
        while True:
            event = loader.get_event()
            if isinstance(event, yaml.DocumentEndEvent):
                return root[0] if root else None
            if isinstance(event, yaml.ScalarEvent):
                self._count(event, 1)
                value = _scalar(event)
                if event.anchor:
                    anchors[event.anchor] = _Anchored(value, 1)
                open_[-1].put(value, event.value)
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                self._count(event, 1)
                if len(open_) > DEPTH_LIMIT:
                    self._reject(event, f"nested more than {DEPTH_LIMIT} deep")
                container: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
                open_.append(_OpenContainer(container, event.anchor or "", self.size - 1))
            elif isinstance(event, yaml.AliasEvent):
                anchored = anchors.get(event.anchor or "")
                if anchored is None:  # unknown, or an alias to a value that holds it
                    self._reject(event, f'the alias "*{event.anchor}" has no complete anchor')
                else:
                    self._count(event, anchored.size)
                    open_[-1].put(anchored.value)
            else:  # the end of a mapping or a sequence
                closed = open_.pop()
                if closed.anchor:
                    anchors[closed.anchor] = _Anchored(closed.container, self.size - closed.size_before)
                open_[-1].put(closed.container)

    def _count(self, event: Any, values: int) -> None:
        self.size += values
        if self.size > VALUES_LIMIT:
            self._reject(event, "its aliases expand to too many values")

    def _reject(self, event: Any, fault: str) -> None:
        raise BadInput(_place(self.name, event.start_mark), fault, "use the output of kubectl")


class _OpenContainer:
    """A mapping or sequence that has not ended yet."""

    __slots__ = ("anchor", "container", "key", "size_before")

    def __init__(self, container: Any, anchor: str, size_before: int) -> None:
        self.container = container
        self.anchor = anchor
        self.size_before = size_before
        self.key: str | None = None

    def put(self, value: Any, text: str = "") -> None:
        """``text``: the value as a key. Keys in JSON are text; anything else is no field of an object."""
        if isinstance(self.container, list):
            self.container.append(value)
        elif self.key is None:
            self.key = text
        else:
            self.container[self.key] = value
            self.key = None


def _scalar(event: Any) -> Any:
    """The value of a plain, quoted or tagged scalar."""
    text: str = event.value
    if event.tag is not None or not event.implicit[0]:
        return text  # tagged or quoted
    if text and text[0] in "-+.0123456789":
        return _number(text)
    return _KEYWORDS.get(text, text)


def _number(text: str) -> int | float | str:
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
