"""Build a verdict from a match: message, hint and evidence, all passed through one redactor."""

from __future__ import annotations

from itertools import islice

from coroner_categorizer.findings.collect import FINDING_NAMES
from coroner_categorizer.findings.finding import Excerpt, Finding
from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.objects.exit_codes import signal_of
from coroner_categorizer.redaction.redactor import TextRedactor
from coroner_categorizer.redaction.sanitize import one_line, safe_text, truncate
from coroner_categorizer.rules.match_context import MatchContext
from coroner_categorizer.rules.rule import CONFIDENCE_RANK, Match
from coroner_categorizer.rules.template import Template
from coroner_categorizer.rules.template_facts import PodFacts
from coroner_categorizer.termination_message.runtimes.node import REJECTED
from coroner_categorizer.termination_message.runtimes.rust import PANICKED
from coroner_categorizer.verdict import Confidence, Evidence, Verdict

MESSAGE_LIMIT = 1024
FACT_LIMIT = 480  # one fact in a sentence: nobody reads longer quotes, and shorter ones truncate lists of requirements
END_LIMIT = 300  # of facts whose end names the cause
EVIDENCE_LIMIT = 512
PLACE_LIMIT = 253
_UNCUT = 1 << 16
_REDACTED_TAIL = 120  # of a message whose last line must not be shown alone
_LINES_OF_THE_MESSAGE = ("lastLine", "exception", "matchedLine")
_KEEP_END = ("text", "startupBlocker")
EVIDENCE_ITEMS = 16
TERMINATION_MESSAGE_LIMIT = 1024
_REASON_LIMIT = 63
_JSON_LINE = LinearRegex(r'\{"')
_DNS_LABEL = LinearRegex(r"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\z")  # https://www.rfc-editor.org/rfc/rfc1123
_REASON_WORD = LinearRegex(r"[A-Za-z0-9]+")


def build_verdict(
    match: Match | None,
    primary: Finding,
    context: MatchContext,
    categories: set[str],
    default: tuple[str, str] = ("", ""),
) -> Verdict:
    """The verdict that ``match`` gives on ``primary``; ``match`` None = the rule set's default category."""
    rule = match.rule if match else None
    facts = _SafeFacts(PodFacts(context.pod, primary, rule.captured(match) if rule and match else {}), context.redactor)
    confidence: Confidence = rule.confidence if rule else "Unknown"
    return Verdict(
        category=rule.category if rule else default[0],
        subcategory=rule.subcategory if rule else default[1],
        categories=tuple(sorted(categories)),
        reason=camel_case((rule.reason if rule else "") or primary.name),
        message=truncate(_first(rule.messages if rule else (), facts) or _plain_message(primary, facts), MESSAGE_LIMIT),
        hint=_first(rule.hints if rule else (), facts) or "",
        retry=rule.retry if rule else "Unknown",
        confidence=min(confidence, primary.max_confidence, key=CONFIDENCE_RANK.__getitem__),
        container=_container_name(primary.container or _culprit(facts("culprit"), context), context.redactor),
        exit_code=primary.exit_code,
        signal=signal_of(primary.exit_code),
        evidence=_evidence(match, primary, context),
        rule=rule.id if rule else None,
        termination_message=_tail(primary.termination_message, context.redactor) or None,
    )


def _culprit(name: str | None, context: MatchContext) -> str | None:
    """The container that a text about the pod names, if the pod has it."""
    specs = (*context.pod.spec.containers, *context.pod.spec.initContainers)
    return name if name and any(spec.name == name for spec in specs) else None


def _container_name(name: str | None, redactor: TextRedactor) -> str | None:
    """A name that Kubernetes accepts, as it is; what else an object may say, made safe like any other text."""
    return name if not name or _DNS_LABEL.found_in(name) else one_line(name, PLACE_LIMIT, redactor) or None


def camel_case(reason: str) -> str:
    """A reason that a condition may carry: ``OutOfephemeral-storage`` → ``OutOfephemeralStorage``."""
    words = islice(_REASON_WORD.find_all(reason), _REASON_LIMIT)
    joined = "".join(w.text if w.start == 0 else w.text[0].upper() + w.text[1:] for w in words)[:_REASON_LIMIT]
    return joined if joined[:1].isalpha() else f"Reason{joined}"


