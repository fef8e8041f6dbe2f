"""What Tekton's entrypoint writes as the termination message of a step: results as JSON, not what the program said."""

from __future__ import annotations

import msgspec

_INTERNAL = 3  # pkg/result: InternalTektonResultType; 1 is a result of the task, that may be anything
_REASON = "Reason"
CANCELLED = "Cancelled"
"""The reason of a step that the entrypoint ended because its TaskRun was cancelled or took too long, where Tekton is
configured to keep the pod (keep-pod-on-cancel; pkg/entrypoint/entrypointer.go)."""


class _Entry(msgspec.Struct, frozen=True):
    key: str
    value: str
    type: int | str = 0


_ENTRIES = msgspec.json.Decoder(list[_Entry])


def error_text(message: str) -> str:
    """The part of a step's message that says why it ended; the message itself if it is not the entrypoint's."""
    try:
        entries = _ENTRIES.decode(message)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return message
    return next((e.value for e in entries if e.key == _REASON and e.type == _INTERNAL), "")
