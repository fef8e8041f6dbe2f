"""Regular expressions over text from the cluster: RE2, whose time is linear in the text, whatever the text is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

import re2


class RegexMatch(NamedTuple):
    """One match: where it is, and what its groups caught."""

    start: int
    end: int
    text: str
    groups: tuple[str, ...]
    """"" for a group that took no part in the match."""


class LinearRegex:
    """A pattern in RE2's syntax: no look-around, no back-references; ``\\w``, ``\\d``, ``\\s``, ``\\b`` are ASCII.

    Compiled at its first use: a text needs few of the package's patterns.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    @cached_property
    def _regexp(self) -> re2._Regexp:
        return re2.compile(self.pattern)

    @cached_property
    def _at_line_start(self) -> re2._Regexp:
        return re2.compile(f"(?m)^(?:{self.pattern})")

    def found_in(self, text: str) -> bool:
        return self._regexp.search(text.encode("utf-8", "replace")) is not None

    def starts(self, text: str) -> bool:
        """Whether the text begins with it."""
        return self._regexp.match(text.encode("utf-8", "replace")) is not None

    def may_start_any(self, lines: Iterable[str]) -> bool:
        """False: none of the lines begins with it. One search for all of them; ``\\s`` may match across their ends."""
        return self._at_line_start.search("\n".join(lines).encode("utf-8", "replace")) is not None

    def search(self, text: str) -> RegexMatch | None:
        return _read(self._regexp.search(_subject(text)))

    def match(self, text: str) -> RegexMatch | None:
        """The match at the start of the text."""
        return _read(self._regexp.match(_subject(text)))

    def find_all(self, text: str) -> Iterator[RegexMatch]:
        return (_matched(found) for found in self._regexp.finditer(_subject(text)))

    def remove_prefix(self, text: str) -> str:
        """The text without the match at its start."""
        found = self.match(text)
        return text[found.end :] if found else text

    def remove_all(self, text: str) -> str:
        """The text without any match."""
        cleaned: str = self._regexp.sub("", _encodable(text))
        return cleaned


def _read(found: re2._Match | None) -> RegexMatch | None:
    return _matched(found) if found else None


def _matched(found: re2._Match) -> RegexMatch:
    return RegexMatch(found.start(), found.end(), _text(found.group()), tuple(map(_text, found.groups(""))))


def _subject(text: str) -> str | bytes:
    """ASCII as bytes: each is a character, so re2 need not translate offsets, which takes longer than most searches."""
    return text.encode() if text.isascii() else _encodable(text)


def _text(part: str | bytes) -> str:
    return part.decode() if isinstance(part, bytes) else part


def _encodable(text: str) -> str:
    """The text with each lone surrogate, which UTF-8 does not have, as a question mark: its length stays the same."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
