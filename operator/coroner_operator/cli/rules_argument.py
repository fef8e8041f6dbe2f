"""A file of rules as text that is YAML and bounded, so that ``cc.load`` meets nothing worse than wrong rules."""

from __future__ import annotations

from typing import Any, NamedTuple

import coroner_categorizer as cc
from coroner_operator.cli.errors import BadInput
from coroner_operator.cli.input_bytes import read_input
from coroner_operator.cli.safe_yaml import yaml_documents


class RulesFile(NamedTuple):
    name: str
    text: str
    value: Any
    """The text as plain values."""

    @property
    def summary(self) -> str:
        """``12 rules in 4 categories``: what the file itself holds, once ``cc.load`` has accepted it."""
        top = self.value.get("errorCategories", self.value)
        categories = top.get("categories") or []
        rules = sum(len(category["rules"]) for category in categories)
        return f"{counted(rules, 'rule')} in {counted(len(categories), 'category', 'categories')}"


def read_rules(argument: str) -> RulesFile:
    """The rule file of this name, or standard input for ``-``. Raises BadInput if it is not one YAML document."""
    source = read_input(argument)
    documents = list(yaml_documents(source.name, source.data))
    if not documents:
        raise BadInput(source.name, "empty", 'write rules into it, at least "categories:"')
    if len(documents) > 1:
        place = f"{source.name}: line {documents[1].line}"
        raise BadInput(place, "a second YAML document begins", "keep one document in a file")
    return RulesFile(source.name, source.data.decode(), documents[0].value)


def load_rules(argument: str | None) -> cc.Categorizer:
    """The rules of this file; the shipped pack for None. Raises BadInput, one line however many mistakes there are."""
    if argument is None:
        return cc.default()
    rules = read_rules(argument)
    try:
        return cc.load(rules.text)
    except cc.ConfigError as error:
        first = error.errors[0]
        place = f"{rules.name}: {first.path}" if first.path else rules.name
        if len(error.errors) == 1:
            raise BadInput(place, first.detail, first.remedy) from error
        fault = f"{first.detail}, the first of {len(error.errors)} mistakes"
        raise BadInput(place, fault, f'see them all with "coroner lint {rules.name}"') from error


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 rule``, ``2 rules``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
