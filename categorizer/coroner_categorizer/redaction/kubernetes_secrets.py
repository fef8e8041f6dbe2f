"""The data of Kubernetes Secrets: ``kind: Secret`` as YAML, as JSON (also escaped, as in kubectl's annotation
last-applied-configuration), as Python's repr and as Go prints it.

Every value is replaced, whatever its key: only the manifest says that it is a secret. Names and other fields stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from coroner_categorizer.redaction.rule import MARK, Regexp, Rule, mark, replace_spans

_MARK = mark("secret-data")

Span = tuple[int, int]

_QUOTE = r"(\\{0,7}[\"'])?"
_IS_SECRET = Regexp(r"(?:\b|\\n)kind\\{0,7}[\"']?[ \t]*[:=][ \t]*\\{0,7}[\"']?Secret(?:List)?\b|\bSecret\{")
# Group 1: the quote after the key of a data map, with its backslashes. Group 2: the map's opening bracket.
_TOKEN = Regexp(
    rf"\b(?:data|stringData|Data|StringData){_QUOTE}[ \t]*[:=]\s*"
    r"(?:map(?:\[string\](?:string|\[\]byte|\[\]uint8))?)?([{\[])"
    r"|(?:\b|\\n)kind\\{0,7}[\"']?[ \t]*[:=][ \t]*\\{0,7}[\"']?Secret(?:List)?\b|\bSecret\{|[{}\[\]]"
)
_QUOTE_OR_BRACKET = Regexp(r"\\*[\"']|[{}\[\]]")

_LINE_BREAK = Regexp(r"\r?\n|(?:\\+r)?\\+n")
_KIND_LINE = Regexp(r"(?:- )?kind:[ \t]*[\"']?Secret[\"']?[ \t]*(?:#.*)?[\"']?")
_DATA_LINE = Regexp(r"(?:- )?(?:data|stringData):[ \t]*(?:#.*)?")
_ENTRY = Regexp(r"[\"']?[A-Za-z0-9_./-]+[\"']?:(?:[ \t]+|\z)")
_BLOCK_HEADER = Regexp(r"[|>][+-]?[0-9]?[+-]?[ \t]*(?:#.*)?")
_EMPTY = Regexp(r"|\"\"|''|null|~|\{\}|#.*|(?:\xe2\x80\xa6)+")


def _redact_data(data: bytes) -> bytes:
    if not _IS_SECRET.search(data):
        return data
    spans = sorted({*_data_in_brackets(data), *_data_in_lines(data)})
    return replace_spans(data, [(*span, _MARK) for span in _without_overlaps(data, spans)])


def _without_overlaps(data: bytes, spans: list[Span]) -> Iterator[Span]:
    at = 0
    for start, end in spans:
        if start >= at and start < end and not MARK.fullmatch(data, start, end):
            yield start, end
            at = end


@dataclass
class _Object:
    """A pair of brackets that is open, and the data maps directly inside it."""

    is_secret: bool = False
    data_maps: list[Span] = field(default_factory=list)


def _data_in_brackets(data: bytes) -> list[Span]:
    """One walk over all brackets. A text that lost its start may begin inside a data map."""
    found: list[Span] = []
    open_objects = [_Object()]
    at = 0
    while token := _TOKEN.search(data, at):
        at = token.end()
        text = token.group()
        if token.group(2):
            end = _end_of_map(data, at, token.group(1) or b"")
            open_objects[-1].data_maps.append((at, end))
            at = min(end + 1, len(data))
        elif b"kind" in text:
            open_objects[-1].is_secret = True
        elif text[-1:] in b"{[":
            open_objects.append(_Object(is_secret=len(text) > 1))
        else:
            closed = open_objects.pop()
            found += closed.data_maps if closed.is_secret else ()
            if not open_objects:
                open_objects.append(_Object(data_maps=[(0, token.start())] if not found else []))
    return found + [span for left in open_objects if left.is_secret for span in left.data_maps]


def _end_of_map(data: bytes, at: int, quote: bytes) -> int:
    """Where the bracket that opens a map just before ``at`` is closed; ``quote``: what encloses the map's strings."""
    depth, in_string = 1, False
    for found in _QUOTE_OR_BRACKET.finditer(data, at):
        text = found.group()
        if text[-1:] in b"\"'":
            in_string ^= text == quote
        elif not in_string:
            depth += 1 if text in b"{[" else -1
            if not depth:
                return int(found.start())
    return len(data)


@dataclass(frozen=True)
class _Line:
    """A line of YAML that is not blank."""

    start: int
    """Where its text starts, after the indentation."""
    end: int
    text: bytes
    column: int
    """Of its first character."""
    is_item: bool
    """It starts with ``- ``."""

    @property
    def key_column(self) -> int:
        return self.column + 2 if self.is_item else self.column


def _data_in_lines(data: bytes) -> list[Span]:
    lines = list(_lines(data))
    found: list[Span] = []
    done: dict[int, int] = {}  # by column: the lines up to this one were searched
    for number, line in enumerate(lines):
        column = line.key_column
        if _KIND_LINE.fullmatch(line.text) and number >= done.get(column, 0):
            first, stop = _mapping(lines, number, column)
            done[column] = stop
            found += _entries(lines[first:stop], column, starts_inside=first == 0)
    return found


def _lines(data: bytes) -> Iterator[_Line]:
    start = 0
    for line_break in [*(found.span() for found in _LINE_BREAK.finditer(data)), (len(data), len(data))]:
        text = data[start : line_break[0]].rstrip()
        bare = text.lstrip(b" \t")
        if bare:
            column = len(text) - len(bare)
            yield _Line(start + column, start + len(text), bare, column, bare.startswith(b"- "))
        start = line_break[1]


def _mapping(lines: list[_Line], number: int, column: int) -> tuple[int, int]:
    """The lines of the mapping whose keys are in ``column`` and to which the line ``number`` belongs."""
    first = number
    while first and not lines[first].is_item and not _ends_mapping(lines[first - 1], column):
        first -= 1
        if lines[first].is_item and lines[first].key_column == column:
            break
    stop = number + 1
    while stop < len(lines) and not _ends_mapping(lines[stop], column) and lines[stop].column >= column:
        stop += 1
    return first, stop


def _ends_mapping(line: _Line, column: int) -> bool:
    return line.text.startswith(b"---") or line.key_column < column


def _entries(lines: list[_Line], column: int, starts_inside: bool) -> Iterator[Span]:
    """The values below ``data:`` and ``stringData:``; ``starts_inside``: the text may have lost that line."""
    in_data = starts_inside
    entry_column = -1
    for line in lines:
        if line.key_column <= column or (line.is_item and line.column < column):
            in_data, entry_column = bool(_DATA_LINE.fullmatch(line.text)), -1
            continue
        if not in_data:
            continue
        entry_column = line.column if entry_column < 0 else entry_column
        entry = _ENTRY.match(line.text) if line.column <= entry_column else None
        value = line.text[entry.end() :] if entry else line.text
        if not _EMPTY.fullmatch(value) and not _BLOCK_HEADER.fullmatch(value):
            yield line.end - len(value), line.end


SECRET_DATA_RULE = Rule("secret-data", (b"kind", b"secret{"), _redact_data)
