"""Secrets that are encoded: base64 of a private key, of a docker configuration, of ``user:password`` or of any other
text with a secret; and JWTs that were broken over several lines.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable

from coroner_categorizer.redaction.rule import Regexp, Rule, mark, replace_spans

_ENCODED_MARK = mark("base64-secret")
_JWT_MARK = mark("jwt")
_AUTHORIZATION_MARK = mark("authorization")

_BREAK = r"(?:\r?\n|(?:\\+r)?\\+n)[ \t]*"
_BASE64 = Regexp(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_BASE64_LINE = Regexp(rf"{_BREAK}([A-Za-z0-9+/_-]{{20,}}={{0,2}}|[A-Za-z0-9+/_-]+={{1,2}})")
_BASIC = Regexp(r"(?i)\bbasic[ \t]+([A-Za-z0-9+/_-]{6,}={0,2})")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_PRINTABLE = bytes((*range(0x20, 0x7F), 9, 10, 13))

_USER_AND_PASSWORD = Regexp(r"[A-Za-z0-9._@+\\-]{1,64}:[!-~]{3,}\s*")
_HOST_AND_PORT = Regexp(r"[^:]*:(?://.*|[0-9.:-]*\s*)")

_JWT_START = Regexp(r"eyJ[A-Za-z0-9_-]{5,}")
_JWT_LINE = Regexp(rf"{_BREAK}([A-Za-z0-9_.-]+)")
_JWT_REST = Regexp(r"[A-Za-z0-9_.-]*")
_JWT_WHOLE = Regexp(r"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?")
_LIKE_TOKEN = Regexp(r"[A-Za-z0-9_.-]*(?:[a-z][A-Z]|[A-Z][a-z]+[A-Z0-9]|[a-z][0-9]|[0-9][A-Za-z])[A-Za-z0-9_.-]*")


def base64_rule(is_secret: Callable[[bytes], bool]) -> Rule:
    """Base64 whose decoded text is a user name and a password, or is a secret by ``is_secret``."""

    def apply(data: bytes) -> bytes:
        spans: list[tuple[int, int, bytes]] = []
        at = 0
        while run := _BASE64.search(data, at):
            at = run.end()
            if _holds_secret(run.group(), is_secret):
                at = _last_line_end(data, at)
                spans.append((run.start(), at, _ENCODED_MARK))
        return replace_spans(data, spans)

    return Rule("base64-secret", (), apply)


def _holds_secret(encoded: bytes, is_secret: Callable[[bytes], bool]) -> bool:
    text = _decoded(encoded)
    return bool(text) and (_is_user_and_password(text) or is_secret(text))


def _is_user_and_password(text: bytes) -> bool:
    return bool(_USER_AND_PASSWORD.fullmatch(text)) and not _HOST_AND_PORT.fullmatch(text)


def _decoded(encoded: bytes) -> bytes:
    """The text, if ``encoded`` is base64 of text; else b"". What a cut has left of the last group is dropped."""
    digits = encoded.rstrip(b"=").translate(_URL_SAFE)
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    try:
        text = binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
    except binascii.Error:
        return b""
    return b"" if text.translate(None, _PRINTABLE) else text


def _last_line_end(data: bytes, at: int) -> int:
    """Where base64 that is broken into lines ends."""
    while line := _BASE64_LINE.match(data, at):
        at = line.end()
    return at


def _redact_basic(data: bytes) -> bytes:
    spans = [
        (*found.span(1), _AUTHORIZATION_MARK)
        for found in _BASIC.finditer(data)
        if _is_user_and_password(_decoded(found.group(1)))
    ]
    return replace_spans(data, spans)


BASIC_RULE = Rule("basic", (b"basic",), _redact_basic)


def _redact_broken_jwts(data: bytes) -> bytes:
    spans: list[tuple[int, int, bytes]] = []
    at = 0
    while start := _JWT_START.search(data, at):
        at, whole, lines = _join_lines(data, start.start())
        if lines > 1 and _JWT_WHOLE.fullmatch(whole):
            spans.append((start.start(), at, _JWT_MARK))
    return replace_spans(data, spans)


def _join_lines(data: bytes, start: int) -> tuple[int, bytes, int]:
    """Where the token that begins at ``start`` ends, the token without line breaks, and the number of its lines."""
    first = _matched(_JWT_REST, data, start)
    at, pieces, dots = start + len(first), [first], first.count(b".")
    while line := _JWT_LINE.match(data, at):
        piece = line.group(1)
        if not _LIKE_TOKEN.fullmatch(piece) or dots + piece.count(b".") > 2:
            break
        at, dots = line.end(), dots + piece.count(b".")
        pieces.append(piece)
    return at, b"".join(pieces), len(pieces)


def _matched(pattern: Regexp, data: bytes, at: int) -> bytes:
    return bytes(pattern.match(data, at).group())


BROKEN_JWT_RULE = Rule("broken-jwt", (b"eyj",), _redact_broken_jwts)
