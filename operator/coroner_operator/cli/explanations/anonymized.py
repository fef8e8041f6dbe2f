"""A copy of the input without names, for a bug report, and what it is explained as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from coroner_operator.anonymize import anonymize
from coroner_operator.cli.explanations.explanation import Classifier, Explanation, explain_objects
from coroner_operator.cli.inputs.input_bytes import InputBytes
from coroner_operator.cli.inputs.input_objects import InputObjects


class AnonymizedCopy(NamedTuple):
    document: dict[str, Any]
    """A ``List`` of the objects."""
    explanations: list[Explanation]
    """Of the copy, read back as whoever gets the report will read it."""


def anonymized(objects: InputObjects, classifier: Classifier) -> AnonymizedCopy:
    document = anonymize(objects.subjects, objects.owners, objects.events, objects.outcome_of)
    copy = InputObjects()
    copy.add_input(InputBytes("anonymized copy", msgspec.json.encode(document)))
    return AnonymizedCopy(document, explain_objects(copy, classifier))


def first_difference(before: Sequence[Explanation], after: Sequence[Explanation]) -> tuple[str, str] | None:
    """The first two verdicts that differ, for a message; None: there is no difference."""
    if len(before) != len(after):
        return f"{len(before)} explanations", f"{len(after)} explanations"
    pairs = ((_outcome(one), _outcome(other)) for one, other in zip(before, after, strict=True))
    return next((pair for pair in pairs if pair[0] != pair[1]), None)


def _outcome(explanation: Explanation) -> str:
    """What must be the same without names."""
    verdict = explanation.verdict
    if verdict is None:
        return "no rule matched" if explanation.unexplained else "nothing is failing"
    return f"{verdict.name} by {verdict.rule or 'no rule'}, {verdict.confidence}, retry {verdict.retry}"
