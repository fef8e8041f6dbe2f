"""Label and field selectors: the query's text parsed into a predicate over objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from embedded_apiserver.errors import Object, bad_request

Predicate = Callable[[Object], bool]
Requirement = Callable[[Mapping[str, str]], bool]

_TOKEN = re.compile(r"\s*(==|!=|=|\(|\)|,|!|>|<|[^\s=!(),<>]+)")


def everything(_: Object) -> bool:
    return True


def label_selector(text: str) -> Predicate:
    """``a=b,c!=d,e in (f,g),h notin (i),j,!k``, as in Kubernetes. Raises ApiError 400."""
    if not text.strip():
        return everything
    requirements = _LabelParser(text).parse()

    def matches(obj: Object) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(requirement(labels) for requirement in requirements)

    return matches


class _LabelParser:
    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)
        self.at = 0

    def parse(self) -> list[Requirement]:
        requirements = [self._requirement()]
        while self.at < len(self.tokens):
            self._expect(",")
            requirements.append(self._requirement())
        return requirements

    def _requirement(self) -> Requirement:
        if self._peek() == "!":
            self.at += 1
            absent = self._word()
            return lambda labels: absent not in labels
        key = self._word()
        operator = self._peek()
        if operator in ("", ","):
            return lambda labels: key in labels
        self.at += 1
        if operator in ("=", "=="):
            wanted = self._value()
            return lambda labels: labels.get(key) == wanted
        if operator == "!=":
            unwanted = self._value()
            return lambda labels: labels.get(key) != unwanted
        if operator in ("in", "notin"):
            values = self._values()
            if operator == "in":
                return lambda labels: labels.get(key) in values
            return lambda labels: labels.get(key) not in values
        raise bad_request(f"unable to parse requirement: found '{operator}', expected: in, notin, =, ==, !=, gt, lt")

    def _values(self) -> frozenset[str]:
        self._expect("(")
        values = {self._value()}
        while self._peek() == ",":
            self.at += 1
            values.add(self._value())
        if self._peek() != ")":
            raise bad_request(f"unable to parse requirement: found '{self._peek()}', expected: ',', ')' or identifier")
        self.at += 1
        return frozenset(values)

    def _value(self) -> str:
        """A value may be empty: ``a=`` and ``a in (,b)`` are valid."""
        return "" if self._peek() in ("", ",", ")") else self._word()

    def _word(self) -> str:
        token = self._peek()
        if not token or not re.match(r"^[A-Za-z0-9]", token):
            raise bad_request(f"unable to parse requirement: found '{token}', expected: identifier")
        self.at += 1
        return token

    def _expect(self, wanted: str) -> None:
        if self._peek() != wanted:
            raise bad_request(f"unable to parse requirement: found '{self._peek()}', expected: '{wanted}'")
        self.at += 1

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""


def field_selector(text: str, supported: Mapping[str, str]) -> Predicate:
    """``status.phase!=Succeeded,spec.nodeName=n1``; ``supported`` maps each field label of the kind to the
    dotted path of its value. Raises ApiError 400, also for an unsupported field label."""
    terms = [_field_term(term, supported) for term in text.split(",") if term.strip()]
    if not terms:
        return everything
    return lambda obj: all((_text_at(obj, path) == wanted) is equal for path, wanted, equal in terms)


def _field_term(term: str, supported: Mapping[str, str]) -> tuple[tuple[str, ...], str, bool]:
    found = re.fullmatch(r"\s*([^=!]+?)\s*(!=|==|=)(.*)", term)
    if found is None:
        raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
    label, operator, value = found.groups()
    if label not in supported:
        raise bad_request(f"field label not supported: {label}")
    return tuple(supported[label].split(".")), value.strip(), operator != "!="


def _text_at(obj: Object, path: tuple[str, ...]) -> str:
    value: Any = obj
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
