"""A failure as a report keeps it, bounded to what the CRD accepts, and the one order that decides between records."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec

from coroner_categorizer.rules.rule import CONFIDENCE_RANK
from coroner_categorizer.verdict import Confidence, Evidence, Verdict
from coroner_operator.model.observation import Member, Observation, whole_seconds

# Limits of crds/failurereports.coroner.dev.yaml; tests compare the two.
TEXT_LIMIT = 1024  # message, hint, termination message: 20 history entries of it stay far below 64 KiB
REASON_LIMIT = 316
NAME_LIMIT = 253  # container, pod, node
UID_LIMIT = 128
LABEL_LIMIT = 63  # category, subcategory: they are label values
RULE_LIMIT = 512
SIGNAL_LIMIT = 32
SOURCE_LIMIT = 512
EVIDENCE_TEXT_LIMIT = 512
EVIDENCE_LIMIT = 16
CATEGORIES_LIMIT = 32

_NOT_IN_A_LABEL = re.compile(r"[^A-Za-z0-9_.-]+")


class PodRef(msgspec.Struct, frozen=True):
    name: str = ""
    uid: str = ""
    node: str = ""
    """"" where the pod was never bound to a node."""
    created_at: datetime | None = None
    """UTC, whole seconds; None = not known."""
    member: Member = Member()


class FailureRecord(msgspec.Struct, frozen=True):
    """One failure: which, when, on which pod, and what was decided. Every text is within the CRD's limits."""

    id: str
    """The ledger's name for the failure: the same however often it is seen."""
    at: datetime
    """UTC, whole seconds."""
    seen_at: datetime | None
    """Last observation of a failure that is still waiting, whose cause may change; None for all others."""
    pod: PodRef | None
    """None: the pod was never created."""
    verdict: Verdict
    consequence: bool = False
    """As ``Failure.consequence``."""

    @property
    def order(self) -> tuple[Any, ...]:
        """The newest failure is the greatest; of two observations of one failure, the one that knows more.

        First the failure (time, then its identity, so that ties break stably), then the observation: an explanation
        before none, the latest one where the cause may change, the surer one; at last the texts, so that the order is
        total and the greatest of a set does not depend on the order in which its members arrive.
        """
        verdict = self.verdict
        sureness = CONFIDENCE_RANK[verdict.confidence]
        return (
            self.at,
            self.id,
            self.is_explained,
            -1.0 if self.seen_at is None else self.seen_at.timestamp(),
            sureness,
            is_known(verdict.category),
            verdict.category,
            verdict.subcategory,
            verdict.reason,
            verdict.message,
            verdict.hint,
            verdict.retry,
            verdict.categories,
            verdict.container or "",
            -1 if verdict.exit_code is None else verdict.exit_code,
            verdict.signal or "",
            verdict.rule or "",
            verdict.termination_message or "",
            tuple((e.source, e.text) for e in verdict.evidence),
            ("", "", "") if self.pod is None else (self.pod.node, self.pod.name, self.pod.uid),
            self.consequence,
        )

    @property
    def is_explained(self) -> bool:
        """Whether the verdict says why; "unknown" and a mere guess do not."""
        return is_explained(self.verdict.confidence, self.verdict.category)

    def summary(self) -> FailureRecord:
        """Without what only the current failure shows: hint, evidence, rule, termination message, the pod's place."""
        verdict = msgspec.structs.replace(
            self.verdict, hint="", evidence=(), rule=None, termination_message=None, categories=()
        )
        pod = self.pod and msgspec.structs.replace(self.pod, created_at=None, member=Member())
        return msgspec.structs.replace(self, verdict=verdict, pod=pod)


def is_explained(confidence: Confidence, category: str) -> bool:
    return confidence != "Unknown" and is_known(category)


def is_known(category: str) -> bool:
    """Whether the category says anything about the cause."""
    return category not in ("", "unknown")


def truncated(verdict: Verdict) -> Verdict:
    """The same verdict within the CRD's limits; "" and None become one where both mean "not said"."""
    return Verdict(
        category=label_value(verdict.category),
        subcategory=label_value(verdict.subcategory),
        categories=tuple(sorted({label for c in verdict.categories if (label := label_value(c))}))[:CATEGORIES_LIMIT],
        reason=truncate(verdict.reason, REASON_LIMIT),
        message=truncate(verdict.message, TEXT_LIMIT),
        hint=truncate(verdict.hint, TEXT_LIMIT),
        retry=verdict.retry,
        confidence=verdict.confidence,
        container=truncate(verdict.container or "", NAME_LIMIT) or None,
        exit_code=None if verdict.exit_code is None else max(-(2**31), min(2**31 - 1, verdict.exit_code)),
        evidence=tuple(
            Evidence(truncate(e.source, SOURCE_LIMIT), truncate(e.text, EVIDENCE_TEXT_LIMIT))
            for e in verdict.evidence[:EVIDENCE_LIMIT]
        ),
        rule=truncate(verdict.rule or "", RULE_LIMIT) or None,
        signal=truncate(verdict.signal or "", SIGNAL_LIMIT) or None,
        termination_message=truncate(verdict.termination_message or "", TEXT_LIMIT) or None,
    )


def pod_ref(observation: Observation) -> PodRef | None:
    """None where there is no name: the pod was never created."""
    if not observation.pod_name:
        return None
    created = observation.pod_created
    return PodRef(
        truncate(observation.pod_name, NAME_LIMIT),
        truncate(observation.pod_uid, UID_LIMIT),
        truncate(observation.node, NAME_LIMIT),
        None if created is None else whole_seconds(created),
        observation.member,
    )


def truncate(text: str, limit: int) -> str:
    """At most ``limit`` characters, the last one an ellipsis where something is missing, and always valid UTF-8."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def label_value(text: str) -> str:
    """A valid value of a label, the same text wherever it is one already."""
    return _NOT_IN_A_LABEL.sub("-", text)[:LABEL_LIMIT].strip("_.-")


def is_label_value(text: str) -> bool:
    """Whether a label can have this value."""
    return label_value(text) == text
