"""From a match to a verdict: the sentence, the hint and the evidence, every text through the one redactor."""

from __future__ import annotations

import re
from itertools import islice

from coroner_categorizer.findings.collect import FINDING_NAMES
from coroner_categorizer.findings.finding import Finding, Excerpt
from coroner_categorizer.objects.exit_codes import signal_of
from coroner_categorizer.redaction.redactor import Redactor
from coroner_categorizer.redaction.sanitize import truncate, one_line, safe_text
from coroner_categorizer.rules.match_context import MatchContext
from coroner_categorizer.rules.rule import CONFIDENCE_RANK, Match
from coroner_categorizer.rules.template import Template
from coroner_categorizer.rules.template_facts import PodFacts
from coroner_categorizer.termination_message.exceptions import PANICKED, REJECTED
from coroner_categorizer.verdict import Confidence, Evidence, Verdict

MESSAGE_LIMIT = 1024
FACT_LIMIT = 480  # one fact in a sentence: longer quotes are not read, shorter ones cut a list of demands
END_LIMIT = 300  # of those facts whose end tells
EVIDENCE_LIMIT = 512
PLACE_LIMIT = 253
_WHOLE = 1 << 16
_REDACTED_TAIL = 120  # of a message whose last line must not stand alone
_LINES_OF_THE_MESSAGE = ("lastLine", "lastWords", "matchedLine")
_TOLD_AT_THE_END = ("text", "waitedFor")
EVIDENCE_ITEMS = 16
TERMINATION_MESSAGE_LIMIT = 1024
_REASON_LIMIT = 63
_NOT_REASON = re.compile(r"[^A-Za-z0-9]+([A-Za-z0-9]?)")


def make_verdict(
    match: Match | None,
    speaker: Finding,
    scene: MatchContext,
    categories: set[str],
    default: tuple[str, str] = ("", ""),
) -> Verdict:
    """The verdict that ``match`` gives on ``speaker``; ``match`` None = the rule set's default category."""
    rule = match.rule if match else None
    facts = _SafeFacts(PodFacts(scene.pod, speaker, rule.captured(match) if rule and match else {}), scene.redactor)
    confidence: Confidence = rule.confidence if rule else "Unknown"
    return Verdict(
        category=rule.category if rule else default[0],
        subcategory=rule.subcategory if rule else default[1],
        categories=tuple(sorted(categories)),
        reason=camel_case((rule.reason if rule else "") or speaker.name),
        message=truncate(_first(rule.messages if rule else (), facts) or _plain_message(speaker, facts), MESSAGE_LIMIT),
        hint=_first(rule.hints if rule else (), facts) or "",
        retry=rule.retry if rule else "Unknown",
        confidence=min(confidence, speaker.max_confidence, key=CONFIDENCE_RANK.__getitem__),
        container=speaker.container or None,
        exit_code=speaker.exit_code,
        signal=signal_of(speaker.exit_code),
        evidence=_evidence(match, speaker, scene),
        rule=rule.id if rule else None,
        termination_message=_tail(speaker.termination_message, scene.redactor) or None,
    )


def camel_case(reason: str) -> str:
    """A reason that a condition may carry: ``OutOfephemeral-storage`` → ``OutOfephemeralStorage``."""
    joined = _NOT_REASON.sub(lambda found: found.group(1).upper(), reason)[:_REASON_LIMIT]
    return joined if joined[:1].isalpha() else f"Reason{joined}"


class _SafeFacts:
    """Facts as they may be written: redacted, on one line, bounded."""

    def __init__(self, facts: PodFacts, redactor: Redactor) -> None:
        self._facts = facts
        self._redactor = redactor

    def __call__(self, name: str) -> str | None:
        value = self._facts(name)
        if not value:
            return None
        line = one_line(value, _WHOLE, self._redactor)
        if name in _LINES_OF_THE_MESSAGE:
            line = self._as_in_the_whole(line)
        if name not in _TOLD_AT_THE_END:
            return truncate(line, FACT_LIMIT)
        if len(line) <= END_LIMIT:
            return line
        # Errors of the runtime are wrapped from the front ("a: b: c"): of a long one, the end tells the cause.
        end = line[-END_LIMIT:]
        return f"… {end.partition(' ')[2] or end}"

    def _as_in_the_whole(self, line: str) -> str:
        """A line may hold a secret whose key stands on the line before: only the whole message tells."""
        whole = one_line(self._facts.termination_message(), _WHOLE, self._redactor)
        said = line.removeprefix(PANICKED).removeprefix(REJECTED)
        if not whole or said in whole or all(part in whole for part in said.split(": ")):
            return line
        return whole if len(whole) <= _REDACTED_TAIL else f"…{whole[-_REDACTED_TAIL:]}"


