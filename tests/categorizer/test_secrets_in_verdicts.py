"""No text of a verdict shows what only the whole message tells to be a secret: quotes are cut, their keys are not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.redaction.corpus import SAMPLES, Sample
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import failed, pod, waiting

SECRET = "hunter2Xq9"
KEY_LINES = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj" + "QmFzZTY0" * 3 + f"{number:02}" for number in range(8)]
MESSAGES = {
    "a list of names and values": f"loading\n- name: DB_PASSWORD\n  value: {SECRET}\n- name: A\n  value: a\n- name: B\n  value: b",
    "a list of names and values in JSON": f'env:\n{{"name": "DB_PASSWORD",\n "value": "{SECRET}"}},\n{{"name": "A",\n "value": "a"}}',
    "an argument in a stack of PHP": f"PHP Fatal error:  Uncaught PDOException: refused in /app/i.php:3\nStack trace:\n#0 /app/i.php(3): PDO->__construct('mysql:host=db', 'root', '{SECRET}')\n#1 {{main}}\n  thrown in /app/i.php on line 3",
    "a value below its key": f"connecting\nDB_PASSWORD:\n{SECRET}",
    "a value in the line that complains, before a child's end": f"- name: DB_PASSWORD\n  value: invalid-{SECRET}\nTraceback (most recent call last):\n  File \"/app/p.py\", line 3, in <module>\n    run()\nsubprocess.CalledProcessError: Command 'x' returned non-zero exit status 1.",
    "a value below its key, and words after it": f"connecting\nDB_PASSWORD:\n{SECRET}\nfatal: refused",
}


def texts(message: str) -> str:
    verdict = CATEGORIZER.classify(pod(failed(1, "Error", message)))
    assert verdict is not None
    return msgspec.json.encode(verdict).decode()


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_a_value_stays_hidden_where_its_key_was_cut_off(message: str) -> None:
    assert SECRET not in texts(message)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
@pytest.mark.parametrize(
    ("before", "after"), [("", ""), ("starting\n" * 30, "\nfatal: gave up")], ids=["alone", "between other lines"]
)
def test_no_verdict_shows_a_secret_of_the_corpus(sample: Sample, before: str, after: str) -> None:
    verdict = CATEGORIZER.classify(pod(failed(1, "Error", ("" if sample.is_cut else before) + sample.text + after)))
    assert verdict is not None
    assert not sample.leaks("\n".join(_strings(msgspec.to_builtins(verdict))))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _strings(part)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("reason", ["ErrImagePull", "CreateContainerError"])
def test_a_value_stays_hidden_behind_the_reason_that_evidence_begins_with(reason: str) -> None:
    verdict = CATEGORIZER.classify(pod(waiting(reason, f"DB_PASSWORD:\nError: {SECRET}")))
    assert verdict is not None
    assert SECRET not in msgspec.json.encode(verdict).decode()


def test_a_key_without_its_end_stays_hidden_although_its_head_was_cut_off() -> None:
    said = texts("\n".join(["cannot read", "-----BEGIN PRIVATE KEY-----", *KEY_LINES]))
    assert not [line for line in KEY_LINES if line in said]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("main", "main"),
        ("a" * 63, "a" * 63),
        ("password-hunter2xq9", "password-hunter2xq9"),  # a name that Kubernetes accepts
        ("ghp_" + "a1B2" * 9, "[redacted:github-token]"),
        ("x\x1b[31m\u202e\ny", "x y"),
        ("a\n", "a"),
        ("b " * 500, "b " * 126 + "…"),
    ],
)
def test_the_name_of_a_container_is_as_safe_as_every_text(name: str, shown: str) -> None:
    verdict = CATEGORIZER.classify(pod(failed(1, "Error", name=name)))
    assert verdict is not None
    assert verdict.container == shown
