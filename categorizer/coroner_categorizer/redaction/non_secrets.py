"""Values after a key such as ``password:`` that are no secrets: references, placeholders, paths, code, sentences.

"failed to fetch anonymous token: Get \"https://…\"", "Invalid token: unexpected end" and "password: ${DB_PASSWORD}"
must stay readable. Where a word could be either, a key named like a variable (``DB_TOKEN``) makes it a secret, a bare
word in a sentence does not.
"""

from __future__ import annotations

from coroner_categorizer.redaction.rule import Regexp
from coroner_categorizer.redaction.sentences import COMMON_WORDS, WORD_BEFORE, ends_sentence, is_sentence
from coroner_categorizer.redaction.value_reader import Form, KeyValue

_WORDS = (
    r"null|nil|none|true|false|undefined|n/a|unset|empty|yes|no|on|off"
    r"|redacted|masked|hidden|filtered|removed|omitted|secure|sensitive|protected|encrypted|confidential|optional|required"
)
_PLACEHOLDERS = (
    r"\*+|x{3,}|\.{3,}|-+|_+|\xe2\x80\xa6|(?:\xe2\x80\xa2)+"
    r"|</?[a-z|_][a-z0-9 |_:./-]*>|\[[a-z][a-z _:-]*\]?|\([a-z][a-z _-]*\)"
    r"|\[redacted:[a-z0-9-]*(?:\xe2\x80\xa6)?|[a-z0-9_-]{0,8}\*{3,}[a-z0-9]{0,4}\.?"
)
_SECRET_NAME = r"[a-z_]*(?:pass|pwd|secret|token|key|auth|cred)[a-z0-9_]*"
_VARIABLES = (
    rf"\$\{{[^{{}}]*\}}|\$\([^()]*\)|\${_SECRET_NAME}|\$[0-9@*#]|(?-i:\$[A-Z_][A-Z0-9_]*)"
    rf"|%{_SECRET_NAME}%|%\([a-z0-9_]*\)s|%[-+#]?[svqrdxp]|\{{[a-z0-9_.!:]*\}}|\{{\{{.*"
)
# A scheme that nobody uses for references is part of a password: "password: Zq7://Q9".
_REFERENCE_SCHEMES = (
    r"https?|wss?|s?ftps?|file|s3|gs|oci|docker|unix|tcp|ldaps?|oidc|spiffe|k8s|kubernetes|consul|etcd|env|op|ssm|kms"
    r"|awssm|(?:aws|gcp|azure|google|hashicorp)[a-z-]*|secret[a-z-]*|(?:ref\+)?(?:vault|bao)[a-z]*|ref\+[a-z0-9]+|keyring|keychain|doppler"
)
_REFERENCES = (
    rf"(?:{_REFERENCE_SCHEMES})://[a-z0-9][^\s]*|file:///[^\s]*|//(?:\s.*)?|arn:aws[a-z-]*:.*"
    r"|vault:[^\s]*[/#][^\s]*|projects/[^\s]*/secrets/[^\s]*|file:.*"
    r"|sha(?:256|512):[0-9a-f]*"
)
_TAGS = r"!(?:vault|secret|ref|sub|getatt|env|env_var|importvalue|unsafe|encrypted)(?:[ \t].*)?"  # of YAML
_PATHS = (
    r"(?:[a-z]:)?[/\\](?:etc|var|run|home|root|mnt|tmp|opt|usr|data|srv|dev|proc|sys|app|workspace|secrets?|config|vault"
    r"|builds?|users|kaniko)[/\\].*|(?:~|\.{1,2})/.*"
)
_CODE = (
    r"str|bytes|string|int|bool|float|any|object|secretstr|optional\[.*|str \|.*"
    r"|(?:os|self|cls|config|cfg|settings|args|opts|options|env|environ|process|params|kwargs|request|req|ctx|context|this)"
    r"(?:\.[a-z_][a-z0-9_.]*|\[).*"
    r"|(?:var|local|module|data)\.[a-z_][a-z0-9_]*(?:[.\[].*)?"
    r"|[a-z_.]*(?:get|load|read|fetch|generate|input|decode|create|make)[a-z_.]*\(.*"
)
_NEVER_SECRET = Regexp(rf"(?is){_WORDS}|{_PLACEHOLDERS}|{_VARIABLES}|{_REFERENCES}|{_TAGS}|{_PATHS}|{_CODE}")
_NUMBER = Regexp(r"[0-9]{1,5}|[0-9]+\.[0-9]+|[0-9]{1,5}(?:ms|s|m|h|%|k|b)")
_SYMBOLS = Regexp(r"[^A-Za-z0-9\x80-\xff]*")
_SPECIAL_TOKEN = Regexp(r"</?[A-Za-z_|]+>|<\|[^|]*\|>|\[[A-Z_]+\]?")

# Tokenizer settings, rates and counters: "eos_token: </s>", "time per token: 5ms".
_COUNTER_BEFORE = Regexp(
    r"(?i)(?:eos|bos|eog|eot|eom|pad|unk|cls|sep|mask|special|additional|stop|start|end|begin|image|next|per|max|min|num|first|last"
    r"|prev|current)[_ ./-]?\z"
)
_SCHEME_NAMES = Regexp(
    r"(?i)(?:basic|bearer|digest|oauth2?|md5|scram[a-z0-9-]*|plain|ldap|saml|oidc|kerberos|token|password|iam|anonymous"
    r"|enabled|disabled|failed|ok|success|include|same-origin|omit|cert|mtls|tls|jwt|session|simple|internal|external|default)"
)

_VARIABLE = Regexp(r"[A-Za-z_][A-Za-z0-9_.]*")

