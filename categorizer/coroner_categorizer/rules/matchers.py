"""The matchers of a rule. Each is one class: its key in YAML, how it is read, and what it matches.

A match returns the text that matched, so that the evidence needs no second search. ``scope`` is what a matcher reads:
``container`` = one ended container (exit code not 0), ``finding`` = any one finding, ``pod`` = the pod as a whole.
All matchers of a rule whose scope is not the pod must match the same finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Protocol, get_args

import msgspec

from coroner_categorizer.findings.collect import FINDING_NAMES
from coroner_categorizer.findings.finding import Excerpt, Finding
from coroner_categorizer.objects.exit_codes import SIGNALS, signal_of
from coroner_categorizer.rules.field_path import Path
from coroner_categorizer.rules.match_context import MatchContext, TextField
from coroner_categorizer.rules.yaml_reader import YamlReader

Schema = dict[str, Any]
Scope = Literal["container", "finding", "pod"]
Operator = Literal["In", "NotIn"]
ArmadaCondition = Literal["OOMKilled", "Evicted", "DeadlineExceeded"]
EventType = Literal["Normal", "Warning"]
ConditionStatus = Literal["True", "False", "Unknown"]


class Matcher(Protocol):
    key: ClassVar[str]
    structural: ClassVar[bool]
    """Reads a field whose meaning is fixed; False = infers from a code, a text or an event."""
    schema: ClassVar[Schema]
    """JSON Schema of what ``read`` accepts, for editors."""

    @property
    def scope(self) -> Scope: ...

    @property
    def patterns(self) -> tuple[tuple[TextField, str], ...]:
        """The patterns to search for, and in which texts."""
        ...

    def match(self, finding: Finding | None, context: MatchContext) -> Excerpt | None: ...

    @classmethod
    def read(cls, node: Any, path: Path, reader: YamlReader) -> Matcher | None: ...


_TEXT: Schema = {"type": ["string", "null"]}
_NAME: Schema = {"type": "string", "minLength": 1}
_EXIT_CODE: Schema = {"type": "integer", "exclusiveMinimum": -(2**31), "exclusiveMaximum": 2**31}


def _one_of(choices: Iterable[str]) -> Schema:
    return {"enum": list(choices)}


def _some(items: Schema) -> Schema:
    return {"type": "array", "items": items, "minItems": 1}


def _mapping(*required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


_PATTERN: Schema = {"type": "string", "description": "RE2, as in Go: no look-around, no back-references."}
_PATTERN_ONLY = _mapping("pattern", pattern=_PATTERN)


def _ended(finding: Finding | None) -> Finding | None:
    """The finding, if it is a container that ended with another code than 0."""
    return finding if finding and finding.container and finding.exit_code else None


def _code(finding: Finding) -> Excerpt:
    return Excerpt(finding.source, f"{finding.name}, exit code {finding.exit_code}")


class OnExitCodes(msgspec.Struct, frozen=True):
    """In: one of the codes; NotIn: another code. 0 never matches."""

    key: ClassVar[str] = "onExitCodes"
    structural: ClassVar[bool] = False
    schema: ClassVar[Schema] = _mapping(
        "operator", "values", operator=_one_of(get_args(Operator)), values=_some(_EXIT_CODE)
    )
    scope: ClassVar[Scope] = "container"
    patterns: ClassVar[tuple[tuple[TextField, str], ...]] = ()
    operator: Operator
    values: frozenset[int]

    def match(self, finding: Finding | None, context: MatchContext) -> Excerpt | None:
        ended = _ended(finding)
        if not ended or (ended.exit_code in self.values) != (self.operator == "In"):
            return None
        return _code(ended)

    @classmethod
    def read(cls, node: Any, path: Path, reader: YamlReader) -> OnExitCodes | None:
        fields = reader.mapping(node, path, ["operator", "values"])
        if fields is None:
            return None
        operator = reader.one_of(fields.get("operator"), path / "operator", get_args(Operator))
        values = reader.items(fields.get("values") or [], path / "values", "exit codes")
        if values is not None and not values:
            reader.errors.add(path / "values", "no exit code given", "list at least one")
        codes = [reader.whole_number(v, path / "values" / i) for i, v in enumerate(values or [])]
        if operator is None or not codes or None in codes:
            return None
        return cls(operator="In" if operator == "In" else "NotIn", values=frozenset(c for c in codes if c is not None))


class OnTerminationMessage(msgspec.Struct, frozen=True):
    """A pattern in the termination message of a container that failed."""

    key: ClassVar[str] = "onTerminationMessage"
    structural: ClassVar[bool] = False
    schema: ClassVar[Schema] = _PATTERN_ONLY
    scope: ClassVar[Scope] = "container"
    pattern: str

    @property
    def patterns(self) -> tuple[tuple[TextField, str], ...]:
        return (("termination message", self.pattern),)

    def match(self, finding: Finding | None, context: MatchContext) -> Excerpt | None:
        ended = _ended(finding)
        if not ended or not context.matches("termination message", self.pattern, ended.termination_message):
            return None
        return Excerpt(f"{ended.source}.message", ended.termination_message)

    @classmethod
    def read(cls, node: Any, path: Path, reader: YamlReader) -> OnTerminationMessage | None:
        pattern = _read_pattern(node, path, reader)
        return cls(pattern) if pattern is not None else None


class OnMessage(msgspec.Struct, frozen=True):
    """A pattern in the text that holds a finding's cause: the waiting message without its back-off prefix, the
    exception or last lines of the termination message, the pod's message, the reason that rejected the nodes which
    passed most of the scheduler's filters, or the event's text."""

    key: ClassVar[str] = "onMessage"
    structural: ClassVar[bool] = False
    schema: ClassVar[Schema] = _PATTERN_ONLY
    scope: ClassVar[Scope] = "finding"
    pattern: str

    @property
    def patterns(self) -> tuple[tuple[TextField, str], ...]:
        return (("message", self.pattern),)

    def match(self, finding: Finding | None, context: MatchContext) -> Excerpt | None:
        if not finding or not context.matches("message", self.pattern, finding.text):
            return None
        return Excerpt(f"{finding.source}.message", finding.text)

    @classmethod
    def read(cls, node: Any, path: Path, reader: YamlReader) -> OnMessage | None:
        pattern = _read_pattern(node, path, reader)
        return cls(pattern) if pattern is not None else None


class OnOomKilled(msgspec.Struct, frozen=True):
    """OnConditions' ``OOMKilled`` alone: a container's, so it shares its container with the rule's other matchers."""

    key: ClassVar[str] = "onConditions"
    structural: ClassVar[bool] = True
    schema: ClassVar[Schema] = _some(_one_of(get_args(ArmadaCondition)))
    scope: ClassVar[Scope] = "container"
    patterns: ClassVar[tuple[tuple[TextField, str], ...]] = ()

    def match(self, finding: Finding | None, context: MatchContext) -> Excerpt | None:
        ended = _ended(finding)
        return _code(ended) if ended and "OOMKilled" in ended.names else None

    @classmethod
    def read(cls, node: Any, path: Path, reader: YamlReader) -> OnOomKilled | None:
        return cls()


