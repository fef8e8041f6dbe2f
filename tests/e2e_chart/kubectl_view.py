"""What a person sees with kubectl: printed as the test goes, and asserted on."""

from typing import Any

import pytest

from tests.cluster.server import Server
from tests.e2e.namespace import Namespace

REPORT_SECONDS = 120
"""From a failure until it is reported, on a slow machine."""
SAID = "disk quota of user 4711 used up"
FAIL = f"echo '{SAID}' >/dev/termination-log; exit 3"


def show(server: Server, capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """Standard output of `kubectl ARGS`, for the test and for whoever runs it."""
    text = server.kubectl(*args)
    with capsys.disabled():
        print(f"\n$ kubectl {' '.join(args)}\n{text}")
    return text


def event_on(namespace: Namespace, kind: str, name: str, uid: str = "") -> dict[str, Any]:
    """An Event of Coroner's on this object, its only one if it has failed once; LookupError where there is none.

    UID: where objects of other groups may have the same kind and name.
    """
    chosen = {"involvedObject.kind": kind, "involvedObject.name": name, "reportingComponent": "coroner.dev/coroner"}
    chosen |= {"involvedObject.uid": uid} if uid else {}
    selector = ",".join(f"{field}={value}" for field, value in chosen.items())
    events = namespace.objects("events", "--field-selector", selector)
    if not events:
        raise LookupError(f"no event on {kind}/{name}")
    return events[0]
