"""An anonymized copy of the objects, below what it is explained as."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from io import StringIO
from typing import Any

from rich.console import Console

from coroner_operator.cli.explanations import Explanation
from coroner_operator.cli.render.plain import yaml_document
from coroner_operator.cli.render.text import print_text
from coroner_operator.cli.render.words import WIDTH_LIMIT


def as_anonymized_yaml(document: dict[str, Any], explanations: Sequence[Explanation]) -> bytes:
    """The explanations are comments, so that ``explain`` reads the whole back."""
    page = StringIO()
    print_text(explanations, Console(file=page, width=WIDTH_LIMIT - 2, highlight=False, markup=False, emoji=False))
    lines = [
        f"coroner {version('coroner-operator')} explain --anonymize",
        "Read it before you publish it: words of a program that do not look like a name are kept.",
        "",
        *page.getvalue().splitlines(),
    ]
    head = "".join(f"# {line}".rstrip() + "\n" for line in lines)
    return head.encode() + yaml_document(document)