class OnConditions(msgspec.Struct, frozen=True):
    """Armada's three: OOMKilled of a container, Evicted and DeadlineExceeded of the pod; any of those listed."""

    key: ClassVar[str] = "onConditions"
    structural: ClassVar[bool] = True
    schema: ClassVar[Schema] = _some(_one_of(get_args(ArmadaCondition)))
    scope: ClassVar[Scope] = "pod"
    patterns: ClassVar[tuple[tuple[TextField, str], ...]] = ()
    names: tuple[ArmadaCondition, ...]
    container: str = ""
    """The rule's containerName: scopes OOMKilled alone."""

    def match(self, finding: Finding | None, context: MatchContext) -> Excerpt | None:
        if context.pod.status.reason in self.names and context.pod.status.reason != "OOMKilled":
            return Excerpt("status", f"{context.pod.status.reason}: {context.pod.status.message}".removesuffix(": "))
        if "OOMKilled" not in self.names:
            return None
        candidates = [f for f in context.findings if f.is_latest_instance and self.container in ("", f.container)]
        return next((seen for f in candidates if (seen := OnOomKilled().match(f, context))), None)

    @classmethod
    def read(cls, node: Any, path: Path, reader: YamlReader) -> OnConditions | OnOomKilled | None:
        items = reader.items(node, path, "conditions")
        if items is None:
            return None
        if not items:
            reader.errors.add(path, "no condition given", "list at least one")
            return None
        allowed = get_args(ArmadaCondition)
        names = [reader.one_of(item, path / i, allowed) for i, item in enumerate(items)]
        if None in names:
            return None
        if set(names) == {"OOMKilled"}:
            return OnOomKilled()
        return cls(tuple(name for name in allowed if name in names))


