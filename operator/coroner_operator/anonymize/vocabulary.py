"""Words that identify nobody: those of the default rules, of the recorded phrases, and of file systems.

A name of one such word (``main``, ``worker``) occurs in messages by chance, so it is replaced there only where it is
certainly a name; and what consists of such words only (``site-packages``, ``kube-scheduler``) stays readable.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources
from pathlib import Path

import coroner_categorizer as cc
from coroner_categorizer.categorizer import default_text
from coroner_categorizer.vocabulary.phrases import FILES

_WORD = re.compile(r"[a-z]{2,}")
_LONG_NUMBER = re.compile(r"[0-9]{4}")
_CONSTANT = re.compile(r"[A-Za-z0-9]{2,128}")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

# Path segments, domains of well-known projects, and parts of common messages that no rule has.
_MORE = """
amazonaws api apis app apps bin boot blobs cgroup conda cu dev dist etc github google home http https include
io json lib libexec local log logs manifests media microsoft mnt module modules multi node non opt org pkg pre
proc python re root run sbin service sh site slice snapshotter so source src srv sub sys tekton tmp usr users
var venv volume workspace yaml serviceaccount token livez readyz healthz ready health metrics default kube
public system lease utf ascii false random fine trained epoch dataset datasets checkpoint
"""

# Parts of the reasons, condition types and phases of Kubernetes and of well-known controllers that no rule has.
_MORE_OF_REASONS = """
added aware canary completions created creating deferred evict evicted gated groups informer initializing loop off
paused pause progressing replica requeued resize resumed resuming revision rolling rollout scaling stopping succeeded
success successful suspended unavailable update updated updating utilization vpa attach detach pulling pulled
"""


@lru_cache(maxsize=1)
def words() -> frozenset[str]:
    """In lower case, without digits."""
    vocabulary = resources.files("coroner_categorizer") / "vocabulary"
    text = "\n".join((_MORE, default_text(), *((vocabulary / name).read_text("utf-8") for name in FILES)))
    return frozenset(_WORD.findall(text.lower()))


@lru_cache(maxsize=1)
def _compared() -> frozenset[str]:
    """Every identifier and constant of the categorizer, and the values by which the presets know how a kind ends."""
    package = Path(str(resources.files("coroner_categorizer")))
    presets = resources.files("coroner_operator.config") / "presets.yaml"
    texts = (*(file.read_text("utf-8") for file in package.rglob("*.py")), presets.read_text("utf-8"))
    return frozenset(_CONSTANT.findall("\n".join(texts)))


def is_plain_reason(reason: str) -> bool:
    """Of a reason, a condition type or a phase in CamelCase: whether it identifies nobody."""
    if reason in _compared() or reason.lower() in words():
        return True
    parts = _CAMEL.findall(reason)
    known = words() | _reason_words()
    return not _has_long_number(reason) and all(len(part) == 1 or part.lower() in known for part in parts)


@lru_cache(maxsize=1)
def _reason_words() -> frozenset[str]:
    return frozenset(_MORE_OF_REASONS.split())


@lru_cache(maxsize=1)
def ruled_containers() -> frozenset[str]:
    """Names of containers that the default rules are about, such as those of Spark and Flink."""
    return frozenset(rule.container for rule in cc.default().rules if rule.container)


def is_plain(text: str) -> bool:
    """Whether every word of the text is known; up to 3 digits, single letters and punctuation say nothing.

    A letter outside ASCII is of no known word; 4 digits may be a number of a person, a customer or an account.
    """
    if not text.isascii() and any(letter.isalpha() and not letter.isascii() for letter in text):
        return False
    return not _has_long_number(text) and all(word in words() for word in _WORD.findall(text.lower()))


def _has_long_number(text: str) -> bool:
    return _LONG_NUMBER.search(text) is not None
