"""Text as JSON documents, in whatever form: one, several, concatenated, or YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from coroner_operator.cli.errors import BadInput
from coroner_operator.cli.inputs.input_bytes import InputBytes
from coroner_operator.cli.inputs.safe_yaml import yaml_documents

Json = bytes | memoryview

KUBECTL = 'use the output of "kubectl get ... -o json"'

_LENIENT_LIMIT = 64 * 1024 * 1024  # bytes; the standard library's parser needs ten times the memory and time
_BLANK = re.compile(rb"[ \t\r\n]*")
_BLANK_TEXT = re.compile(r"[ \t\r\n]*")
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_BYTE = re.compile(r"\(byte (\d+)\)")


class Document(NamedTuple):
    place: str
    """For a message: ``pods.json``, or ``pods.json: document 2`` from the second on."""
    json: Json


def iter_documents(source: InputBytes) -> Iterator[Document]:
    """The JSON of each document in order. Raises BadInput at the first place that is neither JSON nor YAML."""
    start = _after_blanks(source.data, 0)
    if start == len(source.data):
        raise BadInput(source.name, "empty", KUBECTL)
    if source.data[start : start + 1] in (b"{", b"["):
        found = _json_documents(source, start)
    else:
        found = (msgspec.json.encode(document.value) for document in yaml_documents(source.name, source.data))
    count = 0
    for count, raw in enumerate(found, start=1):
        yield Document(source.name if count == 1 else f"{source.name}: document {count}", raw)
    if not count:
        raise BadInput(source.name, "contains no object, only comments or empty documents", KUBECTL)


def _after_blanks(data: bytes, start: int) -> int:
    found = _BLANK.match(data, start)
    return found.end() if found else start


def _json_documents(source: InputBytes, start: int) -> Iterator[Json]:
    view = memoryview(source.data)
    while start < len(view):
        try:
            msgspec.json.decode(view[start:], type=msgspec.Raw)
        except RecursionError as error:
            raise BadInput(source.name, "nested too deeply", KUBECTL) from error
        except msgspec.DecodeError as error:
            # The decoder takes one document; only its message says where the next one begins (counted from 1).
            trailing = _TRAILING.search(str(error))
            if trailing is None:
                yield from _lenient_documents(source, start, str(error))
                return
            end = start + int(trailing.group(1)) - 1
        else:
            end = len(view)
        yield view[start:end]
        start = _after_blanks(source.data, end)


def _lenient_documents(source: InputBytes, start: int, problem: str) -> Iterator[Json]:
    """Again with the standard library, which accepts raw control characters in strings and lone surrogates."""
    cut_off = "truncated" in problem
    if len(source.data) - start > _LENIENT_LIMIT:
        at = _BYTE.search(problem)
        raise _not_json(source, start + int(at.group(1)) if at else len(source.data), problem, cut_off)
    text = source.data[start:].decode()
    decoder = json.JSONDecoder(strict=False, parse_constant=lambda _: None)
    index = 0
    try:
        while index < len(text):
            value, end = decoder.raw_decode(text, index)
            yield json.dumps(value, ensure_ascii=False).encode(errors="replace")
            index = _after_blank_text(text, end)
    except RecursionError as error:
        raise BadInput(source.name, "nested too deeply", KUBECTL) from error
    except json.JSONDecodeError as error:
        position = len(source.data) if cut_off else start + len(text[: error.pos].encode())
        raise _not_json(source, position, error.msg, cut_off) from error
    except ValueError as error:  # a number of thousands of digits
        raise BadInput(source.name, "cannot be read as JSON: a number is too long", KUBECTL) from error


def _after_blank_text(text: str, start: int) -> int:
    found = _BLANK_TEXT.match(text, start)
    return found.end() if found else start


def _not_json(source: InputBytes, position: int, problem: str, cut_off: bool) -> BadInput:
    line = source.data.count(b"\n", 0, position) + 1
    column = position - source.data.rfind(b"\n", 0, position)
    place = f"{source.name}: line {line}, column {column}"
    if cut_off:
        return BadInput(place, "the JSON is truncated here", "write the complete file")
    problem = _BYTE.sub("", problem.removeprefix("JSON is malformed: ")).strip()
    return BadInput(place, f"not JSON: {problem[:1].lower()}{problem[1:]}", KUBECTL)
