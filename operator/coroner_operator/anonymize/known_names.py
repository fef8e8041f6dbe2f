"""Where the names of the objects occur in a text: each word is looked up once, however many names there are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from coroner_operator.anonymize.vocabulary import is_plain

_LETTERS = {"\u0131": "i", "\u017f": "s", "\u212a": "k"}
"""Not ASCII, but equal to an ASCII letter where case is ignored: dotless i, long s and the Kelvin sign."""
_ASCII = "A-Za-z0-9" + "".join(_LETTERS)
_TOKEN = re.compile(rf"[{_ASCII}]+|[^\W_{_ASCII}]+")
_FOLD = str.maketrans(_LETTERS)
_SEPARATORS = str.maketrans("._", "--")

_BEFORE = re.compile(r"""(?:["'`{_=]|(?i:container |pod |node |namespace |pod/|job/)|Set |Job |Deployment )\Z""")
_AFTER = re.compile(r"""["'`}_\s(:,;.)]|\Z""")
_LONGEST_BEFORE = len("Deployment ")
"""A name that is a word is replaced in quotes, in the path of a container, between underscores, or after its kind."""


class KnownNames:
    """Names and what to write instead, looked up by the words that they consist of."""

    def __init__(self, replacements: Mapping[str, str]) -> None:
        self._exact: dict[str, str] = {}
        self._forms: dict[str, str] = {}
        self._sizes: dict[str, set[int]] = {}
        for name, replacement in replacements.items():
            self._add(name, replacement)
        self._longest_first = {first: sorted(sizes, reverse=True) for first, sizes in self._sizes.items()}

    def get(self, name: str) -> str | None:
        """What to write instead of a text that is a name as a whole."""
        return self._exact.get(_folded(name))

    def replace(self, text: str, mark: Callable[[str], str]) -> str:
        """The text with ``mark(replacement)`` for each name; where two begin at the same word, the longer."""
        tokens = list(_TOKEN.finditer(text))
        parts: list[str] = []
        done = position = 0
        while position < len(tokens):
            found = self._at(text, tokens, position)
            if found is None:
                position += 1
                continue
            size, replacement = found
            parts += (text[done : tokens[position].start()], mark(replacement))
            position += size
            done = tokens[position - 1].end()
        return "".join((*parts, text[done:]))

    def _add(self, name: str, replacement: str) -> None:
        tokens = list(_TOKEN.finditer(name))
        if not tokens:
            return
        folded = _folded(name[tokens[0].start() : tokens[-1].end()])
        self._exact.setdefault(folded, replacement)
        self._sizes.setdefault(_folded(tokens[0][0]), set()).add(len(tokens))
        if len(tokens) > 1 and not is_plain(name):
            self._forms.setdefault(folded.translate(_SEPARATORS), replacement)
            joined = "".join(_folded(token[0]) for token in tokens)
            self._forms.setdefault(joined, replacement)
            self._sizes.setdefault(joined, set()).add(1)

    def _at(self, text: str, tokens: list[re.Match[str]], position: int) -> tuple[int, str] | None:
        """How many words the name that begins here has, and what to write instead."""
        start = tokens[position].start()
        for size in self._longest_first.get(_folded(tokens[position][0]), ()):
            if position + size > len(tokens):
                continue
            end = tokens[position + size - 1].end()
            name = _folded(text[start:end])
            replacement = self._exact.get(name)
            if replacement is None:
                replacement = self._forms.get(name.translate(_SEPARATORS))
            if replacement is not None and (not _is_word(name) or _is_in_position(text, start, end)):
                return size, replacement
        return None


def _folded(text: str) -> str:
    return text.translate(_FOLD).lower()


def _is_word(name: str) -> bool:
    """Whether it may be a word of a message by chance, so that its position has to show that it is a name."""
    return len(name) < 3 or name.isdigit() or (name.isalpha() and is_plain(name))


def _is_in_position(text: str, start: int, end: int) -> bool:
    return bool(_BEFORE.search(text, max(0, start - _LONGEST_BEFORE), start) and _AFTER.match(text, end))