class OnPodError(msgspec.Struct, frozen=True):
    """A pattern in the pod-level text (``context.pod_texts``)."""

    key: ClassVar[str] = "onPodError"
    structural: ClassVar[bool] = False
    schema: ClassVar[Schema] = _PATTERN_ONLY
    scope: ClassVar[Scope] = "pod"
    pattern: str

    @property
    def patterns(self) -> tuple[tuple[TextField, str], ...]:
        return (("pod error", self.pattern),)

    def match(self, finding: Finding | None, context: MatchContext) -> Excerpt | None:
        return next((t for t in context.pod_texts if context.matches("pod error", self.pattern, t.text)), None)

    @classmethod
    def read(cls, node: Any, path: Path, reader: YamlReader) -> OnPodError | None:
        pattern = _read_pattern(node, path, reader)
        return cls(pattern) if pattern is not None else None


class OnPodEvents(msgspec.Struct, frozen=True):
    """An event of the pod: type equal, reason equal if given, and a pattern in its message."""

    key: ClassVar[str] = "onPodEvents"
    structural: ClassVar[bool] = False
    schema: ClassVar[Schema] = _mapping(
        "regexp", "type", regexp=_PATTERN, type=_one_of(get_args(EventType)), reason=_TEXT
    )
    scope: ClassVar[Scope] = "pod"
    regexp: str
    type: EventType
    reason: str = ""

    @property
    def patterns(self) -> tuple[tuple[TextField, str], ...]:
        return (("event", self.regexp),)

    def match(self, finding: Finding | None, context: MatchContext) -> Excerpt | None:
        for event in context.events:
            if event.type != self.type or (self.reason and event.reason != self.reason):
                continue
            # Unchanged, with the prefix of merged events: that is what Armada matches.
            text = event.message or event.note
            if context.matches("event", self.regexp, text):
                return Excerpt(f"events[{event.reason}]", event.text)
        return None

    @classmethod
    def read(cls, node: Any, path: Path, reader: YamlReader) -> OnPodEvents | None:
        fields = reader.mapping(node, path, ["regexp", "type", "reason"])
        if fields is None:
            return None
        regexp = reader.pattern(fields.get("regexp"), path / "regexp")
        type_ = reader.one_of(fields.get("type"), path / "type", get_args(EventType))
        reason = reader.text(fields.get("reason"), path / "reason")
        if regexp is None or type_ is None or reason is None:
            return None
        return cls(regexp, "Normal" if type_ == "Normal" else "Warning", reason)


class OnReasons(msgspec.Struct, frozen=True):
    """Any of these reasons, of a container (waiting or terminated) or of the pod."""

    key: ClassVar[str] = "onReasons"
    structural: ClassVar[bool] = True
    schema: ClassVar[Schema] = _some(_NAME)
    scope: ClassVar[Scope] = "finding"
    patterns: ClassVar[tuple[tuple[TextField, str], ...]] = ()
    reasons: tuple[str, ...]

    def match(self, finding: Finding | None, context: MatchContext) -> Excerpt | None:
        if not finding or not any(reason in finding.names for reason in self.reasons):
            return None
        return Excerpt(finding.source, ", ".join(finding.names))

    @classmethod
    def read(cls, node: Any, path: Path, reader: YamlReader) -> OnReasons | None:
        reasons = _read_names(node, path, reader, "reasons")
        return cls(reasons) if reasons else None


class OnFindings(msgspec.Struct, frozen=True):
    """Any of the names that Coroner gives to what Kubernetes knows but does not name."""

    key: ClassVar[str] = "onFindings"
    structural: ClassVar[bool] = True
    schema: ClassVar[Schema] = _some(_one_of(sorted(FINDING_NAMES)))
    scope: ClassVar[Scope] = "finding"
    patterns: ClassVar[tuple[tuple[TextField, str], ...]] = ()
    names: tuple[str, ...]

    def match(self, finding: Finding | None, context: MatchContext) -> Excerpt | None:
        if not finding or not any(name in finding.names for name in self.names):
            return None
        return Excerpt(finding.source, ", ".join(finding.names))

    @classmethod
    def read(cls, node: Any, path: Path, reader: YamlReader) -> OnFindings | None:
        items = reader.items(node, path, "findings")
        if items is not None and not items:
            reader.errors.add(path, "no finding given", f"list at least one of {', '.join(sorted(FINDING_NAMES))}")
        names = [reader.one_of(item, path / i, sorted(FINDING_NAMES)) for i, item in enumerate(items or [])]
        if not names or None in names:
            return None
        return cls(tuple(n for n in names if n is not None))


