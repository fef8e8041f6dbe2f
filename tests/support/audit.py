"""The API server's audit log: what the operator asked of it, seen from the other side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from coroner_operator.kube.client import FIELD_MANAGER


class _Object(msgspec.Struct, frozen=True):
    apiGroup: str = ""
    resource: str = ""
    subresource: str = ""


class _Status(msgspec.Struct, frozen=True):
    code: int = 0


class Call(msgspec.Struct, frozen=True):
    """One request, as the server saw it. Field names are audit.k8s.io's."""

    requestReceivedTimestamp: datetime
    verb: str = ""
    userAgent: str = ""
    objectRef: _Object = _Object()
    responseStatus: _Status = _Status()
    stage: str = ""

    @property
    def is_of_operator(self) -> bool:
        """By its own client, or by kopf's."""
        return self.userAgent == FIELD_MANAGER or self.userAgent.startswith("kopf")

    @property
    def at(self) -> float:
        """Seconds since 1970."""
        return self.requestReceivedTimestamp.timestamp()

    @property
    def resource(self) -> str:
        """``failurereports/status``; "" for what is no resource."""
        ref = self.objectRef
        return f"{ref.resource}/{ref.subresource}" if ref.subresource else ref.resource

    @property
    def what(self) -> str:
        """``patch failurereports/status 200``"""
        return f"{self.verb} {self.resource} {self.responseStatus.code}"


_CALL = msgspec.json.Decoder(Call)


def operator_calls(log: Path, since: float = 0.0, until: float = float("inf")) -> Iterator[Call]:
    """The operator's requests that began between these times (seconds since 1970), each once."""
    if not log.exists():
        return
    with log.open("rb") as lines:
        for line in lines:
            call = _CALL.decode(line)
            if not call.is_of_operator or not since <= call.at < until:
                continue
            # A watch is logged when it begins and again when it ends.
            if (call.stage == "ResponseStarted") == (call.verb == "watch"):
                yield call


def first_list_of_pods(log: Path, since: float) -> float | None:
    """Seconds since 1970."""
    lists = (call.at for call in operator_calls(log, since) if call.what.startswith("list pods "))
    return min(lists, default=None)


def by_kind(log: Path, since: float, until: float = float("inf")) -> Counter[str]:
    """How many calls of each kind."""
    return Counter(call.what for call in operator_calls(log, since, until))
