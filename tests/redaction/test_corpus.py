"""Every secret of the corpus is hidden, every harmless message comes back as it is."""

from __future__ import annotations

import pytest

from coroner_categorizer.redaction.sanitize import one_line, safe_text
from tests.redaction.corpus import HARMLESS, SAMPLES, Sample

NO_LIMIT = 1 << 20


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_a_secret_is_hidden_and_what_explains_the_failure_is_kept(sample: Sample) -> None:
    shown = safe_text(sample.text, NO_LIMIT)
    assert not sample.leaks(shown)
    assert not sample.leaks(one_line(sample.text, NO_LIMIT))
    assert [part for part in sample.keeps if part not in shown] == []


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_message_is_unchanged(text: str) -> None:
    assert safe_text(text, NO_LIMIT) == text
    assert one_line(text, NO_LIMIT) == " ".join(text.split())


def test_each_sample_holds_what_it_says() -> None:
    for sample in SAMPLES:
        assert all(part in sample.text for part in (*sample.secrets, *sample.keeps)), sample.id
    assert len(SAMPLES) >= 220
    assert len(HARMLESS) >= 300
