"""Rules and redaction files as arguments of a command, read as the operator reads them."""

from __future__ import annotations

import sys
from pathlib import Path

import coroner_categorizer as cc
from coroner_operator.cli.errors import BadInput
from coroner_operator.cli.inputs.input_bytes import no_name
from coroner_operator.config.rules_files import Content, Unreadable, describe, parse_rules, read_file, read_stream


def display_name(argument: str) -> str:
    """As the user wrote it; ``stdin`` for ``-``."""
    return "stdin" if argument == "-" else argument


def read_argument(argument: str) -> Content:
    """The content of this file, or of standard input for ``-``. Raises BadInput where it cannot be read."""
    if not argument:
        raise no_name()
    if argument != "-":
        content = read_file(Path(argument))
    elif sys.stdin is None:  # closed by the shell: "<&-"
        content = b""
    else:
        content = read_stream(sys.stdin.buffer)
    if isinstance(content, Unreadable):
        raise BadInput(display_name(argument), content.reason)
    return content


def load_rules(argument: str | None) -> cc.Categorizer:
    """The rules of this file; the default pack for None. Raises BadInput, one line however many errors there are."""
    if argument is None:
        return cc.default()
    return check_rules(read_argument(argument), display_name(argument))


def check_rules(content: Content, name: str) -> cc.Categorizer:
    """The rules of a file of this name. Raises BadInput, one line however many errors there are."""
    try:
        return parse_rules(content)
    except cc.ConfigError as invalid:
        first, *others = invalid.errors
        if not others:
            raise BadInput("", describe(name, first)) from invalid
        fault = describe(name, first._replace(remedy=""))
        fault = f"{fault}, the first of {len(invalid.errors)} errors"
        raise BadInput("", fault, f'run "coroner lint {name}" to see all of them') from invalid


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 rule``, ``2 rules``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
