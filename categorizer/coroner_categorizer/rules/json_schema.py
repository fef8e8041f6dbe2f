"""JSON Schema (draft 7) of a rules file, for editors: made of the tables that the parser reads.

It accepts every document that the parser accepts, and refuses what can be seen without compiling a pattern or
comparing names. docs/rules.schema.json is a copy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from coroner_categorizer.rules.matchers import MATCHERS, Schema
from coroner_categorizer.rules.parser import (
    API_VERSION,
    ARMADA_MATCHERS,
    KIND,
    OWN_RULE_KEYS,
    REASON_PATTERN,
    TEXT_LIMIT,
    Action,
    Precedence,
)
from coroner_categorizer.rules.yaml_reader import NAME_LIMIT
from coroner_categorizer.verdict import Confidence, Retry

_NEW_MATCHERS = tuple(matcher.key for matcher in MATCHERS if matcher.key not in ARMADA_MATCHERS)


def rules_schema() -> Schema:
    """The whole schema, as plain values."""
    is_own: Schema = {"anyOf": [{"required": [key]} for key in ("kind", "apiVersion", "extends")]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Rules of Coroner, or an errorCategories block of Armada",
        "type": "object",
        "if": {"required": ["errorCategories"], "maxProperties": 1},
        "then": {"properties": {"errorCategories": _ref("document")}},
        "else": _ref("document"),
        "definitions": {
            "document": {"if": is_own, "then": _ref("own"), "else": _ref("armada")},
            "own": _own_document(),
            "armada": _mapping(_document_keys("armadaCategory")),
            "category": _category("rule"),
            "armadaCategory": _category("armadaRule"),
            "rule": _rule(),
            "armadaRule": {"allOf": [_ref("rule"), {"if": _has_own_key(), "else": _one_matcher()}]},
            "matchers": {matcher.key: _described(matcher.schema, matcher.__doc__ or "") for matcher in MATCHERS},
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _mapping(properties: Schema, *required: str, **more: Any) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def _described(schema: Schema, text: str) -> Schema:
    return {"description": " ".join(text.split()), **schema}


def _text(description: str = "", **limits: int) -> Schema:
    return _described({"type": ["string", "null"], **limits}, description)


def _choice(choices: Iterable[str], description: str = "") -> Schema:
    return _described({"enum": [*choices, None]}, description)


def _own_document() -> Schema:
    own = {
        "apiVersion": _choice([API_VERSION]),
        "kind": {"const": KIND},
        "metadata": {},
        "extends": _choice(["default"], "The default pack is tried after these rules."),
        "precedence": _choice(
            get_args(Precedence),
            "Rules (default): the first rule that matches anything in the pod decides. Failures: the primary failure "
            "of the pod is found first, and the first rule that matches it decides.",
        ),
    }
    return _mapping({**own, **_document_keys("category")}, "kind")


def _document_keys(category: str) -> Schema:
    return {
        "enabled": _described({"type": "boolean"}, "false: nothing is classified."),
        "defaultCategory": _text("The category where no rule matches.", maxLength=NAME_LIMIT),
        "defaultSubcategory": _text(maxLength=NAME_LIMIT),
        "categories": {"type": ["array", "null"], "items": _ref(category)},
    }


def _category(rule: str) -> Schema:
    properties = {
        "name": _described({"type": "string", "minLength": 1, "maxLength": NAME_LIMIT}, "Unique; a label's value."),
        "action": {"enum": [*get_args(Action), "", None]},
        "rules": {"type": "array", "minItems": 1, "items": _ref(rule)},
    }
    return _mapping(properties, "name", "rules")


def _rule() -> Schema:
    matchers = {matcher.key: {"$ref": f"#/definitions/matchers/{matcher.key}"} for matcher in MATCHERS}
    sentence = _text(maxLength=TEXT_LIMIT)
    sentences = {"anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": sentence}]}
    properties = {
        **matchers,
        "containerName": _text("Limits the matchers of containers to this one."),
        "name": _text("Unique; shown as the verdict's rule.", maxLength=253),
        "subcategory": _text("A label's value.", maxLength=NAME_LIMIT),
        "reason": {"type": ["string", "null"], "maxLength": NAME_LIMIT, "pattern": f"^$|{REASON_PATTERN}"},
        "retry": _choice(get_args(Retry), "Whether a retry without changes may succeed."),
        "confidence": _choice(get_args(Confidence)),
        "consequence": _described({"type": ["boolean", "null"]}, "The failure shows that somebody else acted."),
        "message": _described(sentences, "A sentence, or several: the first whose facts are all known is used."),
        "hint": _described(sentences, "What to do; as message."),
        "unless": _described(
            {"type": ["object", "null"], "properties": matchers, "additionalProperties": False, "minProperties": 1},
            "Matchers of which none may match.",
        ),
    }
    return _mapping(properties, anyOf=[{"required": [key]} for key in matchers])


def _has_own_key() -> Schema:
    """A rule with a key that Armada does not have is Coroner's, and may have several matchers."""
    return {"anyOf": [{"required": [key]} for key in (*OWN_RULE_KEYS, *_NEW_MATCHERS)]}


def _one_matcher() -> Schema:
    return {"oneOf": [{"required": [key]} for key in ARMADA_MATCHERS]}
