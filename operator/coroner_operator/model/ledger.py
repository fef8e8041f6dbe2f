"""Which failures have been counted: every one once, whatever is replayed (docs/adr/0003-ledger.md).

Kept per pod and *series*. A container's ended instances are one series, numbered by the kubelet's restart count, so
that instances nobody saw are known by the gap in the numbers. Everything else (the pod's own failures, waits) is a
series of one. The newest instances stay *open*: what they count for may still change. Older ones are *settled* into
plain sums. Nothing here reads a clock.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from coroner_categorizer.verdict import Confidence, Identity
from coroner_operator.model.failure_record import is_answer, is_known

Name = tuple[str, str]
"""Category and subcategory."""

UNSEEN: Name = ("unknown", "uncategorized")
"""What an instance counts for that ended between two looks."""

POD_DIGITS = 8  # 48 bits: two of 10,000 pods of one workload collide once in five million workloads
SERIES_DIGITS = 5  # 30 bits, within one pod


class Mark(NamedTuple):
    """What one open failure counts for. Times are seconds since 1970."""

    at: int
    seen: int
    """Last look at a failure that still waits; -1 for all others."""
    confidence: Confidence
    name: Name

    @property
    def order(self) -> tuple[int, bool, int, int, bool, Name]:
        """As far as it goes the same as ``Record.order``: of two looks at one failure the greater one holds."""
        sureness = ("Unknown", "Likely", "Confirmed").index(self.confidence)
        return (self.at, self.is_answer, self.seen, sureness, is_known(self.name[0]), self.name)

    @property
    def is_answer(self) -> bool:
        """As ``Record.is_answer``."""
        return is_answer(self.confidence, self.name[0])


class Ended(NamedTuple):
    """The ended instances of one container of one pod, numbered from 1."""

    through: int
    """This many have ended, as the kubelet counts them."""
    settled: int
    """Those numbered up to this one are in the sums for good."""
    marks: Mapping[int, Mark]
    """The others that were seen, by number."""

    @property
    def unseen(self) -> int:
        """How many of the open ones nobody saw."""
        return self.through - self.settled - len(self.marks)


class Once(NamedTuple):
    """A failure that has no instances; None once it is settled."""

    mark: Mark | None


Series = Ended | Once


class PodMarks(NamedTuple):
    gone_since: int | None
    """Since when the pod is known to be gone; None: it lives, as far as we know."""
    series: Mapping[str, Series]


class Tally(NamedTuple):
    """How many failures of one name, and when the newest of them was."""

    total: int
    last_at: int | None


class Ledger(msgspec.Struct, frozen=True):
    """Never changed in place: ``LedgerDraft`` makes the next one."""

    pods: Mapping[str, PodMarks] = {}
    """By the pod's short hash."""
    settled: Mapping[Name, Tally] = {}
    """The sums of all that is not open any more."""
    settled_unseen: int = 0
    """How many of the settled were never seen; they are in ``settled[UNSEEN]`` too."""
    forgotten_until: int | None = None
    """A pod of which nothing is known and that was seen at this time or before may have been counted and forgotten."""
    incomplete: bool = False
    """Something was not counted rather than counted twice: the sums are lower bounds."""

    def tallies(self) -> dict[Name, Tally]:
        """All failures by what they count for."""
        counts: defaultdict[Name, int] = defaultdict(int)
        last: dict[Name, int] = {}
        for name, tally in self.settled.items():
            counts[name] += tally.total
            if tally.last_at is not None:
                last[name] = tally.last_at
        for pod in self.pods.values():
            for series in pod.series.values():
                for mark in _marks(series):
                    counts[mark.name] += 1
                    last[mark.name] = max(mark.at, last.get(mark.name, 0))
                if isinstance(series, Ended) and series.unseen:
                    counts[UNSEEN] += series.unseen
        return {name: Tally(count, last.get(name)) for name, count in counts.items()}

    @property
    def unseen(self) -> int:
        """How many failures are known from their numbers only."""
        return self.settled_unseen + sum(
            series.unseen for pod in self.pods.values() for series in pod.series.values() if isinstance(series, Ended)
        )

    def without_looks(self) -> Ledger:
        """The same without the times of looks at failures that still wait."""
        pods = {
            pod_id: pod._replace(series={key: _without_look(series) for key, series in pod.series.items()})
            for pod_id, pod in self.pods.items()
        }
        return msgspec.structs.replace(self, pods=pods)


def _without_look(series: Series) -> Series:
    return Once(series.mark._replace(seen=-1)) if isinstance(series, Once) and series.mark else series


def _marks(series: Series) -> Iterable[Mark]:
    match series:
        case Once(mark=mark):
            return () if mark is None else (mark,)
        case Ended(marks=marks):
            return marks.values()


def failure_id(identity: Identity, number: int | None) -> str:
    """A short name of the failure, the same however often it is seen; sorts by pod, then container."""
    return f"{pod_key(identity)}{series_key(identity, number)}{'' if number is None else f'.{number}'}"


def pod_key(identity: Identity) -> str:
    return short_hash(identity.pod_uid, POD_DIGITS)


def series_key(identity: Identity, number: int | None) -> str:
    """``:`` and the container for its instances; ``=`` and what went wrong for a failure without instances."""
    if number is not None:
        return ":" + short_hash(identity.container, SERIES_DIGITS)
    return "=" + short_hash(f"{identity.container}\0{identity.instance}", SERIES_DIGITS)


def short_hash(text: str, digits: int) -> str:
    """Of the alphabet A-Z, a-z, 0-9, ``-``, ``_``; 6 bits a digit."""
    return urlsafe_b64encode(blake2b(text.encode("utf-8", "replace"), digest_size=6).digest())[:digits].decode()
