"""Private keys in PEM, OpenSSH, PGP and PuTTY armour, whole or cut.

A termination message is the last 4,096 bytes of a log, so a key may have lost its first lines, its last ones, or both,
and the cut may go through the BEGIN or END line itself.
"""

from __future__ import annotations

from coroner_categorizer.redaction.rule import Regexp, Rule, mark, replace_spans

_MARK = mark("private-key")

_ARMOUR = Regexp(r"-{0,5} ?\b(BEGIN|END) (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)? ?-{4,5}|Private-Lines: \d+")

# What separates lines: a line break, or one that JSON or a shell has written as \n, once or several times escaped.
_BREAK = r"(?:[ \t]*(?:\r?\n|(?:\\+r)?\\+n)[ \t]*)"
_HEADER = r"(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash): [^\n\\]*"
_CUT_END = rf"(?:{_BREAK}*-{{1,5}} ?[A-Z0-9 ]*-{{0,4}}\z)?"  # an END line that is cut short

_LINES = rf"(?:(?:[A-Za-z0-9+/=]+|{_HEADER}){_BREAK}+|[A-Za-z0-9+/=]{{40,}}[ \t]+)*"
# Group 2: a last line that ends with the text or with the string around it. In other lines a space follows the word.
_BODY_AFTER = Regexp(
    rf"((?:[ \t]*{_BREAK}+|[ \t]+)?{_LINES}(?:-{{1,5}} ?[A-Z0-9 ]*-{{0,4}}\z)?)"
    r"(?:([A-Za-z0-9+/=]+)(?:\z|[\"'`,;)\]}\\]))?"
)
_BODY_BEFORE = Regexp(rf"{_LINES}[A-Za-z0-9+/=]*{_BREAK}*\z")
# Nothing but the shape tells a body that has lost both ends; two whole lines at the start of the text are enough.
_CUT_AT_BOTH_ENDS = Regexp(
    rf"\A(?:[A-Z0-9 ]{{0,40}}-{{1,5}})?[A-Za-z0-9+/=]{{0,76}}(?:{_BREAK}[A-Za-z0-9+/]{{60,76}}){{2,}}"
    rf"(?:{_BREAK}[A-Za-z0-9+/=]+)*{_CUT_END}"
)
# The BEGIN line is cut, one line of base64 is enough: "ATE KEY-----" tells.
_CUT_BEGIN_LINE = Regexp(
    rf"\A[A-Z0-9 ]{{0,40}}KEY(?: BLOCK)? ?-{{1,5}}(?:{_BREAK}[A-Za-z0-9+/=]{{16,}})+"
    rf"(?:{_BREAK}[A-Za-z0-9+/=]+)*{_CUT_END}"
)


def _redact_keys(data: bytes) -> bytes:
    data = replace_spans(data, _keys_with_markers(data)) if b"PRIVATE" in data or b"Private" in data else data
    for pattern in (_CUT_BEGIN_LINE, _CUT_AT_BOTH_ENDS):
        if cut := pattern.match(data):
            data = _MARK + data[cut.end() :]
    return data


def _keys_with_markers(data: bytes) -> list[tuple[int, int, bytes]]:
    """The keys that still have a BEGIN or an END line: one walk over these lines, each body searched once."""
    spans: list[tuple[int, int, bytes]] = []
    done = 0  # nothing before this place is looked at again
    begun: tuple[int, int] | None = None  # a BEGIN line without its END so far
    for line in _ARMOUR.finditer(data):
        start, end = line.span()
        if line.group(1) != b"END":
            if begun:
                done = _end_of_body(data, begun[1], start)
                spans.append((begun[0], done, _MARK))
            begun = (start, end)
            continue
        # A slice, because \z holds only at the very end of what RE2 is given.
        first = begun[0] if begun else done + _BODY_BEFORE.search(data[done:start]).start()
        spans.append((first, end, _MARK))
        done, begun = end, None
    if begun:
        spans.append((begun[0], _end_of_body(data, begun[1], len(data)), _MARK))
    return spans


def _end_of_body(data: bytes, start: int, stop: int) -> int:
    """Where the body of a key without an END line ends; white space after it stays."""
    body = _BODY_AFTER.match(data, start, stop)
    end: int = body.end(2) if body.group(2) else body.end(1)
    return start + len(data[start:end].rstrip())


PRIVATE_KEY_RULE = Rule("private-key", (), _redact_keys)
