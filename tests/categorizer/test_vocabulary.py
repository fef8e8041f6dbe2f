"""Every entry of ``vocabulary/*.yaml`` finds its own example, is needed for it, and leaves its counterexample alone."""

from __future__ import annotations

from itertools import pairwise

import pytest

from coroner_categorizer.findings.scheduler_message import parse_scheduler_message
from coroner_categorizer.termination_message.uncaught_exception import find_uncaught_exception
from coroner_categorizer.vocabulary.phrases import (
    VOCABULARY,
    Entry,
    PhraseList,
    Phrases,
    SchedulerFilter,
    StuckReason,
    TraceShape,
    Vocabulary,
)
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import event, failed, pod, waiting

LISTS = {
    name: listed for name in Vocabulary.__struct_fields__ if isinstance(listed := getattr(VOCABULARY, name), PhraseList)
}
ENTRIES = [
    pytest.param(name, i, id=f"{name}: {e.pattern}")
    for name, listed in LISTS.items()
    for i, e in enumerate(listed.entries)
]


def finds(name: str, entry: Entry, text: str) -> bool:
    listed = LISTS[name]
    return Phrases(PhraseList((entry,), listed.after, listed.ignore_case)).found_in(text)


@pytest.mark.parametrize(("name", "number"), ENTRIES)
def test_an_entry_and_no_other_of_its_list_finds_its_example(name: str, number: int) -> None:
    entries = LISTS[name].entries
    entry = entries[number]
    assert [other.pattern for other in entries if finds(name, other, entry.example)] == [entry.pattern]
    assert not entry.counterexample or not finds(name, entry, entry.counterexample)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_finds_what_its_entries_find(name: str) -> None:
    phrases, entries = Phrases(LISTS[name]), LISTS[name].entries
    texts = [text for e in entries for text in (e.example, e.counterexample) if text] + ["", "epoch 3: loss 0.4"]
    assert [phrases.found_in(t) for t in texts] == [any(finds(name, e, t) for e in entries) for t in texts]


@pytest.mark.parametrize("shape", VOCABULARY.traces, ids=lambda shape: shape.runtime)
def test_a_declared_trace_is_an_uncaught_exception(shape: TraceShape) -> None:
    code = shape.exit_codes[0] if shape.exit_codes else 1
    assert find_uncaught_exception(shape.example, code) == (shape.runtime, shape.quote)
    assert find_uncaught_exception(f"starting\nERROR: not yet\n{shape.example}", code) == (shape.runtime, shape.quote)
    assert find_uncaught_exception(shape.counterexample, code) is None
    assert find_uncaught_exception(f"{shape.example}2026-11-21 21:15:49 INFO going on\n", code) is None
    if shape.exit_codes:
        assert find_uncaught_exception(shape.example, 42) is None


@pytest.mark.parametrize("shape", VOCABULARY.traces, ids=lambda shape: shape.runtime)
def test_the_line_above_the_frames_is_what_is_quoted(shape: TraceShape) -> None:
    verdict = CATEGORIZER.classify(pod(failed(1, message=shape.example)))
    assert verdict is not None
    assert f"{verdict.category}/{verdict.subcategory}" == "user-code/uncaught-exception"
    assert verdict.message.endswith(f": {shape.quote}")


@pytest.mark.parametrize("shape", VOCABULARY.traces, ids=lambda shape: shape.runtime)
def test_a_frame_with_an_error_in_its_name_is_not_quoted_where_the_program_went_on(shape: TraceShape) -> None:
    frames = shape.example.split("\n", 1)[1]
    verdict = CATEGORIZER.classify(pod(failed(1, message=f"cannot reach the broker\n{frames}giving in\n")))
    assert verdict is not None
    assert verdict.message.endswith(": cannot reach the broker")


@pytest.mark.parametrize("stuck", VOCABULARY.stuck_reasons, ids=lambda stuck: stuck.reason)
def test_an_event_that_keeps_a_pod_from_starting_is_its_failure(stuck: StuckReason) -> None:
    verdict = CATEGORIZER.classify(pod(waiting("ContainerCreating")), [event(stuck.reason, stuck.example)])
    assert verdict is not None
    assert verdict.evidence[0].source == f"events[{stuck.reason}]"


def test_a_scheduler_filter_is_known_by_its_own_phrase() -> None:
    """The one that stops a node later in the scheduler's order comes first."""
    filters = VOCABULARY.scheduler_filters
    for earlier, later in pairwise(filters):
        message = f"0/9 nodes are available: 5 {earlier.example}, 4 {later.example}."
        assert [reason.reason for reason in parse_scheduler_message(message).reasons] == [
            later.example,
            earlier.example,
        ]


@pytest.mark.parametrize("known", VOCABULARY.scheduler_filters, ids=lambda known: known.phrase)
def test_a_reason_that_may_come_first_has_a_rule(known: SchedulerFilter) -> None:
    """Else it would hide the reasons after it that have one."""
    message = f"0/9 nodes are available: 5 {known.example}."
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    pending = {"metadata": {"uid": "u"}, "status": {"phase": "Pending", "conditions": [unscheduled]}}
    verdict = CATEGORIZER.classify(pending)
    assert verdict is not None
    assert verdict.category != "unknown", verdict


def test_remarks_after_the_reasons_of_the_scheduler_are_no_reasons() -> None:
    for entry in VOCABULARY.scheduler_remarks.entries:
        assert [reason.nodes for reason in parse_scheduler_message(entry.example).reasons] == [1]
