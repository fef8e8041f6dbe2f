"""Passwords after short options, which only the program gives a meaning: ``mysql -pX``, ``redis-cli -a X``.

One walk over the words of each line: a program's name selects its options, which hold until another program's name or
the end of the command. Shell quotes and lists (``["redis-cli", "-a", "X"]``) are read alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from coroner_categorizer.redaction.non_secrets import is_not_secret
from coroner_categorizer.redaction.rule import MARK, MARK_PATTERN, Regexp, Rule, mark, replace_spans
from coroner_categorizer.redaction.value_reader import Form, KeyValue

_MARK = mark("password")


@dataclass(frozen=True)
class _Program:
    """The options of a program that take a password."""

    name: str
    """RE2, of the file name."""
    option: str
    attached: bool = True
    """``-pX``"""
    separate: bool = True
    """``-p X``"""
    only_after: bytes = b""
    """The subcommand without which the option means something else."""


_PROGRAMS = (
    _Program(r"(?:mysql|mariadb)[a-z_-]*", "-p", separate=False),
    _Program(r"(?:redis|valkey|keydb)-(?:cli|benchmark)", "-a", attached=False),
    _Program(r"mongo(?:sh|dump|restore|export|import|stat|top|files)?", "-p"),
    _Program(r"sshpass", "-p"),
    _Program(r"ldap(?:search|add|modify|modrdn|delete|whoami|passwd|compare|exop)", "-w"),
    _Program(r"docker|podman|nerdctl|buildah|skopeo|crane|oras|helm|az|oc|argocd|cf", "-p", only_after=b"login"),
    _Program(r"rabbitmqadmin|cqlsh", "-p"),
    _Program(r"sqlcmd|bcp|osql|isql|tsql", "-P"),
    _Program(r"ipmitool", "-P"),
    _Program(r"snmp(?:walk|get|set|bulkwalk)", "-A"),
    _Program(r"unzip|zip", "-P"),
)
_KEYWORDS = tuple(
    b"mysql mariadb redis- valkey- keydb- mongo sshpass ldap login rabbitmqadmin cqlsh sqlcmd bcp sql ipmitool snmp"
    b" zip".split()
)

_NAME = Regexp(r"(?:[^\s]*/)?(?:" + "|".join(f"({program.name})" for program in _PROGRAMS) + ")")  # a group a program
_LINE = Regexp(r"[^\n]*\b(?:" + "|".join(program.name for program in _PROGRAMS) + r")\b[^\n]*")
# A word in quotes, or one of bare characters; a quoted part may follow an option at once (-p'X').
_WORD = Regexp(
    r"\\*\"([^\"\\\n,\[\] ][^\"\\\n]*)\\*\"|'([^'\n,\[\] ][^'\n]*)'|(-[A-Za-z])(?:\"([^\"\n]+)\"|'([^'\n]+)')"
    rf"|((?:{MARK_PATTERN}"
    r"|[^\s\"'`,;|&()\[\]{}<>\\]|\\[^\n\"'])+)"
    r"|[;|&)`\]]"
)


_HAS_LETTER = Regexp(r"[A-Za-z0-9]")
_PORT = Regexp(r"[0-9]{2,5}:?")
_NESTING_LIMIT = 3


class _Word(NamedTuple):
    start: int
    text: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.text)


_END_OF_COMMAND = _Word(0, b"")


def _words(data: bytes, start: int, end: int) -> Iterator[_Word]:
    for found in _WORD.finditer(data, start, end):
        if not found.lastindex:
            yield _END_OF_COMMAND
            continue
        if found.lastindex in (4, 5):  # -p'X'
            yield _Word(found.start(3), found.group(3))
        yield _Word(found.start(found.lastindex), found.group(found.lastindex))


def _redact_options(data: bytes) -> bytes:
    spans: list[tuple[int, int, bytes]] = []
    for line in _LINE.finditer(data):
        for word in _passwords(data, line.start(), line.end()):
            if word.text and not MARK.fullmatch(word.text) and not _is_placeholder(word, data):
                spans.append((word.start, word.end, _MARK))
    return replace_spans(data, spans)


def _is_placeholder(word: _Word, data: bytes) -> bool:
    if not _HAS_LETTER.search(word.text) or _PORT.fullmatch(word.text):
        return True
    after = data[word.end : word.end + 48]
    return is_not_secret(KeyValue("password", b"password", b" --", word.text, after, False, True, Form.FLAG))


def _passwords(data: bytes, start: int, end: int, depth: int = 0) -> Iterator[_Word]:
    words = list(_words(data, start, end))
    program: _Program | None = None
    named = False  # the subcommand was seen
    for number, word in enumerate(words):
        if word is _END_OF_COMMAND:
            program = None
        elif depth < _NESTING_LIMIT and b" " in word.text and _LINE.search(word.text):  # sh -c "mysql -pX"
            yield from _passwords(data, word.start, word.end, depth + 1)
        elif found := _program(word.text):
            program, named = found, not found.only_after
        elif program and word.text == program.only_after:
            named = True
        elif program and named and word.text.startswith(program.option.encode()):
            value = _value(program, word, words[number + 1] if number + 1 < len(words) else _END_OF_COMMAND)
            if value:
                yield value


def _program(name: bytes) -> _Program | None:
    found = _NAME.fullmatch(name)
    return _PROGRAMS[found.lastindex - 1] if found else None


def _value(program: _Program, option: _Word, following: _Word) -> _Word | None:
    length = len(program.option)
    if len(option.text) > length:
        return _Word(option.start + length, option.text[length:]) if program.attached else None
    if following.start == option.end + 1 and following.text and program.attached:  # -p'X'
        return following
    return following if program.separate and not following.text.startswith(b"-") else None


OPTION_RULE = Rule("option", _KEYWORDS, _redact_options)
