"""All patterns of a rule set over one kind of text, compiled into one RE2 set: the cost of a text does not grow in
proportion to the number of patterns (200 patterns on 4 KB: about 50 µs as a set, 1,500 µs one by one)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import re2

# For the automaton's states, taken as they are needed. 64 MiB are more than TOTAL_LIMIT needs; a set fails
# altogether where it has too little, and hostile text can make each of the four sets take all of it.
_SET_MEMORY = 64 << 20
_PATTERN_MEMORY = 1 << 20  # of one pattern: some 80,000 instructions, or its states

TOTAL_LIMIT = 400_000
"""Instructions that all patterns of one file may have when they are compiled, 80 MB; the default pack has 13,000."""


def _options(max_mem: int) -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = max_mem
    return options


class PatternError(ValueError):
    """A pattern that RE2 (or Go's regexp) refuses; str() says why."""


class PatternTooLargeError(PatternError):
    """A pattern that is one, but takes too much memory when compiled."""


@lru_cache(maxsize=512)  # the parser asks three times for each pattern, and each verdict once more
def compile_pattern(pattern: str) -> re2._Regexp:
    """One pattern, for its groups and its size. Raises PatternError."""
    if _has_any_byte(pattern):
        raise PatternError(r"\C is not supported")  # C++ RE2 takes it, Go's regexp does not
    try:
        return re2.compile(pattern, _options(_PATTERN_MEMORY))
    except re2.error as refused:
        reason = _reason(refused)
        raise (PatternTooLargeError if reason.startswith("pattern too large") else PatternError)(reason) from refused


def _reason(refused: re2.error) -> str:
    text = refused.args[0] if refused.args else "not a regular expression"
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


def _has_any_byte(pattern: str) -> bool:
    escaped = False
    for char in pattern:
        if escaped and char == "C":
            return True
        escaped = char == "\\" and not escaped
    return False


class PatternBudget:
    """How much all patterns of one file take when they are compiled."""

    def __init__(self) -> None:
        self._left = TOTAL_LIMIT

    @property
    def is_exceeded(self) -> bool:
        return self._left < 0

    def take(self, size: int) -> bool:
        """``size``: of one pattern, in instructions. False: with it, the patterns are too large together."""
        self._left -= size
        return not self.is_exceeded


class PatternSet:
    """Which of the patterns are found in a text. Patterns are already known to compile."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = list(dict.fromkeys(patterns))
        self._set = re2.Set.SearchSet(_options(_SET_MEMORY)) if self._patterns else None
        if self._set:
            for pattern in self._patterns:
                self._set.Add(pattern)
            self._set.Compile()

    def found_in(self, text: str) -> frozenset[str]:
        """The patterns found in the text; none in an empty text, not even ``.*`` (as in Armada)."""
        if not text or not self._set:
            return frozenset()
        raw = text.encode("utf-8", "replace")  # lone surrogates have no UTF-8
        return frozenset(self._patterns[i] for i in self._set.Match(raw) or ())
