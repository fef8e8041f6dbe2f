"""Private keys, whole and cut: a termination message is the last 4,096 bytes of a log."""

import pytest

from coroner_categorizer.redaction.redactor import redact
from tests.redaction.secret_samples import BODY_LINES, PEM

MARK = "[redacted:private-key]"


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", "DSA "])
def test_a_whole_key_goes(kind: str) -> None:
    pem = PEM.replace("RSA ", kind)
    assert redact(f"before\n{pem}\nafter") == f"before\n{MARK}\nafter"


def test_a_pgp_key_goes_with_its_headers() -> None:
    pem = PEM.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK").replace("-----\n", "-----\nVersion: GnuPG v2\n\n", 1)
    assert redact(pem) == MARK


def test_a_putty_key_goes() -> None:
    assert redact("Private-Lines: 2\n" + "\n".join(BODY_LINES[:2]) + "\nPrivate-MAC: 12") == f"{MARK}\nPrivate-MAC: 12"


def test_a_certificate_stays() -> None:
    certificate = PEM.replace("RSA PRIVATE KEY", "CERTIFICATE")
    assert redact(certificate) == certificate


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\\n", "\\\\n", "\n    "])
def test_line_breaks_may_be_written_in_any_way(line_break: str) -> None:
    pem = PEM.replace("\n", line_break)
    assert redact(f'"key": "{pem}" end') == f'"key": "{MARK}" end'


def _leaks(text: str) -> list[str]:
    """The pieces of the body that are still there: 16 characters in a row are a leak."""
    return [line for line in BODY_LINES for n in range(len(line) - 15) if line[n : n + 16] in text]


@pytest.mark.parametrize("line_break", ["\n", "\\n"])
def test_no_cut_at_the_start_leaves_the_key(line_break: str) -> None:
    pem = PEM.replace("\n", line_break) + line_break + "panic: bad key"
    for cut in range(len(pem) - len("-----END RSA PRIVATE KEY-----" + line_break + "panic: bad key")):
        redacted = redact(pem[cut:])
        assert not _leaks(redacted), cut
        assert redacted.endswith("panic: bad key"), cut


@pytest.mark.parametrize("line_break", ["\n", "\\n"])
def test_no_cut_at_the_end_leaves_the_key(line_break: str) -> None:
    pem = "loading" + line_break + PEM.replace("\n", line_break)
    for cut in range(len(pem)):
        redacted = redact(pem[:cut])
        if cut > len("loading-----BEGIN RSA PRIVATE KEY-----" + line_break):
            assert not _leaks(redacted), cut
        assert redacted.startswith("loading"[:cut]), cut


def test_no_cut_at_both_ends_leaves_three_lines_of_the_key() -> None:
    for start in range(0, 300):
        for end in range(len(PEM) - 330, len(PEM), 7):
            assert not _leaks(redact(PEM[start:end])), (start, end)


def test_text_after_a_key_without_its_end_stays() -> None:
    text = (
        "-----BEGIN RSA PRIVATE KEY-----\n"
        + "\n".join(BODY_LINES[:3])
        + "\nTraceback (most recent call last):\n  File x"
    )
    assert redact(text) == f"{MARK}\nTraceback (most recent call last):\n  File x"
