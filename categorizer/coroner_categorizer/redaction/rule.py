"""A redaction rule: the keywords without which it need not run, and a pure function over UTF-8 bytes.

Rules work on bytes, because RE2 does: one encoding of the text serves all of them. Their patterns read bytes as
Latin-1, so that every byte is a character; what ends a secret is ASCII, so that no span ends inside a character.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import re2


@dataclass(frozen=True)
class Rule:
    """Finds one kind of secret."""

    name: str

    keywords: tuple[bytes, ...]
    """In lower case: the rule is skipped for a text that contains none of them. Empty: always run."""

    apply: Callable[[bytes], bytes]
    """The text, with each secret of this kind replaced by its mark."""


_MEMORY_LIMIT = 1 << 20  # bytes a pattern: RE2's own 8 MiB, times all rules, is too much for hostile text


def _options(encoding: Any) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.encoding = encoding
    options.max_mem = _MEMORY_LIMIT
    return options


OPTIONS = _options(re2.Options.Encoding.LATIN1)
OPTIONS_UTF8 = _options(re2.Options.Encoding.UTF8)


class Prefilter:
    """Selects the rules a text needs: one pass of RE2 over it for all keywords of all rules."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._unconditional = frozenset(n for n, rule in enumerate(self._rules) if not rule.keywords)
        self._rules_by_keyword: list[list[int]] = []
        self._set = re2.Set.SearchSet(OPTIONS)
        numbers_by_keyword: dict[bytes, list[int]] = {}
        for number, rule in enumerate(self._rules):
            for keyword in rule.keywords:
                numbers_by_keyword.setdefault(keyword, []).append(number)
        for keyword, numbers in numbers_by_keyword.items():
            self._set.Add(re2.escape(keyword))
            self._rules_by_keyword.append(numbers)
        self._set.Compile()

    def rules_for(self, data: bytes) -> list[Rule]:
        """In their order, the rules with a keyword that occurs in the text, in either case."""
        numbers = set(self._unconditional)
        for keyword in self._set.Match(data.lower()) or ():
            numbers.update(self._rules_by_keyword[keyword])
        return [self._rules[number] for number in sorted(numbers)]


class Regexp:
    """An RE2 expression over bytes, with the methods of ``re.Pattern``; the pattern is ASCII.

    Compiled at its first use: a text needs few of the package's patterns.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    @cached_property
    def _compiled(self) -> Any:  # google-re2 ships no types
        return re2.compile(self.pattern.encode("ascii"), OPTIONS)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._compiled, name)
        setattr(self, name, method)  # found directly from now on: a walk over words calls it for each of them
        return method


MARK_PATTERN = r"\[redacted:[a-z0-9-]+\]"
MARK = Regexp(MARK_PATTERN)


MARK_NAMES: set[str] = set()
"""Those of all marks that the rules of this package can leave, once its modules are imported."""


def mark(name: str) -> bytes:
    """``[redacted:NAME]``"""
    MARK_NAMES.add(name)
    return b"[redacted:%s]" % name.encode("ascii")


def replace_spans(data: bytes, spans: Iterable[tuple[int, int, bytes]]) -> bytes:
    """``data`` with each (start, end, replacement) applied; spans are sorted and do not overlap."""
    pieces: list[bytes] = []
    at = 0
    for start, end, replacement in spans:
        pieces += (data[at:start], replacement)
        at = end
    if not pieces:
        return data
    pieces.append(data[at:])
    return b"".join(pieces)


def pattern_rule(name: str, keywords: str, pattern: str, keep: Regexp | None = None) -> Rule:
    """A rule for secrets that a pattern alone describes: its first group that matched, or else the whole match, is
    replaced by the mark.

    ``keywords``: separated by spaces. ``keep``: values that this fully matches are no secrets.
    """
    regexp = Regexp(pattern)
    replacement = mark(name)

    def apply(data: bytes) -> bytes:
        spans = [(*match.span(match.lastindex or 0), replacement) for match in regexp.finditer(data)]
        return replace_spans(data, [s for s in spans if not is_kept(data[s[0] : s[1]])])

    def is_kept(value: bytes) -> bool:
        return value == replacement or not value or bool(keep and keep.fullmatch(value))

    return Rule(name, tuple(keyword.encode("ascii") for keyword in keywords.split()), apply)
