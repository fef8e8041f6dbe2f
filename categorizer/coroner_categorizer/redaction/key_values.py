"""Secrets that only their key identifies: ``password: …``, ``DB_TOKEN=…``, ``--api-key …``, ``Authorization: …``.

RE2 finds key and separator; a small reader then takes the value by its quotes, and ``non_secrets`` decides what is no
secret after all. Each byte is read a bounded number of times, so the whole stays linear.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from coroner_categorizer.redaction.non_secrets import Form, KeyValue, is_not_secret
from coroner_categorizer.redaction.rule import MARK, Regexp, Rule, compiled, mark, replace_spans

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
_ASSIGNED = compiled(
    rf"(?i){_KEY}({_QUOTE}?{_VISIBILITY}\]?[ \t]*(?:=>(?:\s*string\([0-9]+\))?|:=|\+=|===?|=|:|%3D|%3A)[ \t]*|>)"
)
_FLAG = compiled(rf"(?i)(?:^|[\s\"'(\[,=`])--?[a-z0-9._-]*?{_KEY}({_QUOTE},[ \t\r\n]*|[ \t]+)")
# As in a pod's spec: {"name": "DB_PASSWORD", "value": "…"}, in JSON, YAML or as Go and Terraform print it.
_NAMED = compiled(
    rf"(?i)\bname{_QUOTE}?[ \t]*[:=][ \t]*{_QUOTE}?[a-z0-9_.-]*?{_KEY}"
    rf"({_QUOTE}?(?:[ \t]*=>[ \t]*\"[^\"\n]*\")?\s*,?\s*(?:[a-z0-9_.#]*\.)?{_QUOTE}?value{_QUOTE}?[ \t]*[:=][ \t]*)"
)
# Terraform: variable "db_password" { default = "…" }
_DEFAULT = compiled(rf"(?i)\bvariable[ \t]+\"[a-z0-9_-]*?{_KEY}(\"\s*\{{[^{{}}]*?\bdefault[ \t]*=[ \t]*)")
# ("password", "…")
_TUPLE = compiled(rf"(?i)[(\[][ \t]*[bu]?{_QUOTE}[a-z0-9_.-]*?{_KEY}({_QUOTE},[ \t]*)")
# "Incorrect API key provided: …"
_PROVIDED = compiled(
    r"(?i)\b((?:(?:api|app|access|secret|auth|licen[sc]e|account)[ _-])?key"
    r"|pass[ _-]?(?:word|phrase|code)|passwd|token|secret|credentials?)"
    r"([ \t]+(?:provided|supplied|given|received|entered|specified)[ \t]*[:=][ \t]*)"
)

_PROVIDED_KEYWORDS = tuple(b"provided supplied given received entered specified".split())

_MARKS = {
    name: mark(name) for name in ("password", "secret", "token", "api-key", "aws-key", "azure-key", "private-key")
}
_MARKS |= {name: mark(name) for name in ("credentials", "authorization", "cookie", "key")}

_OPEN_QUOTE = compiled(r"[bBuUrRfF]{0,2}(\"\"\"|'''|\\{0,7}[\"'`]|&quot;)")
# Most values begin with none of these: a look at one byte is cheaper than a search.
_MAY_OPEN_QUOTE = frozenset(bytes((char,)) for char in b"bBuUrRfF\"'`\\&")
_MAY_OPEN_LIST = frozenset((b" ", b"\t", b"["))
_DOUBLED = compiled(r"''([^'\s,;)}\]][^'\n]*)''|\"\"([^\"\s,;)}\]][^\"\n]*)\"\"")
_IN_MARK = compiled(r"\[redacted:[a-z0-9-]*\z")
_QUOTES = compiled(r"\\*[\"'`]|\n")
_LIST = compiled(r"[ \t]*\[")
_TO_BRACKET = compiled(r"(?:\[redacted:[a-z0-9-]+\]|[^\]\n])*")
_SCHEME = compiled(
    r"(?i)(bearer|basic|token|bot|api-?key|key|sso-key|negotiate|ntlm|splunk|digest|hawk|oauth|aws4-hmac-sha256)[ \t]+"
)
_SCHEMES_WITH_PARAMETERS = frozenset((b"digest", b"hawk", b"oauth", b"aws4-hmac-sha256"))

_REFERENCE = compiled(r"\$\([^()\n]*\)|\$\{[^{}\n]*\}|\{\{[^{}\n]*\}\}|<[A-Za-z][A-Za-z0-9 _.-]*>")
_RUN = compiled(r"[^\s\"'`,;&|)\]}>\\<]*")
_CLOSERS = compiled(r"[\"'`,;&|)\]}>\\]+")
_ENDS_VALUE = compiled(r"[:.]?(?:\s|\z)|[ \t]*[\"']?[A-Za-z_][A-Za-z0-9_. -]{0,40}[\"']?[=:]|&quot;|<")
_SEPARATES = compiled(r"[;&]|,\\*[\"'`]")
_REST_OF_LINE = compiled(r"[^\n\"'`\\]*")
_NEXT_KEY = compiled(r"[,;]?[ \t]+(?:#|[A-Za-z_][A-Za-z0-9_.-]*[ \t]*[=:])")
_CHANGES_TO = compiled(r"[ \t]*[-=]>[ \t]*[\"']")  # Terraform: "old" -> "new"
_QUOTED_TUPLE = compiled(r"[ \t]*\([ \t]*[bu]?[\"']")
_ENDS_TUPLE = compiled(r"[ \t]*,?[ \t]*[)\]]")
_REREAD_LIMIT = 256  # bytes of a harmless value that are searched for further keys
_TAG = compiled(r"<[A-Za-z][A-Za-z0-9:._-]*\z|<\z")
_BLOCK = compiled(r"[|>][+-]?[0-9]?[ \t]*\r?\n")
_INDENT = compiled(r"[ \t]*(?:- )?")
_LINE_START = compiled(r"(?:^|\n)[ \t]*(?:[-+#] |export |set |ENV |ARG )?[ \t]*[\"']?[A-Za-z0-9_.-]*\z")


_KINDS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("password", (b"pass", b"pwd")),
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


@dataclass(frozen=True)
class _KeyMatch:
    """A key and its separator."""

    kind: str
    key: bytes
    before: bytes
    """Up to 48 bytes before the key."""
    end: int
    """Where the separator ends."""
    form: Form


def _redact_values(data: bytes, keys: Regexp, form: Form = Form.ASSIGNED) -> bytes:
    spans: list[tuple[int, int, bytes]] = []
    at = 0
    while found := keys.search(data, at):
        key, at = found.group(1), found.end()
        before = data[max(0, found.start(1) - 48) : found.start(1)]
        head = _KeyMatch(_kind(key), key, before, at, form)
        if _is_no_key(data, head, found.group()):
            continue
        for value, is_quoted, end in _values(data, head):
            if _is_secret(data, head, value, is_quoted, end):
                spans.append((value.start, value.stop, _MARKS[head.kind]))
                at = end
            elif end - at > _REREAD_LIMIT or _is_mark(data, value):
                at = end
    return replace_spans(data, spans)


def _is_no_key(data: bytes, head: _KeyMatch, text: bytes) -> bool:
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


def _is_secret(data: bytes, head: _KeyMatch, value: slice, is_quoted: bool, end: int) -> bool:
    if value.start >= value.stop or _is_mark(data, value):
        return False
    if head.form is Form.TUPLE and not (is_quoted and _ENDS_TUPLE.match(data, end)):
        return False
    return not is_not_secret(_key_value(data, head, value, is_quoted))


def _is_mark(data: bytes, value: slice) -> bool:
    return data.startswith(b"[redacted:", value.start) and bool(MARK.fullmatch(data, value.start, value.stop))


def _key_value(data: bytes, head: _KeyMatch, value: slice, is_quoted: bool) -> KeyValue:
    is_spaced = data[head.end - 1 : head.end].isspace()
    after = data[value.stop : value.stop + 48]
    has_scheme = head.kind == "authorization" and bool(_SCHEME.search(data, head.end, value.start))
    return KeyValue(head.kind, head.key, head.before, data[value], after, is_quoted, is_spaced, head.form, has_scheme)


def _values(data: bytes, head: _KeyMatch) -> Iterator[tuple[slice, bool, int]]:
    """The value after a key; where a change is shown (``"old" -> "new"``), both."""
    value, is_quoted, end = _value(data, head)
    yield value, is_quoted, end
    if is_quoted and (change := _CHANGES_TO.match(data, end)):
        yield _value(data, replace(head, end=change.end() - 1))


def _value(data: bytes, head: _KeyMatch) -> tuple[slice, bool, int]:
    """Where the value is, whether it was quoted, and where to go on reading."""
    at = head.end
    in_list = None
    if data[at : at + 1] in _MAY_OPEN_LIST and not MARK.match(data, at) and (in_list := _LIST.match(data, at)):
        at = in_list.end()
    if data[at : at + 1] in _MAY_OPEN_QUOTE and (opening := _OPEN_QUOTE.match(data, at)):
        start = opening.end()
        end, go_on = _closing(data, start, opening.group(1))
        if start == end and (doubled := _DOUBLED.match(data, start - 1)):  # a literal inside another one
            (start, end), go_on = doubled.span(doubled.lastindex), doubled.end()
        if head.kind == "authorization" and (scheme := _SCHEME.match(data, start, end)):
            start = scheme.end()
        return slice(start, end), True, go_on
    start, end = _bare_value(data, at, head, bool(in_list))
    return slice(start, end), False, max(end, head.end)


def _bare_value(data: bytes, at: int, head: _KeyMatch, in_list: bool) -> tuple[int, int]:
    if head.kind == "authorization" and (scheme := _SCHEME.match(data, at)):
        at = scheme.end()
        if scheme.group(1).lower() in _SCHEMES_WITH_PARAMETERS:
            is_quoted = b"'" in head.before or b'"' in head.before
            return at, (_REST_OF_LINE.match(data, at).end() if is_quoted else _line_end(data, at))
    if in_list:
        return at, _TO_BRACKET.match(data, at).end()
    if head.kind == "cookie":
        return at, _REST_OF_LINE.match(data, at).end()
    if data[at : at + 1] in (b"|", b">") and _BLOCK.match(data, at):
        return _block(data, at, head.before)
    end = _unquoted_end(data, at)
    if (
        head.kind == "password"
        and data[at - 1 : at] in b" \t"
        and head.form is Form.ASSIGNED
        and _LINE_START.search(head.before)
    ):
        end = max(end, _line_value_end(data, end))
    return at, end


def _closing(data: bytes, at: int, opening: bytes) -> tuple[int, int]:
    """End of the value and of its closing quote; without one, the value ends with its line."""
    if len(opening) == 3 or opening.startswith(b"&"):
        end = data.find(opening, at)
        return (end, end + len(opening)) if end >= 0 else (len(data), len(data))
    escapes, quote = len(opening) - 1, opening[-1:]
    doubled = -1
    for found in _QUOTES.finditer(data, at):
        text = found.group()
        if text == b"\n":
            return found.start(), found.start()
        if text[-1:] != quote or found.start() == doubled:
            continue
        slashes = len(text) - 1
        # Written k times escaped, a quote has more backslashes inside the value than at its end.
        if slashes % 2 if escapes == 0 else slashes > escapes:
            continue
        if escapes == 0 and data[found.end() : found.end() + 1] == quote:  # 'it''s', in YAML, SQL and shells
            doubled = found.end()
            continue
        return found.start() + (slashes if escapes == 0 else 0), found.end()
    return len(data), len(data)


def _unquoted_end(data: bytes, at: int) -> int:
    """White space ends a bare value; so do closing or separating characters where something else begins after them."""
    if data[at : at + 1] in (b"$", b"{", b"<") and (reference := _REFERENCE.match(data, at)):
        at = reference.end()
    while True:
        if data[at : at + 1] == b"[" and (marked := MARK.match(data, at)):
            at = marked.end()
        at = _RUN.match(data, at).end()
        if at >= len(data) or data[at : at + 1].isspace() or data[at : at + 2] == b"</":
            return at
        if not (closers := _CLOSERS.match(data, at)):
            at += 1  # a "<"
        elif _ENDS_VALUE.match(data, closers.end()) or _SEPARATES.search(closers.group()):
            return at
        else:
            at = closers.end()


def _line_value_end(data: bytes, at: int) -> int:
    """For a pass phrase in YAML: up to a comment, another key or the end of the line."""
    line_end = _REST_OF_LINE.match(data, at).end()
    following = _NEXT_KEY.search(data, at, line_end)
    end = following.start() if following else line_end
    return at + len(data[at:end].rstrip())


def _line_end(data: bytes, at: int) -> int:
    end = data.find(b"\n", at)
    return end if end >= 0 else len(data)


def _block(data: bytes, at: int, before: bytes) -> tuple[int, int]:
    """A YAML block scalar: the lines after its header that are indented more than its key."""
    line = before[before.rfind(b"\n") + 1 :]
    depth = len(line) - len(line.lstrip(b" \t"))
    start = _line_end(data, at) + 1
    first = start + _INDENT.match(data, start).end() - start
    end = start
    while end < len(data):
        stop = _line_end(data, end)
        text = data[end:stop]
        if text.strip() and len(text) - len(text.lstrip(b" \t")) <= depth:
            break
        end = min(stop + 1, len(data))
    value = data[start:end].rstrip()
    return min(first, start + len(value)), start + len(value)


KEY_VALUE_RULES: tuple[Rule, ...] = (
    Rule("named-value", (b"name",), lambda data: _redact_values(data, _NAMED)),
    Rule("variable-default", (b"variable",), lambda data: _redact_values(data, _DEFAULT)),
    Rule("flag", _KEYWORDS, lambda data: _redact_values(data, _FLAG, Form.FLAG)),
    Rule("tuple", _KEYWORDS, lambda data: _redact_values(data, _TUPLE, Form.TUPLE)),
    Rule("provided", _PROVIDED_KEYWORDS, lambda data: _redact_values(data, _PROVIDED, Form.PROVIDED)),
    Rule("pair", _KEYWORDS, lambda data: _redact_values(data, _ASSIGNED)),
)
