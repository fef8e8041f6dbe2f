"""The site's files that decide verdicts: rules, and patterns for its secrets. Either used, or rejected with all errors.

``coroner run``, ``lint`` and ``explain`` read them by the functions of this module, so that all accept the same files.
A file of redaction patterns is a YAML list: ``- {name: acme-key, pattern: "acme_[0-9a-f]{32}"}``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import msgspec

from coroner_categorizer import Categorizer, ConfigError, FieldError, default, load
from coroner_categorizer.redaction.redactor import DEFAULT_REDACTOR, Redactor, SitePattern, compiled_size
from coroner_categorizer.rules import field_path
from coroner_categorizer.rules.field_path import FieldErrors
from coroner_categorizer.rules.line_numbers import with_lines
from coroner_categorizer.rules.parser import load_documents
from coroner_categorizer.rules.yaml_reader import YamlReader

SIZE_LIMIT = 4 * 1024 * 1024  # bytes; a ConfigMap holds 1 MiB
SITE_PATTERNS_LIMIT = 100  # redaction patterns; each searches every text on its own, with up to 1 MiB

_WHOLE = str(field_path.Path())
_PATTERN_KEYS = ("name", "pattern")


class InvalidRules(Exception):  # noqa: N818 - an outcome
    """The files cannot be used. ``errors``: one line each, with the name of the file."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


class Unreadable(msgspec.Struct, frozen=True):
    """A file without content."""

    reason: str


Content: TypeAlias = bytes | Unreadable


class RuleFiles(msgspec.Struct, frozen=True):
    """Where they are; None: the default pack, no patterns of the site's own."""

    rules: Path | None = None
    redaction: Path | None = None

    def __bool__(self) -> bool:
        return self.rules is not None or self.redaction is not None

    def read(self) -> RuleFileContents:
        """What they hold now; that one cannot be read is part of the answer."""
        return RuleFileContents(
            self,
            read_file(self.rules) if self.rules else None,
            read_file(self.redaction) if self.redaction else None,
        )


class RuleFileContents(msgspec.Struct, frozen=True):
    """What the files held at one time; None: no such file is set. Equal contents give the same verdicts."""

    files: RuleFiles
    rules: Content | None
    redaction: Content | None

    def compile(self) -> Categorizer:
        """Raises InvalidRules with the errors of both files."""
        errors: list[str] = []
        redactor = DEFAULT_REDACTOR
        if self.redaction is not None:
            try:
                redactor = Redactor(parse_redaction(self.redaction))
            except ConfigError as invalid:
                errors += [describe(str(self.files.redaction), error) for error in invalid.errors]
        try:
            categorizer = default(redactor) if self.rules is None else parse_rules(self.rules, redactor)
        except ConfigError as invalid:
            errors += [describe(str(self.files.rules), error) for error in invalid.errors]
        if errors:
            raise InvalidRules(tuple(errors))
        return categorizer


def read_file(file: Path) -> Content:
    """The bytes of a file, at most ``SIZE_LIMIT``."""
    try:
        with file.open("rb") as stream:
            return read_stream(stream)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return Unreadable(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def read_stream(stream: BinaryIO) -> Content:
    """The rest of a stream, at most ``SIZE_LIMIT`` bytes. Raises OSError."""
    content = stream.read(SIZE_LIMIT + 1)
    return content if len(content) <= SIZE_LIMIT else Unreadable(f"larger than {SIZE_LIMIT // 2**20} MiB")


def parse_rules(content: Content, redactor: Redactor = DEFAULT_REDACTOR) -> Categorizer:
    """Raises ConfigError with every error of a rules file."""
    return load(decode(content), redactor)


def parse_redaction(content: Content) -> tuple[SitePattern, ...]:
    """The patterns of a redaction file; a file without any is allowed. Raises ConfigError with every error."""
    errors = FieldErrors()
    text = decode(content)
    documents = load_documents(text, errors) or []
    is_yaml = not errors.found
    if len(documents) > 1:
        errors.add(field_path.Path(), f"holds {len(documents)} documents", "write one list of patterns")
    reader = YamlReader(errors)
    entries = (reader.items(documents[0], field_path.Path(), "patterns") or []) if len(documents) == 1 else []
    if len(entries) > SITE_PATTERNS_LIMIT:
        errors.add(field_path.Path(), f"{len(entries)} patterns", f"write at most {SITE_PATTERNS_LIMIT}")
        raise ConfigError(errors.found)
    places = (field_path.Path((index,)) for index in range(len(entries)))
    patterns = [_pattern(entry, place, reader) for entry, place in zip(entries, places, strict=False)]
    if errors.found:
        raise ConfigError(with_lines(text, errors.found) if is_yaml else errors.found)
    return tuple(pattern for pattern in patterns if pattern is not None)


def decode(content: Content) -> str:
    """The text of a file. Raises ConfigError where it cannot be read, or is not UTF-8."""
    if isinstance(content, Unreadable):
        raise ConfigError([FieldError(_WHOLE, content.reason, "")])
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError([FieldError(_WHOLE, f"not UTF-8: byte {error.start}", "save it as UTF-8")]) from error


def describe(name: str, error: FieldError, severity: str = "") -> str:
    """``rules.yaml:7: categories[0].name: missing; give it a name``."""
    line = f":{error.line}" if error.line else ""
    place = "" if error.path == _WHOLE else f"{error.path}: "
    remedy = f"; {error.remedy}" if error.remedy else ""
    return f"{name}{line}: {severity}{place}{error.detail}{remedy}"


def _pattern(entry: Any, place: field_path.Path, reader: YamlReader) -> SitePattern | None:
    if (
        not isinstance(entry, dict)
        or set(entry) != set(_PATTERN_KEYS)
        or not all(isinstance(value, str) for value in entry.values())
    ):
        reader.errors.add(
            place, "expected `name` and `pattern`, both strings, and no other keys", "add, quote or remove"
        )
        return None
    pattern = SitePattern(entry["name"], entry["pattern"])
    try:
        Redactor([pattern])  # one by one: it stops at the first that cannot be used
    except ValueError as error:
        reader.errors.add(place, str(error), "correct the pattern")
        return None
    return pattern if reader.count_pattern(compiled_size(pattern), place) else None
