"""Laws that hold for any pod, not only for the recorded ones."""

from __future__ import annotations

import json
from typing import Any

import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from coroner_categorizer.rules.pattern_set import PatternSet
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import crash_looping, failed, pod, running, waiting

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30)
KEYS = st.sampled_from(
    [
        "metadata",
        "status",
        "spec",
        "phase",
        "reason",
        "message",
        "containerStatuses",
        "initContainerStatuses",
        "state",
        "lastState",
        "terminated",
        "waiting",
        "running",
        "exitCode",
        "name",
        "conditions",
        "type",
        "containers",
        "restartCount",
        "uid",
        "deletionTimestamp",
        "ownerReferences",
        "finishedAt",
    ]
)
ANY_JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6))
TEXT = st.text(st.characters(), max_size=200)


@given(ANY_JSON, st.lists(ANY_JSON, max_size=3), ANY_JSON)
@settings(max_examples=300)
def test_classify_raises_on_no_json_shape(obj: Any, events: list[Any], owner: Any) -> None:
    CATEGORIZER.classify(obj, events, owner=owner)


CONTAINERS = st.one_of(
    st.builds(
        failed, st.integers(1, 255), st.sampled_from(["", "OOMKilled", "StartError", "ContainerStatusUnknown"]), TEXT
    ),
    st.builds(crash_looping, st.integers(0, 255), st.just(""), TEXT),
    st.builds(waiting, st.sampled_from(["ImagePullBackOff", "CreateContainerConfigError", "ContainerCreating"]), TEXT),
    st.builds(running),
)


def named(containers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [c | {"name": f"c{i}"} for i, c in enumerate(containers)]


@given(st.lists(CONTAINERS, min_size=1, max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_the_order_of_containers_does_not_matter(containers: list[dict[str, Any]], random: Any) -> None:
    subject = pod(*named(containers))
    verdict = CATEGORIZER.classify(subject)
    random.shuffle(subject["status"]["containerStatuses"])
    assert CATEGORIZER.classify(subject) == verdict


@given(st.lists(CONTAINERS, min_size=1, max_size=4))
@settings(max_examples=200)
def test_a_verdict_is_bounded_printable_and_stands_in_its_own_categories(containers: list[dict[str, Any]]) -> None:
    verdict = CATEGORIZER.classify(pod(*named(containers)))
    if verdict is None:
        return
    assert verdict.category in verdict.categories
    assert len(verdict.message) <= 1024
    assert len(verdict.hint) <= 4096
    assert verdict.message
    written = json.dumps([verdict.message, verdict.hint, [e.text for e in verdict.evidence]], ensure_ascii=False)
    assert written.encode()
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in written)
    assert "${" not in verdict.hint


PATTERNS = ["a+b", "(?i)cuda", "^x", "y$", ".*", "no (?:space|room)", r"\bEOF\b", "ü|ß", "(?s)a.*z"]


@given(st.text("abcxyzABCDUuüß \n", max_size=60))
def test_the_set_of_patterns_agrees_with_each_pattern_alone(text: str) -> None:
    alone = {p for p in PATTERNS if text and re2.search(p, text)}
    assert PatternSet(PATTERNS).found_in(text) == alone
