"""A label selector as kubectl takes one: ``team=ml,tier in (gold, silver),stage notin (dev),gpu,!batch,priority>5``.

The API server selects by the text itself; here it is checked before the start, and applied to what is not listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

Operator: TypeAlias = Literal["=", "!=", "in", "notin", "exists", "!", ">", "<"]

LABEL_VALUE = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
"""Of a label, if it is not empty; also the name in its key."""
_SUBDOMAIN = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*"
_KEY = rf"(?:{_SUBDOMAIN}/)?{LABEL_VALUE}"
_VALUE = re.compile(rf"(?:{LABEL_VALUE})?")
_REQUIREMENT = re.compile(
    rf"!\s*(?P<absent>{_KEY})"
    rf"|(?P<key>{_KEY})\s*(?:(?P<comparison>==|=|!=|>|<)\s*(?P<value>[^\s=!<>,()]*)"
    r"|\s(?P<membership>in|notin)\s*\((?P<values>[^()]*)\))?"
)
_COMMA = re.compile(r",(?![^()]*\))")  # not those between parentheses


class Requirement(NamedTuple):
    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "=" | "in":
                return value in self.values
            case "!=" | "notin":
                return value not in self.values
            case _:
                (limit,) = self.values
                number = _integer(value or "")
                if number is None:
                    return False
                return number > int(limit) if self.operator == ">" else number < int(limit)


class LabelSelector(NamedTuple):
    """All requirements must hold; without any, everything is selected."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_selector(text: str) -> LabelSelector:
    """Raises ValueError: one line that names the part that is wrong."""
    if not text.strip():
        return LabelSelector()
    return LabelSelector(tuple(_requirement(part.strip()) for part in _COMMA.split(text)))


def _requirement(part: str) -> Requirement:
    found = _REQUIREMENT.fullmatch(part)
    if found is None:
        raise ValueError(
            f'{part!r} is no requirement of a label selector; write for example "team=ml,tier in (a,b),!batch"'
        )
    if found["absent"]:
        return Requirement(found["absent"], "!")
    key = found["key"]
    if found["membership"]:
        values = frozenset(_value(value.strip()) for value in found["values"].split(","))
        return Requirement(key, "in" if found["membership"] == "in" else "notin", values)
    match found["comparison"]:
        case None:
            return Requirement(key, "exists")
        case ">" | "<" as comparison:
            if _integer(found["value"]) is None:
                raise ValueError(f"{part!r}: {comparison} needs an integer")
            return Requirement(key, ">" if comparison == ">" else "<", frozenset({found["value"]}))
        case "!=":
            return Requirement(key, "!=", frozenset({_value(found["value"])}))
        case _:
            return Requirement(key, "=", frozenset({_value(found["value"])}))


def _value(text: str) -> str:
    if _VALUE.fullmatch(text) is None:
        raise ValueError(f"{text!r} cannot be the value of a label")
    return text


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None
