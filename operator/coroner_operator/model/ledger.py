"""Which failures have been counted: every one once, whatever is replayed (docs/adr/0003-ledger.md).

Kept per pod and *series*. A container's ended instances are one series, numbered by the kubelet's restart count, so
that instances nobody saw are known by the gap in the numbers. Everything else (the pod's own failures, waits) is a
series of one. The newest instances stay *open*: what they count for may still change. Older ones are *compacted* into
plain sums. Nothing here reads a clock.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from coroner_categorizer.verdict import Confidence, FailureKey
from coroner_operator.model.failure_record import is_explained, is_known

Name = tuple[str, str]
"""Category and subcategory."""

UNOBSERVED: Name = ("unknown", "uncategorized")
"""What an instance counts for that ended between two observations."""

POD_DIGITS = 8  # 48 bits: two of 10,000 pods of one workload collide once in five million workloads
SERIES_DIGITS = 5  # 30 bits, within one pod


class Entry(NamedTuple):
    """What one open failure counts for. Times are seconds since 1970."""

    at: int
    last_observed: int
    """Last observation of a failure that still waits; -1 for all others."""
    confidence: Confidence
    name: Name
    consequence: bool = False
    """As ``Failure.consequence``."""

    @property
    def order(self) -> tuple[int, bool, int, int, bool, Name, bool]:
        """As far as it goes the same as ``FailureRecord.order``: of two observations the greater one is kept."""
        sureness = ("Unknown", "Likely", "Confirmed").index(self.confidence)
        return (
            self.at,
            self.is_explained,
            self.last_observed,
            sureness,
            is_known(self.name[0]),
            self.name,
            self.consequence,
        )

    @property
    def is_explained(self) -> bool:
        """As ``FailureRecord.is_explained``."""
        return is_explained(self.confidence, self.name[0])


class RestartSeries(NamedTuple):
    """The ended instances of one container of one pod, numbered from 1."""

    ended: int
    """This many have ended, as the kubelet counts them."""
    compacted: int
    """Those numbered up to this one are in the sums and stay there."""
    entries: Mapping[int, Entry]
    """The others that were observed, by number."""

    @property
    def unobserved(self) -> int:
        """How many of the open ones nobody saw."""
        return self.ended - self.compacted - len(self.entries)


class SingleFailure(NamedTuple):
    """A failure that has no instances; None once it is compacted."""

    entry: Entry | None


Series = RestartSeries | SingleFailure


class PodEntries(NamedTuple):
    deleted_since: int | None
    """Since when the pod is known to be deleted; None: it lives, as far as we know."""
    series: Mapping[str, Series]
    restarts_by_rule: int = 0
    """How often its restartPolicyRules have restarted its containers: no failures."""
    created: int | None = None
    """Seconds since 1970; None: not known, or none of its entries is open."""

    @property
    def size(self) -> int:
        """How many parts it has in the written ledger."""
        return len(self.series) + (self.restarts_by_rule > 0)

    @property
    def entries(self) -> Iterator[Entry]:
        """Those that are open."""
        for series in self.series.values():
            yield from _entries(series)

    @property
    def ends(self) -> Iterator[int]:
        """When its open failures happened, without those that it still waits for."""
        return (entry.at for entry in self.entries if entry.last_observed < 0)


class Count(NamedTuple):
    """How many failures of one name, and when the newest of them was."""

    total: int
    last_at: int | None


class Ledger(msgspec.Struct, frozen=True):
    """Never changed in place: ``LedgerBuilder`` makes the next one."""

    pods: Mapping[str, PodEntries] = {}
    """By the pod's short hash."""
    compacted: Mapping[Name, Count] = {}
    """The sums of all that is not open any more."""
    compacted_unobserved: int = 0
    """How many of the compacted were never observed; they are in ``compacted[UNOBSERVED]`` too."""
    pruned_until: int | None = None
    """A pod of which nothing is known, observed at this time or before, may have been counted and pruned since."""
    incomplete: bool = False
    """Something was not counted rather than counted twice: the sums are lower bounds."""
    pruned_restarts_by_rule: int = 0
    """The sum of those of all pods that were pruned."""

    def counts(self) -> dict[Name, Count]:
        """All failures by what they count for."""
        counts: defaultdict[Name, int] = defaultdict(int)
        last: dict[Name, int] = {}
        for name, count in self.compacted.items():
            counts[name] += count.total
            if count.last_at is not None:
                last[name] = count.last_at
        for pod in self.pods.values():
            for series in pod.series.values():
                for entry in _entries(series):
                    counts[entry.name] += 1
                    last[entry.name] = max(entry.at, last.get(entry.name, 0))
                if isinstance(series, RestartSeries) and series.unobserved:
                    counts[UNOBSERVED] += series.unobserved
        return {name: Count(count, last.get(name)) for name, count in counts.items()}

    @property
    def unobserved(self) -> int:
        """How many failures are known from their numbers only."""
        return self.compacted_unobserved + sum(
            series.unobserved
            for pod in self.pods.values()
            for series in pod.series.values()
            if isinstance(series, RestartSeries)
        )

    @property
    def restarts_by_rule(self) -> int:
        """How often the rules of pods have restarted their containers."""
        return self.pruned_restarts_by_rule + sum(pod.restarts_by_rule for pod in self.pods.values())

    def without_observation_times(self) -> Ledger:
        """The same without the times at which failures that still wait were observed last."""
        pods = {
            pod_id: pod._replace(series={key: _without_observation_time(series) for key, series in pod.series.items()})
            for pod_id, pod in self.pods.items()
        }
        return msgspec.structs.replace(self, pods=pods)


def _without_observation_time(series: Series) -> Series:
    return (
        SingleFailure(series.entry._replace(last_observed=-1))
        if isinstance(series, SingleFailure) and series.entry
        else series
    )


def _entries(series: Series) -> Iterable[Entry]:
    match series:
        case SingleFailure(entry=entry):
            return () if entry is None else (entry,)
        case RestartSeries(entries=entries):
            return entries.values()


def failure_id(identity: FailureKey, number: int | None) -> str:
    """A short name of the failure, the same however often it is observed; sorts by pod, then container."""
    return f"{pod_key(identity)}{series_key(identity, number)}{'' if number is None else f'.{number}'}"


def pod_key(identity: FailureKey) -> str:
    return short_hash(identity.pod_uid, POD_DIGITS)


def series_key(identity: FailureKey, number: int | None) -> str:
    """``:`` and the container for its instances; ``=`` and what went wrong for a failure without instances."""
    if number is not None:
        return ":" + short_hash(identity.container, SERIES_DIGITS)
    return "=" + short_hash(f"{identity.container}\0{identity.instance}", SERIES_DIGITS)


def short_hash(text: str, digits: int) -> str:
    """Of the alphabet A-Z, a-z, 0-9, ``-``, ``_``; 6 bits a digit."""
    return urlsafe_b64encode(blake2b(text.encode("utf-8", "replace"), digest_size=6).digest())[:digits].decode()