class _SafeFacts:
    """Facts as they may be written: redacted, on one line, truncated."""

    def __init__(self, facts: PodFacts, redactor: TextRedactor) -> None:
        self._facts = facts
        self._redactor = redactor

    def __call__(self, name: str) -> str | None:
        value = self._facts(name)
        if not value:
            return None
        line = one_line(value, _UNCUT, self._redactor)
        if name in _LINES_OF_THE_MESSAGE:
            line = self._redacted_in_context(line)
        if name not in _KEEP_END:
            return truncate(line, FACT_LIMIT)
        if len(line) <= END_LIMIT:
            return line
        # Runtime errors are wrapped from the front ("a: b: c"): the cause is at the end.
        end = line[-END_LIMIT:]
        return f"… {end.partition(' ')[2] or end}"

    def _redacted_in_context(self, line: str) -> str:
        """A line may be a secret whose key is on the line before: only the whole message shows this."""
        whole = one_line(self._facts.termination_message(), _UNCUT, self._redactor)
        if _JSON_LINE.found_in(whole):  # a text of it is quoted without the escapes of JSON
            whole = whole.replace('\\"', '"').replace("\\n", " ").replace("\\t", " ")
        quote = line.removeprefix(PANICKED).removeprefix(REJECTED)
        if not whole or quote in whole or all(part in whole for part in quote.split(": ")):
            return line
        return whole if len(whole) <= _REDACTED_TAIL else f"…{whole[-_REDACTED_TAIL:]}"


def _first(templates: tuple[Template, ...], facts: _SafeFacts) -> str | None:
    return next((text for t in templates if (text := t.render(facts))), None)


def _plain_message(primary: Finding, facts: _SafeFacts) -> str:
    """The message for rules that have none."""
    what = f'container "{facts("container")}"' if primary.container else "the pod"
    if primary.exit_code is not None:
        last_line = facts("lastLine")
        ended = f"{what} ended with exit code {primary.exit_code} ({primary.name})"
        return f"{ended}: {last_line}" if last_line else ended
    if scheduler := facts("scheduler"):
        return f"no node can run the pod: {scheduler}"
    text = facts("text")
    return f"{what}: {primary.name}: {text}" if text else f"{what}: {primary.name}"


def _evidence(match: Match | None, primary: Finding, context: MatchContext) -> tuple[Evidence, ...]:
    """What was read: the finding itself, what the rule matched, what supports it, and the pod's other findings."""
    seen = [Excerpt(primary.source, _describe(primary))]
    seen += match.excerpts if match else ()
    seen += primary.supporting
    others = (f for f in context.findings if f is not primary and f.is_latest_instance)
    seen += [Excerpt(f.source, _describe(f)) for f in islice(others, EVIDENCE_ITEMS)]
    messages = [message for f in context.findings for message in (f.termination_message, f.text) if message]
    evidence: dict[str, Evidence] = {}
    texts: set[str] = set()
    for source, text in seen:
        # The finding and a matcher often read the same field, and conditions repeat the status: keep the first.
        place = source.removesuffix(".message")
        if not text or place in evidence or text.strip() in texts:
            continue
        texts.add(text.strip())
        evidence[place] = Evidence(
            one_line(place, PLACE_LIMIT, context.redactor),
            truncate(_redacted_quote(messages, text, context.redactor), EVIDENCE_LIMIT),
        )
        if len(evidence) == EVIDENCE_ITEMS:
            break
    return tuple(evidence.values())


def _redacted_quote(messages: list[str], text: str, redactor: TextRedactor) -> str:
    """A text, redacted. If its end quotes lines of a message, only the whole message shows what in them is a secret."""
    for message in messages:
        quotes = (quote for quote in (text, text.partition(": ")[2]) if quote)
        quoted = next((quote for quote in quotes if all(line in message for line in quote.split("\n"))), "")
        if not quoted:
            continue
        parts = [quoted] if quoted in message else quoted.split("\n")
        shown, whole = [one_line(part, _UNCUT, redactor) for part in parts], one_line(message, _UNCUT, redactor)
        quote = " ".join(shown)
        if not all(part in whole for part in shown):
            quote = whole if len(whole) <= _REDACTED_TAIL else f"…{whole[-_REDACTED_TAIL:]}"
        return f"{one_line(text.removesuffix(quoted), _UNCUT, redactor)} {quote}".strip()
    return one_line(text, _UNCUT, redactor)


def _describe(finding: Finding) -> str:
    """What the cluster recorded, in its own words, without the names that this package gives to findings."""
    reason = next((name for name in finding.names if name not in FINDING_NAMES and name != "CrashLoopBackOff"), "")
    text = (finding.facts.get("scheduler") or finding.text).strip()
    if finding.exit_code is not None:
        reason = ", ".join(filter(None, (reason, f"exit code {finding.exit_code}")))
    return ": ".join(filter(None, (reason, text)))


def _tail(message: str, redactor: TextRedactor) -> str:
    """The end of a termination message, which usually names the cause."""
    text = safe_text(message, _UNCUT, redactor).strip()
    folded = one_line(message, _UNCUT, redactor)
    if " ".join(text.split()) != folded:  # a secret is on the line after its key
        text = folded
    return text if len(text) <= TERMINATION_MESSAGE_LIMIT else "…" + text[-(TERMINATION_MESSAGE_LIMIT - 1) :]
