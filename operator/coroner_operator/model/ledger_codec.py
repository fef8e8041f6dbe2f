"""The ledger as short strings, the form in which a report carries it. The one place that knows this grammar.

    v1 [w<time>] [u<unobserved>] [!]                   the head: forgotten until, compacted unobserved, incomplete
    #<category>/<subcategory>*<count>[@<time>]     a name, numbered in this order from 0, and what is compacted of it
    <pod>[!<deleted since>]<series>...                a pod: 8 digits of its hash, and its series
      :<container><ended>[/<compacted>]<entries>     instances; a entry: .<ended - number><entry>
      =<failure>[<entry>]                           a failure without instances; no entry: compacted
    entry = <C|L|U: confidence><name's number>@<time>[~<last_observed>]

Numbers and times (seconds since 1970) are in base 36. Words are joined by blanks into strings of about 1,000
characters; a pod whose word would be longer has several. The order is fixed: equal ledgers give equal text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from coroner_categorizer.verdict import Confidence
from coroner_operator.model.ledger import (
    POD_DIGITS,
    SERIES_DIGITS,
    Count,
    Entry,
    Ledger,
    Name,
    PodEntries,
    RestartSeries,
    Series,
    SingleFailure,
)

STRING_LIMIT = 1024
STRINGS_LIMIT = 1024  # 20,000 series of at most 50 characters fit
_WORD_LIMIT = 512
_VERSION = "v1"

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_CONFIDENCES: dict[str, Confidence] = {"C": "Confirmed", "L": "Likely", "U": "Unknown"}

_HEAD = re.compile(r"w([0-9a-z]+)|u([0-9a-z]+)|(!)")
_NAME = re.compile(r"#([^/]*)/([^*]*)\*([0-9a-z]+)(?:@([0-9a-z]+))?")
_ENTRY = r"([CLU])([0-9a-z]+)@([0-9a-z]+)(?:~([0-9a-z]+))?"
_POD = re.compile(rf"([\w-]{{{POD_DIGITS}}})(?:!([0-9a-z]+))?([:=].+)", re.ASCII)
_SERIES = re.compile(
    rf"(:[\w-]{{{SERIES_DIGITS}}})([0-9a-z]+)(?:/([0-9a-z]+))?((?:\.[0-9a-z]+[CLU][0-9a-z]+@[0-9a-z]+)*)"
    rf"|(=[\w-]{{{SERIES_DIGITS}}})(?:{_ENTRY})?",
    re.ASCII,
)
_NUMBERED_ENTRY = re.compile(rf"\.([0-9a-z]+){_ENTRY}")


def to_text(ledger: Ledger) -> tuple[str, ...]:
    """At most ``STRINGS_LIMIT`` strings of at most ``STRING_LIMIT`` characters each."""
    names = sorted({*ledger.compacted, *_open_names(ledger)})
    number = {name: base36(i) for i, name in enumerate(names)}
    return tuple(_joined(_words(ledger, number)))


def from_text(strings: Sequence[str]) -> Ledger | None:
    """None: no ledger that this version can read. A word that was damaged by hand is passed over."""
    words = " ".join(strings).split()
    if not words or words[0] != _VERSION:
        return None
    names: list[Name] = []
    compacted: dict[Name, Count] = {}
    pods: dict[str, PodEntries] = {}
    pruned_until, compacted_unobserved, incomplete = None, 0, False
    for word in words[1:]:
        if found := _POD.fullmatch(word):
            pod_id, deleted, series = found.groups()
            before = pods.get(pod_id)
            series_by_key = {**before.series, **_series(series, names)} if before else _series(series, names)
            pods[pod_id] = PodEntries(_time(deleted), series_by_key)
        elif found := _NAME.fullmatch(word):
            category, subcategory, count, at = found.groups()
            names.append((category, subcategory))
            if int(count, 36):
                compacted[category, subcategory] = Count(int(count, 36), _time(at))
        elif found := _HEAD.fullmatch(word):
            until, unobserved, entry = found.groups()
            pruned_until = _time(until) if until else pruned_until
            compacted_unobserved = int(unobserved, 36) if unobserved else compacted_unobserved
            incomplete = incomplete or bool(entry)
    return Ledger(pods, compacted, compacted_unobserved, pruned_until, incomplete)


def base36(number: int) -> str:
    """Of a number that is not negative."""
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
    if ledger.incomplete:
        yield "!"
    for name in number:
        count, at = ledger.compacted.get(name, Count(0, None))
        yield f"#{name[0]}/{name[1]}*{base36(count)}" + ("" if at is None else "@" + base36(at))
    for pod_id, pod in sorted(ledger.pods.items()):
        head = pod_id if pod.deleted_since is None else f"{pod_id}!{base36(pod.deleted_since)}"
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
    return f"{entry.confidence[0]}{number[entry.name]}@{base36(entry.at)}{last_observed}"


def _series(text: str, names: Sequence[Name]) -> dict[str, Series]:
    read: dict[str, Series] = {}
    for key, ended, compacted, entries, once, *entry in _SERIES.findall(text):
        if once:
            read[once] = SingleFailure(_entry(entry, names) if entry[0] else None)
            continue
        last = int(ended, 36)
        numbered = {
            last - int(back, 36): found
            for back, *parts in _NUMBERED_ENTRY.findall(entries)
            if (found := _entry(parts, names)) is not None
        }
        read[key] = RestartSeries(last, int(compacted, 36) if compacted else 0, numbered)
    return read


def _entry(parts: Sequence[str], names: Sequence[Name]) -> Entry | None:
    """``parts``: the four groups of ``_ENTRY``."""
    confidence, number, at, last_observed = parts
    index = int(number, 36)
    if index >= len(names):
        return None
    return Entry(int(at, 36), int(last_observed, 36) if last_observed else -1, _CONFIDENCES[confidence], names[index])


def _time(digits: str | None) -> int | None:
    return int(digits, 36) if digits else None


def _joined(words: Iterable[str]) -> Iterator[str]:
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > STRING_LIMIT:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
