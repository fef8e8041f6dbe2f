"""How a ledger changes: failures are recorded once, pods that are gone are forgotten, the old is settled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from coroner_categorizer.verdict import Identity
from coroner_operator.model.ledger import (
    POD_DIGITS,
    UNSEEN,
    Ended,
    Ledger,
    Mark,
    Name,
    Once,
    PodMarks,
    Series,
    Tally,
    pod_key,
    series_key,
    short_hash,
)
from coroner_operator.model.merge_order import holding

# Open instances a series, by how many series there are: the written ledger stays under 46, 190 and 560 KiB.
WINDOWS = ((256, 8), (4_096, 1))
SERIES_LIMIT = 20_000  # more failed containers at one time than one report can hold: from here on a lower bound
NAMES_LIMIT = 128  # the default pack has about a hundred; a name beyond counts as UNSEEN's


class Known(NamedTuple):
    """What the ledger says of a failure that is being recorded."""

    first_time: bool
    """Not counted before under its own name."""
    mark: Mark | None
    """What is known of it from earlier looks; None: nothing, or it is settled."""


class LedgerDraft:
    """The next ledger while it is being written; ``done`` gives it."""

    def __init__(self, ledger: Ledger) -> None:
        self._pods = dict(ledger.pods)
        self._settled = dict(ledger.settled)
        self._settled_unseen = ledger.settled_unseen
        self._forgotten_until = ledger.forgotten_until
        self._incomplete = ledger.incomplete
        self._series_count = sum(len(pod.series) for pod in self._pods.values())
        self._names = set(ledger.tallies()) | {UNSEEN}

    def look_up(self, identity: Identity, number: int | None) -> Known:
        """``number``: how many instances of the container have ended, this one included; None: it is no instance."""
        pod = self._pods.get(pod_key(identity))
        series = pod.series.get(series_key(identity, number)) if pod else None
        match series:
            case None:
                return Known(True, None)
            case Once(mark=mark):
                return Known(False, mark)
            case Ended(settled=settled, marks=marks):
                mark = marks.get(number or 0)
                return Known(mark is None and (number or 0) > settled, mark)

    def record(
        self, identity: Identity, number: int | None, mark: Mark, looked_at: int, *, revises: bool = False
    ) -> None:
        """Count the failure unless it is counted; where it is and still open, ``holding`` says which mark holds."""
        key, pod_id = series_key(identity, number), pod_key(identity)
        pod = self._pods.get(pod_id) or PodMarks(None, {})
        series = pod.series.get(key)
        if series is None and not self._may_open(pod, looked_at):
            self._incomplete = True
            return
        if mark.name not in self._names:
            if len(self._names) >= NAMES_LIMIT:
                mark = mark._replace(name=UNSEEN)
            self._names.add(mark.name)
        if number is None:
            after: Series = _once_more(series, mark, revises)
        else:
            after = _numbered(series if isinstance(series, Ended) else Ended(0, 0, {}), number, mark, revises)
        if after != series:
            self._series_count += series is None
            self._pods[pod_id] = PodMarks(pod.gone_since, {**pod.series, key: after})

    def forget(self, living: Iterable[str], now: int, grace: int) -> None:
        """Note which pods are gone, and settle and drop those that are gone for longer than ``grace`` seconds.

        ``living``: the UIDs of all pods that exist. A pod that is back (a stale list had missed it) is kept.
        """
        alive = {short_hash(uid, POD_DIGITS) for uid in living}
        for pod_id, pod in list(self._pods.items()):
            if pod_id in alive:
                if pod.gone_since is not None:
                    self._pods[pod_id] = pod._replace(gone_since=None)
            elif pod.gone_since is None:
                self._pods[pod_id] = pod._replace(gone_since=now)
            elif now - pod.gone_since > grace:
                for series in pod.series.values():
                    self._settle(series, 0)
                del self._pods[pod_id]
                self._series_count -= len(pod.series)
                self._forgotten_until = max(pod.gone_since, self._forgotten_until or 0)

    def done(self) -> Ledger:
        window = next((open_ for limit, open_ in WINDOWS if self._series_count <= limit), 0)
        for pod_id, pod in self._pods.items():
            settled = {key: after for key, s in pod.series.items() if (after := self._settle(s, window)) is not s}
            if settled:
                self._pods[pod_id] = PodMarks(pod.gone_since, {**pod.series, **settled})
        return Ledger(self._pods, self._settled, self._settled_unseen, self._forgotten_until, self._incomplete)

    def _may_open(self, pod: PodMarks, looked_at: int) -> bool:
        forgotten = not pod.series and self._forgotten_until is not None and looked_at <= self._forgotten_until
        return not forgotten and self._series_count < SERIES_LIMIT

    def _settle(self, series: Series, window: int) -> Series:
        """What stays open of the series when only its ``window`` newest instances may; the rest goes into the sums."""
        match series:
            case Once(mark=mark):
                if mark is None or window:
                    return series
                self._add(mark.name, 1, mark.at)
                return Once(None)
            case Ended(through=through, settled=settled, marks=marks):
                if through - settled <= window:
                    return series
                until = through - window
                closed = [mark for number, mark in marks.items() if number <= until]
                for mark in closed:
                    self._add(mark.name, 1, mark.at)
                if unseen := until - settled - len(closed):
                    self._add(UNSEEN, unseen, None)
                    self._settled_unseen += unseen
                return Ended(through, until, {n: mark for n, mark in marks.items() if n > until})

    def _add(self, name: Name, count: int, at: int | None) -> None:
        before = self._settled.get(name, Tally(0, None))
        times = [time for time in (before.last_at, at) if time is not None]
        self._settled[name] = Tally(before.total + count, max(times, default=None))


def _once_more(series: Series | None, mark: Mark, revises: bool) -> Series:
    match series:
        case Once(mark=None):
            return series
        case Once(mark=Mark() as earlier):
            return Once(holding(earlier, mark, revises))
        case _:
            return Once(mark)


def _numbered(series: Ended, number: int, mark: Mark, revises: bool) -> Ended:
    through = max(series.through, number)
    if number <= series.settled:
        return series
    earlier = series.marks.get(number)
    marks = {**series.marks, number: mark if earlier is None else holding(earlier, mark, revises)}
    return Ended(through, series.settled, marks)
