"""The site's files that decide verdicts: rules, and patterns for its secrets. Read whole, or refused with all mistakes.

A file of redaction patterns is a YAML list: ``- {name: acme-key, pattern: "acme_[0-9a-f]{32}"}``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from coroner_categorizer import Categorizer, ConfigError, default, load
from coroner_categorizer.redaction.redactor import DEFAULT_REDACTOR, Redactor, SitePattern

SIZE_LIMIT = 4 * 1024 * 1024  # bytes; a ConfigMap holds 1 MiB

_PATTERN_KEYS = {"name", "pattern"}


class InvalidRules(Exception):  # noqa: N818 - an outcome
    """The files cannot be used. ``mistakes``: one line each, with the file's name."""

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class RuleFiles(msgspec.Struct, frozen=True):
    """Where they are; None: the shipped pack, no patterns of the site's own."""

    rules: Path | None = None
    redaction: Path | None = None

    def __bool__(self) -> bool:
        return self.rules is not None or self.redaction is not None

    def read(self) -> RuleFileContents:
        """What they hold now; what cannot be read is part of the answer."""
        return RuleFileContents(self, _content(self.rules), _content(self.redaction))


class RuleFileContents(msgspec.Struct, frozen=True):
    """What the files held at one time. Equal contents give the same verdicts."""

    files: RuleFiles
    rules: bytes | str | None
    """Text: why the file cannot be read."""
    redaction: bytes | str | None

    def compile(self) -> Categorizer:
        """Raises InvalidRules with the mistakes of both files."""
        mistakes: list[str] = []
        redactor = _redactor(self.files.redaction, self.redaction, mistakes)
        categorizer = _categorizer(self.files.rules, self.rules, redactor, mistakes)
        if categorizer is None or mistakes:
            raise InvalidRules(tuple(mistakes))
        return categorizer


def _content(file: Path | None) -> bytes | str | None:
    if file is None:
        return None
    try:
        with file.open("rb") as opened:
            content = opened.read(SIZE_LIMIT + 1)
    except OSError as error:
        return error.strerror or type(error).__name__
    return content if len(content) <= SIZE_LIMIT else f"larger than {SIZE_LIMIT // 2**20} MiB"


def _categorizer(
    file: Path | None, content: bytes | str | None, redactor: Redactor, mistakes: list[str]
) -> Categorizer | None:
    if content is None:
        return default(redactor)
    text = _text(file, content, mistakes)
    if text is None:
        return None
    try:
        return load(text, redactor)
    except ConfigError as error:
        mistakes += [f"{file}: {mistake}" for mistake in error.errors]
    except RecursionError:
        mistakes.append(f"{file}: nested too deep")
    return None


def _redactor(file: Path | None, content: bytes | str | None, mistakes: list[str]) -> Redactor:
    """The default one where a mistake was noted."""
    if content is None:
        return DEFAULT_REDACTOR
    text = _text(file, content, mistakes)
    if text is None:
        return DEFAULT_REDACTOR
    try:
        entries = yaml.safe_load(text) or []
    except (yaml.YAMLError, RecursionError) as error:
        mistakes.append(f"{file}: not YAML: {' '.join(str(error).split())}")
        return DEFAULT_REDACTOR
    if not isinstance(entries, list):
        mistakes.append(f"{file}: expected a list of patterns; write `- {{name: …, pattern: …}}` items")
        return DEFAULT_REDACTOR
    found = len(mistakes)
    patterns = [
        pattern for place, entry in enumerate(entries) if (pattern := _pattern(f"{file}: [{place}]", entry, mistakes))
    ]
    return Redactor(patterns) if len(mistakes) == found else DEFAULT_REDACTOR


def _pattern(place: str, entry: Any, mistakes: list[str]) -> SitePattern | None:
    if (
        not isinstance(entry, dict)
        or set(entry) != _PATTERN_KEYS
        or not all(isinstance(v, str) for v in entry.values())
    ):
        mistakes.append(f"{place}: expected `name` and `pattern`, both text, and nothing else")
        return None
    pattern = SitePattern(entry["name"], entry["pattern"])
    try:
        Redactor([pattern])  # one by one: it stops at the first bad one
    except ValueError as error:
        mistakes.append(f"{place}: {error}")
        return None
    return pattern


def _text(file: Path | None, content: bytes | str, mistakes: list[str]) -> str | None:
    if isinstance(content, str):
        mistakes.append(f"{file}: {content}")
        return None
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        mistakes.append(f"{file}: not UTF-8: byte {error.start}")
        return None
