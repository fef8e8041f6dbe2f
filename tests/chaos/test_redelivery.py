"""However the changes of pods are delivered, repeated, out of date or cut off: in the end the report is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from coroner_operator.config.settings import Settings
from coroner_operator.controller import classification_interval, recovery
from coroner_operator.controller.pod_controller import PodController
from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.client import Client
from coroner_operator.model.report_codec import to_status
from coroner_operator.reports.store import MemoryReportStore
from coroner_operator.runtime.engine import Engine
from tests.chaos.watch_scripts import Change, Delivery, Listed, ScriptedClient, Watched
from tests.support.default_pack import CATEGORIZER
from tests.support.live_objects import changed, failed_pod, live_pod, reference, running, waiting
from tests.support.pods import Json
from tests.support.waiting import until

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT_ONCE = Settings.model_validate(
    {
        "batch_window": 0,
        "write_interval": 0,
        "label_interval": 0,
        "recovery_after": 0,
        "grace_periods": {"image_pull": 0, "container_creating": 0, "unschedulable": 0},
        "health_address": "",
        "metrics_address": "",
    }
)
GANG = reference("example.dev/v1", "Gang", "gang")


@st.composite
def histories(draw: st.DrawFn) -> list[Change]:
    """Of up to four pods, two of them of one workload; each pod's own changes in their order."""
    own = [draw(_lives(number)) for number in range(draw(st.integers(1, 4)))]
    order = draw(st.permutations([number for number, changes in enumerate(own) for _ in changes]))
    rest = [iter(changes) for changes in own]
    return [next(rest[number]) for number in order]


@st.composite
def _lives(draw: st.DrawFn, number: int) -> list[Change]:
    owner = GANG if number >= 2 else None
    name, born = f"pod-{number}", _time(600)
    start: Json = live_pod(name, owner=owner, created=born, phase="Pending", state=waiting("ContainerCreating"))
    states = [start]
    if draw(st.booleans()):
        states.append(changed(start, created=born, phase="Pending", state=waiting("ImagePullBackOff", "not found")))
    ends = draw(st.lists(st.integers(10, 500), max_size=4, unique=True))
    for restarts, seconds_ago in enumerate(sorted(ends, reverse=True)):
        end = _ended(draw(st.sampled_from((1, 2, 137, 139))), 10 * number + restarts, seconds_ago)
        if draw(st.booleans()):
            states.append(changed(start, state=end, restarts=restarts))
        states.append(changed(start, state=waiting("CrashLoopBackOff"), last=end, restarts=restarts))
        states.append(changed(start, state=running(), last=end, restarts=restarts + 1))
    if draw(st.booleans()):
        dead = failed_pod(name, 3, owner=owner, created=born, pod_uid=start["metadata"]["uid"])
        dead["status"]["containerStatuses"][0]["state"] = _ended(3, 10 * number + 9, 5)
        states = (
            [*states[: draw(st.integers(1, 2))], dead]
            if len(states) == 1
            else states[: draw(st.integers(1, len(states)))]
        )
    changes = [Change("ADDED", states[0]), *(Change("MODIFIED", state) for state in states[1:])]
    return [*changes, Change("DELETED", states[-1])] if draw(st.booleans()) else changes


@st.composite
def deliveries(draw: st.DrawFn, changes: Sequence[Change]) -> list[Delivery]:
    """Anything first; at last every change in its order, and what there is."""
    point = st.integers(0, len(changes))
    before: list[Delivery] = draw(
        st.lists(
            st.one_of(st.builds(Listed, point), st.builds(lambda a, b: Watched(min(a, b), max(a, b)), point, point)),
            max_size=8,
        )
    )
    return [*before, *_plainly(changes)]


def _plainly(changes: Sequence[Change]) -> list[Delivery]:
    return [Listed(0), Watched(0, len(changes)), Listed(len(changes))]


