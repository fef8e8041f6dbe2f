"""YAML text → a rule set, or every error in it at once.

Two forms are read. A document with ``kind: Categorizer`` is Coroner's own. Anything else is read as Armada's
``errorCategories`` block, bare or under that key, and decides as Armada decides (docs/armada-rules.md).
"""

from __future__ import annotations

import re
from typing import Any, Literal, get_args

import msgspec
import yaml

from coroner_categorizer.rules.field_path import ConfigError, FieldErrors, Path
from coroner_categorizer.rules.line_numbers import with_lines
from coroner_categorizer.rules.matchers import MATCHERS, Matcher, OnConditions
from coroner_categorizer.rules.pattern_set import compile_pattern
from coroner_categorizer.rules.rule import Rule
from coroner_categorizer.rules.template import Template, literal, parse_template
from coroner_categorizer.rules.template_facts import BASE_FACTS, FINDING_FACTS
from coroner_categorizer.rules.yaml_reader import NAME_LIMIT, YamlReader, kind_of
from coroner_categorizer.verdict import Confidence, Retry

API_VERSION = "coroner.dev/v1alpha1"
KIND = "Categorizer"

Action = Literal["Retain", "Delete"]
Precedence = Literal["Rules", "Failures"]

_DOCUMENT_KEYS = ("enabled", "defaultCategory", "defaultSubcategory", "categories")
_OWN_DOCUMENT_KEYS = ("apiVersion", "kind", "metadata", "extends", "precedence", *_DOCUMENT_KEYS)
ARMADA_MATCHERS = ("onExitCodes", "onTerminationMessage", "onConditions", "onPodError", "onPodEvents")
_ARMADA_RULE_KEYS = (*ARMADA_MATCHERS, "containerName", "subcategory", "hint")
OWN_RULE_KEYS = ("name", "reason", "retry", "confidence", "message", "unless", "consequence")
_MATCHER_BY_KEY: dict[str, type[Matcher]] = {m.key: m for m in MATCHERS}
REASON_PATTERN = "^[A-Z][A-Za-z0-9]*$"
_REASON = re.compile(REASON_PATTERN)
_DEPTH_LIMIT = 32  # a rule's deepest value is at 7
TEXT_LIMIT = 1024  # what status.message and status.hint of a FailureReport hold


class RuleSet(msgspec.Struct, frozen=True):
    """One document, parsed."""

    rules: tuple[Rule, ...]
    """In file order over all categories."""
    precedence: Precedence = "Rules"
    """Rules: the first rule that matches anything in the pod decides. Failures: the primary failure of the pod is
    found first, and the first rule that matches it decides."""
    default_category: str = ""
    default_subcategory: str = ""
    extends_default: bool = False
    enabled: bool = True
    path: Path = Path()
    """Of the rules in the document: empty, or ``errorCategories``."""


class _UnreadableValueError(yaml.constructor.ConstructorError):
    """A value that is not what its tag, or its form, says."""


