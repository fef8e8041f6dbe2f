"""What a redaction rule is: the substrings without which it need not run, and a pure function over UTF-8 bytes.

Rules work on bytes, because RE2 does: one encoding of the text serves them all. Their patterns read bytes as Latin-1,
so that every byte is a character and none is unmatched; what ends a
secret is ASCII, so that no span ends inside a character.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import re2

Regexp = Any
"""A compiled RE2 expression over bytes (google-re2 ships no types)."""


@dataclass(frozen=True)
class Rule:
    """One kind of secret."""

    name: str

    keywords: tuple[bytes, ...]
    """In lower case: a text with none of these holds nothing for this rule. Empty: always run."""

    apply: Callable[[bytes], bytes]
    """The text with this rule's secrets as marks."""


_MEMORY_LIMIT = 1 << 20  # bytes a pattern: RE2's own 8 MiB, times all rules, is too much to give to hostile text


def _options(encoding: Any) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.encoding = encoding
    options.max_mem = _MEMORY_LIMIT
    return options


OPTIONS = _options(re2.Options.Encoding.LATIN1)
OPTIONS_UTF8 = _options(re2.Options.Encoding.UTF8)


class Prefilter:
    """Which rules a text needs at all: one pass of RE2 over it for all substrings of all rules."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._unconditional = frozenset(n for n, rule in enumerate(self._rules) if not rule.keywords)
        self._rules_by_keyword: list[list[int]] = []
        self._set = re2.Set.SearchSet(OPTIONS)
        wanting: dict[bytes, list[int]] = {}
        for number, rule in enumerate(self._rules):
            for need in rule.keywords:
                wanting.setdefault(need, []).append(number)
        for need, numbers in wanting.items():
            self._set.Add(re2.escape(need))
            self._rules_by_keyword.append(numbers)
        self._set.Compile()

    def rules_for(self, data: bytes) -> list[Rule]:
        """In their order, the rules whose needed substrings the text has, in either case."""
        numbers = set(self._unconditional)
        for need in self._set.Match(data.lower()) or ():
            numbers.update(self._rules_by_keyword[need])
        return [self._rules[number] for number in sorted(numbers)]


def compiled(pattern: str) -> Regexp:
    """An RE2 expression over bytes; the pattern is ASCII."""
    return re2.compile(pattern.encode("ascii"), OPTIONS)


MARK = compiled(r"\[redacted:[a-z0-9-]+\]")


def mark(name: str) -> bytes:
    """``[redacted:NAME]``"""
    return b"[redacted:%s]" % name.encode("ascii")


def replace_spans(data: bytes, spans: Iterable[tuple[int, int, bytes]]) -> bytes:
    """``data`` with each (start, end, replacement) put in; spans are in order and do not overlap."""
    pieces: list[bytes] = []
    at = 0
    for start, end, replacement in spans:
        pieces += (data[at:start], replacement)
        at = end
    if not pieces:
        return data
    pieces.append(data[at:])
    return b"".join(pieces)


def pattern_rule(name: str, keywords: str, pattern: str) -> Rule:
    """A rule for secrets that a pattern alone describes: its group 1, or else the whole match, becomes the mark.

    ``needs``: separated by spaces.
    """
    regexp = compiled(pattern)
    group = 1 if regexp.groups else 0
    put = mark(name)

    def apply(data: bytes) -> bytes:
        spans = [(*match.span(group), put) for match in regexp.finditer(data)]
        return replace_spans(data, [s for s in spans if data[s[0] : s[1]] != put])

    return Rule(name, tuple(need.encode("ascii") for need in keywords.split()), apply)
