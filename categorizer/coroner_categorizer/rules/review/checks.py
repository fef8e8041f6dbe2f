"""The checks. Each finding is a FieldError: where, what is wrong, and what to do; such rules can be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import re2

from coroner_categorizer.findings.collect import FINDING_NAMES
from coroner_categorizer.rules.field_path import FieldError, Path
from coroner_categorizer.rules.matchers import (
    Matcher,
    OnConditions,
    OnExitCodes,
    OnPodConditions,
    OnPodEvents,
    OnReasons,
)
from coroner_categorizer.rules.review.implication import implies, is_shadowed, possible_codes
from coroner_categorizer.rules.review.patterns import (
    asks_for_some_text,
    is_any_text,
    matches_every_text,
    never_matches,
)
from coroner_categorizer.rules.rule import Rule
from coroner_categorizer.rules.yaml_reader import NAME_LIMIT, closest

if TYPE_CHECKING:
    from coroner_categorizer.rules.parser import RuleSet

_LABEL = re2.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")
_TYPO = 0.9
"""How alike two reasons are if one is a misspelling: ``OOMKiled`` is, ``OutOfgpu`` (a device of one's own) is none."""
_COMPARED = 1_000  # earlier rules that a rule is compared with: a file of 4 MiB may have tens of thousands

KNOWN_REASONS = frozenset(
    {
        *("OOMKilled", "Error", "Completed", "ContainerCannotRun", "StartError", "ContainerStatusUnknown"),
        *("CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName"),
        *("ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed", "CreateContainerConfigError"),
        *("CreateContainerError", "RunContainerError", "PostStartHookError", "DeadlineExceeded", "Evicted"),
        *("NodeLost", "NodeShutdown", "NodeAffinity", "Terminated", "Preempting", "UnexpectedAdmissionError"),
        *("OutOfcpu", "OutOfmemory", "OutOfpods", "OutOfephemeral-storage", "TopologyAffinityError"),
        *("PreemptionByScheduler", "DeletionByTaintManager", "EvictionByEvictionAPI", "DeletionByPodGC"),
        *("TerminationByKubelet", "FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox"),
        *("FailedCreatePodSandbox", "FailedCreatePodContainer", "PreemptionByKubeScheduler"),
        *FINDING_NAMES,
    }
)
"""Of Kubernetes (pkg/kubelet/{images,kuberuntime,lifecycle,eviction}, api/core/v1) and Coroner. Others are allowed."""
_POD_CONDITIONS = frozenset(
    {
        *("PodScheduled", "Initialized", "ContainersReady", "Ready", "DisruptionTarget"),
        *("PodReadyToStartContainers", "PodResizePending", "PodResizeInProgress"),
    }
)


def review(rule_set: RuleSet) -> list[FieldError]:
    """Everything that is probably not meant, in the order of the document; without lines."""
    found = list(_names(rule_set))
    for index, rule in enumerate(rule_set.rules):
        has_later = rule_set.extends_default or index + 1 < len(rule_set.rules)
        own = list(_rule(rule, has_later=has_later))
        found += own
        if not any(each.path == str(rule.path) for each in own):  # a rule that never matches is not shadowed as well
            found += _shadowed(rule, rule_set.rules[:index][:_COMPARED], whole_pod=rule_set.precedence == "Rules")
    return found


def _names(rule_set: RuleSet) -> Iterator[FieldError]:
    """Of categories and subcategories, which become label values."""
    for key, default in (
        ("defaultCategory", rule_set.default_category),
        ("defaultSubcategory", rule_set.default_subcategory),
    ):
        yield from _label(default, rule_set.path / key)
    seen: set[str] = set()
    for rule in rule_set.rules:
        if rule.category not in seen:
            seen.add(rule.category)
            yield from _label(rule.category, Path(rule.path.parts[:-2]) / "name")
        yield from _label(rule.subcategory, rule.path / "subcategory")


def _label(name: str, path: Path) -> Iterator[FieldError]:
    if name and not _LABEL.fullmatch(name):
        detail = f'"{name}" is not a valid label value, and is changed to one on reports'
        remedy = f"use letters, digits, - _ and . only, with a letter or digit at both ends, at most {NAME_LIMIT}"
        yield FieldError(str(path), detail, remedy)


def _rule(rule: Rule, *, has_later: bool) -> Iterator[FieldError]:
    """What can be said of a rule by itself."""
    for matcher, path in (
        *((each, rule.path / each.key) for each in rule.matchers),
        *((each, rule.path / "unless" / each.key) for each in rule.unless),
    ):
        yield from _values(matcher, path)
        is_alone = len(rule.matchers) == 1 and has_later
        for _, pattern in matcher.patterns:
            yield from _pattern(pattern, matcher, path, is_alone=is_alone)
    if rule.container and not _reads_container(rule):
        keys = " and ".join(matcher.key for matcher in rule.matchers)
        yield _error(rule.path / "containerName", f"has no effect: {keys} is about the pod", "remove it")
    yield from _contradiction(rule)


def _values(matcher: Matcher, path: Path) -> Iterator[FieldError]:
    match matcher:
        case OnExitCodes(operator="In", values=values) if 0 in values:
            detail = "0 never matches: a container that ended with it has not failed"
            yield _error(path / "values", detail, "remove it" if len(values) > 1 else "use another code")
        case OnReasons(reasons=reasons):
            for index, reason in enumerate(reasons):
                yield from _typo(reason, KNOWN_REASONS, path / index, "reason")
        case OnPodConditions(type=type_):
            yield from _typo(type_, _POD_CONDITIONS, path / "type", "pod condition type")


def _typo(word: str, known: frozenset[str], path: Path, what: str) -> Iterator[FieldError]:
    close = None if word in known else closest(word, sorted(known), cutoff=_TYPO)
    if close:
        yield _error(path, f'"{word}" is not a known {what}', f'did you mean "{close}"?')


def _pattern(pattern: str, matcher: Matcher, path: Path, *, is_alone: bool) -> Iterator[FieldError]:
    at = path / ("regexp" if isinstance(matcher, OnPodEvents) else "pattern")
    needs_any = isinstance(matcher, OnPodEvents) and bool(matcher.reason)  # regexp is required beside the reason
    if never_matches(pattern):
        yield _error(at, "is found in the empty text only, in which nothing is searched", "give a text to look for")
    elif is_any_text(pattern):
        # "." beside another matcher asks for a text, whatever it is; a named group makes a fact of it.
        is_meant = needs_any or "(?P<" in pattern or (asks_for_some_text(pattern) and not is_alone)
        if not is_meant:
            remedy = "give a text to look for" if is_alone else 'give a text to look for, or "." if any will do'
            yield _error(at, "matches every text but the empty one", remedy)
    elif matches_every_text(pattern):
        yield _error(at, "matches every text, because it can match nothing at all", "make a part of it required")


def _reads_container(rule: Rule) -> bool:
    return any(
        matcher.scope != "pod" or (isinstance(matcher, OnConditions) and "OOMKilled" in matcher.names)
        for matcher in rule.matchers
    )


def _contradiction(rule: Rule) -> Iterator[FieldError]:
    """A rule that matches nothing."""
    if possible_codes(rule.matchers).is_empty:
        if len([m for m in rule.matchers if m.key in ("onExitCodes", "onSignals")]) > 1:
            detail = "never matches: onExitCodes and onSignals have no exit code in common"
            yield _error(rule.path, detail, "remove one of the two")
        return
    for exception in rule.unless:
        if any(implies(matcher, exception) for matcher in rule.matchers):
            detail = f"never matches: unless.{exception.key} excludes whatever the rule matches"
            yield _error(rule.path, detail, "narrow the exception")
            return


def _shadowed(rule: Rule, earlier: Sequence[Rule], *, whole_pod: bool) -> Iterable[FieldError]:
    if possible_codes(rule.matchers).is_empty:
        return []
    by = next((each for each in earlier if is_shadowed(rule, each, whole_pod=whole_pod)), None)
    if by is None:
        return []
    detail = f'never decides: rule "{by.id}" comes first and matches whatever this one matches'
    if whole_pod and by.category != rule.category:
        detail += f'; it only adds "{rule.category}" to the verdict\'s categories'
    return [_error(rule.path, detail, "move it up, or remove it")]


def _error(path: Path, detail: str, remedy: str) -> FieldError:
    return FieldError(str(path), detail, remedy)