_NUMBER_LIMIT = 64
"""Characters of a number. PyYAML takes the square of the length for ``1:59:59:…``, and Python writes no integer of
more than 4,300 digits into a message."""


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML 1.1 that refuses a duplicate key, instead of silently keeping the last value, and whose only errors are
    YAML errors with a mark."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            _check_number(node)
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # PyYAML's constructors do not check what they are given: !!bool "x" is a KeyError, !!int "" an IndexError.
            raise _unreadable(node) from error

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise _unreadable(node)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f'duplicate key "{key.value}"', problem_mark=key.start_mark)
                seen.add(key.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _check_number(node: Any) -> None:
    kind = node.tag.rpartition(":")[2]
    if isinstance(node, yaml.ScalarNode) and kind in ("int", "float") and len(node.value) > _NUMBER_LIMIT:
        raise _unreadable(node)


def _unreadable(node: Any) -> _UnreadableValueError:
    shown = kind_of(node.value) if isinstance(node, yaml.ScalarNode) else f"a {node.id}"
    tag = node.tag.rpartition(":")[2]
    return _UnreadableValueError(problem=f"{shown} cannot be read as !!{tag}", problem_mark=node.start_mark)


def parse(text: str) -> RuleSet:
    """One document. Raises ConfigError with every error in it."""
    errors = FieldErrors()
    node = _load_yaml(text, errors)
    if errors.found:
        raise ConfigError(errors.found)
    rule_set = _Parser(errors).document(node)
    if errors.found or rule_set is None:
        raise ConfigError(with_lines(text, errors.found))
    return rule_set


def _load_yaml(text: str, errors: FieldErrors) -> Any:
    documents = load_documents(text, errors)
    if documents is None:
        return None
    if len(documents) != 1:
        found = "is empty" if not documents else f"holds {len(documents)} documents"
        errors.add(Path(), found, "write one document with `categories:`")
        return None
    return documents[0]


def load_documents(text: str, errors: FieldErrors) -> list[Any] | None:
    """Every YAML document of the text that is not null; None where it is not YAML, which is noted."""
    try:
        _check_shape(text)
        return [d for d in yaml.load_all(text, Loader=_Loader) if d is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "document"
        is_value = isinstance(error, yaml.constructor.ConstructorError)
        remedy = "write it without a tag, a text in quotes" if is_value else "correct the syntax there"
        errors.add(Path((place,)), f"not YAML: {error.problem or error.context}", remedy)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        errors.add(Path(), f"not YAML: {first}", "write one YAML document")
    return None


def _check_shape(text: str) -> None:
    """Refuse what would multiply (aliases) or overflow the C loader's stack (nesting) before it is built."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not supported", problem_mark=event.start_mark)  # type: ignore[arg-type]
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH_LIMIT:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=event.start_mark)  # type: ignore[arg-type]


class _Parser(YamlReader):
    """Reads one document; ``own`` is whether it is Coroner's own form."""

    own = False

    def document(self, node: Any) -> RuleSet | None:
        path = Path()
        if isinstance(node, dict) and set(node) == {"errorCategories"}:
            node, path = node["errorCategories"], path / "errorCategories"
        self.own = isinstance(node, dict) and ("kind" in node or "apiVersion" in node or "extends" in node)
        fields = self.mapping(node, path, _OWN_DOCUMENT_KEYS if self.own else _DOCUMENT_KEYS)
        if fields is None:
            return None
        if self.own:
            self.one_of(fields.get("apiVersion"), path / "apiVersion", [API_VERSION], default=API_VERSION)
            self.one_of(fields.get("kind"), path / "kind", [KIND])
        enabled = fields.get("enabled", True)
        if not isinstance(enabled, bool):
            self.errors.add(path / "enabled", "expected true or false", "write true or false")
        extends = self.one_of(fields.get("extends"), path / "extends", ["default"], default="")
        precedence = self.one_of(fields.get("precedence"), path / "precedence", get_args(Precedence), default="Rules")
        default = self.text(fields.get("defaultCategory"), path / "defaultCategory", limit=NAME_LIMIT)
        sub = self.text(fields.get("defaultSubcategory"), path / "defaultSubcategory", limit=NAME_LIMIT)
        rules = self.categories(fields.get("categories"), path / "categories", required=not extends)
        return RuleSet(
            rules=tuple(rules),
            precedence="Failures" if precedence == "Failures" else "Rules",
            default_category=default or "",
            default_subcategory=sub or "",
            extends_default=extends == "default",
            enabled=enabled is not False,
            path=path,
        )

    def categories(self, node: Any, path: Path, *, required: bool) -> list[Rule]:
        if node is None and not required:
            return []
        names: list[str] = []
        rules: list[Rule] = []
        for i, item in enumerate((self.items(node, path, "categories") if node is not None else []) or []):
            at = path / i
            fields = self.mapping(item, at, ("name", "action", "rules"))
            if fields is None:
                continue
            name = self.text(fields.get("name"), at / "name", limit=NAME_LIMIT)
            if name == "":
                self.errors.add(at / "name", "missing", "give the category a name")
            elif name in names:
                self.errors.add(at / "name", f'duplicate category "{name}"', "merge the two or rename one")
            names += [name] if name else []
            self.one_of(fields.get("action") or None, at / "action", get_args(Action), default="Retain")
            items = self.items(fields.get("rules"), at / "rules", "rules") if fields.get("rules") is not None else []
            if items == []:
                self.errors.add(at / "rules", "no rule given", "give the category at least one rule")
            read = [self.rule(rule, at / "rules" / j, name or "") for j, rule in enumerate(items or [])]
            rules += [r for r in read if r]
        self.unique_names(rules)
        return rules

    def unique_names(self, rules: list[Rule]) -> None:
        seen: set[str] = set()
        for rule in rules:
            if rule.id in seen:
                self.errors.add(rule.path, f'duplicate rule name "{rule.id}"', "rename one of the two")
            seen.add(rule.id)

    def rule(self, node: Any, path: Path, category: str) -> Rule | None:
        keys = [*_MATCHER_BY_KEY, "containerName", "subcategory", "hint", *OWN_RULE_KEYS]
        fields = self.mapping(node, path, keys)
        if fields is None:
            return None
        before = len(self.errors.found)
        given = [key for key in _MATCHER_BY_KEY if fields.get(key) is not None]
        matchers = [_MATCHER_BY_KEY[key].read(fields[key], path / key, self) for key in given]
        own = self.own or not set(fields) <= set(_ARMADA_RULE_KEYS)
        if not given:
            self.errors.add(path, "no matcher", f"add one of {', '.join(_MATCHER_BY_KEY)}")
        elif len(given) > 1 and not own:
            remedy = f"an errorCategories block takes one a rule; add `kind: {KIND}` to ask for all of them"
            self.errors.add(path, f"several matchers: {', '.join(given)}", remedy)
        unless = self.unless(fields.get("unless"), path / "unless")
        container = self.text(fields.get("containerName"), path / "containerName")
        subcategory = self.text(fields.get("subcategory"), path / "subcategory", limit=NAME_LIMIT)
        name = self.text(fields.get("name"), path / "name", limit=253)
        reason = self.text(fields.get("reason"), path / "reason", limit=NAME_LIMIT)
        if reason and not _REASON.match(reason):
            self.errors.add(path / "reason", f'"{reason}" is not CamelCase', "write it like OOMKilled")
        retry = self.one_of(fields.get("retry"), path / "retry", get_args(Retry), default="Unknown")
        good = [m for m in matchers if m]
        confidence = self.one_of(
            fields.get("confidence"), path / "confidence", get_args(Confidence), default=_default_confidence(good)
        )
        consequence = self.boolean(fields.get("consequence"), path / "consequence")
        messages = self.templates(fields.get("message"), path / "message", good, own)
        hints = self.templates(fields.get("hint"), path / "hint", good, own)
        if len(self.errors.found) > before:
            return None
        scoped = [
            msgspec.structs.replace(m, container=container) if isinstance(m, OnConditions) and container else m
            for m in good
        ]
        return Rule(
            id=name or str(path),
            path=path,
            category=category,
            subcategory=subcategory or "",
            matchers=tuple(scoped),
            unless=unless,
            container=container or "",
            retry=_literal(retry, get_args(Retry)),
            confidence=_literal(confidence, get_args(Confidence)),
            reason=reason or "",
            messages=messages,
            hints=hints,
            consequence=consequence,
        )

    def unless(self, node: Any, path: Path) -> tuple[Matcher, ...]:
        """Matchers of which none may hold."""
        fields = self.mapping(node, path, _MATCHER_BY_KEY) if node is not None else {}
        if node is not None and fields == {}:
            self.errors.add(path, "no matcher", f"add one of {', '.join(_MATCHER_BY_KEY)}, or remove it")
        read = [
            _MATCHER_BY_KEY[key].read(value, path / key, self)
            for key, value in (fields or {}).items()
            if key in _MATCHER_BY_KEY
        ]
        return tuple(m for m in read if m)

    def templates(self, node: Any, path: Path, matchers: list[Matcher], own: bool) -> tuple[Template, ...]:
        """A sentence, or several of which the first with all facts known is used. An Armada hint is literal."""
        if node is None or node == "":
            return ()
        if not own:
            text = self.text(node, path)
            return (literal(text),) if text else ()
        known = {*BASE_FACTS, *FINDING_FACTS, *_groups(matchers)}
        items = list(enumerate(node)) if isinstance(node, list) else [(None, node)]
        templates = []
        for i, item in items:
            at = path if i is None else path / i
            text = self.text(item, at, limit=TEXT_LIMIT)
            if not text:
                continue
            template = parse_template(text)
            for name in (n for n in template.facts if n not in known):
                self.errors.add(at, f"unknown fact ${{{name}}}", f"known here: {', '.join(sorted(known))}")
            templates.append(template)
        return tuple(templates)


def _groups(matchers: list[Matcher]) -> set[str]:
    return {name for m in matchers for _, pattern in m.patterns for name in compile_pattern(pattern).groupindex}


def _default_confidence(matchers: list[Matcher]) -> Confidence:
    """Confirmed where every matcher reads a field of fixed meaning, else Likely."""
    return "Confirmed" if matchers and all(m.structural for m in matchers) else "Likely"


def _literal(value: str | None, allowed: tuple[Any, ...]) -> Any:
    return value if value in allowed else allowed[-1]
