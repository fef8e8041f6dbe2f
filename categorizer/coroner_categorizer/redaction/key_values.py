"""Secrets that only their key identifies: ``password: …``, ``DB_TOKEN=…``, ``--api-key …``, ``Authorization: …``.

RE2 finds key and separator, ``value_reader`` takes the value, and ``non_secrets`` decides what is no secret after all.
"""

from __future__ import annotations

from coroner_categorizer.redaction.non_secrets import is_not_secret
from coroner_categorizer.redaction.rule import MARK, Regexp, Rule, mark, replace_spans
from coroner_categorizer.redaction.value_reader import Form, KeyMatch, KeyValue, names_scheme, read_values

# Plurals are left out on purpose: "max_tokens: 2048" and "imagePullSecrets: […]" hold no secret.
_KEY = (
    r"(passw(?:or)?d|passwort|pass[_-]?phrase|pass[_-]?code|pwd|pass|pw|secret|token|client[_-]?secret|secret[_-]?access[_-]?key"
    r"|account[_-]?key|shared[_-]?access[_-]?(?:key|signature)|secret[_-]?key[_-]?base"
    r"|(?:api|app|access|secret|private|signing|encryption|decryption|master|shared|auth|license|ssh|hmac|webhook|subscription"
    r"|service[_-]?account|session|consumer|deploy|fernet|jwt|aes|cipher|crypto|vapid)[_-]?key"
    r"|credentials?|creds|auth|authorization|cookie)(?:[_-]?(?:value|hash|b64|base64|[0-9]{1,2}))?"
)
_QUOTE = r"(?:\\{0,7}(?:\"|')|&quot;)"
_KEYWORDS = tuple(b"pass pwd pw secret token key cred auth cookie".split())

# PHP's var_dump writes the visibility after the key, and type and length before the value.
_VISIBILITY = rf"(?::(?:protected|private)|:{_QUOTE}[^\"'\n]*{_QUOTE}:private)?"
_ASSIGNED = Regexp(
    rf"(?i){_KEY}({_QUOTE}?{_VISIBILITY}\]?[ \t]*(?:=>(?:\s*string\([0-9]+\))?|:=|\+=|===?|=|:|%3D|%3A)[ \t]*|>)"
)
_FLAG = Regexp(rf"(?i)(?:^|[\s\"'(\[,=`])--?[a-z0-9._-]*?{_KEY}({_QUOTE},[ \t\r\n]*|[ \t]+)")
# As in a pod's spec: {"name": "DB_PASSWORD", "value": "…"}, in JSON, YAML or as Go and Terraform print it.
_NAMED = Regexp(
    rf"(?i)\bname{_QUOTE}?[ \t]*[:=][ \t]*{_QUOTE}?[a-z0-9_.-]*?{_KEY}"
    rf"({_QUOTE}?(?:[ \t]*=>[ \t]*\"[^\"\n]*\")?\s*,?\s*(?:[a-z0-9_.#]*\.)?{_QUOTE}?value{_QUOTE}?[ \t]*[:=][ \t]*)"
)
# Terraform: variable "db_password" { default = "…" }
_DEFAULT = Regexp(rf"(?i)\bvariable[ \t]+\"[a-z0-9_-]*?{_KEY}(\"\s*\{{[^{{}}]*?\bdefault[ \t]*=[ \t]*)")
# ("password", "…")
_TUPLE = Regexp(rf"(?i)[(\[][ \t]*[bBuU]?{_QUOTE}[a-z0-9_.-]*?{_KEY}({_QUOTE},[ \t]*)")
# "Incorrect API key provided: …"
_PROVIDED = Regexp(
    r"(?i)\b((?:(?:api|app|access|secret|auth|licen[sc]e|account)[ _-])?key"
    r"|pass[ _-]?(?:word|phrase|code)|passwd|token|secret|credentials?)"
    r"([ \t]+(?:provided|supplied|given|received|entered|specified)[ \t]*[:=][ \t]*)"
)

_PROVIDED_KEYWORDS = tuple(b"provided supplied given received entered specified".split())

_MARKS = {
    name: mark(name) for name in ("password", "secret", "token", "api-key", "aws-key", "azure-key", "private-key")
}
_MARKS |= {name: mark(name) for name in ("credentials", "authorization", "cookie", "key")}

_IN_MARK = Regexp(r"\[redacted:[a-z0-9-]*\z")

