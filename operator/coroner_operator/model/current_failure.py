"""Which failure speaks for a workload: what the newest look at a pod says, of that pod which failed last.

A pod says one thing at a time. Times alone do not tell what holds: a wait is dated by what the pod had reached
before, so an end or a mount that failed in between, and is over, would seem the newer one for ever.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from coroner_operator.model.failure_record import FailureRecord
from coroner_operator.model.ledger import POD_DIGITS
from coroner_operator.model.merge_order import preferred
from coroner_operator.model.observation import Observation, whole_seconds


class CurrentFailure:
    """The failure that holds while looks are folded in, each pod's in their order; ``held`` is it, None for none.

    Its time is when the pod failed last: what a pod says after another failure is not dated before that one. So which
    of several pods speaks does not depend on how the looks at them came between each other.
    """

    def __init__(self, current: FailureRecord | None) -> None:
        self.current = current
        self._observed_at: datetime | None = None if current is None else current.seen_at or current.at
        """The last look that was heard, or an earlier time where the report was read back; whole seconds."""

    def observe(self, record: FailureRecord, look: Observation) -> bool:
        """The pod fails by ``record`` now, says this look. Whether it speaks for the workload from now on."""
        held = self.current
        if held is not None and _pod(record) == _pod(held):
            record = msgspec.structs.replace(record, at=max(record.at, held.at))
        if held is not None and not self._is_superseded(held, record, look):
            return False
        self.current, self._observed_at = record, whole_seconds(look.observed_at)
        return True

    def _is_superseded(self, held: FailureRecord, record: FailureRecord, look: Observation) -> bool:
        if record.id == held.id:
            return preferred(held, record, look.reclassified) is record
        if _pod(record) == _pod(held):
            return self._observed_at is None or whole_seconds(look.observed_at) >= self._observed_at
        if (held.pod.uid if held.pod else "") in look.supersedes:
            return True
        return (record.at, record.id) > (held.at, held.id)


def _pod(record: FailureRecord) -> str:
    """The pod's part of the failure's name, which it begins with; the workload's for pods that were never created."""
    return record.id[:POD_DIGITS]
