"""Every secret of the corpus is hidden, every harmless message comes back as it is.

``named_forms.yaml`` and ``*secrets*.yaml``: ``text``, what in it is ``secret``, and what it ``keeps``.
``*harmless.yaml``: messages that only look as if they held a secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from coroner_categorizer.redaction.sanitize import one_line, safe_text

NO_LIMIT = 1 << 20
FOLDER = Path(__file__).parent
SECRET_FILES = [*sorted(FOLDER.glob("*secrets*.yaml")), FOLDER / "named_forms.yaml"]
HARMLESS: list[str] = [
    text for file in sorted(FOLDER.glob("*harmless.yaml")) for text in yaml.safe_load(file.read_text())
]


def _samples() -> Iterator[Any]:
    for file in SECRET_FILES:
        for number, sample in enumerate(yaml.safe_load(file.read_text())):
            secrets = sample["secret"] if isinstance(sample["secret"], list) else [sample["secret"]]
            yield pytest.param(sample["text"], secrets, sample.get("keeps", []), id=f"{file.stem}-{number}")


@pytest.mark.parametrize(("text", "secrets", "keeps"), list(_samples()))
def test_a_secret_is_hidden_and_what_explains_the_failure_is_kept(
    text: str, secrets: list[str], keeps: list[str]
) -> None:
    shown, folded = safe_text(text, NO_LIMIT), one_line(text, NO_LIMIT)
    for secret in secrets:
        assert secret in text
        assert secret not in shown
        assert " ".join(secret.split()) not in folded
    for part in keeps:
        assert part in shown


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_message_is_unchanged(text: str) -> None:
    assert safe_text(text, NO_LIMIT) == text
    assert one_line(text, NO_LIMIT) == " ".join(text.split())


def test_the_corpus_is_large_enough() -> None:
    assert sum(1 for _ in _samples()) >= 200
    assert len(HARMLESS) >= 300
