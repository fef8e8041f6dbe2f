"""Which pods of a workload belong together: attempts, the pod that failed first, and those that ended because of it.

All of it is computed from what the ledger knows of each pod, so neither the order of observations nor a restart of the
operator matters, and nothing is counted twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from coroner_operator.model.failure_record import TEXT_LIMIT, FailureRecord, truncate
from coroner_operator.model.ledger import POD_DIGITS, Name, PodEntries
from coroner_operator.model.observation import to_epoch

FOLLOWER_NAMES_LIMIT = 16  # categories of followers that a report lists; the number of pods counts all of them


class Followers(msgspec.Struct, frozen=True):
    """The pods that ended because of the initiator, or like the current failure where no initiator was seen."""

    pods: int
    names: tuple[tuple[Name, int], ...]
    """How many pods of each category and subcategory, the most frequent first; bounded."""
    lower_bound: bool = False
    """There may have been more: the ledger has compacted what it knew of single pods."""


class Attempts:
    """How often a workload's pods had been replaced when one of them was created.

    The pods that exist when one of them fails belong together; those that are created after it begin a new attempt.
    """

    def __init__(self, pods: Mapping[str, PodEntries], *, with_consequences: bool = False) -> None:
        self._starts = sorted(set(_starts(pods, with_consequences=with_consequences)))

    def of(self, record: FailureRecord) -> tuple[int, int]:
        """The greater, the newer. By the label that counts restarts where there is one, then by times."""
        if record.pod is None:  # a pod could not be created: it would have been the newest
            return (_NEWEST, bisect_right(self._starts, to_epoch(record.at))) if record.seen_at else (0, 0)
        created = record.pod.created_at
        return record.pod.member.attempt, 0 if created is None else bisect_right(self._starts, to_epoch(created))


_NEWEST = 2**31


def _starts(pods: Mapping[str, PodEntries], *, with_consequences: bool) -> Iterator[int]:
    """From which times on a new pod is one of a new attempt: when a pod had ended by a failure of its own."""
    for pod in pods.values():
        for entry in pod.entries:
            is_end = entry.last_observed < 0
            if is_end and (with_consequences or not entry.consequence):
                # Pods that are made in one second belong together, even if one of them is refused in that second.
                yield entry.at if pod.created is None or entry.at > pod.created else entry.at + 1


def is_initiator(record: FailureRecord) -> bool:
    """Whether a pod failed by itself: others may have ended because of it."""
    return record.pod is not None and not record.consequence


def following(pods: Mapping[str, PodEntries], current: FailureRecord, since: datetime) -> dict[str, Name]:
    """The other pods that ended by a consequence since then, by their short hash, and by which.

    A pod that was created after the failure belongs to a later attempt.
    """
    if current.pod is None:
        return {}
    began, own = to_epoch(since), current.id[:POD_DIGITS]
    is_waiting = current.seen_at is not None
    found: dict[str, Name] = {}
    for pod_id, pod in pods.items():
        if pod_id == own or (pod.created is not None and pod.created > began and not is_waiting):
            continue
        ends = [entry for entry in pod.entries if entry.consequence and entry.at >= began]
        if ends:
            found[pod_id] = max(ends, key=lambda entry: entry.order).name
    return found


def count_followers(found: Mapping[str, Name], before: Followers | None, *, lower_bound: bool) -> Followers | None:
    """``before``: what the report says of the same initiator. ``lower_bound``: not all can be found any more."""
    counts = Counter(found.values())
    total = len(found)
    if before is not None and lower_bound:
        counts |= Counter(dict(before.names))
        total = max(total, before.pods)
    if not total:
        return None
    names = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:FOLLOWER_NAMES_LIMIT]
    return Followers(total, tuple(names), lower_bound)


def message(current: FailureRecord, followers: Followers | None) -> str:
    """What happened to the workload: what happened to the pod that failed first, and to how many others."""
    said = current.verdict.message
    if followers is None or current.pod is None or not said:
        return said
    number = f"{'at least ' if followers.lower_bound else ''}{followers.pods}"
    others = f"{number} other pod{'' if followers.pods == 1 else 's'}"
    if current.consequence:
        start, end = "", f"; {others} ended like this, and none was seen to fail first"
    else:
        start, end = f"pod {current.pod.name} failed first (", f"); {others} ended because of it"
    return start + truncate(said, TEXT_LIMIT - len(start) - len(end)) + end
