"""When the deletion of a pod was requested, as far as its metadata shows."""

from __future__ import annotations

from datetime import datetime

from coroner_categorizer.objects.pod import Pod
from coroner_categorizer.objects.times import is_before, shifted

_DEFAULT_GRACE = 30  # seconds; the API's default of terminationGracePeriodSeconds
# Seconds from the last container's end to the kubelet's own deletion: 3 were observed (m3), over 5 on a busy node.
_KUBELET_LAG = 60


def deletion_requested(pod: Pod) -> datetime | None:
    """When deletion was requested, or the earliest time at which it can have been.

    deletionTimestamp is a grace period later. The kubelet's own final deletion overwrites both, with a grace period
    of 0 (m3, s2): from then on only the spec's grace period shows how long before that the kill may have been.
    """
    stamp = pod.metadata.deletionTimestamp
    if not stamp:
        return None
    grace = pod.metadata.deletionGracePeriodSeconds
    if not grace:
        grace = grace_period(pod) + _KUBELET_LAG
    return shifted(stamp, -grace) or stamp


def grace_period(pod: Pod) -> int:
    """Seconds that the pod is given to end by itself, unless whoever deletes it overrides them."""
    written = pod.spec.terminationGracePeriodSeconds
    return _DEFAULT_GRACE if written is None else written


def ended_after_deletion(pod: Pod, ended_at: datetime | None) -> bool:
    """Whether that was after the deletion of the pod had certainly been requested."""
    asked = deletion_requested(pod) if pod.metadata.deletionGracePeriodSeconds else None
    return bool(asked and ended_at and not is_before(ended_at, asked))
