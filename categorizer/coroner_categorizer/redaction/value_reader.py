"""Reads the value after a key: by its quotes, by its brackets, by its indentation, or up to what ends a bare word.

Each byte is read a bounded number of times, so that a walk over all keys stays linear.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto

from coroner_categorizer.redaction.rule import MARK, MARK_PATTERN, Regexp

_OPEN_QUOTE = Regexp(r"[bBuUrRfF]{0,2}(\"\"\"|'''|\\{0,7}[\"'`]|&quot;)")
# Most values begin with none of these: a look at one byte is cheaper than a search.
_MAY_OPEN_QUOTE = frozenset(bytes((char,)) for char in b"bBuUrRfF\"'`\\&")
_MAY_OPEN_LIST = frozenset((b" ", b"\t", b"["))
_DOUBLED = Regexp(r"''([^'\s,;)}\]][^'\n]*)''|\"\"([^\"\s,;)}\]][^\"\n]*)\"\"")
_QUOTES = Regexp(r"\\*[\"'`]|\n")
_LIST = Regexp(r"[ \t]*\[")
_TO_BRACKET = Regexp(rf"(?:{MARK_PATTERN}|[^\]\n])*")
_SCHEME = Regexp(
    r"(?i)(bearer|basic|token|bot|api-?key|key|sso-key|negotiate|ntlm|splunk|digest|hawk|oauth|aws4-hmac-sha256)[ \t]+"
)
_SCHEMES_WITH_PARAMETERS = frozenset((b"digest", b"hawk", b"oauth", b"aws4-hmac-sha256"))
_REFERENCE = Regexp(r"\$\([^()\n]*\)|\$\{[^{}\n]*\}|\{\{[^{}\n]*\}\}|<[A-Za-z][A-Za-z0-9 _.-]*>")
_RUN = Regexp(r"[^\s\"'`,;&|)\]}>\\<]*")
_CLOSERS = Regexp(r"[\"'`,;&|)\]}>\\]+")
_ENDS_VALUE = Regexp(r"[:.]?(?:\s|\z)|[ \t]*[\"']?[A-Za-z_][A-Za-z0-9_. -]{0,40}[\"']?[=:]|&quot;|<")
_SEPARATES = Regexp(r"[;&]|,\\*[\"'`]")
_REST_OF_LINE = Regexp(r"[^\n\"'`\\]*")
_NEXT_KEY = Regexp(r"[,;]?[ \t]+(?:#|[A-Za-z_][A-Za-z0-9_.-]*[ \t]*[=:])")
_CHANGES_TO = Regexp(r"[ \t]*[-=]>[ \t]*[\"']")  # Terraform: "old" -> "new"
_BLOCK = Regexp(r"[|>][+-]?[0-9]?[ \t]*\r?\n")
_INDENT = Regexp(r"[ \t]*(?:- )?")
_LINE_START = Regexp(r"(?:^|\n)[ \t]*(?:[-+#] |export |set |ENV |ARG )?[ \t]*[\"']?[A-Za-z0-9_.-]*\z")


class Form(Enum):
    """How key and value are written."""

    ASSIGNED = auto()
    """``password: VALUE``"""
    FLAG = auto()
    """``--password VALUE``"""
    TUPLE = auto()
    """``("password", "VALUE")``"""
    PROVIDED = auto()
    """``password provided: VALUE``"""


@dataclass(frozen=True)
class KeyValue:
    """A key and its value, and what is around them."""

    kind: str
    key: bytes
    before: bytes
    """Up to 48 bytes before the key."""
    value: bytes
    after: bytes
    """Up to 48 bytes after the value."""
    quoted: bool
    spaced: bool
    """White space precedes the value."""
    form: Form
    has_scheme: bool = False
    """``Bearer`` or the like precedes the value."""

    @property
    def is_flag(self) -> bool:
        return self.form is Form.FLAG

    @property
    def is_variable(self) -> bool:
        """The key is the end of a longer name, as in ``DB_TOKEN`` and ``authToken``."""
        return not self.is_flag and (self.before[-1:].isalnum() or self.before[-1:] in (b"_", b"-"))


@dataclass(frozen=True)
class KeyMatch:
    """A key and its separator."""

    kind: str
    key: bytes
    before: bytes
    """Up to 48 bytes before the key."""
    end: int
    """Where the separator ends."""
    form: Form


def names_scheme(text: bytes) -> bool:
    """Whether what precedes a value names an authentication scheme: ``Bearer``, ``Basic``, …"""
    return bool(_SCHEME.search(text))


def read_values(data: bytes, head: KeyMatch) -> Iterator[tuple[slice, bool, int]]:
    """The value after a key; where a change is shown (``"old" -> "new"``), both."""
    value, is_quoted, end = _value(data, head)
    yield value, is_quoted, end
    if is_quoted and (change := _CHANGES_TO.match(data, end)):
        yield _value(data, replace(head, end=change.end() - 1))


def _value(data: bytes, head: KeyMatch) -> tuple[slice, bool, int]:
    """Where the value is, whether it was quoted, and where to go on reading."""
    at = head.end
    in_list = None
    if data[at : at + 1] in _MAY_OPEN_LIST and not MARK.match(data, at) and (in_list := _LIST.match(data, at)):
        at = in_list.end()
    if data[at : at + 1] in _MAY_OPEN_QUOTE and (opening := _OPEN_QUOTE.match(data, at)):
        start = opening.end()
        end, go_on = _closing(data, start, opening.group(1))
        if start == end and (doubled := _DOUBLED.match(data, start - 1)):  # a literal inside another one
            (start, end), go_on = doubled.span(doubled.lastindex), doubled.end()
        if head.kind == "authorization" and (scheme := _SCHEME.match(data, start, end)):
            start = scheme.end()
        return slice(start, end), True, go_on
    start, end = _bare_value(data, at, head, bool(in_list))
    return slice(start, end), False, max(end, head.end)


def _bare_value(data: bytes, at: int, head: KeyMatch, in_list: bool) -> tuple[int, int]:
    if head.kind == "authorization" and (scheme := _SCHEME.match(data, at)):
        at = scheme.end()
        if scheme.group(1).lower() in _SCHEMES_WITH_PARAMETERS:
            is_quoted = b"'" in head.before or b'"' in head.before
            return at, (_REST_OF_LINE.match(data, at).end() if is_quoted else _line_end(data, at))
    if in_list:
        return at, _TO_BRACKET.match(data, at).end()
    if head.kind == "cookie":
        return at, _REST_OF_LINE.match(data, at).end()
    if data[at : at + 1] in (b"|", b">") and _BLOCK.match(data, at):
        return _block(data, at, head.before)
    end = _unquoted_end(data, at)
    if (
        head.kind == "password"
        and data[at - 1 : at] in b" \t"
        and head.form is Form.ASSIGNED
        and _LINE_START.search(head.before)
    ):
        end = max(end, _line_value_end(data, end))
    return at, end


def _closing(data: bytes, at: int, opening: bytes) -> tuple[int, int]:
    """End of the value and of its closing quote; without one, the value ends with its line."""
    if len(opening) == 3 or opening.startswith(b"&"):
        end = data.find(opening, at)
        return (end, end + len(opening)) if end >= 0 else (len(data), len(data))
    escapes, quote = len(opening) - 1, opening[-1:]
    doubled = -1
    for found in _QUOTES.finditer(data, at):
        text = found.group()
        if text == b"\n":
            return found.start(), found.start()
        if text[-1:] != quote or found.start() == doubled:
            continue
        slashes = len(text) - 1
        # Written k times escaped, a quote has more backslashes inside the value than at its end.
        if slashes % 2 if escapes == 0 else slashes > escapes:
            continue
        if escapes == 0 and data[found.end() : found.end() + 1] == quote:  # 'it''s', in YAML, SQL and shells
            doubled = found.end()
            continue
        return found.start() + (slashes if escapes == 0 else 0), found.end()
    return len(data), len(data)


def _unquoted_end(data: bytes, at: int) -> int:
    """White space ends a bare value; so do closing or separating characters where something else begins after them."""
    if data[at : at + 1] in (b"$", b"{", b"<") and (reference := _REFERENCE.match(data, at)):
        at = reference.end()
    while True:
        if data[at : at + 1] == b"[" and (marked := MARK.match(data, at)):
            at = marked.end()
        at = _RUN.match(data, at).end()
        if at >= len(data) or data[at : at + 1].isspace() or data[at : at + 2] == b"</":
            return at
        if not (closers := _CLOSERS.match(data, at)):
            at += 1  # a "<"
        elif _ENDS_VALUE.match(data, closers.end()) or _SEPARATES.search(closers.group()):
            return at
        else:
            at = closers.end()


def _line_value_end(data: bytes, at: int) -> int:
    """For a pass phrase in YAML: up to a comment, another key or the end of the line."""
    line_end = _REST_OF_LINE.match(data, at).end()
    following = _NEXT_KEY.search(data, at, line_end)
    end = following.start() if following else line_end
    return at + len(data[at:end].rstrip())


def _line_end(data: bytes, at: int) -> int:
    end = data.find(b"\n", at)
    return end if end >= 0 else len(data)


def _block(data: bytes, at: int, before: bytes) -> tuple[int, int]:
    """A YAML block scalar: the lines after its header that are indented more than its key."""
    line = before[before.rfind(b"\n") + 1 :]
    depth = len(line) - len(line.lstrip(b" \t"))
    start = _line_end(data, at) + 1
    first = start + _INDENT.match(data, start).end() - start
    end = start
    while end < len(data):
        stop = _line_end(data, end)
        text = data[end:stop]
        if text.strip() and len(text) - len(text.lstrip(b" \t")) <= depth:
            break
        end = min(stop + 1, len(data))
    value = data[start:end].rstrip()
    return min(first, start + len(value)), start + len(value)