_QUOTED_TUPLE = Regexp(r"[ \t]*\([ \t]*[bBuU]?[\"']")
_ENDS_TUPLE = Regexp(r"[ \t]*,?[ \t]*[)\]]")
_REREAD_LIMIT = 256  # bytes of a harmless value that are searched for further keys
_TAG = Regexp(r"<[A-Za-z][A-Za-z0-9:._-]*\z|<\z")


_KINDS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("password", (b"pass", b"pwd", b"pw")),
    ("aws-key", (b"secretaccesskey",)),
    ("azure-key", (b"accountkey", b"sharedaccess")),
    ("private-key", (b"privatekey",)),
    ("api-key", (b"apikey",)),
    ("credentials", (b"cred",)),
    ("authorization", (b"auth",)),
    ("cookie", (b"cookie",)),
    ("token", (b"token",)),
    ("secret", (b"secret",)),
)


def _kind(key: bytes) -> str:
    """The mark's name for a key."""
    word = key.lower().replace(b"_", b"").replace(b"-", b"")
    for name, parts in _KINDS:
        if any(part in word for part in parts):
            return name
    return "key"


def _redact_values(data: bytes, keys: Regexp, form: Form = Form.ASSIGNED) -> bytes:
    spans: list[tuple[int, int, bytes]] = []
    at = 0
    while found := keys.search(data, at):
        key, at = found.group(1), found.end()
        before = data[max(0, found.start(1) - 48) : found.start(1)]
        head = KeyMatch(_kind(key), key, before, at, form)
        if _is_no_key(data, head, found.group()):
            continue
        for value, is_quoted, end in read_values(data, head):
            if _is_secret(data, head, value, is_quoted, end):
                spans.append((value.start, value.stop, _MARKS[head.kind]))
                at = end
            elif end - at > _REREAD_LIMIT or _is_mark(data, value):
                at = end
    return replace_spans(data, spans)


def _is_no_key(data: bytes, head: KeyMatch, text: bytes) -> bool:
    end = head.end
    if head.before.endswith(b"/") and b"=" not in text:  # a path: exec: "/etc/passwd": permission denied
        return True
    if data[end - 1 : end] == b">" and data[end - 2 : end] != b"=>" and not _TAG.search(head.before):
        return True
    if data[end - 1 : end + 2] == b"://":  # otpauth://totp/…
        return True
    if head.kind in ("authorization", "credentials") and _QUOTED_TUPLE.match(data, end):
        return True  # auth=('user', 'password') is for the rules about calls
    return b"[redacted:" in head.before and bool(_IN_MARK.search(head.before))


def _is_secret(data: bytes, head: KeyMatch, value: slice, is_quoted: bool, end: int) -> bool:
    if value.start >= value.stop or _is_mark(data, value):
        return False
    if head.form is Form.TUPLE and not (is_quoted and _ENDS_TUPLE.match(data, end)):
        return False
    return not is_not_secret(_key_value(data, head, value, is_quoted))


def _is_mark(data: bytes, value: slice) -> bool:
    return data.startswith(b"[redacted:", value.start) and bool(MARK.fullmatch(data, value.start, value.stop))


def _key_value(data: bytes, head: KeyMatch, value: slice, is_quoted: bool) -> KeyValue:
    is_spaced = data[head.end - 1 : head.end].isspace()
    after = data[value.stop : value.stop + 48]
    has_scheme = head.kind == "authorization" and names_scheme(data[head.end : value.start])
    return KeyValue(head.kind, head.key, head.before, data[value], after, is_quoted, is_spaced, head.form, has_scheme)


KEY_VALUE_RULES: tuple[Rule, ...] = (
    Rule("named-value", (b"name",), lambda data: _redact_values(data, _NAMED)),
    Rule("variable-default", (b"variable",), lambda data: _redact_values(data, _DEFAULT)),
    Rule("flag", _KEYWORDS, lambda data: _redact_values(data, _FLAG, Form.FLAG)),
    Rule("tuple", _KEYWORDS, lambda data: _redact_values(data, _TUPLE, Form.TUPLE)),
    Rule("provided", _PROVIDED_KEYWORDS, lambda data: _redact_values(data, _PROVIDED, Form.PROVIDED)),
    Rule("pair", _KEYWORDS, lambda data: _redact_values(data, _ASSIGNED)),
)
