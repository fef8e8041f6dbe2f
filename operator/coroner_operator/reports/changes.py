"""What of a report must be written: nothing for a mere observation time, the status at once, labels more slowly."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from coroner_operator.model.report import Report, without_observation_times
from coroner_operator.model.report_codec import GROUP, labels
from coroner_operator.reports.store import ALL_SECTIONS, Section, Stored

LAST_SEEN_RESOLUTION = timedelta(minutes=5)  # how stale lastSeen of a lasting wait may get
_STATE = f"{GROUP}/state"


def changed_sections(over: Stored | None, after: Report, *, labels_may_change: bool) -> tuple[frozenset[Section], bool]:
    """The parts of ``after`` to be written over ``over`` now, and whether labels remain to be written later.

    ``labels_may_change``: their last change is long enough ago. A change of state does not wait for that.
    """
    if over is None:
        return (ALL_SECTIONS if after.failures else frozenset()), False
    parts: set[Section] = set()
    if without_observation_times(over.report) != without_observation_times(after) or _is_stale(over.report, after):
        parts.add("status")
    wanted = labels(after)
    labels_wait = False
    if not _are_in_force(wanted, over.labels):
        if labels_may_change or wanted[_STATE] != over.labels.get(_STATE):
            parts.add("labels")
        else:
            labels_wait = True
    return frozenset(parts), labels_wait


def _are_in_force(wanted: Mapping[str, str], there: Mapping[str, str]) -> bool:
    """Whether our labels are as wanted; others may have theirs beside them."""
    return wanted == {name: value for name, value in there.items() if name.startswith(f"{GROUP}/")}


def _is_stale(before: Report, after: Report) -> bool:
    if before.last_seen is None or after.last_seen is None:
        return before.last_seen != after.last_seen
    return after.last_seen - before.last_seen >= LAST_SEEN_RESOLUTION
