"""Makes untrusted text safe to publish: valid UTF-8, no control characters, no secrets, bounded length.

``safe_text`` is the one pipeline for all text that leaves the program. The order matters: control characters are
removed before redaction, so that they cannot split a secret, and truncation comes last, so that no cut leaves half a
secret.
"""

from __future__ import annotations

import re2

from coroner_categorizer.redaction.redactor import DEFAULT_REDACTOR, TextRedactor

ELLIPSIS = "…"
_MARK_START = "[redacted:"

_ESCAPE_STARTS = frozenset("\x1b\x90\x98\x9b\x9d\x9e\x9f")  # ESC, DCS, SOS, CSI, OSC, PM, APC
_ESCAPE_ENDS = frozenset("\x07\x9c")  # BEL and ST end a string sequence

# Characters that are invisible and can hide, split or reorder visible text: Unicode's Default_Ignorable_Code_Point, the
# line and paragraph separators and the interlinear annotations. Bidi controls, zero-width characters, the byte order
# mark, variation selectors and the tag characters are all among them.
_INVISIBLE_RANGES = (
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
_CONTROLS = frozenset(chr(c) for c in (*range(0x20), *range(0x7F, 0xA0))) - {"\n", "\t"}
_INVISIBLE = frozenset(chr(c) for first, last in _INVISIBLE_RANGES for c in range(first, last + 1))

_DROP_ALL = str.maketrans(dict.fromkeys(_CONTROLS | _INVISIBLE))
_DROP_BUT_ESCAPES = str.maketrans(dict.fromkeys((_CONTROLS | _INVISIBLE) - _ESCAPE_STARTS - _ESCAPE_ENDS))

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False

# A string sequence ends at the next introducer or line end, which bounds each search and keeps the whole linear.
# A two-character escape loses only its ESC: a stray ESC must not remove the first letter of a secret after it.
_ESCAPE_SEQUENCE = re2.compile(
    r"(?:\x1b\[|\x{9b})[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x{90}\x{98}\x{9d}\x{9e}\x{9f}])"
    r"[^\n\x07\x1b\x{90}\x{98}\x{9b}-\x{9f}]*(?:\x07|\x1b\\|\x{9c})"
    r"|\x1b[()][0-9A-Za-z]",
    _OPTIONS,
)


def safe_text(text: str, limit: int, redactor: TextRedactor = DEFAULT_REDACTOR) -> str:
    """``text`` without control characters and secrets, at most ``limit`` characters. Line breaks and tabs are kept."""
    return truncate(redactor.redact(_without_control_characters(text)), limit)


def one_line(text: str, limit: int, redactor: TextRedactor = DEFAULT_REDACTOR) -> str:
    """``safe_text`` on one line: each run of white space becomes one space."""
    redacted = redactor.redact(_without_control_characters(text))
    folded = " ".join(redacted.split())
    # A secret may be on the line after its key; folding puts them on one line, so redact again.
    return truncate(folded if folded == redacted else redactor.redact(folded), limit)


def truncate(text: str, limit: int) -> str:
    """The first ``limit`` characters; a cut ends in "…", which counts, and never in half a mark."""
    if len(text) <= limit:
        return text
    if limit <= 0:
        return ""
    end = limit - 1
    mark = text.rfind(_MARK_START, 0, end + len(_MARK_START) - 1)
    if mark >= 0 and not text.find("]", mark) < end:
        end = mark
    return text[:end] + ELLIPSIS


def truncate_bytes(text: str, limit: int) -> str:
    """As much of ``text`` as fits in ``limit`` bytes of UTF-8, the unit of some API limits; a cut ends in "…"."""
    encoded = valid_unicode(text).encode()
    if len(encoded) <= limit:
        return valid_unicode(text)
    mark = ELLIPSIS.encode()
    if limit < len(mark):
        return ""
    return encoded[: limit - len(mark)].decode(errors="ignore") + ELLIPSIS


def valid_unicode(text: str) -> str:
    """``text`` with each lone surrogate as U+FFFD, and each surrogate pair as the character it encodes."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _without_control_characters(text: str) -> str:
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():  # the common case
        return text
    text = valid_unicode(text).translate(_DROP_BUT_ESCAPES)
    if _ESCAPE_STARTS.isdisjoint(text) and _ESCAPE_ENDS.isdisjoint(text):
        return text
    return str(_ESCAPE_SEQUENCE.sub("", text)).translate(_DROP_ALL)
