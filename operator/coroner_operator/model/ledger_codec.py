"""The ledger as short strings, the form in which a report carries it. The one place that knows this grammar.

    v1 [w<time>] [u<unobserved>] [r<restarts>] [!]     the head: pruned until, compacted unobserved, the restarts by
                                                       rule of pruned pods, incomplete
    #<category>/<subcategory>*<count>[@<time>]     a name, numbered in this order from 0, and what is compacted of it
    <pod>[^<created>][!<deleted since>][+<restarts>]<series>...
                                                      a pod: 8 digits of its hash, its restarts by rule and its series;
                                                      one of the two may be missing
      :<container><ended>[/<compacted>]<entries>     instances; a entry: .<ended - number><entry>
      =<failure>[<entry>]                           a failure without instances; no entry: compacted
    entry = <C|L|U: confidence><name's number>@<time>[~<last_observed>]; D, M, V: that of a consequence

Numbers and times (seconds since 1970) are in base 36. Words are joined by blanks into strings of about 1,000
characters; a pod whose word would be longer has several. The order is fixed: equal ledgers give equal text.

What is read is input: whoever may write ``failurereports/status`` has perhaps written it. It is a ledger that this
code could have written, or it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from coroner_categorizer.verdict import Confidence
from coroner_operator.model.failure_record import is_label_value
from coroner_operator.model.ledger import (
    POD_DIGITS,
    SERIES_DIGITS,
    UNOBSERVED,
    Count,
    Entry,
    Ledger,
    Name,
    PodEntries,
    RestartSeries,
    Series,
    SingleFailure,
)
from coroner_operator.model.ledger_builder import (
    NAMES_LIMIT,
    OPEN_WINDOW,
    PRUNED_RESTARTS_LIMIT,
    RESTARTS_LIMIT,
    SERIES_LIMIT,
)
from coroner_operator.model.observation import END_OF_TIME

STRING_LIMIT = 1024
STRINGS_LIMIT = 1024  # 20,000 series of at most 50 characters fit
_WORD_LIMIT = 512
_VERSION = "v1"

COUNT_LIMIT = 2**53  # far above every real count, and the sum of all names still fits in the CRD's 64 bits
_DIGITS_LIMIT = 11  # of COUNT_LIMIT in base 36
_OPEN_LIMIT = max(window for _, window in OPEN_WINDOW)

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_CONFIDENCES: dict[str, tuple[Confidence, bool]] = {
    "C": ("Confirmed", False),
    "L": ("Likely", False),
    "U": ("Unknown", False),
    "D": ("Confirmed", True),
    "M": ("Likely", True),
    "V": ("Unknown", True),
}
"""With whether the failure is a consequence. Capital letters: the numbers around them have small ones."""
_LETTERS = {meaning: letter for letter, meaning in _CONFIDENCES.items()}

_HEAD = re.compile(r"w([0-9a-z]+)|u([0-9a-z]+)|r([0-9a-z]+)|(!)")
_NAME = re.compile(r"#([\w.-]*)/([\w.-]*)\*([0-9a-z]+)(?:@([0-9a-z]+))?", re.ASCII)
_ENTRY = r"([CLUDMV])([0-9a-z]+)@([0-9a-z]+)(?:~([0-9a-z]+))?"
_POD = re.compile(rf"([\w-]{{{POD_DIGITS}}})(?:\^([0-9a-z]+))?(?:!([0-9a-z]+))?(?:\+([0-9a-z]+))?([:=].+)?", re.ASCII)
_SERIES = re.compile(
    rf"(:[\w-]{{{SERIES_DIGITS}}})([0-9a-z]+)(?:/([0-9a-z]+))?((?:\.[0-9a-z]+[CLUDMV][0-9a-z]+@[0-9a-z]+)*)"
    rf"|(=[\w-]{{{SERIES_DIGITS}}})(?:{_ENTRY})?",
    re.ASCII,
)
_NUMBERED_ENTRY = re.compile(rf"\.([0-9a-z]+){_ENTRY}")


def to_text(ledger: Ledger) -> tuple[str, ...]:
    """At most ``STRINGS_LIMIT`` strings of at most ``STRING_LIMIT`` characters each."""
    names = sorted({*ledger.compacted, *_open_names(ledger)})
    number = {name: base36(i) for i, name in enumerate(names)}
    return tuple(_joined(_words(ledger, number)))


def from_text(strings: Sequence[str], latest: int = END_OF_TIME) -> Ledger | None:
    """None: nothing that this version can read. A word that was damaged by hand is passed over.

    ``latest``: the last time that may occur. Raises ValueError for a ledger that no version can have written.
    """
    words = " ".join(strings).split()
    if not words or words[0] != _VERSION:
        return None
    return _Reader(latest).ledger(words[1:])


def base36(number: int) -> str:
    """Raises ValueError for a negative number."""
    if number < 0:
        raise ValueError(f"{number} is negative")
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits


def _open_names(ledger: Ledger) -> Iterator[Name]:
    for pod in ledger.pods.values():
        for series in pod.series.values():
            if isinstance(series, RestartSeries):
                yield from (entry.name for entry in series.entries.values())
            elif series.entry is not None:
                yield series.entry.name


def _words(ledger: Ledger, number: Mapping[Name, str]) -> Iterator[str]:
    yield _VERSION
    if ledger.pruned_until is not None:
        yield "w" + base36(ledger.pruned_until)
    if ledger.compacted_unobserved:
        yield "u" + base36(ledger.compacted_unobserved)
    if ledger.pruned_restarts_by_rule:
        yield "r" + base36(ledger.pruned_restarts_by_rule)
    if ledger.incomplete:
        yield "!"
    for name in number:
        count, at = ledger.compacted.get(name, Count(0, None))
        yield f"#{name[0]}/{name[1]}*{base36(count)}" + ("" if at is None else "@" + base36(at))
    for pod_id, pod in sorted(ledger.pods.items()):
        head = pod_id if pod.created is None else f"{pod_id}^{base36(pod.created)}"
        head = head if pod.deleted_since is None else f"{head}!{base36(pod.deleted_since)}"
        if pod.restarts_by_rule:
            head += "+" + base36(pod.restarts_by_rule)
        word = head
        for key, series in sorted(pod.series.items()):
            part = key + _series_text(series, number)
            if word != head and len(word) + len(part) > _WORD_LIMIT:
                yield word
                word = head
            word += part
        yield word


def _series_text(series: Series, number: Mapping[Name, str]) -> str:
    if isinstance(series, SingleFailure):
        return "" if series.entry is None else _entry_text(series.entry, number)
    compacted = f"/{base36(series.compacted)}" if series.compacted else ""
    entries = (f".{base36(series.ended - n)}{_entry_text(m, number)}" for n, m in sorted(series.entries.items()))
    return base36(series.ended) + compacted + "".join(entries)


def _entry_text(entry: Entry, number: Mapping[Name, str]) -> str:
    last_observed = "" if entry.last_observed < 0 else "~" + base36(entry.last_observed)
    return f"{_LETTERS[entry.confidence, entry.consequence]}{number[entry.name]}@{base36(entry.at)}{last_observed}"


class _Reader:
    """Reads the words after the version; each method raises ValueError for what cannot have been written."""

    def __init__(self, latest: int) -> None:
        self._latest = latest
        self._names: list[Name] = []
        self._compacted: dict[Name, Count] = {}
        self._pods: dict[str, PodEntries] = {}
        self._pruned_until: int | None = None
        self._compacted_unobserved = 0
        self._incomplete = False
        self._pruned_restarts = 0

    def ledger(self, words: Iterable[str]) -> Ledger:
        for word in words:
            if (found := _POD.fullmatch(word)) and (found[4] or found[5]):
                self._pod(*found.groups())
            elif word.startswith("#"):
                self._name(word)  # never passed over: the names after it would get other numbers
            elif found := _HEAD.fullmatch(word):
                self._head(*found.groups())
        _require(sum(pod.size for pod in self._pods.values()) <= SERIES_LIMIT, "too many series")
        sums = self._compacted.get(UNOBSERVED, Count(0, None))
        _require(self._compacted_unobserved <= sums.total, "more unobserved failures than are in the sums")
        return Ledger(
            self._pods,
            self._compacted,
            self._compacted_unobserved,
            self._pruned_until,
            self._incomplete,
            self._pruned_restarts,
        )

    def _head(
        self, pruned_until: str | None, unobserved: str | None, restarts: str | None, incomplete: str | None
    ) -> None:
        if pruned_until:
            self._pruned_until = self._time(pruned_until)
        if unobserved:
            self._compacted_unobserved = _count(unobserved)
        if restarts:
            self._pruned_restarts = _count(restarts)
            _require(self._pruned_restarts <= PRUNED_RESTARTS_LIMIT, "more restarts than pods can have had")
        self._incomplete = self._incomplete or bool(incomplete)

    def _name(self, word: str) -> None:
        found = _NAME.fullmatch(word)
        category, subcategory, count, at = found.groups() if found else ("", "", "0", None)
        name = (category, subcategory)
        _require(found and is_label_value(category) and is_label_value(subcategory), "a name that is no label's value")
        _require(name not in self._names and len(self._names) < NAMES_LIMIT, "a name twice, or too many names")
        self._names.append(name)
        if total := _count(count):
            self._compacted[name] = Count(total, self._time(at) if at else None)

    def _pod(
        self, pod_id: str, created: str | None, deleted: str | None, restarts: str | None, text: str | None
    ) -> None:
        before = self._pods.get(pod_id) or PodEntries(None, {})
        series = {**before.series, **self._series(text or "")}
        count = max(_count(restarts or "0"), before.restarts_by_rule)
        _require(count <= RESTARTS_LIMIT, "more restarts than a pod can have")
        self._pods[pod_id] = PodEntries(
            self._time(deleted) if deleted else None, series, count, self._time(created) if created else None
        )

    def _series(self, text: str) -> dict[str, Series]:
        read: dict[str, Series] = {}
        for key, ended, compacted, entries, single, *entry in _SERIES.findall(text):
            if single:
                read[single] = SingleFailure(self._entry(*entry) if entry[0] else None)
            else:
                read[key] = self._restarts(_count(ended), _count(compacted or "0"), entries)
        return read

    def _restarts(self, ended: int, compacted: int, text: str) -> RestartSeries:
        _require(0 <= ended - compacted <= _OPEN_LIMIT, "instances that are neither open nor in the sums")
        entries = {ended - _count(back): self._entry(*entry) for back, *entry in _NUMBERED_ENTRY.findall(text)}
        _require(all(compacted < number <= ended for number in entries), "an instance that is not open")
        return RestartSeries(ended, compacted, entries)

    def _entry(self, confidence: str, number: str, at: str, last_observed: str) -> Entry:
        """The groups of ``_ENTRY``."""
        index = _count(number)
        _require(index < len(self._names), "a name that is not listed")
        observed = self._time(last_observed) if last_observed else -1
        known, consequence = _CONFIDENCES[confidence]
        return Entry(self._time(at), observed, known, self._names[index], consequence)

    def _time(self, digits: str) -> int:
        time = _count(digits)
        _require(time <= self._latest, "a time in the future")
        return time


def _count(digits: str) -> int:
    _require(len(digits) <= _DIGITS_LIMIT, "a number that is too large")
    number = int(digits, 36)
    _require(number <= COUNT_LIMIT, "a number that is too large")
    return number


def _require(holds: object, fault: str) -> None:
    if not holds:
        raise ValueError(f"the ledger has {fault}")


def _joined(words: Iterable[str]) -> Iterator[str]:
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > STRING_LIMIT:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
