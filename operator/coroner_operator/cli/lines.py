"""Lines of output: text of a file or a cluster never adds a line, and never fills the screen."""

from __future__ import annotations

import click

from coroner_categorizer.redaction.sanitize import one_line

_LINE_LIMIT = 1000  # characters


def short_line(text: str) -> str:
    """The text as one line of at most 1,000 characters, redacted and without control characters."""
    return one_line(text, _LINE_LIMIT)


def print_line(text: str, *, indent: str = "", err: bool = False) -> None:
    """Prints the text as ``short_line`` makes it, to standard output or standard error."""
    click.echo(indent + short_line(text), err=err)
