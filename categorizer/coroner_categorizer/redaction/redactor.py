"""Removes secrets from text: each becomes a typed mark such as ``[redacted:github-token]``.

The package's docstring lists the families of rules in their order. Every search is RE2's and every walk passes over a
text once, so the time is linear in the text. See docs/adr/0005-redaction.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import re2

from coroner_categorizer.redaction.command_lines import OPTION_RULE
from coroner_categorizer.redaction.encoded import BASIC_RULE, BROKEN_JWT_RULE, base64_rule
from coroner_categorizer.redaction.key_values import KEY_VALUE_RULES
from coroner_categorizer.redaction.kubernetes_secrets import SECRET_DATA_RULE
from coroner_categorizer.redaction.pem import PRIVATE_KEY_RULE
from coroner_categorizer.redaction.rule import MARK, MARK_NAMES, OPTIONS_UTF8, Prefilter, Rule, replace_spans
from coroner_categorizer.redaction.statements import STATEMENT_RULES
from coroner_categorizer.redaction.token_formats import TOKEN_RULES
from coroner_categorizer.redaction.urls import URL_RULES

_DECODED_RULES: tuple[Rule, ...] = (PRIVATE_KEY_RULE, *URL_RULES, *TOKEN_RULES, *KEY_VALUE_RULES)
_DECODED_PREFILTER = Prefilter(_DECODED_RULES)


def _holds_secret(data: bytes) -> bool:
    return any(rule.apply(data) != data for rule in _DECODED_PREFILTER.rules_for(data))


RULES: tuple[Rule, ...] = (
    *(PRIVATE_KEY_RULE, SECRET_DATA_RULE, BROKEN_JWT_RULE, base64_rule(_holds_secret), BASIC_RULE),
    *(*URL_RULES, *TOKEN_RULES, *STATEMENT_RULES, OPTION_RULE, *KEY_VALUE_RULES),
)
"""What is certain comes first: a value that is already a mark keeps that mark, which is more specific."""

# A mark is a boundary that was not there before, after which another secret may begin. A second pass finds it; only
# crafted texts need a third, and the limit keeps the whole linear.
_MAX_PASSES = 4

_MEMO_LIMIT = 1 << 20  # characters of texts and results that one classification remembers

_NAME = re2.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class SitePattern:
    """A secret that only this site knows."""

    name: str
    """Label-safe (lower-case letters, digits, "-"); the mark is ``[redacted:NAME]``."""

    pattern: str
    """RE2. Group 1, if there is one, is the secret; otherwise the whole match is."""


class TextRedactor(Protocol):
    """What every text passes before it is published."""

    def redact(self, text: str) -> str:
        """``text`` without secrets."""


class Redactor:
    """The rules of this package and a site's own. Stateless after construction: safe to share."""

    def __init__(self, site_patterns: Iterable[SitePattern] = ()) -> None:
        """Raises ValueError with one line (name and fault) at the first site pattern that cannot be used."""
        patterns = tuple(site_patterns)
        self._prefilter = Prefilter((*RULES, *(_site_rule(pattern) for pattern in patterns)))
        self.types = frozenset(MARK_NAMES).union(pattern.name for pattern in patterns)
        """NAME of each mark ``[redacted:NAME]`` that it can leave."""

    def redact(self, text: str) -> str:
        """``text`` with each secret that is found replaced by a mark. Never raises; idempotent.

        Remove control characters first (``sanitize.safe_text`` does): inside a secret they hide it from every rule.
        """
        try:
            data, valid = text.encode(), True
        except UnicodeEncodeError:  # a lone surrogate, which no encoding has
            data, valid = text.encode(errors="replace"), False
        redacted = data
        for _ in range(_MAX_PASSES):
            before = redacted
            for rule in self._prefilter.rules_for(redacted):
                redacted = rule.apply(redacted)
            if redacted == before:
                break
        return redacted.decode(errors="replace") if redacted != data or not valid else text


class RedactionMemo:
    """A redactor that redacts each distinct text once. For one classification, which asks for the same texts often."""

    def __init__(self, redactor: TextRedactor) -> None:
        self._redactor = redactor
        self._redacted: dict[str, str] = {}
        self._characters = 0

    def redact(self, text: str) -> str:
        """As ``Redactor.redact``."""
        known = self._redacted.get(text)
        if known is not None:
            return known
        redacted = self._redactor.redact(text)
        self._characters += len(text) + len(redacted)
        if self._characters > _MEMO_LIMIT:
            self._redacted.clear()
            self._characters = len(text) + len(redacted)
        self._redacted[text] = redacted
        self._redacted[redacted] = redacted  # redaction is idempotent
        return redacted


def compiled_size(site: SitePattern) -> int:
    """In instructions of RE2; of a pattern that can be used."""
    size: int = re2.compile(site.pattern.encode(), OPTIONS_UTF8).programsize
    return size


def _site_rule(site: SitePattern) -> Rule:
    if not _NAME.fullmatch(site.name):
        shown = site.name.encode("unicode_escape").decode()[:80]  # one line, whatever the name
        raise ValueError(
            f'redaction pattern "{shown}": the name must be lower-case letters, digits and "-", at most 63'
        )
    try:
        regexp = re2.compile(site.pattern.encode(), OPTIONS_UTF8)
    except (re2.error, UnicodeEncodeError) as error:
        fault = error.args[0] if isinstance(error, re2.error) else "not valid text"
        if isinstance(fault, bytes):
            fault = fault.decode(errors="replace")
        raise ValueError(f'redaction pattern "{site.name}": {" ".join(str(fault).split())}') from None
    if regexp.search(b""):
        raise ValueError(
            f'redaction pattern "{site.name}": matches the empty text; make it match at least one character'
        )
    mark = f"[redacted:{site.name}]".encode()
    group = 1 if regexp.groups else 0

    def apply(data: bytes) -> bytes:
        spans: list[tuple[int, int, bytes]] = []
        start = 0
        # Marks are skipped: a pattern such as "redacted" would otherwise match again and again.
        for end, after in [*(m.span() for m in MARK.finditer(data)), (len(data), len(data))]:
            for match in regexp.finditer(data, start, end):
                first, last = match.span(group)
                if first < last:
                    spans.append((first, last, mark))
            start = after
        return replace_spans(data, spans)

    return Rule(site.name, (), apply)


DEFAULT_REDACTOR = Redactor()


def redact(text: str) -> str:
    """``text`` without secrets, by the rules of this package alone."""
    return DEFAULT_REDACTOR.redact(text)
