"""Secrets out of text: each one becomes a typed mark such as ``[redacted:github-token]``.

Four families of rules, in this order: private keys (also cut ones), URLs, shapes that give a secret away by themselves,
and pairs whose key does (``password: …``). Every search is RE2's, so the time is linear in the text. See
docs/adr/0005-redaction.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import re2

from coroner_categorizer.redaction.key_values import KEY_VALUE_RULES
from coroner_categorizer.redaction.pem import PRIVATE_KEY_RULE
from coroner_categorizer.redaction.rule import MARK, OPTIONS_UTF8, Prefilter, Rule, replace_spans
from coroner_categorizer.redaction.token_formats import TOKEN_RULES
from coroner_categorizer.redaction.urls import URL_RULES

RULES: tuple[Rule, ...] = (PRIVATE_KEY_RULE, *URL_RULES, *TOKEN_RULES, *KEY_VALUE_RULES)
"""What is certain comes first: a pair whose value is already a mark keeps that mark, which says more."""

# A mark that replaced a secret is a boundary that was not there before, behind which another secret may begin. One more
# round finds it; texts that need a third are made for it, and the bound keeps the whole linear.
_MAX_PASSES = 4

_NAME = re2.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class SitePattern:
    """A secret that only this site knows."""

    name: str
    """Label-safe (lower-case letters, digits, "-"); the mark is ``[redacted:NAME]``."""

    pattern: str
    """RE2. Group 1, if there is one, is the secret; otherwise the whole match is."""


class Redactor:
    """The rules of this package and a site's own. Stateless after construction: safe to share."""

    def __init__(self, site_patterns: Iterable[SitePattern] = ()) -> None:
        """Raises ValueError with one line (name and fault) at the first site pattern that cannot be used."""
        self._prefilter = Prefilter((*RULES, *(_site_rule(pattern) for pattern in site_patterns)))

    def redact(self, text: str) -> str:
        """``text`` with every secret that is found as a mark. Never raises; a second time changes nothing.

        Clean the text first (``text.safe_text`` does): a control character inside a secret hides it from every rule.
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
        # Marks are left out: a pattern such as "redacted" would otherwise never come to rest.
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
