"""JSON of unknown shape → typed structs: a value that is null or of the wrong type is read as absent."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_ABSENT: Any = object()
_DEPTH_LIMIT = 64  # deeper than any API type; a guard against hostile nesting


def lenient_convert(value: Any, type_: type[T]) -> T:
    """``value`` (as from ``json.loads``) as ``type_``, a Struct whose fields all have defaults. Never raises.

    The fast path is msgspec's own conversion; only an object that it refuses is walked field by field.
    """
    try:
        return msgspec.convert(value, type_)
    except (msgspec.ValidationError, RecursionError, OverflowError, ValueError):
        read = _read(value, msgspec.inspect.type_info(type_), 0)
        return type_() if read is _ABSENT else msgspec.convert(read, type_)


def lenient_decode(raw: bytes, decoder: msgspec.json.Decoder[T], type_: type[T]) -> T:
    """JSON bytes as ``type_``; raises msgspec.DecodeError only where the bytes are not JSON or nested too deeply."""
    try:
        return decoder.decode(raw)
    except RecursionError:
        raise msgspec.DecodeError("JSON is nested too deeply") from None
    except msgspec.ValidationError:
        return _decode_leniently(raw, type_)


def _decode_leniently(raw: bytes, type_: type[T]) -> T:
    try:
        return lenient_convert(msgspec.json.decode(raw), type_)
    except RecursionError:
        raise msgspec.DecodeError("JSON is nested too deeply") from None


def _read(value: Any, info: msgspec.inspect.Type, depth: int) -> Any:
    """The part of ``value`` that fits ``info``, as plain JSON values; ``_ABSENT`` if nothing does."""
    if value is None or depth > _DEPTH_LIMIT:
        return _ABSENT
    match info:
        case msgspec.inspect.StructType(fields=fields):
            if not isinstance(value, dict):
                return _ABSENT
            parts = {f.encode_name: _read(value.get(f.encode_name), f.type, depth + 1) for f in fields}
            return {name: part for name, part in parts.items() if part is not _ABSENT}
        case msgspec.inspect.ListType(item_type=item):
            if not isinstance(value, list):
                return _ABSENT
            return [part for v in value if (part := _read(v, item, depth + 1)) is not _ABSENT]
        case msgspec.inspect.DictType(value_type=item):
            if not isinstance(value, dict):
                return _ABSENT
            parts = {k: _read(v, item, depth + 1) for k, v in value.items() if isinstance(k, str)}
            return {k: part for k, part in parts.items() if part is not _ABSENT}
        case msgspec.inspect.UnionType(types=types):
            return next((p for t in types if (p := _read(value, t, depth)) is not _ABSENT), _ABSENT)
        case msgspec.inspect.AnyType():
            return value
        case msgspec.inspect.DateTimeType():
            return value if isinstance(value, str) and _is_time(value) else _ABSENT
        case msgspec.inspect.StrType():
            return value if isinstance(value, str) else _ABSENT
        case msgspec.inspect.BoolType():
            return value if isinstance(value, bool) else _ABSENT
        case msgspec.inspect.IntType():
            return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else _ABSENT
        case _:
            return _ABSENT


def _is_time(text: str) -> bool:
    try:
        msgspec.convert(text, datetime)
    except (msgspec.ValidationError, ValueError):
        return False
    return True
