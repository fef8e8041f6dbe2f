"""The input of rules: a pod's findings, conditions, texts and events, and which patterns each text contains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from coroner_categorizer.findings.finding import Excerpt, Finding
from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.pod import Pod
from coroner_categorizer.redaction.redactor import DEFAULT_REDACTOR, RedactionMemo, TextRedactor
from coroner_categorizer.rules.pattern_set import PatternSet

TextField = Literal["termination message", "message", "pod error", "event"]


class MatchContext:
    """One pod as rules see it. Used for one classification; remembers which patterns each text contains."""

    def __init__(
        self,
        pod: Pod,
        findings: Sequence[Finding],
        events: Sequence[Event],
        pod_texts: Sequence[Excerpt],
        patterns: dict[TextField, PatternSet],
        redactor: TextRedactor = DEFAULT_REDACTOR,
    ) -> None:
        self.pod = pod
        self.findings = findings
        self.events = events
        self.pod_texts = pod_texts
        self.redactor: TextRedactor = RedactionMemo(redactor)
        """Every published text about this pod passes it; each distinct text is redacted once."""
        self._patterns = patterns
        self._found: dict[tuple[TextField, str], frozenset[str]] = {}

    def matches(self, field: TextField, pattern: str, text: str) -> bool:
        """Whether the pattern is found in the text; all patterns of the field are searched for at once."""
        key = (field, text)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._patterns[field].found_in(text)
        return pattern in found


def pod_texts(pod: Pod, pod_error: str | None) -> list[Excerpt]:
    """The pod-level texts for ``onPodError``: the caller's text, or what the pod itself reports.

    status.message, the messages of waiting containers and the scheduler's.
    """
    if pod_error is not None:
        return [Excerpt("pod error", pod_error)] if pod_error else []
    texts = [Excerpt("status.message", pod.status.message)]
    for part, statuses in (
        ("containerStatuses", pod.status.containerStatuses),
        ("initContainerStatuses", pod.status.initContainerStatuses),
    ):
        for s in statuses:
            if s.state.waiting:
                texts.append(Excerpt(f"status.{part}[{s.name}].state.waiting", s.state.waiting.message))
    scheduled = pod.condition("PodScheduled")
    if scheduled and scheduled.status == "False":
        texts.append(Excerpt("status.conditions[PodScheduled]", scheduled.message))
    return [t for t in texts if t.text]
