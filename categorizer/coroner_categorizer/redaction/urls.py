"""Secrets inside URLs and connection strings: credentials before the host, and signatures in the query.

Scheme, host and path stay: they say what could not be reached.
"""

from __future__ import annotations

from coroner_categorizer.redaction.rule import MARK_PATTERN, Regexp, Rule, mark, pattern_rule, replace_spans

_CREDENTIALS = mark("url-credentials")
_CURL_CREDENTIALS = mark("credentials")
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*://"
_DATABASE = (
    r"(?i:postgres|postgresql|mysql|mariadb|mongodb|rediss?|valkey|amqps?|mssql|sqlserver|oracle|clickhouse|cockroachdb"
    r"|neo4j|bolt|nats|kafka|s?ftp|smtps?|ldaps?)(?:\+[a-z0-9]+)?://"
)

# In this order: user:password@, where the password may contain "@" and ":". A password with an unescaped "/", "?" or
# "#": in a web address that would be host, port and path, so only for databases and the like, and not after a port
# number. A single token of 16 or more characters: https://TOKEN@host; "git@" and other user names are kept.
_USERINFO = (
    # The password of a database may hold both "/" and "@"; its path holds no "@".
    Regexp(
        rf"{_DATABASE}([^\s/?#\"'<>`@:\[]*:[^\s\"'<>`/?#,]*[^\s\"'<>`/?#,0-9][^\s\"'<>`/?#,]*[/#][^\s\"'<>`?,]*)@[A-Za-z0-9\[]"
    ),
    Regexp(rf"{_SCHEME}([^\s/?#\"'<>`@:\[]*:[^\s/?#\"'<>`]+)@"),
    Regexp(
        rf"{_DATABASE}([^\s/?#\"'<>`@:\[]*:[^\s\"'<>`@/?#]*[^\s\"'<>`@/?#0-9][^\s\"'<>`@/?#]*[/?#][^\s\"'<>`@]*)@[A-Za-z0-9\[]"
    ),
    Regexp(rf"{_SCHEME}([^\s/?#\"'<>`@:\[$]{{16,}})@"),
)
_DIGEST = Regexp(r"@sha(?:256|384|512):")
_PLACEHOLDER = Regexp(r"[^:]*:(?:\*+|x{3,}|\$\{?\w+\}?|<[A-Za-z_ -]+>|%[sv])?")


def _redact_userinfo(data: bytes) -> bytes:
    for pattern in _USERINFO:
        spans = []
        for match in pattern.finditer(data):
            start, end = match.span(1)
            # docker://nginx:1.25@sha256:… is a tag and a digest.
            if not _DIGEST.match(data, end) and not _PLACEHOLDER.fullmatch(data[start:end]):
                spans.append((start, end, _CREDENTIALS))
        data = replace_spans(data, spans)
    return data


_CURL = Regexp(r"(?i)\bcurl\b[^\n]*")
_CURL_USER = Regexp(
    r"(?i)\s(?:-u|--user|--proxy-user|-U)[ =]*"
    r"(?:\"([^\s:\"'\[$]+:[^\"\n\[$]+)\"|'([^\s:\"'\[$]+:[^'\n\[]+)'|[\"']?([^\s:\"'\[$]+:[^\s\"'\[$]+))"
)


def _redact_curl(data: bytes) -> bytes:
    """Each ``-u user:password`` of a line with curl: there may be several."""
    users = (user for line in _CURL.finditer(data) for user in _CURL_USER.finditer(data, line.start(), line.end()))
    return replace_spans(data, [(*user.span(user.lastindex), _CURL_CREDENTIALS) for user in users])


# "&" may have been written as &amp; by HTML or \u0026 by Go's JSON.
_QUERY = (
    r"(?i)(?:[?&;]|\\u0026|%26)(?:X-Amz-(?:Signature|Credential|Security-Token)|X-Goog-(?:Signature|Credential)|X-Oss-Signature"
    r"|AWSAccessKeyId|GoogleAccessId|Signature|Key-Pair-Id|sig)(?:=|%3D)((?:[^&\s\"'<>\\;,%\[\])]|%[013-9A-F][0-9A-F]|%2[0-57-9A-F]"
    rf"|{MARK_PATTERN})+)"
)

URL_RULES: tuple[Rule, ...] = (
    Rule("url-credentials", (b"://",), _redact_userinfo),
    # Without a scheme, as in an image reference: user:password@registry.example/app
    pattern_rule(
        "url-credentials", "@", r"(?:^|[\s\"'(=])([A-Za-z0-9._%+-]+:[^\s/@:\"']+)@[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d+)?/"
    ),
    # URL-encoded, once or several times: postgres%3A%2F%2Fuser%3Apassword%40host
    pattern_rule(
        "url-credentials",
        "%3a%2f%2f %253a%252f%252f",
        r"(?i)%(?:25)*3A%(?:25)*2F%(?:25)*2F([A-Za-z0-9._~-]*%(?:25)*3A(?:[A-Za-z0-9._~!$*+=:-]|%(?:25)*(?:[013-9A-F][0-9A-F]|2[0-9A-E]))+)%(?:25)*40",
    ),
    pattern_rule("url-credentials", "jdbc:oracle", r"(?i)jdbc:oracle:\w+:([^\s/@\"']+/[^\s@\"']+)@"),
    pattern_rule("url-credentials", "@tcp( @unix(", r"([^\s:@/\"'`=\[\]]+:[^\s\"'`\[\]]+)@(?:tcp|unix)\("),
    pattern_rule(
        "url-signature",
        "signature credential x-amz- awsaccesskeyid googleaccessid key-pair-id sig= sig%3d",
        _QUERY,
    ),
    Rule("credentials", (b"curl",), _redact_curl),
)
