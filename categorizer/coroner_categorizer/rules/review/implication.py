"""Whether one rule matches whatever another one matches: proved from their matchers, one by one.

A matcher that is not known here implies only its equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from coroner_categorizer.objects.exit_codes import SIGNALS
from coroner_categorizer.rules.matchers import (
    Matcher,
    OnConditions,
    OnExitCodes,
    OnFindings,
    OnMessage,
    OnOomKilled,
    OnPodConditions,
    OnPodError,
    OnPodEvents,
    OnReasons,
    OnSignals,
    OnTerminationMessage,
)
from coroner_categorizer.rules.review.patterns import pattern_implies
from coroner_categorizer.rules.rule import Rule

_Text = OnTerminationMessage | OnMessage | OnPodError


class Codes(NamedTuple):
    """Exit codes of a container that failed: those listed, or all others. 0 is none of them."""

    listed: frozenset[int]
    others: bool = False

    def is_within(self, wider: Codes) -> bool:
        if self.others:
            return wider.others and wider.listed <= self.listed
        return self.listed.isdisjoint(wider.listed) if wider.others else self.listed <= wider.listed

    def both(self, other: Codes) -> Codes:
        match self.others, other.others:
            case True, True:
                return Codes(self.listed | other.listed, others=True)
            case True, False:
                return Codes(other.listed - self.listed)
            case False, True:
                return Codes(self.listed - other.listed)
        return Codes(self.listed & other.listed)

    @property
    def is_empty(self) -> bool:
        return not self.listed and not self.others


_ANY_CODE = Codes(frozenset(), others=True)


def codes_of(matcher: Matcher) -> Codes | None:
    """The exit codes with which the matcher may match; None: it may match what is no end of a container."""
    if isinstance(matcher, OnExitCodes):
        return Codes(matcher.values - {0}, others=matcher.operator == "NotIn")
    if isinstance(matcher, OnSignals):
        return Codes(frozenset(128 + number for number, name in SIGNALS.items() if name in matcher.signals))
    return _ANY_CODE if matcher.scope == "container" else None


def possible_codes(matchers: Iterable[Matcher]) -> Codes:
    """The codes with which all of the matchers may match."""
    codes = _ANY_CODE
    for matcher in matchers:
        codes = codes.both(codes_of(matcher) or _ANY_CODE)
    return codes


def implies(narrow: Matcher, wide: Matcher) -> bool:
    """Whether ``wide`` matches wherever ``narrow`` does: the same finding of the same pod."""
    if narrow == wide:
        return True
    if isinstance(wide, OnExitCodes | OnSignals):
        codes, wider = codes_of(narrow), codes_of(wide)
        return codes is not None and wider is not None and codes.is_within(wider)
    if isinstance(narrow, _Text) and isinstance(wide, _Text):
        return type(narrow) is type(wide) and pattern_implies(narrow.pattern, wide.pattern)
    match narrow, wide:
        case ((OnReasons() | OnFindings()), (OnReasons() | OnFindings())):
            return _names(narrow) <= _names(wide)
        case OnPodEvents(), OnPodEvents():
            same = narrow.type == wide.type and wide.reason in ("", narrow.reason)
            return same and pattern_implies(narrow.regexp, wide.regexp)
        case OnPodConditions(), OnPodConditions():
            given = (wide.status in ("", narrow.status), wide.reason in ("", narrow.reason))
            return narrow.type == wide.type and all(given)
        case OnConditions(), OnConditions():
            return set(narrow.names) <= set(wide.names) and wide.container in ("", narrow.container)
    return False


def _names(matcher: OnReasons | OnFindings) -> set[str]:
    return set(matcher.reasons if isinstance(matcher, OnReasons) else matcher.names)


def is_shadowed(rule: Rule, earlier: Rule, *, whole_pod: bool) -> bool:
    """Whether the earlier rule matches whatever the rule matches.

    ``whole_pod``: rules are tried on the whole pod (precedence Rules), where OnOomKilled sees the same containers as
    OnConditions.
    """
    if earlier.unless and earlier.is_pod_scoped != rule.is_pod_scoped:
        return False  # exceptions are tried on what the rule matched: a finding, or the pod
    if not earlier.is_pod_scoped and earlier.container not in ("", rule.container):
        return False
    if not all(any(_implies(m, wide, rule, whole_pod) for m in rule.matchers) for wide in earlier.matchers):
        return False
    return all(any(implies(exception, own) for own in rule.unless) for exception in earlier.unless)


def _implies(narrow: Matcher, wide: Matcher, rule: Rule, whole_pod: bool) -> bool:
    if whole_pod and isinstance(narrow, OnOomKilled) and isinstance(wide, OnConditions):
        return "OOMKilled" in wide.names and wide.container in ("", rule.container)
    return implies(narrow, wide)
