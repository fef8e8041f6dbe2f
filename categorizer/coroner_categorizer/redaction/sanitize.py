"""Untrusted text made fit to be shown: valid UTF-8, no control characters, no secrets, bounded.

``safe_text`` is the one pipeline for whatever leaves the program. Its order matters: cleaning comes before redaction,
so that a control character cannot split a secret, and cutting comes last, so that no cut leaves half a secret behind.
"""

from __future__ import annotations

import re2

from coroner_categorizer.redaction.redactor import DEFAULT_REDACTOR, Redactor

CUT_MARK = "…"

_ESCAPING = frozenset("\x1b\x90\x98\x9b\x9d\x9e\x9f")  # ESC, DCS, SOS, CSI, OSC, PM, APC
_ENDING = frozenset("\x07\x9c")  # BEL and ST end a string sequence

# Characters that show nothing and can hide, split or reorder what is shown: Unicode's Default_Ignorable_Code_Point, the
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
_DROP_BUT_ESCAPES = str.maketrans(dict.fromkeys((_CONTROLS | _INVISIBLE) - _ESCAPING - _ENDING))

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False

# A string sequence stops at the next introducer or line end, so that each search ends soon: that keeps it linear.
# A two-character escape loses its ESC alone: a stray ESC must not swallow the letter of a secret that follows it.
_ESCAPE_SEQUENCE = re2.compile(
    r"(?:\x1b\[|\x{9b})[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x{90}\x{98}\x{9d}\x{9e}\x{9f}])"
    r"[^\n\x07\x1b\x{90}\x{98}\x{9b}-\x{9f}]*(?:\x07|\x1b\\|\x{9c})"
    r"|\x1b[()][0-9A-Za-z]",
    _OPTIONS,
)


def safe_text(text: str, limit: int, redactor: Redactor = DEFAULT_REDACTOR) -> str:
    """``text`` cleaned, redacted and capped at ``limit`` characters. Line breaks and tabs stay."""
    return cap(redactor.redact(_cleaned(text)), limit)


def one_line(text: str, limit: int, redactor: Redactor = DEFAULT_REDACTOR) -> str:
    """``safe_text`` on one line: each run of white space is one space."""
    folded = " ".join(redactor.redact(_cleaned(text)).split())
    # A secret may have been on the line after its name: folding brings them together.
    return cap(redactor.redact(folded), limit)


def clean(text: str, limit: int) -> str:
    """``text`` as valid UTF-8 without control, escape and invisible characters, capped at ``limit``. Not redacted."""
    return cap(_cleaned(text), limit)


def cap(text: str, limit: int) -> str:
    """The first ``limit`` characters; a cut ends in "…", which counts."""
    if len(text) <= limit:
        return text
    return text[: limit - 1] + CUT_MARK if limit > 0 else ""


def cap_bytes(text: str, limit: int) -> str:
    """As much of ``text`` as fits in ``limit`` bytes of UTF-8 (some API fields are counted so); a cut ends in "…"."""
    encoded = valid(text).encode()
    if len(encoded) <= limit:
        return valid(text)
    mark = CUT_MARK.encode()
    if limit < len(mark):
        return ""
    return encoded[: limit - len(mark)].decode(errors="ignore") + CUT_MARK


def valid(text: str) -> str:
    """``text`` with each lone surrogate as U+FFFD, and each pair of surrogates as the character that it stands for."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _cleaned(text: str) -> str:
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():  # nearly every text
        return text
    text = valid(text).translate(_DROP_BUT_ESCAPES)
    if _ESCAPING.isdisjoint(text) and _ENDING.isdisjoint(text):
        return text
    return str(_ESCAPE_SEQUENCE.sub("", text)).translate(_DROP_ALL)
