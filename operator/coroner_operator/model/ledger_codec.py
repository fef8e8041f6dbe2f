"""The ledger as short strings, the form in which a report carries it. The one place that knows this grammar.

    v1 [w<time>] [u<unseen>] [!]                   the head: forgotten until, settled unseen, incomplete
    #<category>/<subcategory>*<count>[@<time>]     a name, numbered in this order from 0, and what is settled of it
    <pod>[!<gone since>]<series>...                a pod: 8 digits of its hash, and its series
      :<container><through>[/<settled>]<marks>     instances; a mark: .<through - number><mark>
      =<failure>[<mark>]                           a failure without instances; no mark: settled
    mark = <C|L|U: confidence><name's number>@<time>[~<seen>]

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
    Ended,
    Ledger,
    Mark,
    Name,
    Once,
    PodMarks,
    Series,
    Tally,
)

STRING_LIMIT = 1024
STRINGS_LIMIT = 1024  # 20,000 series of at most 50 characters fit
_WORD_LIMIT = 512
_VERSION = "v1"

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_CONFIDENCES: dict[str, Confidence] = {"C": "Confirmed", "L": "Likely", "U": "Unknown"}

_HEAD = re.compile(r"w([0-9a-z]+)|u([0-9a-z]+)|(!)")
_NAME = re.compile(r"#([^/]*)/([^*]*)\*([0-9a-z]+)(?:@([0-9a-z]+))?")
_MARK = r"([CLU])([0-9a-z]+)@([0-9a-z]+)(?:~([0-9a-z]+))?"
_POD = re.compile(rf"([\w-]{{{POD_DIGITS}}})(?:!([0-9a-z]+))?([:=].+)", re.ASCII)
_SERIES = re.compile(
    rf"(:[\w-]{{{SERIES_DIGITS}}})([0-9a-z]+)(?:/([0-9a-z]+))?((?:\.[0-9a-z]+[CLU][0-9a-z]+@[0-9a-z]+)*)"
    rf"|(=[\w-]{{{SERIES_DIGITS}}})(?:{_MARK})?",
    re.ASCII,
)
_NUMBERED_MARK = re.compile(rf"\.([0-9a-z]+){_MARK}")


def to_text(ledger: Ledger) -> tuple[str, ...]:
    """At most ``STRINGS_LIMIT`` strings of at most ``STRING_LIMIT`` characters each."""
    names = sorted({*ledger.settled, *_open_names(ledger)})
    number = {name: base36(i) for i, name in enumerate(names)}
    return tuple(_joined(_words(ledger, number)))


def from_text(strings: Sequence[str]) -> Ledger | None:
    """None: no ledger that this version can read. A word that was damaged by hand is passed over."""
    words = " ".join(strings).split()
    if not words or words[0] != _VERSION:
        return None
    names: list[Name] = []
    settled: dict[Name, Tally] = {}
    pods: dict[str, PodMarks] = {}
    forgotten_until, settled_unseen, incomplete = None, 0, False
    for word in words[1:]:
        if found := _POD.fullmatch(word):
            pod_id, gone, series = found.groups()
            before = pods.get(pod_id)
            series_by_key = {**before.series, **_series(series, names)} if before else _series(series, names)
            pods[pod_id] = PodMarks(_time(gone), series_by_key)
        elif found := _NAME.fullmatch(word):
            category, subcategory, count, at = found.groups()
            names.append((category, subcategory))
            if int(count, 36):
                settled[category, subcategory] = Tally(int(count, 36), _time(at))
        elif found := _HEAD.fullmatch(word):
            until, unseen, mark = found.groups()
            forgotten_until = _time(until) if until else forgotten_until
            settled_unseen = int(unseen, 36) if unseen else settled_unseen
            incomplete = incomplete or bool(mark)
    return Ledger(pods, settled, settled_unseen, forgotten_until, incomplete)


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
            if isinstance(series, Ended):
                yield from (mark.name for mark in series.marks.values())
            elif series.mark is not None:
                yield series.mark.name


def _words(ledger: Ledger, number: Mapping[Name, str]) -> Iterator[str]:
    yield _VERSION
    if ledger.forgotten_until is not None:
        yield "w" + base36(ledger.forgotten_until)
    if ledger.settled_unseen:
        yield "u" + base36(ledger.settled_unseen)
    if ledger.incomplete:
        yield "!"
    for name in number:
        count, at = ledger.settled.get(name, Tally(0, None))
        yield f"#{name[0]}/{name[1]}*{base36(count)}" + ("" if at is None else "@" + base36(at))
    for pod_id, pod in sorted(ledger.pods.items()):
        head = pod_id if pod.gone_since is None else f"{pod_id}!{base36(pod.gone_since)}"
        word = head
        for key, series in sorted(pod.series.items()):
            part = key + _series_text(series, number)
            if word != head and len(word) + len(part) > _WORD_LIMIT:
                yield word
                word = head
            word += part
        yield word


def _series_text(series: Series, number: Mapping[Name, str]) -> str:
    if isinstance(series, Once):
        return "" if series.mark is None else _mark_text(series.mark, number)
    settled = f"/{base36(series.settled)}" if series.settled else ""
    marks = (f".{base36(series.through - n)}{_mark_text(m, number)}" for n, m in sorted(series.marks.items()))
    return base36(series.through) + settled + "".join(marks)


def _mark_text(mark: Mark, number: Mapping[Name, str]) -> str:
    seen = "" if mark.seen < 0 else "~" + base36(mark.seen)
    return f"{mark.confidence[0]}{number[mark.name]}@{base36(mark.at)}{seen}"


def _series(text: str, names: Sequence[Name]) -> dict[str, Series]:
    read: dict[str, Series] = {}
    for key, through, settled, marks, once, *mark in _SERIES.findall(text):
        if once:
            read[once] = Once(_mark(mark, names) if mark[0] else None)
            continue
        last = int(through, 36)
        numbered = {
            last - int(back, 36): found
            for back, *parts in _NUMBERED_MARK.findall(marks)
            if (found := _mark(parts, names)) is not None
        }
        read[key] = Ended(last, int(settled, 36) if settled else 0, numbered)
    return read


def _mark(parts: Sequence[str], names: Sequence[Name]) -> Mark | None:
    """``parts``: the four groups of ``_MARK``."""
    confidence, number, at, seen = parts
    index = int(number, 36)
    if index >= len(names):
        return None
    return Mark(int(at, 36), int(seen, 36) if seen else -1, _CONFIDENCES[confidence], names[index])


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
