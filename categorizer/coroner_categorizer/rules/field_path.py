"""Where in a document a mistake is, and the mistakes themselves."""

from __future__ import annotations

from typing import NamedTuple


class Path(NamedTuple):
    """A place in a document; grows with the nesting, becomes text at the end."""

    parts: tuple[str | int, ...] = ()

    def __truediv__(self, part: str | int) -> Path:
        return Path((*self.parts, part))

    def __str__(self) -> str:
        text = ""
        for part in self.parts:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
        return text or "document"


class Mistake(NamedTuple):
    """One thing that is wrong, where, and what to do about it."""

    path: str
    fault: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.fault}; {self.remedy}"


class ConfigError(ValueError):
    """A document that was refused; ``mistakes`` holds all of them, in the order of the document."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(str(m) for m in mistakes))
        self.mistakes = tuple(mistakes)


class Mistakes:
    """Collects what a parser finds wrong while it goes on reading."""

    def __init__(self) -> None:
        self.found: list[Mistake] = []

    def add(self, path: Path, fault: str, remedy: str) -> None:
        self.found.append(Mistake(str(path), fault, remedy))
