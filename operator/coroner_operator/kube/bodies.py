"""Bodies of requests and responses: how a server-side apply is written, and how much of an answer is read.

The API server's YAML is not quite JSON's superset. Seen on a kube-apiserver 1.36: JSON's surrogate pairs (an emoji as
``\\ud83d\\udd25``) are refused as an invalid escape, and raw DEL, C1 controls, U+FFFE and U+FFFF as control
characters. So: up to U+FFFF everything beyond ASCII is escaped, above it is written as it is.

etcd holds objects of at most 1.5 MiB, but the JSON of one can be six times as long: "<" is written as ``\\u003c``. And
a list has as many objects as were asked for. So what is read is counted while it arrives. Of what is too large only the
head is kept, in which the API server writes name, namespace, UID and resource version.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec

# With the bare name the client library would dump the body itself, with surrogate pairs. The API server ignores
# parameters.
APPLY_CONTENT_TYPE = "application/apply-patch+yaml; charset=utf-8"

OBJECT_LIMIT = 4 * 2**20  # bytes of one object; twice what an object of the largest size without escapes has
PAGE_LIMIT = 8 * 2**20  # bytes of one page of a list; 250 pods have 2 MB
HEAD_BYTES = 8192  # kept of what is too large; names, UID and continue token together have less than 2 KiB

_ESCAPED = re.compile("[\x7f-\uffff]")


def apply_body(obj: Mapping[str, Any]) -> bytes:
    """``obj`` as YAML that every API server reads. Lone surrogates, which no encoding has, become U+FFFD."""
    # Such characters occur inside strings only, so escaping them in the text of the document is safe.
    text = _ESCAPED.sub(lambda found: f"\\u{_readable(found.group()):04x}", json.dumps(obj, ensure_ascii=False))
    return text.encode()


def _readable(char: str) -> int:
    code = ord(char)
    return 0xFFFD if 0xD800 <= code <= 0xDFFF else code


class ObjectId(msgspec.Struct, frozen=True):
    """What the head of an object says about it; "" for what it does not say."""

    namespace: str = ""
    name: str = ""
    uid: str = ""
    version: str = ""

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return place or "an object without a name"


class ListHead(msgspec.Struct, frozen=True):
    """What the head of a list with one object says."""

    version: str
    continue_token: str
    first: ObjectId


class Head(msgspec.Struct, frozen=True):
    """The first bytes of an answer, or of a line, that is too large.

    All values are read where the API server writes them for built-in kinds: those of a list in front of its items,
    those of an object in front of everything that its author can write. In a string a quote is escaped, so that no
    text looks like a field. Custom objects, which begin with their annotations, are never as large.
    """

    data: bytes

    @property
    def change_type(self) -> str:
        """Of a line of a watch: ``ADDED``, ``MODIFIED``, ``DELETED``."""
        return _field(self.data, b'"type":')

    @property
    def object_id(self) -> ObjectId:
        """The object that begins here, or in this line of a watch."""
        return _object_id(self.data)

    @property
    def list_head(self) -> ListHead | None:
        """None where the list does not begin with its own metadata."""
        front, items, rest = self.data.partition(b'"items":[')
        version = _field(front, b'"resourceVersion":')
        if not items or not version:
            return None
        return ListHead(version, _field(front, b'"continue":'), _object_id(rest))


def _object_id(data: bytes) -> ObjectId:
    _, _, metadata = data.partition(b'"metadata":')
    keys = (b'"namespace":', b'"name":', b'"uid":', b'"resourceVersion":')
    return ObjectId(*(_field(metadata, key) for key in keys))


def _field(data: bytes, key: bytes) -> str:
    """The first string under this key; "" where there is none, or it is no plain ASCII."""
    start = data.find(key)
    if start < 0 or data[start + len(key) : start + len(key) + 1] != b'"':
        return ""
    value, quote, _ = data[start + len(key) + 1 :].partition(b'"')
    text = value.decode("ascii", "replace")
    return text if quote and text.isascii() and text.isprintable() and "\\" not in text else ""


async def read_up_to(content: aiohttp.StreamReader, limit: int) -> bytes | Head:
    """All that arrives; its head as soon as it is more than ``limit`` bytes, and the rest is not read."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            return Head(_front(chunks))
    return b"".join(chunks)


async def read_lines(content: aiohttp.StreamReader, limit: int) -> AsyncIterator[bytes | Head]:
    """Each line without its end, as it arrives; of one that is longer than ``limit`` bytes the head.

    What follows the last end of a line is dropped: the connection broke within a line.
    """
    # StreamReader.readline() refuses lines longer than its buffer.
    line = _Line(limit)
    async for chunk in content.iter_any():
        first, *others = chunk.split(b"\n")
        line.add(first)
        for other in others:
            yield line.take()
            line.add(other)


class _Line:
    """A line while it arrives."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        self._size += len(chunk)
        self._chunks.append(chunk)
        if self._size > self._limit:
            self._chunks = [_front(self._chunks)]

    def take(self) -> bytes | Head:
        """The line; the next one begins."""
        whole = b"".join(self._chunks)
        too_large = self._size > self._limit
        self._chunks, self._size = [], 0
        return Head(whole) if too_large else whole


def _front(chunks: list[bytes]) -> bytes:
    """The first ``HEAD_BYTES``; the rest is not copied."""
    front = b""
    for chunk in chunks:
        front += chunk[: HEAD_BYTES - len(front)]
        if len(front) == HEAD_BYTES:
            break
    return front
