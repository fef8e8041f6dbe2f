"""The corpus: texts with a secret, and texts that only look as if they had one.

``named_forms.yaml`` and ``*secrets*.yaml``: ``text``, what in it is ``secret``, and what it ``keeps``;
``is_cut`` where the text has lost its beginning.
``*harmless.yaml``: messages that must come back unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Sample:
    """A text with secrets."""

    id: str
    text: str
    secrets: tuple[str, ...]
    keeps: tuple[str, ...]
    is_cut: bool
    """The text has lost its beginning, as a termination message that was too long: nothing precedes it."""

    def leaks(self, shown: str) -> list[str]:
        """The secrets that ``shown`` still has, as they are or with their white space folded."""
        return [secret for secret in self.secrets if secret in shown or " ".join(secret.split()) in shown]


def _samples() -> Iterator[Sample]:
    for file in (*sorted(_FOLDER.glob("*secrets*.yaml")), _FOLDER / "named_forms.yaml"):
        for number, row in enumerate(yaml.safe_load(file.read_text())):
            secrets = [row["secret"]] if isinstance(row["secret"], str) else row["secret"]
            yield Sample(
                f"{file.stem}-{number}",
                row["text"],
                tuple(secrets),
                tuple(row.get("keeps", ())),
                row.get("is_cut", False),
            )


SAMPLES = tuple(_samples())
HARMLESS: tuple[str, ...] = tuple(
    text for file in sorted(_FOLDER.glob("*harmless.yaml")) for text in yaml.safe_load(file.read_text())
)