# A class or a step of a program, or an English word. "dbPass" and "storepass" are not among them.
_ENDS_IN_PASS = Regexp(
    r"(?i)\b(?:by|com|tres|encom|sur|over|under|im|re|multi|two|single|first|second|next|last|render|function|loop|module"
    r"|optimizer|compiler|shader|compute)[_-]?\z|[a-z](?:Render|Function|Loop|Module|Compute)\z"
)
_METAVARIABLE = Regexp(
    r"[A-Z][A-Z_-]*(?:PASS|PWD|PASSWORD|SECRET|TOKEN|KEY|AUTH|CREDENTIALS?|COOKIE)|PASS|PASSWORD|PASSWD|SECRET|TOKEN|KEY|VALUE|STRING|FILE"
    r"|PATH|NAME|TEXT|URL"
)
# "POSTGRES_PASSWORD=password", "secretKey: password": an example, or the name of a key.
_KEY_WORD = Regexp(r"(?i)(?:your[_-])?(?:password|passwd|passphrase|pass|secret|token|api[_-]?key|credentials?)[.:]?")
_FIELD_NAME = Regexp(
    r"(?i)e?mail|user(?:_?name)?|name|login|host(?:_?name)?|port|id|url|database|db(?:_?name)?|phone|role|type"
    r"|[a-z_]*(?:password|secret|token|key)"
)
_NO_BEFORE = Regexp(r"(?i)\bno[ \t]+\z")
_PASSWD_PROGRAM = Regexp(r"\b(?:ch|ht|g|k|smb|yp|ldap)\z")
_NAMES_SECRET = Regexp(r"(?i)(?:existing|pull|tls|ca)[_-]?\z")
_OBJECT_NAME = Regexp(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_LOWER_OR_UPPER_WORD = Regexp(r"[A-Z]?[a-z]+(?:[_-][a-z]+)*[.,;:]?|[A-Z]+(?:_[A-Z]+)*[.,;:]?")
_TASK = Regexp(r"edit|show|list|get|set|create|delete|read|write|diff|encode|decode|new|rotate|generate|clear|fetch")


def is_not_secret(pair: KeyValue) -> bool:
    """Whether the value is no secret, and is kept."""
    if pair.kind == "cookie":
        return b"=" not in pair.value
    return (
        bool(_NEVER_SECRET.fullmatch(pair.value))
        or _is_setting(pair)
        or _is_variable_name(pair)
        or _is_metavariable(pair)
        or _is_word(pair)
        or is_sentence(pair)
    )


def _is_setting(pair: KeyValue) -> bool:
    """A value that keys of this kind also have where they name no secret."""
    value, key = pair.value, pair.key.lower()
    if pair.kind == "password":
        # PWD and OLDPWD are directories; "bypass" and "pass: 12" are no passwords.
        is_directory = key == b"pwd" and value.startswith(b"/")
        is_program = key == b"passwd" and pair.spaced and bool(_PASSWD_PROGRAM.search(pair.before))
        is_id = key == b"pw" and bool(_NUMBER.fullmatch(value))
        return is_directory or is_program or is_id or (key == b"pass" and _is_other_pass(pair))
    if pair.kind == "secret" and _NAMES_SECRET.search(pair.before):
        return bool(_OBJECT_NAME.fullmatch(value))
    if _NUMBER.fullmatch(value) or _SYMBOLS.fullmatch(value):
        return True
    if pair.kind == "token":
        return bool(_COUNTER_BEFORE.search(pair.before)) and (len(value) <= 24 or bool(_SPECIAL_TOKEN.fullmatch(value)))
    return pair.kind in ("authorization", "credentials") and bool(_SCHEME_NAMES.fullmatch(value))


def _is_other_pass(pair: KeyValue) -> bool:
    """A test that passed, a pass of a compiler, or the end of an English word ("bypass")."""
    if _ENDS_IN_PASS.search(pair.before) or _NUMBER.fullmatch(pair.value):
        return True
    is_result = pair.key.isupper() and not pair.is_variable
    return pair.spaced and not pair.quoted and not pair.is_flag and (is_result or bool(WORD_BEFORE.search(pair.before)))


def _is_metavariable(pair: KeyValue) -> bool:
    """``--token TOKEN`` in a usage text, ``POSTGRES_PASSWORD=password`` in an example."""
    if pair.is_flag and not pair.quoted and _METAVARIABLE.fullmatch(pair.value):
        return True
    if pair.form is Form.PROVIDED and _NO_BEFORE.search(pair.before):
        return True
    return bool(_KEY_WORD.fullmatch(pair.value) or (pair.form is Form.TUPLE and _FIELD_NAME.fullmatch(pair.value)))


def _is_word(pair: KeyValue) -> bool:
    """``auth: basic``, ``oauth2: "invalid_grant"``, ``authorization: RBAC denied``: words of a setting or a status; and
    ``rails credentials:edit``."""
    if pair.has_scheme:
        return not pair.quoted and ends_sentence(pair)
    if pair.kind == "authorization" and pair.spaced:
        return bool(_LOWER_OR_UPPER_WORD.fullmatch(pair.value)) and not pair.before.endswith((b'"', b"'"))
    is_task = pair.key.lower() in COMMON_WORDS and not pair.spaced and not pair.quoted and not pair.is_variable
    return is_task and bool(_TASK.fullmatch(pair.value))


def _is_variable_name(pair: KeyValue) -> bool:
    """``token=token``, ``password=db_password`` in a quoted line of code."""
    if pair.quoted or pair.after[:1] not in (b",", b")"):
        return False
    return bool(_VARIABLE.fullmatch(pair.value)) and pair.value.lower().endswith(pair.key.lower())
