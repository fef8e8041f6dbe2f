"""The YAML files of this package, read and compiled once."""

from __future__ import annotations

from importlib import resources

import msgspec
import yaml

from coroner_categorizer.linear_regex import LinearRegex

FILES = (
    "program_output.yaml",
    "stack_traces.yaml",
    "startup_events.yaml",
    "scheduler_phrases.yaml",
    "sidecars.yaml",
)


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One phrase, with the case that shows what it is there for."""

    pattern: str
    example: str
    counterexample: str = ""
    unless: str = ""
    """A pattern; a text that holds it does not count."""


class PhraseList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    entries: tuple[Entry, ...]
    after: str | None = None
    """What may stand between the start of the text and the phrase, as a pattern; None = anything."""
    ignore_case: bool = False


class TraceShape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a runtime prints an uncaught exception: a first line, and frames to the end of the text."""

    runtime: str
    first: str
    """Its first group is what is quoted."""
    frames: tuple[str, ...]
    example: str
    quote: str
    """What is quoted of the example."""
    counterexample: str
    required: str = ""
    """A line that must be among the frames; "" = none."""
    exit_codes: tuple[int, ...] = ()
    """With which the runtime itself ends then; empty = any."""


class StuckReason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: str
    example: str
    once: bool = False
    """Emitted once for each volume, however long it lasts."""


class SchedulerFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    phrase: str
    example: str


class SchedulerPredicate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    predicate: str
    reason: str


class Vocabulary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All lists; the files describe them."""

    error_words: PhraseList
    harmless_levels: PhraseList
    severe_levels: PhraseList
    log_line_starts: PhraseList
    ending_words: PhraseList
    wrapper_lines: PhraseList
    giving_up: PhraseList
    child_ends: PhraseList
    oom_symptoms: PhraseList
    abort_reports: PhraseList
    native_frames: PhraseList
    stack_frames: PhraseList
    noise_lines: PhraseList
    references: PhraseList
    advice: PhraseList
    shutdown_lines: PhraseList
    shutdown_reports: PhraseList
    envelope_lines: PhraseList
    wrapping_exceptions: PhraseList
    causes_above: PhraseList
    stop_reports: PhraseList
    lost_peers: PhraseList
    traces: tuple[TraceShape, ...]
    stuck_reasons: tuple[StuckReason, ...]
    transient_mount_errors: PhraseList
    uninformative_events: PhraseList
    scheduler_filters: tuple[SchedulerFilter, ...]
    scheduler_remarks: PhraseList
    scheduler_predicates: tuple[SchedulerPredicate, ...]
    sidecar_names: PhraseList


class Phrases:
    """A list of phrases, compiled: one search tells whether a text holds any of them."""

    def __init__(self, listed: PhraseList) -> None:
        plain = [e.pattern for e in listed.entries if not e.unless]
        self._any = LinearRegex(_pattern(listed, plain)) if plain else None
        self._conditional = [
            (LinearRegex(_pattern(listed, [e.pattern])), LinearRegex(e.unless)) for e in listed.entries if e.unless
        ]

    def found_in(self, text: str) -> bool:
        if self._any and self._any.found_in(text):
            return True
        return any(phrase.found_in(text) and not unless.found_in(text) for phrase, unless in self._conditional)


def _pattern(listed: PhraseList, patterns: list[str]) -> str:
    start = "" if listed.after is None else f"^{listed.after}"
    return f"{'(?i)' if listed.ignore_case else ''}{start}(?:{'|'.join(patterns)})"


def _load() -> Vocabulary:
    lists: dict[str, object] = {}
    for name in FILES:
        text = resources.files("coroner_categorizer").joinpath(f"vocabulary/{name}").read_text("utf-8")
        # All scalars are read as text; the fields of Vocabulary define which are numbers or booleans.
        lists |= yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    return msgspec.convert(lists, Vocabulary, strict=False)


VOCABULARY = _load()
