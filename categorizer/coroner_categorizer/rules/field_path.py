"""Where in a document an error is, and the errors themselves."""

from __future__ import annotations

from typing import NamedTuple


class Path(NamedTuple):
    """A place in a document: it grows with the nesting, and text is made of it at the end."""

    parts: tuple[str | int, ...] = ()

    def __truediv__(self, part: str | int) -> Path:
        return Path((*self.parts, part))

    def __str__(self) -> str:
        text = ""
        for part in self.parts:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
        return text or "document"


class FieldError(NamedTuple):
    """One thing that is wrong, where, and what to do about it."""

    path: str
    detail: str
    remedy: str
    line: int = 0
    """Counted from 1; 0 = the document as a whole, or a path that names the line itself."""

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}; {self.remedy}"


class ConfigError(ValueError):
    """A document that was rejected; ``errors`` holds everything that is wrong with it, in the order of the document."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("\n".join(str(m) for m in errors))
        self.errors = tuple(errors)


ERRORS_LIMIT = 1_000  # nobody corrects more at one time, and a file may have millions


class FieldErrors:
    """Collects the errors that a parser finds while it continues reading: the first ``ERRORS_LIMIT``."""

    def __init__(self) -> None:
        self.found: list[FieldError] = []

    def add(self, path: Path, detail: str, remedy: str) -> None:
        if len(self.found) < ERRORS_LIMIT:
            self.found.append(FieldError(str(path), detail, remedy))
        elif len(self.found) == ERRORS_LIMIT:
            self.found.append(FieldError(str(Path()), "more errors than these", "correct them first"))