@given(st.data())
@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],  # what fails may take 30 s: it is not made smaller
)
def test_any_delivery_of_the_same_changes_gives_the_same_reports(data: st.DataObject) -> None:
    changes = data.draw(histories())
    script = data.draw(deliveries(changes))
    plain = asyncio.run(_reports(changes, _plainly(changes)))
    assert {name: status["failures"] for name, status in plain.items()} == _failures(changes)
    assert asyncio.run(_reports(changes, script)) == plain


def _failures(changes: Sequence[Change]) -> dict[str, int]:
    """The slow and obvious count: containers that ended, and images that could not be had, by workload."""
    seen: dict[str, set[str]] = {}
    for _, it in changes:
        for state in (it["status"]["containerStatuses"][0][key] for key in ("state", "lastState")):
            if "terminated" in state:
                seen.setdefault(_workload(it), set()).add(state["terminated"]["containerID"])
            elif state.get("waiting", {}).get("reason") == "ImagePullBackOff":
                seen.setdefault(_workload(it), set()).add(f"image of {it['metadata']['name']}")
    return {name: len(failures) for name, failures in seen.items()}


def _workload(it: Json) -> str:
    return "gang" if "ownerReferences" in it["metadata"] else str(it["metadata"]["name"])


def _healed(changes: Sequence[Change]) -> set[str]:
    """The workloads of which a pod that crashed runs again in the end, and no pod is failing."""
    final = {it["metadata"]["uid"]: it for type_, it in changes}
    for type_, it in changes:
        if type_ == "DELETED":
            final.pop(it["metadata"]["uid"], None)
    shown: dict[str, list[Json]] = {}
    for it in final.values():
        shown.setdefault(_workload(it), []).append(it["status"]["containerStatuses"][0])
    return {
        name
        for name, containers in shown.items()
        if any("running" in container["state"] for container in containers)
        and all("running" in c["state"] or c["state"] == waiting("ContainerCreating") for c in containers)
    }


async def _reports(changes: Sequence[Change], script: Sequence[Delivery]) -> dict[str, Any]:
    """The status of every report in the end, by name of the workload.

    Without since when the pod fails that is shown: what it failed by before is only known while it is shown.
    """
    client = ScriptedClient(changes, script)
    store = MemoryReportStore()
    engine = Engine(
        AT_ONCE, cast(Client, client), CATEGORIZER, store=store, now=lambda: NOW, back_off=lambda: BackOff(base=0)
    )

    def statuses() -> dict[str, Any]:
        reports = [stored.report for stored in store.objects.values()]
        found = {report.workload.name: to_status(replace(report, pod_failing_since=None)) for report in reports}
        for status in found.values():
            cast(Json, status.get("initiator", {})).pop("at", None)
        return found

    recovery.CHECK_DELAY = 3600.0
    engine.start()
    async with asyncio.timeout(20):
        await client.delivered.wait()
    recovery.CHECK_DELAY = 0.0  # only now: whether a pod was well for a moment before is a matter of chance
    client.list_again.set()
    engine._recovery.start()  # looks at every failing workload: what is listed again is no news
    await until(lambda: all(statuses().get(name, {}).get("state") == "Recovered" for name in _healed(changes)))
    await engine.stop()
    return statuses()


@pytest.fixture(autouse=True)
def _as_soon_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each state is classified as soon as it is delivered, and no verdict is final; what ``_reports`` sets is put back."""
    monkeypatch.setattr(recovery, "CHECK_DELAY", recovery.CHECK_DELAY)
    monkeypatch.setattr(classification_interval, "CLASSIFICATION_INTERVAL", 0.0)
    monkeypatch.setattr(PodController, "pod_end", lambda *_: "open")  # a final verdict does not change any more


def _time(seconds: float) -> str:
    """So long ago."""
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ended(exit_code: int, number: int, seconds: float) -> Json:
    return {
        "terminated": {
            "exitCode": exit_code,
            "reason": "Error",
            "startedAt": _time(seconds),
            "finishedAt": _time(seconds),
            "containerID": f"containerd://{number:064x}",
        }
    }