def _first(templates: tuple[Template, ...], facts: _SafeFacts) -> str | None:
    return next((text for t in templates if (text := t.render(facts))), None)


def _plain_message(speaker: Finding, facts: _SafeFacts) -> str:
    """For rules that bring no sentence of their own."""
    what = f'container "{facts("container")}"' if speaker.container else "the pod"
    if speaker.exit_code is not None:
        said = facts("lastLine")
        ended = f"{what} ended with exit code {speaker.exit_code} ({speaker.name})"
        return f"{ended}: {said}" if said else ended
    if scheduler := facts("scheduler"):
        return f"no node can take the pod: {scheduler}"
    text = facts("text")
    return f"{what}: {speaker.name}: {text}" if text else f"{what}: {speaker.name}"


def _evidence(match: Match | None, speaker: Finding, scene: MatchContext) -> tuple[Evidence, ...]:
    """What was read: the finding itself, what the rule saw, what supports it, and the pod's other findings."""
    seen = [Excerpt(speaker.source, _describe(speaker))]
    seen += match.excerpts if match else ()
    seen += speaker.supporting
    others = (f for f in scene.findings if f is not speaker and f.is_latest_instance)
    seen += [Excerpt(f.source, _describe(f)) for f in islice(others, EVIDENCE_ITEMS)]
    messages = [message for f in scene.findings for message in (f.termination_message, f.text) if message]
    told: dict[str, Evidence] = {}
    words: set[str] = set()
    for source, text in seen:
        # The finding and a matcher often read the same field, and conditions repeat the status: the first stands.
        place = source.removesuffix(".message")
        if not text or place in told or text.strip() in words:
            continue
        words.add(text.strip())
        told[place] = Evidence(
            one_line(place, PLACE_LIMIT, scene.redactor), truncate(_as_in(messages, text, scene.redactor), EVIDENCE_LIMIT)
        )
        if len(told) == EVIDENCE_ITEMS:
            break
    return tuple(told.values())


def _as_in(messages: list[str], text: str, redactor: Redactor) -> str:
    """A text, redacted. Where its end quotes lines of a message, only the whole tells what in them is a secret."""
    for message in messages:
        quotes = (quote for quote in (text, text.partition(": ")[2]) if quote)
        quoted = next((quote for quote in quotes if all(line in message for line in quote.split("\n"))), "")
        if not quoted:
            continue
        parts = [quoted] if quoted in message else quoted.split("\n")
        shown, whole = [one_line(part, _WHOLE, redactor) for part in parts], one_line(message, _WHOLE, redactor)
        said = " ".join(shown)
        if not all(part in whole for part in shown):
            said = whole if len(whole) <= _REDACTED_TAIL else f"…{whole[-_REDACTED_TAIL:]}"
        return f"{one_line(text.removesuffix(quoted), _WHOLE, redactor)} {said}".strip()
    return one_line(text, _WHOLE, redactor)


def _describe(finding: Finding) -> str:
    """What the cluster recorded, in its own words: never a name that this package gave."""
    reason = next((name for name in finding.names if name not in FINDING_NAMES and name != "CrashLoopBackOff"), "")
    said = (finding.facts.get("scheduler") or finding.text).strip()
    if finding.exit_code is not None:
        reason = ", ".join(filter(None, (reason, f"exit code {finding.exit_code}")))
    return ": ".join(filter(None, (reason, said)))


def _tail(message: str, redactor: Redactor) -> str:
    """The end of a termination message: the last words tell more than the first."""
    text = safe_text(message, _WHOLE, redactor).strip()
    folded = one_line(message, _WHOLE, redactor)
    if " ".join(text.split()) != folded:  # a secret stands on the line after its key
        text = folded
    return text if len(text) <= TERMINATION_MESSAGE_LIMIT else "…" + text[-(TERMINATION_MESSAGE_LIMIT - 1) :]
