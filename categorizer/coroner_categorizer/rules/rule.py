"""A rule: matchers that must all hold, and the verdict if they do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import msgspec

from coroner_categorizer.findings.finding import Excerpt, Finding
from coroner_categorizer.redaction.sanitize import valid_unicode
from coroner_categorizer.rules.field_path import Path
from coroner_categorizer.rules.match_context import MatchContext
from coroner_categorizer.rules.matchers import Matcher, OnFindings, OnReasons
from coroner_categorizer.rules.pattern_set import compile_pattern
from coroner_categorizer.rules.template import Template
from coroner_categorizer.verdict import Confidence, Retry

CONFIDENCE_RANK: dict[Confidence, int] = {"Unknown": 0, "Likely": 1, "Confirmed": 2}


class Match(msgspec.Struct, frozen=True):
    """A rule that matched, the finding that it matched, and what it read."""

    rule: Rule
    finding: Finding | None
    """None: the rule is about the pod as a whole."""
    excerpts: tuple[Excerpt, ...]


class Rule(msgspec.Struct, frozen=True):
    id: str
    """Its name, or its path in the document: ``categories[0].rules[1]``."""
    category: str
    subcategory: str
    matchers: tuple[Matcher, ...]
    """All must match."""
    path: Path = Path()
    """Where in its document it is."""
    unless: tuple[Matcher, ...] = ()
    """If one of these matches, the rule does not."""
    container: str = ""
    """Scope of the container matchers; "" = any."""
    retry: Retry = "Unknown"
    confidence: Confidence = "Likely"
    reason: str = ""
    """"" = the finding's own name."""
    messages: tuple[Template, ...] = ()
    """The first whose facts are all known is used."""
    hints: tuple[Template, ...] = ()
    consequence: bool = False
    """As ``Failure.consequence``, of what the rule decides."""

    @property
    def is_pod_scoped(self) -> bool:
        return all(m.scope == "pod" for m in self.matchers)

    def may_match(self, names: Collection[str]) -> bool:
        """False: a finding with these names is not one that the rule is for."""
        return all(any(name in names for name in wanted) for wanted in self._wanted_names())

    def _wanted_names(self) -> Iterator[tuple[str, ...]]:
        for matcher in self.matchers:
            if isinstance(matcher, OnReasons):
                yield matcher.reasons
            elif isinstance(matcher, OnFindings):
                yield matcher.names

    def match_any(self, findings: Iterable[Finding], context: MatchContext) -> Match | None:
        """Try the rule on the whole pod: the first finding that all of its container matchers match."""
        if self.is_pod_scoped:
            return self.match_one(None, context)
        return next((m for f in findings if (m := self.match_one(f, context))), None)

    def match_one(self, finding: Finding | None, context: MatchContext) -> Match | None:
        """Try the rule on one finding."""
        if self.container and not self.is_pod_scoped and (not finding or finding.container != self.container):
            return None
        seen = []
        for matcher in self.matchers:
            found = matcher.match(finding, context)
            if found is None:
                return None
            seen.append(found)
        if any(exception.match(finding, context) for exception in self.unless):
            return None
        return Match(self, finding, tuple(seen))

    def captured(self, match: Match) -> dict[str, str]:
        """What the named groups of the rule's patterns captured, e.g. ``{"object": "nope"}``, and ``matchedLine``."""
        caught: dict[str, str] = {}
        for matcher, seen in zip(self.matchers, match.excerpts, strict=True):
            text = valid_unicode(seen.text)
            for _, pattern in matcher.patterns:
                found = compile_pattern(pattern).search(text)
                if found:
                    caught |= {name: value for name, value in found.groupdict().items() if value}
                    caught["matchedLine"] = _line_at(text, found.start())
        return caught


def _line_at(text: str, position: int) -> str:
    end = text.find("\n", position)
    return text[text.rfind("\n", 0, position) + 1 : end if end >= 0 else None].strip()
