"""Secrets whose place a grammar gives: SQL, .netrc, .pgpass, lines of configuration, arguments of a call in a stack
trace, the value that a validation error quotes.
"""

from __future__ import annotations

from coroner_categorizer.redaction.rule import Regexp, Rule, pattern_rule

_PLACEHOLDER = Regexp(
    r"(?i)\*+|x{3,}|\.{3,}|<[^<>]*>|\$\{?[A-Za-z_][A-Za-z0-9_.]*\}?|\{\{.*|%\(?[a-z_]*\)?s?|[:?@]?[a-z_]*(?:password|passwd|secret)"
    r"|(?:not?|null|none|is|was|are|has|must|the|a|an|and|or|clause|values?|required|missing|set)|(?:\xe2\x80\xa6)+"
    r"|\?|\$[0-9]+|:[a-z_]+|resource|object|array|null|[0-9]{1,3}"
)
_SINGLE = r"'((?:[^'\\\n]|''|\\.)+)'"
_DOUBLE = r"\"((?:[^\"\\\n]|\"\"|\\.)+)\""
_QUOTED = r"[bBuUrR]?(?:'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")"
_ARGUMENT = rf"(?:{_QUOTED}|[^'\"(),\n]+(?:\([^()\n]*\))?)"
_KEY = (
    r"(?:pass|passw(?:or)?d|passphrase|pwd|pw|secret|token|credentials?"
    r"|(?:api|access|secret|private|signing|encryption)_?key)"
)

_RULES: tuple[tuple[str, str, str], ...] = (
    # SQL
    ("password", "password", rf"(?i)\bpassword(?:[ \t]+[EN]?|[ \t]*\([ \t]*){_SINGLE}"),
    (
        "password",
        "identified",
        rf"(?i)\bidentified[ \t]+(?:with[ \t]+[\"'`]?[a-z0-9_]+[\"'`]?[ \t]+)?(?:by|as)[ \t]+(?:password[ \t]+)?"
        rf"(?:{_SINGLE}|{_DOUBLE}|([^\s;'\",()]+))",
    ),
    # .netrc and .pgpass
    (
        "password",
        "password",
        r"(?:^|\s)(?:machine\s+\S+|default)(?:\s+(?:login|account)\s+\S+)*\s+password\s+(\S+)",
    ),
    ("password", "password", r"(?:^|\s)(?:login|user)\s+\S+\s+password\s+([^\s:=]\S*)(?:\s+account\b|\s*\n|\s*\z)"),
    (
        "password",
        ":",
        r"(?:^|[\s\"'])(?:[A-Za-z0-9_.*-]+|\[[0-9a-f:]+\]):(?:\*|[0-9]{4,5}):[A-Za-z0-9_.*-]+:[A-Za-z0-9_.*@-]+:"
        r"((?:[^\s:\\]|\\.)*(?:[0-9!#$%^&*+=~]|\\.)(?:[^\s:\\]|\\.)*)(?:\s|\z)",
    ),
    # Lines of configuration and of protocols
    ("password", "requirepass masterauth", r"(?i)\b(?:requirepass|masterauth)[ \t]+[\"']?([^\s\"']+)"),
    ("password", "set", rf"(?i)\b(?:config|configure)[ \t]+set[ \t]+[a-z0-9_.-]*{_KEY}[ \t]+[\"']?([^\s\"']+)"),
    (
        "password",
        "auth",
        r"(?m)^(?:[>+*] ?)?\"?AUTH[ \t]+(?:\"?[A-Za-z0-9._-]+\"?[ \t]+)?\"?([^\s\"]*[0-9!@#$%^&*][^\s\"]*)\"?[ \t]*$",
    ),
    (
        "password",
        "htpasswd",
        r"\bhtpasswd[ \t]+(?:-[A-Za-z]+[ \t]+)*-[A-Za-z]*b[A-Za-z]*[ \t]+(?:-[A-Za-z]+[ \t]+)*\S+[ \t]+\S+[ \t]+(\S+)",
    ),
    (
        "password",
        "client mount.cifs",
        r"\b(?:smbclient|rpcclient|smbget)\b[^\n]*?[ \t]-U[ \t=]*[\"']?[^\s%\"']+%([^\s\"']+)",
    ),
    # Arguments of calls
    (
        "password",
        "auth credential login(",
        r"(?i)(?:\b[a-z0-9_]*auth[ \t]*[=:][ \t]*|(?:basic|digest|proxy|ntlm|negotiate)_?auth|credentials?|\.login)"
        rf"[ \t]*[(\[][ \t]*(?:{_ARGUMENT}),[ \t]*[bBuU]?(?:{_SINGLE}|{_DOUBLE})",
    ),
    # PHP writes the arguments of a call into its stack traces.
    (
        "password",
        "pdo->__construct mysqli mysql_connect",
        r"(?:PDO->__construct|mysqli->(?:__construct|connect)|mysqli?_(?:p?connect))"
        rf"\({_ARGUMENT}, {_ARGUMENT}, {_SINGLE}",
    ),
    (
        "password",
        "real_connect ldap_bind ftp_login imap_open auth_password",
        r"(?:mysqli->real_connect|ldap_bind|ftp_login|imap_open|ssh2_auth_password)"
        rf"\({_ARGUMENT}, {_ARGUMENT}, {_SINGLE}"
        rf"|mysqli_real_connect\({_ARGUMENT}, {_ARGUMENT}, {_ARGUMENT}, {_SINGLE}",
    ),
    # pydantic: the field's name is on one line, what it refused on the next.
    (
        "input-value",
        "input_value=",
        rf"(?i){_KEY}[a-z0-9_.]*\s[^\[\n]*\[type=[a-z_.]+, input_value="
        rf"[bBuU]?(?:{_SINGLE}|{_DOUBLE}|([^{{\['\"\s,\]][^,\n\]]*))",
    ),
)

STATEMENT_RULES: tuple[Rule, ...] = tuple(pattern_rule(*row, keep=_PLACEHOLDER) for row in _RULES)
