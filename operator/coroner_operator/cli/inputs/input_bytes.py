"""The bytes of a file or of standard input, at most ``INPUT_LIMIT``, as valid UTF-8."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path
from typing import NamedTuple

from coroner_operator.cli.errors import BadInput

INPUT_LIMIT = 512 * 1024 * 1024
"""Bytes. About 60,000 pods as JSON. Input is read whole, so this bounds the memory as well (and ``/dev/zero``)."""


class InputBytes(NamedTuple):
    name: str
    """As the user wrote it; ``stdin`` for ``-``."""
    data: bytes
    """Valid UTF-8 without a byte order mark."""


def read_input(argument: str) -> InputBytes:
    """The file of this name, or standard input for ``-``. Raises BadInput if it cannot be read."""
    if not argument:
        raise no_name()
    name = "stdin" if argument == "-" else argument
    try:
        if argument == "-" and sys.stdin is None:  # closed by the shell: "<&-"
            data = b""
        elif argument == "-":
            data = sys.stdin.buffer.read(INPUT_LIMIT + 1)
        else:
            with Path(argument).open("rb") as file:
                data = file.read(INPUT_LIMIT + 1)
    except IsADirectoryError as error:
        raise BadInput(name, "is a directory", "name the files in it") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(name, f"cannot be read: {reason}", "name a file that you can read") from error
    if len(data) > INPUT_LIMIT:
        raise BadInput(name, f"larger than {INPUT_LIMIT // 2**20} MiB", "split it")
    return InputBytes(name, _as_utf8(data))


def no_name() -> BadInput:
    """For an empty argument, which ``Path`` takes for the working directory: an unset variable of a script."""
    return BadInput('""', "is no file's name", "name a file")


def _as_utf8(data: bytes) -> bytes:
    if data.isascii():
        return data
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # what "kubectl ... > file" writes in PowerShell
        return data.decode("utf-16", errors="replace").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        data.decode()
    except UnicodeDecodeError:
        # A termination message may contain any bytes; the object can be explained nevertheless.
        return data.decode(errors="replace").encode()
    return data
