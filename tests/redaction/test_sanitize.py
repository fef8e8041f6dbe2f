"""Control, escape and invisible characters, broken encodings, and cuts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coroner_categorizer.redaction.sanitize import one_line, safe_text, truncate, truncate_bytes
from tests.redaction.secret_samples import SHAPES

NO_LIMIT = 1 << 20
NOISE = (
    "\x1b[0m",
    "\x1b[1;31m",
    "\x00",
    "\x08",
    "\x1b",
    "\x9b0m",
    "\u200b",
    "\u202e",
    "\ufeff",
    "\u2066",
    "\U000e0041",
    "\xad",
    "\ufe0f",
    "\x1b]0;t\x07",
    "\x1b(B",
)
any_text = st.text(st.characters()) | st.lists(st.sampled_from(NOISE) | st.text(max_size=4)).map("".join)

VISIBLE = [
    ("plain\ttext\nof two lines", "plain\ttext\nof two lines"),
    ("nul\x00 bell\x07 back\x08 del\x7f c1\x85", "nul bell back del c1"),
    ("a\r\nb\rc", "a\nbc"),
    ("\x1b[31mred\x1b[0m \x1b[38;5;196mx\x1b[K", "red x"),
    ("\x9b31mred\x9b0m", "red"),
    ("\x1b]0;title\x07text \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "text link"),
    ("\x1bPq#0\x1b\\sixel \x1b_apc\x1b\\ \x1b^pm\x9c", "sixel  "),
    ("\x1b(Bcharset \x1b7saved \x1bc", "charset 7saved c"),
    ("\x1b]0;never ended\nnext", "]0;never ended\nnext"),
    ("cut \x1b[3", "cut "),
    ("\x1b\x00[0mx\x1b\u200b[1my", "xy"),
    ("abc\u202edef\u2066g\u2069 \u200bz\u200dw\ufeff\u2028\u2029", "abcdefg zw"),
    ("tag\U000e0041\U000e007f \u061c\xad\u2060", "tag "),
    ("lone \ud800 \udfff", "lone \ufffd \ufffd"),
    ("pair \ud83d\ude00", "pair 😀"),
    ("名前 é 😀", "名前 é 😀"),
]


@pytest.mark.parametrize(("text", "expected"), VISIBLE)
def test_invisible_characters_are_removed(text: str, expected: str) -> None:
    assert safe_text(text, NO_LIMIT) == expected


@given(any_text, st.integers(min_value=0, max_value=50))
def test_safe_text_is_utf8_without_control_characters_bounded_and_idempotent(text: str, limit: int) -> None:
    for make in (safe_text, one_line):
        made = make(text, limit)
        made.encode()
        assert len(made) <= limit
        assert make(made, limit) == made
        assert not any((ord(c) < 0x20 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 for c in made)


@given(any_text, st.integers(min_value=0, max_value=50))
def test_a_byte_limit_is_kept_on_a_character_s_boundary(text: str, limit: int) -> None:
    capped = truncate_bytes(text, limit)
    assert len(capped.encode()) <= limit
    assert truncate_bytes(capped, limit) == capped


def test_a_cut_is_marked() -> None:
    assert truncate("abcdef", 6) == "abcdef"
    assert truncate("abcdef", 4) == "abc…"
    assert truncate("abcdef", 1) == "…"
    assert truncate("abcdef", 0) == ""
    assert truncate("password=[redacted:password]", 28) == "password=[redacted:password]"
    assert [truncate("a=[redacted:password] b", limit) for limit in (3, 4, 12, 21, 22, 23)] == [
        *("a=…", "a=…", "a=…", "a=…", "a=[redacted:password]…", "a=[redacted:password] b"),
    ]
    assert truncate_bytes("😀😀", 8) == "😀😀"
    assert truncate_bytes("😀😀", 7) == "😀…"
    assert truncate_bytes("😀😀", 6) == "…"
    assert truncate_bytes("😀😀", 2) == ""


def test_one_line_folds_white_space_and_hides_what_that_brings_together() -> None:
    assert one_line(" a\n\tb \u00a0 c\n", 100) == "a b c"
    assert one_line("password:\n  hunter2", 100) == "password: [redacted:password]"


@pytest.mark.parametrize("secret", [secret for _, secret in SHAPES])
@given(data=st.data())
def test_no_control_character_hides_a_secret(secret: str, data: st.DataObject) -> None:
    places = data.draw(st.dictionaries(st.integers(0, len(secret)), st.sampled_from(NOISE), max_size=8))
    hidden = "".join(places.get(n, "") + char for n, char in enumerate(secret))
    shown = safe_text(f"a {hidden} b", NO_LIMIT)
    assert secret not in shown
    assert shown.startswith("a [redacted:")


@pytest.mark.parametrize("secret", [secret for _, secret in SHAPES])
def test_no_cut_reveals_half_a_secret(secret: str) -> None:
    for limit in range(60):
        assert secret[:12] not in safe_text(f"key {secret}", limit)


@pytest.mark.parametrize(
    "text", ["😀" * 4096, "\x00" * 4096, "\x1b[" * 4096, "\x9d" * 4096, "x\n" * 1000, "\ud800" * 4096]
)
def test_hostile_text_is_bounded(text: str) -> None:
    assert len(safe_text(text, 1024)) <= 1024
    assert len(truncate_bytes(safe_text(text, 4096), 1024).encode()) <= 1024
