"""What a pattern certainly matches. Every answer is a proof; where there is none, nothing is claimed."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import re2

from coroner_categorizer.rules.pattern_set import PatternError, compile_pattern

# RE2's assertions about a position depend on the characters beside it: one of a word, a line break, or another one.
_BESIDE = ("a", "\n", " ")

_ANY_TEXT = re2.compile(r"(?:\(\?[a-zA-Z]+\))?(?:\^?(?:\(\?P<\w+>)?(?:\.[*+]?)?\)?|\.\*\$)")
_SOME_TEXT = re2.compile(r".*\.\+?\)?")
_ALL_LINES = re2.compile(r"\(\?[a-zA-Z]*[sm][a-zA-Z]*\)\^?(?:\(\?P<\w+>)?\.\*\)?\$?")  # "." or "^" and "$" of any line
_NO_TEXT = frozenset({"^$", r"\A\z", r"^\z", r"\A$"})
_META = frozenset(r"\.+*?()|[]{}^$")
_ESCAPED_PUNCTUATION = re2.compile(r"\\([^\w\s])")


def is_any_text(pattern: str) -> bool:
    """Whether it is written to match any text: ``.*``, ``(?s).+``, ``(?P<text>.*)``. Not ``^.*$``: one line only."""
    return _ANY_TEXT.fullmatch(pattern) is not None or _ALL_LINES.fullmatch(pattern) is not None


def asks_for_some_text(pattern: str) -> bool:
    """``.`` and ``.+``, of those for any text."""
    return _SOME_TEXT.fullmatch(pattern) is not None


def never_matches(pattern: str) -> bool:
    """Whether it is found in the empty text only, in which rules find nothing."""
    return pattern in _NO_TEXT


@lru_cache(maxsize=512)
def matches_every_text(pattern: str) -> bool:
    """Whether it is found in every text that is not empty, because it matches nothing at all at its start or end."""
    if _ALL_LINES.fullmatch(pattern):
        return True
    return any(
        all(_found(rf"{before}(?:{pattern}){after}", char) for char in _BESIDE)
        for before, after in ((r"\A", r"(?s:.)\z"), (r"\A(?s:.)", r"\z"))
    )


def _found(pattern: str, text: str) -> bool:
    try:
        return compile_pattern(pattern).search(text) is not None
    except PatternError:  # unbalanced only by itself, e.g. "\Q("; too large together with what was added
        return False


class Literals(NamedTuple):
    """A pattern that is found in exactly those texts that have one of these words."""

    words: tuple[str, ...]
    ignores_case: bool


def literals(pattern: str) -> Literals | None:
    """``disk (full|gone)`` has parentheses and gives None; ``disk full|disk gone`` and ``(?i)disk`` are taken."""
    ignores_case = pattern.startswith("(?i)")
    words = []
    for word in pattern.removeprefix("(?i)").split("|"):
        if not word.isascii() or _META & set(_ESCAPED_PUNCTUATION.sub("", word)):
            return None
        words.append(_ESCAPED_PUNCTUATION.sub(r"\1", word))
    return Literals(tuple(words), ignores_case) if all(words) else None


def pattern_implies(narrow: str, wide: str) -> bool:
    """Whether every text in which ``narrow`` is found has ``wide`` too."""
    if narrow == wide or matches_every_text(wide):
        return True
    few, many = literals(narrow), literals(wide)
    if few is None or many is None or (few.ignores_case and not many.ignores_case):
        return False
    wanted = [word.lower() if many.ignores_case else word for word in many.words]
    found = [word.lower() if many.ignores_case else word for word in few.words]
    return all(any(part in word for part in wanted) for word in found)
