"""Values after a key such as ``password:`` that are no secrets: references, placeholders, paths, code, sentences.

"failed to fetch anonymous token: Get \"https://…\"", "Invalid token: unexpected end" and "password: ${DB_PASSWORD}"
must stay readable. Where a word could be either, a key named like a variable (``DB_TOKEN``) makes it a secret, a bare
word in a sentence does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from coroner_categorizer.redaction.rule import compiled


class Form(Enum):
    """How key and value are written."""

    ASSIGNED = auto()
    """``password: VALUE``"""
    FLAG = auto()
    """``--password VALUE``"""
    TUPLE = auto()
    """``("password", "VALUE")``"""
    PROVIDED = auto()
    """``password provided: VALUE``"""


@dataclass(frozen=True)
class KeyValue:
    """A key and its value, and what is around them."""

    kind: str
    key: bytes
    before: bytes
    """Up to 48 bytes before the key."""
    value: bytes
    after: bytes
    """Up to 48 bytes after the value."""
    quoted: bool
    spaced: bool
    """White space precedes the value."""
    form: Form
    has_scheme: bool = False
    """``Bearer`` or the like precedes the value."""

    @property
    def is_flag(self) -> bool:
        return self.form is Form.FLAG

    @property
    def is_variable(self) -> bool:
        """The key is the end of a longer name, as in ``DB_TOKEN`` and ``authToken``."""
        return not self.is_flag and (self.before[-1:].isalnum() or self.before[-1:] in (b"_", b"-"))


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
_NEVER_SECRET = compiled(rf"(?is){_WORDS}|{_PLACEHOLDERS}|{_VARIABLES}|{_REFERENCES}|{_TAGS}|{_PATHS}|{_CODE}")
_NUMBER = compiled(r"[0-9]{1,5}|[0-9]+\.[0-9]+|[0-9]{1,5}(?:ms|s|m|h|%|k|b)")
_SYMBOLS = compiled(r"[^A-Za-z0-9\x80-\xff]*")
_SPECIAL_TOKEN = compiled(r"</?[A-Za-z_|]+>|<\|[^|]*\|>|\[[A-Z_]+\]?")

# Tokenizer settings, rates and counters: "eos_token: </s>", "time per token: 5ms".
_COUNTER_BEFORE = compiled(
    r"(?i)(?:eos|bos|pad|unk|cls|sep|mask|special|additional|stop|start|end|begin|image|next|per|max|min|num|first|last"
    r"|prev|current)[_ ./-]?\z"
)
_SCHEME_NAMES = compiled(
    r"(?i)(?:basic|bearer|digest|oauth2?|md5|scram[a-z0-9-]*|plain|ldap|saml|oidc|kerberos|token|password|iam|anonymous"
    r"|enabled|disabled|failed|ok|success|include|same-origin|omit|cert|mtls|tls|jwt|session|simple|internal|external|default)"
)

# Words with which a sentence about a failure goes on after a colon; none is a likely first word of a pass phrase.
_SENTENCE_WORD = compiled(
    r"(?i)(?:are|authentication|authorization|cannot|can't|connection|contains?|could|couldn't|did|does|doesn't|empty|eof"
    r"|error|exceeded|expected|expired|failed|failure|field|forbidden|found|has|illegal|incorrect|invalid|is|length"
    r"|malformed|may|missing|must|needs?|never|not|please|required|requires?|rpc|should|status|timed|timeout|too|unable"
    r"|unauthorized|unauthenticated|unexpected|unknown|unsupported|unrecognized|was|were|wrong|denied|rejected|revoked"
    r"|mismatch|verification)"
)
_AFTER_FLAG = compiled(
    r"(?i)(?:and|or|flags?|option|argument|parameter|in|for|to|with|without|instead|from|via|if|when|has|set|value)"
)
_WORD = compiled(r"([A-Za-z][A-Za-z'-]*)[,.:;!?)]*")
_ENDS_SENTENCE = compiled(
    r"(?i)(?:eof|expired|forbidden|unauthorized|unauthenticated|invalid|denied|missing|required|unknown|rejected|revoked"
    r"|malformed|failed|error|timeout|mismatch|unexpected|unsupported)[.!]?"
)
_WORD_BEFORE = compiled(r"[A-Za-z][)\]\"']?[ \t]+[\"'`(]?\z")
_PARSER_ERROR_BEFORE = compiled(
    r"(?i)(?:unexpected|illegal|unrecognized|unknown|expected|near|invalid|bad|extra|missing)[ \t]+\z"
)
_OBJECT_STATE = compiled(
    r"(?i)\\?[\"']?:?[ \t]+(?:is |was |does |has )*"
    r"(?:not|forbidden|missing|already|cannot|expired|invalid|in namespace|of type)\b"
)
_OBJECT = compiled(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?:?")
_VARIABLE = compiled(r"[A-Za-z_][A-Za-z0-9_.]*")

# A class or a step of a program, or an English word. "dbPass" and "storepass" are not among them.
_ENDS_IN_PASS = compiled(
    r"(?i)\b(?:by|com|tres|encom|sur|over|under|im|re|multi|two|single|first|second|next|last|render|function|loop|module"
    r"|optimizer|compiler|shader|compute)[_-]?\z|[a-z](?:Render|Function|Loop|Module|Compute)\z"
)
_METAVARIABLE = compiled(
    r"[A-Z][A-Z_-]*(?:PASS|PWD|PASSWORD|SECRET|TOKEN|KEY|AUTH|CREDENTIALS?|COOKIE)|PASS|PASSWORD|PASSWD|SECRET|TOKEN|KEY|VALUE|STRING|FILE"
    r"|PATH|NAME|TEXT|URL"
)
# "POSTGRES_PASSWORD=password", "secretKey: password": an example, or the name of a key.
_KEY_WORD = compiled(r"(?i)(?:your[_-])?(?:password|passwd|passphrase|pass|secret|token|api[_-]?key|credentials?)[.:]?")
_FIELD_NAME = compiled(
    r"(?i)e?mail|user(?:_?name)?|name|login|host(?:_?name)?|port|id|url|database|db(?:_?name)?|phone|role|type"
    r"|[a-z_]*(?:password|secret|token|key)"
)
_NO_BEFORE = compiled(r"(?i)\bno[ \t]+\z")
_PASSWD_PROGRAM = compiled(r"\b(?:ch|ht|g|k|smb|yp|ldap)\z")
_NAMES_SECRET = compiled(r"(?i)(?:existing|pull|tls|ca)[_-]?\z")
_OBJECT_NAME = compiled(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_LOWER_OR_UPPER_WORD = compiled(r"[A-Z]?[a-z]+(?:[_-][a-z]+)*[.,;:]?|[A-Z]+(?:_[A-Z]+)*[.,;:]?")
_TASK = compiled(r"edit|show|list|get|set|create|delete|read|write|diff|encode|decode|new|rotate|generate|clear|fetch")
# Even after a variable: "DB_PASSWORD: at least 12 characters", "X-Auth-Token: missing header".
_PHRASE = compiled(
    r"(?i)(?:at (?:least|most)|no such|(?:permission|access) denied|field required"
    r"|(?:must|should|may|can|could|does|do|is|was|are|has|have) ?not|cannot be|can't be|unable to)\b"
    r"|(?:missing|required|invalid|expired|unknown|denied|rejected|failed|forbidden|unauthorized|unexpected|cannot|must"
    r"|should|not|is|was|has|are|does|did)(?: [a-z']+)+(?:[.,;:!)]|\s*\z|\s*\n)"
)

_LOWER_WORD = compiled(r"[a-z]+(?:[_-][a-z]+)*")
_OBJECT_KEYS = frozenset((b"secret", b"credential", b"credentials"))
_PATH_BEFORE = compiled(r"/[A-Za-z0-9_.-]*\z")
_TWO_WORDS = compiled(r"[A-Za-z']+ [a-z]+\b")
_WRAPPED_ERROR = compiled(r"[a-z]+(?: [a-z]+)*: [a-z]+ [a-z]+")
_COMMON_WORDS = frozenset(
    (b"secret", b"token", b"auth", b"authorization", b"credential", b"credentials", b"creds", b"pass", b"cookie")
)


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
        or _is_sentence(pair)
    )


def _is_setting(pair: KeyValue) -> bool:
    """A value that keys of this kind also have where they name no secret."""
    value, key = pair.value, pair.key.lower()
    if pair.kind == "password":
        # PWD and OLDPWD are directories; "bypass" and "pass: 12" are no passwords.
        is_directory = key == b"pwd" and value.startswith(b"/")
        is_program = key == b"passwd" and pair.spaced and bool(_PASSWD_PROGRAM.search(pair.before))
        return is_directory or is_program or (key == b"pass" and _is_other_pass(pair))
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
    return (
        pair.spaced and not pair.quoted and not pair.is_flag and (is_result or bool(_WORD_BEFORE.search(pair.before)))
    )


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
        return not pair.quoted and bool(_ENDS_SENTENCE.fullmatch(pair.value))
    if pair.kind == "authorization" and pair.spaced:
        return bool(_LOWER_OR_UPPER_WORD.fullmatch(pair.value)) and not pair.before.endswith((b'"', b"'"))
    is_task = pair.key.lower() in _COMMON_WORDS and not pair.spaced and not pair.quoted and not pair.is_variable
    return is_task and bool(_TASK.fullmatch(pair.value))


def _is_variable_name(pair: KeyValue) -> bool:
    """``token=token``, ``password=db_password`` in a quoted line of code."""
    if pair.quoted or pair.after[:1] not in (b",", b")"):
        return False
    return bool(_VARIABLE.fullmatch(pair.value)) and pair.value.lower().endswith(pair.key.lower())


def _is_phrase(pair: KeyValue, text: bytes) -> bool:
    """Words that only a message about the key has, or, after a path or in a chain of errors, any words."""
    if _PHRASE.match(text) or (_PATH_BEFORE.search(pair.before) and _TWO_WORDS.match(text)):
        return True
    return not pair.is_variable and bool(_WORD_BEFORE.search(pair.before) and _WRAPPED_ERROR.match(text))


def _is_sentence(pair: KeyValue) -> bool:
    """Whether the value is the next word of a sentence, the key being one of its words or the end of a path."""
    if pair.spaced and not pair.quoted and _is_phrase(pair, pair.value + pair.after):
        return True
    words = pair.value.split(None, 1)
    word = _WORD.fullmatch(words[0]) if words else None
    goes_on = len(words) > 1 or (pair.after[:1] in (b" ", b"\t") and pair.after[1:2] not in (b"#", b""))
    if word and not pair.quoted and _is_sentence_word(pair, word.group(), word.group(1), goes_on):
        return True
    if pair.key.lower() not in _COMMON_WORDS or pair.is_variable or pair.is_flag:
        return False
    return _is_about_object(pair) or (
        bool(word and pair.spaced and _WORD_BEFORE.search(pair.before))
        and ((goes_on and not pair.quoted) or bool(_PARSER_ERROR_BEFORE.search(pair.before)))
    )


def _is_sentence_word(pair: KeyValue, first: bytes, word: bytes, goes_on: bool) -> bool:
    if pair.is_flag:
        return bool(_SENTENCE_WORD.fullmatch(word) or _AFTER_FLAG.fullmatch(word))
    if not pair.spaced or (pair.is_variable and not _ends_identifier(pair)):
        return False
    return bool(_SENTENCE_WORD.fullmatch(word) if goes_on else _ENDS_SENTENCE.fullmatch(first))


def _ends_identifier(pair: KeyValue) -> bool:
    """``FailedToRetrieveImagePullSecret``: an event's reason or a class, not a variable."""
    return pair.before[-1:].isalpha() and pair.key[:1].isupper() and pair.key[1:].islower()


def _is_about_object(pair: KeyValue) -> bool:
    """``secret: default/regcred``, ``secret: "db" not found``, ``POST /v1/token: connection refused``."""
    if pair.before.endswith(b"/") and pair.spaced:
        return True
    if pair.key.lower() == b"secret" and _OBJECT.fullmatch(pair.value):
        return True
    may_be_name = pair.key.lower() in _OBJECT_KEYS or _LOWER_WORD.fullmatch(pair.value)
    return bool(may_be_name and _OBJECT_STATE.match(pair.after))
