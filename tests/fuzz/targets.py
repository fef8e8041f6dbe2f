"""What is fuzzed, and what must hold for every input. A target raises AssertionError where it does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis.strategies import SearchStrategy

from coroner_categorizer.objects.event import Event
from coroner_categorizer.objects.lenient_decode import lenient_convert, lenient_decode
from coroner_categorizer.objects.pod import Pod
from coroner_categorizer.objects.workload import Workload
from coroner_categorizer.redaction.redactor import redact
from coroner_categorizer.redaction.sanitize import one_line, safe_text
from tests.fuzz.inputs import DOCUMENTS, TEXT_LIMIT, TEXTS, VALUES

TIME_LIMIT = 0.2
"""Seconds of CPU time for one input."""

_TYPES: tuple[type[Any], ...] = (Pod, Event, Workload)
_DECODERS: dict[type[Any], msgspec.json.Decoder[Any]] = {type_: msgspec.json.Decoder(type_) for type_ in _TYPES}


@dataclass(frozen=True)
class Target:
    """One function, its inputs and its laws."""

    inputs: SearchStrategy[Any]
    check: Callable[[Any], None]


def _redactor(text: str) -> None:
    """It never raises, is idempotent, and yields valid UTF-8 of bounded length, in bounded time."""
    redacted = _within_limit(redact, text)
    redacted.encode()
    assert redact(redacted) == redacted
    for make in (safe_text, one_line):
        shown = make(text, TEXT_LIMIT)
        assert len(shown) <= TEXT_LIMIT
        assert len(shown) == TEXT_LIMIT or make(shown, TEXT_LIMIT) == shown  # a cut may make a new value


def _decoder(raw: bytes) -> None:
    """Bytes that are JSON become a struct whose fields have the declared types; all others are a DecodeError."""
    for type_, decoder in _DECODERS.items():
        try:
            decoded = _within_limit(lambda d=decoder, t=type_: lenient_decode(raw, d, t))
        except msgspec.DecodeError:
            continue
        _assert_well_typed(decoded, type_)


def _converter(value: Any) -> None:
    """Any JSON value becomes a struct whose fields have the declared types."""
    for type_ in _TYPES:
        _assert_well_typed(_within_limit(lenient_convert, value, type_), type_)


def _assert_well_typed(value: Any, type_: type[Any]) -> None:
    assert isinstance(value, type_)
    msgspec.convert(msgspec.to_builtins(value), type_)


def _within_limit(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns; a first call may build RE2's automata, so a slow input is given a second chance."""
    for _ in range(2):
        start = time.process_time()
        result = function(*arguments)
        taken = time.process_time() - start
        if taken < TIME_LIMIT:
            return result
    raise AssertionError(f"took {taken:.3f} s of CPU time; the limit is {TIME_LIMIT} s")


TARGETS = {
    "redactor": Target(TEXTS, _redactor),
    "decoder": Target(DOCUMENTS, _decoder),
    "converter": Target(VALUES, _converter),
}
