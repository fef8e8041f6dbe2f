"""Cases for ``coroner test``: objects, and the verdict that they must get.

A file of cases is a YAML mapping from the name of a case to what is expected, or null: nothing is failing. The form is
described in docs/rules.md; the cases of this project's own tests (``tests/fixtures``) are written in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec

from coroner_categorizer.rules.pattern_set import PatternError, compile_pattern
from coroner_categorizer.rules.rule import CONFIDENCE_RANK
from coroner_categorizer.rules.yaml_reader import closest, kind_of
from coroner_categorizer.verdict import Confidence, Retry, Verdict
from coroner_operator.cli.errors import BadInput
from coroner_operator.cli.explanations import Explanation, explain_objects
from coroner_operator.cli.explanations.explanation import Classifier
from coroner_operator.cli.inputs.input_bytes import InputBytes, read_input
from coroner_operator.cli.inputs.input_objects import InputObjects
from coroner_operator.cli.inputs.safe_yaml import yaml_documents

_FIELDS: dict[str, Callable[[Verdict], object]] = {
    "verdicts": lambda verdict: verdict.name,
    "category": lambda verdict: verdict.category,
    "subcategory": lambda verdict: verdict.subcategory,
    "reason": lambda verdict: verdict.reason,
    "retry": lambda verdict: verdict.retry,
    "confidence": lambda verdict: verdict.confidence,
    "container": lambda verdict: verdict.container,
    "exitCode": lambda verdict: verdict.exit_code,
    "rule": lambda verdict: verdict.rule,
}
"""Key of a case → what it is compared with. The value is one answer, or a list of answers that are equally right."""
_PATTERNS = ("says", "silent")
_KEYS = (*_FIELDS, *_PATTERNS, "maxConfidence", "source", "file", "objects", "object")
_ALLOWED_VALUES: dict[str, tuple[str, ...]] = {
    "retry": get_args(Retry),
    "confidence": get_args(Confidence),
    "maxConfidence": get_args(Confidence),
}
_SUFFIXES = (".json", ".yaml", ".yml")
_VERDICT = re.compile(r"[^/]+(/[^/]+)?")


class Case(NamedTuple):
    """What must come out. ``expected`` has keys of ``_KEYS``; None: nothing is failing."""

    name: str
    place: str
    """For messages: ``cases.yaml: NAME``."""
    expected: Mapping[str, Any] | None

    @property
    def is_healthy(self) -> bool:
        """Whether nothing must be failing."""
        expected = self.expected
        return expected is None or not expected.get("verdicts", True)


def read_cases(argument: str) -> list[Case]:
    """Raises BadInput at the first thing that is wrong."""
    source = read_input(argument)
    documents = [document.value for document in yaml_documents(source.name, source.data)]
    if not documents:
        raise BadInput(source.name, "has no case", _USAGE)
    if len(documents) != 1 or not isinstance(documents[0], dict) or not documents[0]:
        found = f"{len(documents)} documents" if len(documents) != 1 else kind_of(documents[0])
        raise BadInput(source.name, f"expected a mapping from names of cases to verdicts, found {found}", _USAGE)
    return [
        Case(name, f"{source.name}: {name}", _checked(f"{source.name}: {name}", v)) for name, v in documents[0].items()
    ]


_USAGE = "write NAME: {verdicts: [CATEGORY/SUBCATEGORY]}"


def _checked(place: str, value: Any) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadInput(place, f"expected a mapping, found {kind_of(value)}", _USAGE)
    for key, answer in value.items():
        if key not in _KEYS:
            close = closest(key, _KEYS)
            remedy = f'did you mean "{close}"?' if close else f"known here: {', '.join(_KEYS)}"
            raise BadInput(f"{place}.{key}", "unknown key", remedy)
        _check_answer(f"{place}.{key}", key, answer)
    if not any(key in value for key in (*_FIELDS, *_PATTERNS, "maxConfidence")):
        raise BadInput(place, "nothing is expected", f"{_USAGE}, or null if nothing must be failing")
    return value


def _check_answer(place: str, key: str, answer: Any) -> None:
    if key in ("verdicts", *_PATTERNS, "objects") and not isinstance(answer, list):
        raise BadInput(place, f"expected a list, found {kind_of(answer)}", "write `- …` items here")
    if key in ("file", "object", "maxConfidence") and not isinstance(answer, str):
        raise BadInput(place, f"expected a string, found {kind_of(answer)}", "put it in quotes")
    if key in _PATTERNS:
        for pattern in answer:
            _check_pattern(place, pattern)
    answers = answer if isinstance(answer, list) else [answer]
    if key == "verdicts":
        for each in answers:
            if not isinstance(each, str) or not _VERDICT.fullmatch(each):
                raise BadInput(place, f"{kind_of(each)} is no verdict", "write CATEGORY/SUBCATEGORY or CATEGORY/*")
    for each in answers:
        if key in _ALLOWED_VALUES and each not in _ALLOWED_VALUES[key]:
            raise BadInput(place, f'unknown value "{each}"', f"use {', '.join(_ALLOWED_VALUES[key])}")


def _check_pattern(place: str, pattern: Any) -> None:
    if not isinstance(pattern, str):
        raise BadInput(place, f"expected a pattern, found {kind_of(pattern)}", "put it in quotes")
    try:
        compile_pattern(pattern)
    except PatternError as refused:
        raise BadInput(place, f'not a pattern: "{pattern}": {refused}', "use RE2 syntax") from refused


class CaseFolder:
    """Where the objects of cases are: in the case itself, in the file that it names, or in ``FOLDER/NAME.json``."""

    def __init__(self, cases_file: str, folder: str | None) -> None:
        beside = Path(cases_file if cases_file != "-" else "stdin")
        self._beside = beside.parent
        own = beside.with_suffix("")
        self._folder = Path(folder) if folder is not None else own if own.is_dir() else beside.parent

    def objects_of(self, case: Case) -> InputObjects:
        """Raises BadInput."""
        objects = InputObjects()
        expected = case.expected or {}
        if "objects" in expected:
            raw = msgspec.json.encode(expected["objects"])
            objects.add_input(InputBytes(f"{case.place}.objects", raw))
        elif "file" in expected:
            objects.add_input(read_input(str(self._beside / expected["file"])))
        else:
            objects.add_input(read_input(str(self._find(case))))
        return objects

    def _find(self, case: Case) -> Path:
        if "/" not in case.name:
            for suffix in _SUFFIXES:
                if (path := self._folder / f"{case.name}{suffix}").is_file():
                    return path
        fault = f"no objects: there is no {self._folder / case.name}.json or .yaml"
        raise BadInput(case.place, fault, "add `file: …` or `objects: […]`, or name their folder with --objects")


def differences(case: Case, verdicts: Sequence[Verdict]) -> list[str]:
    """What the verdicts on the failing objects have that the case does not allow, and what they lack; empty: none."""
    if case.expected is None or case.is_healthy:
        return [f"expected that nothing is failing, got {_named(verdict)}" for verdict in verdicts]
    if len(verdicts) != 1:
        return [_not_one(verdicts)]
    (verdict,) = verdicts
    return [*_wrong_fields(case.expected, verdict), *_wrong_words(case.expected, verdict)]


def _not_one(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return "expected a verdict, but nothing is failing, or no rule matched"
    names = ", ".join(_named(verdict) for verdict in verdicts)
    return f"{len(verdicts)} objects are failing ({names}); choose one by `object: KIND/NAME`"


def _named(verdict: Verdict) -> str:
    return f"{verdict.name or 'no category'} (rule {verdict.rule or 'none: the default category'})"


def _wrong_fields(expected: Mapping[str, Any], verdict: Verdict) -> Iterator[str]:
    for key, read in _FIELDS.items():
        if key not in expected:
            continue
        answers = expected[key] if isinstance(expected[key], list) else [expected[key]]
        found = read(verdict)
        if found in answers or (key == "verdicts" and f"{verdict.category}/*" in answers):
            continue
        got = _named(verdict) if key == "verdicts" else _shown(found)
        label = "verdict" if key == "verdicts" else key
        yield f"{label}: expected {' or '.join(map(_shown, answers))}, got {got}"
    highest = expected.get("maxConfidence")
    if highest is not None and CONFIDENCE_RANK[verdict.confidence] > CONFIDENCE_RANK[highest]:
        yield f"confidence: expected at most {highest}, got {verdict.confidence}"


def _wrong_words(expected: Mapping[str, Any], verdict: Verdict) -> Iterator[str]:
    text = f"{verdict.message} {verdict.hint}"
    for pattern in expected.get("says", ()):
        if not compile_pattern(pattern).search(text):
            yield f'message and hint do not say "{pattern}": {text}'
    for pattern in expected.get("silent", ()):
        if compile_pattern(pattern).search(text):
            yield f'message and hint must not say "{pattern}": {text}'


def _shown(value: object) -> str:
    return "none" if value is None or value == "" else str(value)


def verdicts_of(case: Case, objects: InputObjects, classifier: Classifier) -> list[Verdict]:
    """As ``coroner explain`` gives them; of the object alone that the case names. Raises BadInput."""
    explanations = explain_objects(objects, classifier)
    wanted = (case.expected or {}).get("object")
    if wanted is not None:
        explanations = [each for each in explanations if _is_called(each, wanted)]
        if not explanations:
            raise BadInput(f"{case.place}.object", f'no object "{wanted}" with a verdict', "write KIND/NAME")
    return [each.verdict for each in explanations if each.verdict is not None]


def _is_called(explanation: Explanation, wanted: str) -> bool:
    return wanted.lower() in (f"{explanation.kind}/{explanation.name}".lower(), explanation.name.lower())
