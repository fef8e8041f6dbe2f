"""What must stay: text that names secrets without giving one away."""

import json
from pathlib import Path
from typing import Any

import pytest

from coroner_categorizer.redaction.redactor import redact

FIXTURES = Path(__file__).parents[1] / "fixtures"

DIGEST = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

STAYS = [
    # hashes, names, places
    f"nginx@{DIGEST}",
    f"docker-pullable://nginx:1.25@{DIGEST}",
    "commit 0123456789abcdef0123456789abcdef01234567",
    "pod uid 3f2a9c1b-8d7e-4f6a-9b0c-1d2e3f4a5b6c",
    "ssh://git@github.com/org/repo",
    "http://registry:4873/@scope/pkg",
    "git@github.com:org/repo.git",
    "bob@example.com",
    "/var/run/secrets/kubernetes.io/serviceaccount/token: no such file or directory",
    "TOKEN_FILE=/var/run/secrets/token",
    "token: /var/run/secrets/kubernetes.io/serviceaccount/token",
    "PWD=/app",
    "Traceback (most recent call last):\n  File '/app/x.py', line 3, in login\n"
    "    c = Client(token=token, password=os.environ['P'])",
    "def login(user: str, password: str) -> None:",
    "java.lang.IllegalStateException: no token\n\tat com.example.Token.parse(Token.java:12)",
    "task-runner-abcdefghijklmnopqrstuvwxyz disk-abcdefghijklmnopqrstuvwx",
    # words about secrets
    "KeyError: 'password'",
    "missing required field password",
    "couldn't find key nokey in Secret proof/have",
    'secret "db-token" not found',
    'failed to get secret: "db-token" not found',
    "error retrieving secret: default/regcred not found",
    'MountVolume.SetUp failed for volume "x" : references non-existent secret key: nokey',
    'MountVolume.SetUp failed for volume "k" : failed to fetch token: serviceaccounts "default" not found',
    "token expired",
    "Invalid token: unexpected end",
    "SyntaxError: Unexpected token = in JSON at position 3",
    "SyntaxError: Unexpected token: punc (})",
    "unexpected token: identifier",
    "failed to get token: EOF",
    'failed to fetch anonymous token: Get "https://auth.docker.io/token?scope=x&service=registry.docker.io": EOF',
    "failed to fetch oauth token: unexpected status from GET request to https://auth.docker.io/token?a=x: 401",
    "POST /v1/token: connection refused",
    "authorization failed: no basic auth credentials",
    'Www-Authenticate: Bearer realm="https://auth.docker.io/token",service="registry"',
    "failed to resolve image: pull access denied, repository does not exist or may require authorization: "
    "authorization failed: no basic auth credentials",
    "error getting credentials - err: exit status 1, out: ``",
    "Access denied for user 'root'@'10.0.0.1' (using password: YES)",
    'spec.containers[0].env[0].password: Invalid value: "": must not be empty',
    "spec.secret: Required value",
    "password: must be at least 8 characters",
    "required flag --token is missing",
    "unknown flag: --token",
    "the --password flag must be set",
    "kubectl -n x get secret -o yaml",
    # settings
    "TOKEN_LIMIT=4096",
    "max_tokens: 2048",
    "tokenizer: foo",
    "eos_token: </s>",
    "EOG token             = 248065 '<|file_sep|>'",
    "pad_token='<pad>'",
    '"cls_token": "[CLS]"',
    "time per token: 5.3ms",
    "auth: basic",
    "bypass: everything",
    "pass: 12, fail: 3",
    'imagePullSecrets: [{"name": "regcred"}]',
    "secretName: db-password",
    "SecretName",
    "secretKeyRef: {name: db, key: password}",
    # references and placeholders
    "password=",
    'password=""',
    '"password": null',
    "password: [redacted:password]",
    "password: $DB_PASSWORD",
    "password: ${DB_PASSWORD}",
    "--password $(cat /run/pw)",
    "password: {{ .Values.password }}",
    "password: <none>",
    "password: ***",
    "password=%s",
    "postgres://user:***@db/x",
    "https://$USER:$PASSWORD@host/x",
]


@pytest.mark.parametrize("text", STAYS)
def test_plain_text_comes_back_as_it_is(text: str) -> None:
    assert redact(text) == text


def _messages(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in _messages(part)]
    if isinstance(value, list):
        return [text for part in value for text in _messages(part)]
    return [value] if isinstance(value, str) else []


WITH_SECRETS = {"y19-secret-in-text"}  # recorded with credentials in the log on purpose


def test_nothing_is_hidden_in_what_kubernetes_says() -> None:
    for file in sorted(FIXTURES.rglob("*.json")):
        texts = _messages(json.loads(file.read_text()))
        hidden = [text for text in texts if redact(text) != text]
        assert bool(hidden) == (file.stem in WITH_SECRETS), file.name
