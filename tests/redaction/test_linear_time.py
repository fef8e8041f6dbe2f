"""The time to redact grows with the text and not with its square, whatever is repeated in it.

The expressions are RE2 and so linear by construction; this is about the walks around them, which could start a search
again and again over the same bytes.
"""

from __future__ import annotations

import time

import pytest

from coroner_categorizer.redaction.redactor import redact

REPEATED = [
    "password=",
    "password='",
    'password="',
    "password: |\n ",
    "token: ",
    "a://b:c@",
    "kind: Secret\n",
    "- kind: Secret\n",
    "  kind: Secret\n",
    "kind: Secret\ndata:\n a: b\n",
    '"kind":"Secret",',
    '{"kind":"Secret","data":{',
    '"data":{"a":"',
    "}{",
    "[",
    '\\"data\\":{',
    "mysql -p",
    "mysql ",
    'sh -c "mysql "',
    "redis-cli -a ",
    '"redis-cli -a x" ',
    "eyJabcdefgh\n",
    "eyJhbGciOi\naB1",
    "AbCdEfGhIjKlMnOpQr\n",
    "dXNlcjpwYXNzd29yZDE=\n",
    "LS0tLS1CRUdJTi",
    "Basic ",
    "Basic dXNlcjpw ",
    "IDENTIFIED BY '",
    "IDENTIFIED BY ",
    "PASSWORD '",
    "machine a login b ",
    "machine a password ",
    "h:5432:d:u:p ",
    "h:5432:",
    "*:*:*:*:",
    "auth=('",
    "auth=('a',",
    "PDO->__construct('a', ",
    "password\n [type=a, input_value=",
    "password [type=",
    "password ",
    'variable "password" {',
    'variable "password" { default = "',
    "name: password ",
    "name=password value=",
    "cookie: a",
    "Cookie: ",
    "Authorization: Digest ",
    "Authorization: [",
    '("password", ',
    '("password", "',
    "key provided: ",
    "-p '",
    "curl -u ",
    "curl a:b ",
    "smbclient -U a",
    "htpasswd -b a ",
    "AUTH a1\n",
    "%3A%2F%2F",
    "%3A%2F%2Fa%3A",
    "postgres://a:b/",
    "postgres://a:b/@",
    "-----BEGIN PRIVATE KEY-----\n",
    "-----END PRIVATE KEY-----\n",
    "bearer ",
    "bearer a1",
    "$6$aaaaaaaaaaaaaaaaaaaa",
    "config set password ",
    '"a" -> "',
    'password="a" -> "b" -> ',
    "\\",
    "\\\\n",
    "'",
    "&quot;password&quot;:&quot;",
    "       ",
    "\n",
    "é",
    "[redacted:x]",
    "password=[redacted:x]",
    "password=<",
    "password=${",
    "                                        kind: Secret\n",
    "data:\n",
    "- data:\n  kind: Secret\n",
    "password: a b c, ",
    'data={"a":"{',
    "<password>",
    "secret: a/b:",
    "@tcp(",
    "a:b@tcp(",
    "jdbc:oracle:thin:a/",
    "sig=",
    "?sig=%2",
]
"""Beginnings of every kind of secret, without their ends: what makes a reader look for an end in vain."""

SHORT, LONG = 2048, 8192
LINEAR = LONG / SHORT
SQUARE = LINEAR * LINEAR
FLOOR = 0.002  # seconds; shorter times are noise


def _seconds(text: str) -> float:
    """CPU time, the best of three, so that a busy machine does not count."""
    times = []
    for _ in range(3):
        start = time.process_time()
        redact(text)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("unit", REPEATED, ids=range(len(REPEATED)))
def test_four_times_the_text_takes_nearly_four_times_as_long(unit: str) -> None:
    short, long = ((unit * (length // len(unit) + 1))[:length] for length in (SHORT, LONG))
    redact(long)  # RE2 builds its automata on first use
    assert _seconds(long) < max(_seconds(short), FLOOR) * (LINEAR + SQUARE) / 2