class OnPodConditions(msgspec.Struct, frozen=True):
    """A condition of the pod by type, and by status and reason where given."""

    key: ClassVar[str] = "onPodConditions"
    structural: ClassVar[bool] = True
    schema: ClassVar[Schema] = _mapping(
        "type", type=_NAME, status={"enum": [*get_args(ConditionStatus), True, False, None]}, reason=_TEXT
    )
    scope: ClassVar[Scope] = "pod"
    patterns: ClassVar[tuple[tuple[TextField, str], ...]] = ()
    type: str
    status: str = ""
    reason: str = ""

    def match(self, finding: Finding | None, context: MatchContext) -> Excerpt | None:
        condition = context.pod.condition(self.type)
        if not condition or self.status not in ("", condition.status) or self.reason not in ("", condition.reason):
            return None
        text = f"{condition.status}, {condition.reason}: {condition.message}".rstrip(": ")
        return Excerpt(f"status.conditions[{self.type}]", text)

    @classmethod
    def read(cls, node: Any, path: Path, reader: YamlReader) -> OnPodConditions | None:
        fields = reader.mapping(node, path, ["type", "status", "reason"])
        if fields is None:
            return None
        type_ = reader.text(fields.get("type"), path / "type")
        if not type_:
            reader.errors.add(path / "type", "missing", "name the condition's type, e.g. DisruptionTarget")
        status = fields.get("status")
        if isinstance(status, bool):
            status = str(status)  # YAML reads a bare True as a boolean
        if status is not None:
            status = reader.one_of(status, path / "status", get_args(ConditionStatus))
        reason = reader.text(fields.get("reason"), path / "reason")
        return cls(type_, status or "", reason) if type_ and reason is not None else None


class OnSignals(msgspec.Struct, frozen=True):
    """Any of these signals, by the exit code − 128."""

    key: ClassVar[str] = "onSignals"
    structural: ClassVar[bool] = False
    schema: ClassVar[Schema] = _some(_one_of(SIGNALS.values()))
    scope: ClassVar[Scope] = "container"
    patterns: ClassVar[tuple[tuple[TextField, str], ...]] = ()
    signals: tuple[str, ...]

    def match(self, finding: Finding | None, context: MatchContext) -> Excerpt | None:
        ended = _ended(finding)
        if not ended or signal_of(ended.exit_code) not in self.signals:
            return None
        return _code(ended)

    @classmethod
    def read(cls, node: Any, path: Path, reader: YamlReader) -> OnSignals | None:
        items = reader.items(node, path, "signals")
        if items is not None and not items:
            reader.errors.add(path, "no signal given", "list at least one, e.g. SIGSEGV")
        names = [reader.one_of(item, path / i, SIGNALS.values()) for i, item in enumerate(items or [])]
        if not names or None in names:
            return None
        return cls(tuple(n for n in names if n is not None))


# A new matcher is one class above and one entry here. A rule tries them in this order: the cheap ones first.
MATCHERS: tuple[type[Matcher], ...] = (
    OnConditions,
    OnExitCodes,
    OnSignals,
    OnReasons,
    OnFindings,
    OnPodConditions,
    OnTerminationMessage,
    OnMessage,
    OnPodError,
    OnPodEvents,
)


def _read_pattern(node: Any, path: Path, reader: YamlReader) -> str | None:
    fields = reader.mapping(node, path, ["pattern"])
    return reader.pattern(fields.get("pattern"), path / "pattern") if fields is not None else None


def _read_names(node: Any, path: Path, reader: YamlReader, what: str) -> tuple[str, ...]:
    items = reader.items(node, path, what)
    if items is not None and not items:
        reader.errors.add(path, f"no {what} given", "list at least one")
    names = [reader.text(item, path / i) for i, item in enumerate(items or [])]
    for i, name in enumerate(names):
        if name == "":
            reader.errors.add(path / i, "empty", "give a name or remove the item")
    return tuple(n for n in names if n)
