"""Sentences with facts in them: ``container "${container}" used more than its memory limit of ${memoryLimit}``."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

_FACT = re.compile(r"\$\{([^}]*)\}")


class Template(msgspec.Struct, frozen=True):
    """Literal parts and fact names in turn: ``parts[0] facts[0] parts[1] facts[1] … parts[-1]``."""

    parts: tuple[str, ...]
    facts: tuple[str, ...]

    def render(self, fact: Callable[[str], str | None]) -> str | None:
        """The sentence; None if a fact is not known."""
        text = self.parts[0]
        for name, part in zip(self.facts, self.parts[1:], strict=True):
            value = fact(name)
            if not value:
                return None
            text += value + part
        return text


def literal(text: str) -> Template:
    """The text as it is, whatever it holds."""
    return Template((text,), ())


def parse_template(text: str) -> Template:
    pieces = _FACT.split(text)
    return Template(tuple(pieces[0::2]), tuple(pieces[1::2]))
